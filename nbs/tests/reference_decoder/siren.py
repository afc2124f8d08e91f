"""Networks with sine activations in integer arithmetic (section 4 of the specification)."""

import math
from typing import NamedTuple

import numpy as np

from .entropy import read_segments
from .fields import from_zigzag, read_varint, require
from .fixed_point import MANTISSAS, shift_round
from .generic import read_coded

COORDINATE_BITS = 20  # fractional bits of a coordinate
PHASE_BITS = 14  # fractional bits of a phase in turns, and of an activation
OUTPUT_BITS = 24  # fractional bits of an output
INV_SQRT2 = 23170  # 2**15 / sqrt(2)
FINE = 128  # step code of weights that are products of two factors
HIGHEST_CODE = 175


class Layer(NamedTuple):
    """Weights Q * step(k), biases B * step(kb)."""

    Q: np.ndarray  # (out, in)
    B: np.ndarray  # (out,)
    k: np.ndarray  # (out, in)
    kb: int


def sine_table():
    """2**14 * sin(2 pi i / 2**14), i = 0..2**14-1, rounded; no value lies near a tie."""
    turn = 1 << PHASE_BITS
    quarter = [round(turn * math.sin(2 * math.pi * i / turn)) for i in range(turn // 4 + 1)]
    half = quarter + quarter[-2::-1]
    return np.array(half + [-v for v in half[1:-1]])


SINE = sine_table()


def splitmix64(n):
    """The first `n` values of SplitMix64, seed 0."""
    with np.errstate(over="ignore"):
        z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)


def grades(n, G):
    """Grade 0..G of each of `n` hidden weights, by its rank in a fixed shuffle."""
    rank = np.empty(n, np.int64)
    rank[np.argsort(splitmix64(n), kind="stable")] = np.arange(n)
    bounds = [(2 * j - 1) ** 2 * (2 * n) ** 3 for j in range(1, G + 1)]
    by_rank = [sum((2 * r + 1) ** 3 * 4 * G * G >= b for b in bounds) for r in range(n)]
    return np.array(by_rank, np.int64)[rank]


class Shape(NamedTuple):
    """Sizes of the networks of a file."""

    width: int
    depth: int  # sine layers
    channels: int
    tiles: int
    G: int  # finest grade
    hashing: int  # None, 0 (product of two factors) or 1 (indices and signs)
    pool: int

    @property
    def hidden(self):
        """Number of hidden weights of all networks."""
        return self.tiles * (self.depth - 1) * self.width**2

    @property
    def side(self):
        """Rows of each factor: the smallest integer whose square is at least `hidden`."""
        root = math.isqrt(self.hidden)
        return root + (root * root < self.hidden)

    @property
    def coded(self):
        """Number of values that the file holds for the hidden weights."""
        if self.hashing is None:
            return self.hidden
        limit = self.side if self.hashing == 0 else self.hidden
        require(self.pool <= limit, "pool: out of range")
        return 2 * self.side * self.pool if self.hashing == 0 else self.pool


def kinds_of(s):
    """Kind of every parameter, as arrays in the order of the parameters."""
    first, last, first_bias, hidden_bias, last_bias = range(s.G + 1, s.G + 6)

    def full(kind, *shape):
        return np.full((s.tiles, *shape), kind)

    hidden = grades(s.coded, s.G)
    start = [full(first, s.width, 2), full(first_bias, s.width)]
    biases = [full(hidden_bias, s.width) for _ in range(s.depth - 1)]
    end = [full(last, s.channels, s.width), full(last_bias, s.channels)]
    if s.hashing is not None:
        return [*start, hidden, *biases, *end]
    matrices = hidden.reshape(s.depth - 1, s.tiles, s.width, s.width)
    pairs = [a for pair in zip(matrices, biases) for a in pair]
    return [*start, *pairs, *end]


def read_codebook(data):
    """Increasing integers: the first zigzag, then the differences."""
    value, at = read_varint(data, 0)
    values = [from_zigzag(value)]
    while at < len(data):
        difference, at = read_varint(data, at)
        require(difference > 0, "codebook: values must rise")
        values.append(values[-1] + difference)
    require(max(abs(values[0]), abs(values[-1])) < 1 << 24, "codebook: a value is too large")
    return np.array(values)


def look_up(symbols, codebook):
    """Values of the codebook; symbol 0 is the middle."""
    i = symbols + len(codebook) // 2
    require(not len(i) or 0 <= i.min() <= i.max() < len(codebook), "codebook: no such value")
    return codebook[i]


def expand_pool(s, q, k):
    """Hidden weights and their step codes from a pool of values `q` with step codes `k`."""
    if s.hashing == 1:
        z = splitmix64(s.hidden)
        at = (z % np.uint64(s.pool)).astype(np.int64)
        sign = 1 - 2 * (z >> np.uint64(63)).astype(np.int64)
        return sign * q[at], k[at]
    require(2 * s.side**2 * s.pool <= 1 << 33, "pool: too many products")
    require(np.abs(q).max(initial=0) < 1 << 21, "pool: a value is too large")
    v = (q * MANTISSAS[k % 8] << 9) >> k // 8
    require(np.abs(v).max(initial=0) < 1 << 26, "pool: a factor is too large")
    U, V = v.reshape(2, s.side, s.pool)
    product = (U @ V.T).ravel()[: s.hidden]
    return (product + (1 << 31)) >> 32, np.full(s.hidden, FINE)


def assemble(s, parts, parameter_codes):
    """Networks of all tiles from parameters and their step codes, in the order of `kinds_of`."""
    if s.hashing is not None:
        Q, k = expand_pool(s, parts[2], parameter_codes[2])
        shape = (s.depth - 1, s.tiles, s.width, s.width)
        hidden = list(zip(Q.reshape(shape), parts[3:-2]))
        hidden_codes = list(zip(k.reshape(shape), parameter_codes[3:-2]))
    else:
        hidden = list(zip(parts[2:-2:2], parts[3:-2:2]))
        hidden_codes = list(zip(parameter_codes[2:-2:2], parameter_codes[3:-2:2]))
    layers = [parts[:2], *hidden, parts[-2:]]
    codes = [parameter_codes[:2], *hidden_codes, parameter_codes[-2:]]
    return [
        [Layer(Q[t], B[t], k[t], int(kb[t].flat[0])) for (Q, B), (k, kb) in zip(layers, codes)]
        for t in range(s.tiles)
    ]


def read_networks(f):
    """Networks of a file, one for each tile."""
    tiles = len(f.get("tiles", b"")) + 1
    codes = np.frombuffer(f["steps"], np.uint8).astype(np.int64)
    require(7 <= len(codes) <= 40 and codes.max() <= HIGHEST_CODE, "steps")
    G = len(codes) - 6
    s = Shape(f["hidden"], f["layers"], f["planes"], tiles, G, f.get("hashing"), f.get("pool"))
    kinds = kinds_of(s)
    order = np.concatenate([a.ravel() for a in kinds])
    sizes = np.bincount(order, minlength=G + 6).tolist()
    if "coder" in f:
        segments = read_coded(f["coder"], f["models"], f["payload"], sizes)
    else:
        segments = read_segments(f["models"], f["payload"], sizes)
    if "codebook" in f:
        book = read_codebook(f["codebook"])
        segments[: G + 1] = [look_up(q, book) for q in segments[: G + 1]]
    q = np.empty(len(order), np.int64)
    q[np.argsort(order, kind="stable")] = np.concatenate(segments)
    ends = np.cumsum([a.size for a in kinds])[:-1]
    parts = [p.reshape(a.shape) for p, a in zip(np.split(q, ends), kinds)]
    return assemble(s, parts, [codes[a] for a in kinds])


def cut(box, place):
    """Two parts of a box (top, left, bottom, right), cut across its longer side."""
    top, left, bottom, right = box
    n = max(bottom - top, right - left)
    require(n > 1, "tiles: a tile of one pixel cannot be cut")
    k = min(max((n * place + 128) // 256, 1), n - 1)
    if bottom - top >= right - left:
        return (top, left, top + k, right), (top + k, left, bottom, right)
    return (top, left, bottom, left + k), (top, left + k, bottom, right)


def tile_boxes(plan, h, w):
    """Boxes of all tiles: `plan` holds the cuts of a binary tree in pre-order."""
    places = iter(plan)

    def tree(box, n):
        if n == 1:
            return [box]
        a, b = cut(box, next(places))
        return tree(a, n // 2) + tree(b, n - n // 2)

    return tree((0, 0, h, w), len(plan) + 1)


def evaluate(layer, x, f, g, largest):
    """Outputs with `g` fractional bits of inputs (in, n) with `f` bits, at most `largest`."""
    K = int(layer.k.max()) // 8
    s = f + 15 + K - g
    W = layer.Q * MANTISSAS[layer.k % 8] << K - layer.k // 8
    bias = [int(b) * int(MANTISSAS[layer.kb % 8]) for b in layer.B]
    bias = [shift_round(b, layer.kb // 8 - f - K) + (1 << s - 1) for b in bias]
    for row, b in zip(W, bias):
        reach = sum(abs(int(v)) for v in row) * largest + abs(b)
        require(reach < 1 << 52, "weights: sums are too large")
    return (W @ x + np.array(bias)[:, None]) >> s


def evaluate_network(layers, x, skips):
    """Outputs (channels, n) of a network at coordinates (2, n), with 24 fractional bits."""
    bits = COORDINATE_BITS
    for i, layer in enumerate(layers):
        skip = skips and i > 0
        largest = 5 << bits - 1 if skip else 1 << bits
        if i == len(layers) - 1:
            return evaluate(layer, x, bits, OUTPUT_BITS, largest)
        phase = evaluate(layer, x, bits, PHASE_BITS, largest)
        sine = SINE[phase & (1 << PHASE_BITS) - 1]
        x = (x + sine) * INV_SQRT2 + (1 << 14) >> 15 if skip else sine
        bits = PHASE_BITS


def covered(first, stop, n, N):
    """Samples 0..N-1 whose centers lie in the pixels first..stop-1 of n."""
    return [i for i in range(N) if 2 * first * N <= (2 * i + 1) * n < 2 * stop * N]


def coordinates(samples, first, stop, longer, n, N):
    """Coordinates of samples of a tile, in 2**-20 of half its longer side."""
    i = np.array(samples, np.int64)
    return (((2 * i + 1) * n - (first + stop) * N) << COORDINATE_BITS) // (N * longer)


def decode_siren(f, scale=1):
    """Samples (h * scale, w * scale, channels) of a file; `scale` is an integer."""
    h, w = f["height"], f["width"]
    H, W = h * scale, w * scale
    peak = (1 << f["depth"]) - 1
    half = 1 << OUTPUT_BITS - 1
    out = np.empty((H, W, f["planes"]), np.int64)
    boxes = tile_boxes(f.get("tiles", b""), h, w)
    for layers, (top, left, bottom, right) in zip(read_networks(f), boxes):
        longer = max(bottom - top, right - left)
        rows = covered(top, bottom, h, H)
        cols = covered(left, right, w, W)
        y = coordinates(rows, top, bottom, longer, h, H)
        x = coordinates(cols, left, right, longer, w, W)
        grid = np.stack(np.broadcast_arrays(y[:, None], x)).reshape(2, -1)
        v = evaluate_network(layers, grid, "skips" in f)
        v = (np.clip(v + half, 0, 2 * half) * peak + half) >> OUTPUT_BITS
        out[np.ix_(rows, cols)] = v.T.reshape(len(rows), len(cols), -1)
    return out


__all__ = ["decode_siren"]
