"""Range decoder and probability models, in integers (section 3 of the specification)."""

from functools import lru_cache
from math import isqrt
from typing import NamedTuple

import numpy as np

from .fields import from_zigzag, read_varint, require

PRECISION = 24  # bits of a probability
WORD = 32  # bits that the decoder reads at once
EXPONENTS = (None, 1, 2, 3, 4, 6, 8, 16)  # twice the exponent of each shape
FAR = (0, 256, 16, 7, 4, 3, 2, 2)  # reach of the table of each shape, in scales
PRIOR_COUNTS = (1, 32, 512, 8192)  # weight of the prior, in symbols


class RangeDecoder:
    """State: `offset` of the code value in an interval of width `range`, below 2**64."""

    def __init__(self, payload):
        self.payload = payload
        self.words = 0  # words read
        self.offset = 0
        self.range = (1 << 64) - 1
        for _ in range(2):
            self.offset = self.offset << WORD | self.next_word()

    def next_word(self):
        """Four bytes, big-endian; zeros after the end."""
        part = self.payload[4 * self.words : 4 * self.words + 4]
        self.words += 1
        require(4 * (self.words - 4) <= len(self.payload), "payload: truncated")
        return int.from_bytes(part.ljust(4, b"\0"), "big")

    def quantile(self):
        """Position of the code value in the current interval, in 2**-24."""
        q = self.offset // (self.range >> PRECISION)
        require(q < 1 << PRECISION, "payload: invalid")
        return q

    def consume(self, left, right):
        """Narrow the interval to the cumulative frequencies left..right."""
        unit = self.range >> PRECISION
        self.offset -= unit * left
        self.range = unit * (right - left)
        if self.range < 1 << WORD:
            self.range <<= WORD
            self.offset = self.offset << WORD | self.next_word()

    def symbol(self, cumulative):
        """Index into a table of cumulative frequencies."""
        i = int(np.searchsorted(cumulative, self.quantile(), side="right")) - 1
        self.consume(int(cumulative[i]), int(cumulative[i + 1]))
        return i

    def uniform(self, bits, n):
        """`n` integers of `bits` bits each, in pieces of at most 16 bits, the lowest first."""
        out = np.zeros(n, np.int64)
        for shift in range(0, bits, 16):
            size = min(16, bits - shift)
            for i in range(n):
                piece = self.quantile() >> PRECISION - size
                self.consume(piece << PRECISION - size, (piece + 1) << PRECISION - size)
                out[i] |= piece << shift
        return out

    def finish(self):
        """Verify that the payload is the shortest one: see `Termination`."""
        size = 4 * self.words
        value = int.from_bytes(self.payload[:size].ljust(size, b"\0"), "big")
        before, low = divmod(value - self.offset, 1 << 64)
        for n in range(9):
            unit = 1 << 64 - 8 * n
            x = -(-low // unit) * unit
            if x < min(low + self.range, 1 << 64):
                break
        end = before.to_bytes(size - 8, "big") + (x >> 64 - 8 * n).to_bytes(n, "big")
        require(self.payload == end.rstrip(b"\0"), "payload: not as an encoder ends it")


def quantize(counts):
    """Cumulative frequencies of a table of counts: double precision, one division, one product."""
    n = len(counts)
    scale = float((1 << PRECISION) - n) / float(counts.sum())
    left = np.cumsum(counts) - counts
    inner = np.floor(left.astype(np.float64) * scale).astype(np.int64) + np.arange(n)
    return np.append(inner, 1 << PRECISION)


ROOTS = [1 << 29]  # ROOTS[i] is 2**30 * 2**-(2**-i), rounded down at each step
for _ in range(24):
    ROOTS.append(isqrt(ROOTS[-1] << 30))


def root(j):
    """2**30 * 2**(-j/16), j = 0..15."""
    x = 1 << 30
    for i in range(4):
        if j >> i & 1:
            x = x * ROOTS[4 - i] >> 30
    return x


def exp2_fraction(e):
    """2**30 * 2**-(e/2**24) of the lowest 24 bits of `e`."""
    w = 1 << 30
    for i in range(1, 25):
        if e >> 24 - i & 1:
            w = w * ROOTS[i] >> 30
    return w


def times_octaves(n, c):
    """N * 2**(c/8), rounded down."""
    up = -(-c // 8)
    n *= root(2 * (8 * up - c))
    return n << up - 30 if up > 30 else n >> 30 - up


def weight(shape, scale, d):
    """Count at distance `d` from the mean, in eighths of a symbol."""
    exponent = EXPONENTS[shape]
    j = exponent * scale
    e = min(isqrt(d**exponent << 48) * root(j % 16) >> 30 + j // 16, 40 << 24)
    return max(1, exp2_fraction(e) >> 14 + min(e >> 24, 30))


class Model(NamedTuple):
    """Parameters of a probability model."""

    shape: int
    scale: int = 0
    mean: int = 0  # in quarters; of shape 0 the symbol itself
    zero: int = 0
    strength: int = 0


class Table(NamedTuple):
    """Counts of the symbols first, first + 1, ..., and of the escape at the end."""

    raw: int  # low bits that are coded uniformly
    first: int
    counts: np.ndarray


@lru_cache(4096)
def table_of(model):
    """Table of counts of a model."""
    reach = times_octaves(FAR[model.shape], model.scale) >> 3
    raw = max(0, reach.bit_length() - 9)
    reach = max(1, reach >> raw)
    mean = model.mean >> raw
    scale = model.scale - 8 * raw
    span = range(-reach, reach + 1)
    counts = [weight(model.shape, scale, abs(8 * v - 2 * (mean % 4))) for v in span]
    first = mean // 4 - reach
    if model.zero and 0 <= -first < len(counts):
        counts[-first] = max(1, times_octaves(counts[-first], 2 * model.zero))
    return Table(raw, first, np.array([*counts, 1], np.int64))


def read_model(data, at):
    """(model, number of further segments that share it, next offset)."""
    require(at + 2 <= len(data), "models: truncated")
    head = data[at]
    shape = head & 7
    at += 1
    scale = mean = zero = more = 0
    if shape:
        scale = data[at]
        at += 1
    if not shape or head & 8:
        mean, at = read_varint(data, at)
    if head & 16:
        zero, at = read_varint(data, at)
    if head & 128:
        more, at = read_varint(data, at)
    model = Model(shape, scale, from_zigzag(mean), from_zigzag(zero), head >> 5 & 3)
    require(abs(model.zero) <= 48, "models: zero is out of range")
    require(abs(model.mean) <= 1 << (33 if shape else 31), "models: mean is out of range")
    if not shape:
        require(not head & 0b01111000, "models: a constant has no options")
    needless = (head & 8 and not mean) or (head & 16 and not zero) or (head & 128 and not more)
    require(not needless, "models: not in the shortest form")
    return model, more, at


def read_escapes(decoder, n, low, high):
    """`n` symbols outside low..high."""
    below = decoder.uniform(1, n)
    length = decoder.uniform(6, n)
    require(length.max() <= 33, "payload: an escape is too long")
    distance = 1 << length
    for k in range(1, 34):
        where = np.flatnonzero(length == k)
        distance[where] |= decoder.uniform(k, len(where))
    return np.where(below, low - distance, high + distance)


def read_run(decoder, model, n, counts=None, rebuilt=(16, 32), mirrored=False):
    """`n` symbols of a model; `counts` keeps an adaptive table between the pieces of a run.

    The table is rebuilt after `rebuilt[0]` symbols, and later after 1/`rebuilt[1]` of those seen.
    With `mirrored`, an index counts half for itself and half for that of the opposite value.
    """
    if not model.shape:
        return np.full(n, model.mean, np.int64)
    raw, first, prior = table_of(model)
    escape = len(prior) - 1
    counts = {} if counts is None else counts
    seen = counts.setdefault("seen", np.zeros(len(prior), np.int64))
    out = np.empty(n, np.int64)
    at = 0
    while at < n:
        total = int(seen.sum()) // (1 + mirrored)
        block = max(rebuilt[0], total // rebuilt[1]) if model.strength else n
        cumulative = quantize(
            (1 + mirrored) * prior * PRIOR_COUNTS[model.strength] + int(prior.sum()) * seen
        )
        stop = min(n, at + block)
        for i in range(at, stop):
            out[i] = decoder.symbol(cumulative)
        found = np.bincount(out[at:stop], minlength=len(prior))
        seen += found
        if mirrored:
            seen[:escape] += found[:escape][::-1]
            seen[escape] += found[escape]
        at = stop
    far = np.flatnonzero(out == escape)
    out += first
    if len(far):
        out[far] = read_escapes(decoder, len(far), first, first + escape - 1)
    return out << raw | decoder.uniform(raw, n)


def read_segments(models, payload, sizes):
    """Segments of the range coder: every model serves one segment or several in a row."""
    decoder = RangeDecoder(payload)
    out = []
    at = 0
    while len(out) < len(sizes):
        model, more, at = read_model(models, at)
        own = sizes[len(out) : len(out) + 1 + more]
        require(len(own) == 1 + more, "models: more segments than there are")
        symbols = read_run(decoder, model, sum(own))
        out += np.split(symbols, np.cumsum(own)[:-1])
    require(at == len(models), "models: too many")
    decoder.finish()
    for symbols in out:
        fits = not len(symbols) or -(1 << 31) <= symbols.min() <= symbols.max() < 1 << 31
        require(fits, "payload: a symbol of more than 32 bits")
    return out


def uniform_symbols(decoder, size, n):
    """`n` symbols of a table of `size` equal counts."""
    cumulative = quantize(np.ones(size, np.int64))
    return np.array([decoder.symbol(cumulative) for _ in range(n)])
