"""Inverse wavelet transforms and coefficients, in integers (section 5 of the specification)."""

import json
import math
from copy import deepcopy
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .entropy import Model, RangeDecoder, read_model, read_run
from .fields import read_varint, require
from .wavelet_filters import filter_planes

UNIT = 1 << 20  # full scale
PACKAGE = Path(__file__).resolve().parents[3] / "implicit_compress"
TABLES = json.loads((Path(__file__).parent / "tables.json").read_text(encoding="utf-8"))
FILTERS = TABLES["wavelet_filters"]  # name: [low, high], 16 fractional bits
LIFTING = (("s", -29066), ("d", -57862), ("s", 3472), ("d", 103949))  # inverse of 9/7
LOW_GAIN = 57007  # of the low band, 16 fractional bits
HIGH_GAIN = 75340
OPPONENT = np.array([[37837, 37837, 37837], [46341, 0, -46341], [26755, -53510, 26755]])
LARGEST = 1 << 26  # magnitude of a coefficient, in steps


class Band(NamedTuple):
    """Name (high along rows is lh, along columns hl), level and size of a band."""

    name: str
    level: int
    h: int
    w: int


def band_sizes(h, w, wavelet, levels):
    """All bands of an image, coarse to fine."""
    out = []
    for level in range(1, levels + 1):
        a, b = -(-h // 2), -(-w // 2)
        c, d = (h - a, w - b) if wavelet == "9/7" else (a, b)
        out = [Band("lh", level, c, b), Band("hl", level, a, d), Band("hh", level, c, d), *out]
        h, w = a, b
    return [Band("ll", levels, h, w), *out]


def times(v, k):
    """Product with a factor of 16 fractional bits, rounded half up."""
    return (v * k + 32768) >> 16


def inverse97(low, high):
    """Inverse 9/7 transform along the first axis."""
    n, m = len(low), len(high)
    if not m:
        return low
    low = times(low, LOW_GAIN)
    high = times(high, HIGH_GAIN)
    right = np.minimum(np.arange(1, m + 1), n - 1)
    left = np.maximum(np.arange(n) - 1, 0)
    here = np.minimum(np.arange(n), m - 1)
    for target, k in LIFTING:
        if target == "s":
            low = low + times(high[left] + high[here], k)
        else:
            high = high + times(low[:m] + low[right], k)
    out = np.empty((n + m, *low.shape[1:]), np.int64)
    out[::2] = low
    out[1::2] = high
    return out


def inverse_periodic(low, high, wavelet):
    """Inverse transform by filters with periodic extension, along the first axis."""
    filters = FILTERS[wavelet]
    n = 2 * len(low)
    out = np.zeros((n, *low.shape[1:]), np.int64)
    at = 2 * np.arange(len(low)) + 1 - len(filters[0]) // 2
    for j, (a, b) in enumerate(zip(*filters)):
        out[(at + j) % n] += low * a + high * b
    return (out + 32768) >> 16


def inverse_axis(low, high, wavelet, axis):
    """Inverse transform along an axis."""
    low = np.moveaxis(low, axis, 0)
    high = np.moveaxis(high, axis, 0)
    out = inverse97(low, high) if wavelet == "9/7" else inverse_periodic(low, high, wavelet)
    return np.moveaxis(out, 0, axis)


def next_low(bands, level, wavelet):
    """Low band of the next finer level from bands by (level, name)."""
    low, lh, hl, hh = (bands[level, name] for name in ("ll", "lh", "hl", "hh"))
    top = inverse_axis(low, hl, wavelet, 1)
    bottom = inverse_axis(lh, hh, wavelet, 1)
    return inverse_axis(top, bottom, wavelet, 0)


def inverse_transform(bands, h, w, wavelet, levels):
    """Plane (h, w) from bands by (level, name); absent detail bands are zero."""
    low = bands[levels, "ll"]
    for level in range(levels, 0, -1):
        parts = {
            (level, b.name): bands.get((level, b.name), np.zeros((b.h, b.w), np.int64))
            for b in band_sizes(h, w, wavelet, levels)
            if b.level == level and b.name != "ll"
        }
        low = next_low(parts | {(level, "ll"): low}, level, wavelet)
        low = low[: -(-h >> level - 1), : -(-w >> level - 1)]
    return low


def level_count(h, w, wavelet):
    """Levels of the coefficients of an image."""
    side, least = (max(h, w), 4) if wavelet == "9/7" else (min(h, w), 3)
    return max(0, min(side.bit_length() - least, 8))


def passes(h, w):
    """Positions (rows, columns) of the five passes over a band."""
    r = np.arange(h)[:, None]
    c = np.arange(w)
    even = (r | c) & 1 == 0
    odd = r & c & 1 == 1
    kinds = (
        even & ((r | c) & 2 == 0),
        even & (r & c & 2 == 2),
        even & ((r ^ c) & 2 == 2),
        odd,
        ~even & ~odd,
    )
    return [np.nonzero(k) for k in kinds]


DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
VERTICAL = [(-1, 0), (1, 0)]
HORIZONTAL = [(0, -1), (0, 1)]
TALL = [(-2, -1), (-2, 1), (2, -1), (2, 1)]
WIDE = [(-1, -2), (-1, 2), (1, -2), (1, 2)]
TALLER = [(-3, -1), (-3, 1), (3, -1), (3, 1)]
WIDER = [(-1, -3), (-1, 3), (1, -3), (1, 3)]


def doubled(offsets):
    """Offsets on the lattice of even positions."""
    return [(2 * a, 2 * b) for a, b in offsets]


RINGS = (  # four groups of offsets for each pass
    ([], [], [], []),
    (doubled(DIAGONAL), [], [], []),
    tuple(doubled(g) for g in (VERTICAL, HORIZONTAL, TALL, WIDE)),
    (DIAGONAL, [], TALLER, WIDER),
    (VERTICAL, HORIZONTAL, TALL, WIDE),
)
MARGIN = 4


def neighbor_sum(a):
    """Sum of the eight neighbors."""
    p = np.pad(a, 1)
    rows = p[:-2] + p[1:-1] + p[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - a


def look(known, r, c):
    """Magnitudes and neighbor sums `known` at (r, c), clamped; zeros without a band."""
    if known is None or not known[0].size:
        return np.zeros((2, len(r)), np.int64)
    magnitudes, sums = known
    i = np.minimum(r, magnitudes.shape[0] - 1)
    j = np.minimum(c, magnitudes.shape[1] - 1)
    return np.stack([magnitudes[i, j], sums[i, j]])


def context_features(k, at, own, parent, siblings, planes):
    """Features (14, n) of the coefficients of pass `k`."""
    r, c = at
    rings = [
        sum((own[r + MARGIN + a, c + MARGIN + b] for a, b in group), np.zeros(len(r), np.int64))
        for group in RINGS[k]
    ]
    others = [*siblings, None, None][:2] + [*planes, None, None][:2]
    return np.concatenate(
        [np.array(rings), look(parent, r >> 1, c >> 1), *(look(b, r, c) for b in others)]
    )


@lru_cache(2)
def context_model(prediction):
    """Trained weights and initial tables of the contexts, by name."""
    data = np.load(PACKAGE / "wavelet_contexts.npz")
    own = {k[:-1]: data[k].astype(np.int64) for k in data.files if k[-1] == str(int(prediction))}
    return own


def log_code(v):
    """16*log2(2*v+1), linear between powers of two, from binary32."""
    m, e = np.frexp(np.float32(2) * v.astype(np.float32) + np.float32(1))  # x = m * 2**e, m < 1
    return 16 * (e - 1) + np.floor(16 * (2 * m - 1)).astype(np.int64)


def contexts_of(model, kind, level, features):
    """Contexts (n,) of the features (16, n) of coefficients of a class."""
    z = np.concatenate([log_code(features), np.full((1, features.shape[1]), 16 * level)])
    first, second = model["shifts"].tolist()
    hidden = (model["hidden"] @ z + model["hidden_bias"][kind][:, None]) >> first
    change = model["output"][kind] @ hidden.clip(0, 2047) + model["output_bias"][kind] >> second
    return (log_code(model["linear"][kind] @ features) + change >> 3).clip(0, 31)


def read_pass(decoder, plane, context, counts, priors):
    """Coefficients of a pass: those of each context together, contexts ascending."""
    out = np.empty(len(context), np.int64)
    chroma = int(plane > 0)
    for k in np.unique(context).tolist():
        where = np.flatnonzero(context == k)
        known = counts.setdefault((chroma, k), {})  # of this precinct and those around it
        scale, zero = priors[chroma][k]
        model = Model(2, scale, 0, zero, 2)
        out[where] = read_run(decoder, model, len(where), known, rebuilt=(128, 4), mirrored=True)
    require(np.abs(out).max(initial=0) <= LARGEST, "payload: a coefficient is too large")
    return out


def next_state(state, parity):
    """State of the trellis after an integer."""
    first, second = state & 1, parity ^ (state & 1)
    return (state >> 1) ^ (0b10010 * first) ^ (0b00100 * second)


def in_half_steps(symbols, context, trellis):
    """Values of the coefficients of a pass in half steps; the chain has contexts from 8 on."""
    out = 2 * symbols
    state = 0
    for i in np.flatnonzero(context >= 8) if trellis else ():
        if state & 1:
            out[i] -= np.sign(symbols[i])
        state = next_state(state, int(symbols[i]) & 1)
    return out


def read_band(decoder, p, band, expected, done, counts, model, trellis):
    """Coefficients of a band in half steps; `done`: magnitudes and sums of earlier ones by (plane, level, name)."""
    i = ("lh", "hl", "hh").index(band.name)
    q = np.zeros((band.h, band.w), np.int64)
    own = np.zeros((band.h + 2 * MARGIN, band.w + 2 * MARGIN), np.int64)
    siblings = [done[p, band.level, s] for s in ("lh", "hl", "hh")[:i]]
    before = [done[s, band.level, band.name] for s in range(min(p, 2))]
    parent = done.get((p, band.level + 1, band.name))
    expected_sums = neighbor_sum(expected)
    for k, at in enumerate(passes(band.h, band.w)):
        if len(at[0]):
            features = context_features(k, at, own, parent, siblings, before)
            features = np.concatenate([features, [expected[at], expected_sums[at]]])
            context = contexts_of(model, (3 * k + min(p, 2)) * 3 + i, band.level, features)
            symbols = read_pass(decoder, p, context, counts, model["priors"].tolist())
            q[at] = in_half_steps(symbols, context, trellis)
            own[MARGIN:-MARGIN, MARGIN:-MARGIN][at] = np.abs(symbols)
    magnitudes = own[MARGIN:-MARGIN, MARGIN:-MARGIN]
    done[p, band.level, band.name] = magnitudes, neighbor_sum(magnitudes)
    return q


@lru_cache(1)
def network():
    """Trained weights of the prediction: (weights (o, 3, 3, c), bias, shift) of each layer."""
    data = np.load(PACKAGE / "wavelet_prediction.npz")
    layers = []
    for i in range(4):
        w = data[f"weights{i}"].astype(np.int64)
        layers.append((w.reshape(len(w), 3, 3, -1), data[f"bias{i}"], data[f"shift{i}"]))
    return layers


def convolution(x, layer):
    """3x3 convolution of (c, h+2, w+2) integers, scaled by powers of two, rounded down."""
    w, bias, shift = layer
    h, n = x.shape[1] - 2, x.shape[2] - 2
    out = np.zeros((len(w), h, n), np.int64)
    for i, j in np.ndindex(3, 3):
        out += np.tensordot(w[:, i, j], x[:, i : i + h, j : j + n], 1)
    out += bias[:, None, None]
    s = shift[:, None, None].astype(np.int64)
    return np.where(s > 0, out >> np.maximum(s, 0), out << np.maximum(-s, 0))


def predicted(low, level, step):
    """Means and expected magnitudes (9, h, w) of the detail bands from the low band (c, h, w)."""
    x = np.zeros((3, *low.shape[1:]), np.int64)
    x[: len(low)] = low
    x = np.pad(x, ((0, 0), (6, 6), (6, 6)), mode="edge")
    h, w = x.shape[1] - 4, x.shape[2] - 4
    total = sum(x[:, i : i + h, j : j + w] for i, j in np.ndindex(5, 5))
    contrast = (25 * x[:, 2:-2, 2:-2] - total) // 25
    contrast = (contrast + (1 << level + 9)) >> level + 10
    scale = (step**32).bit_length() - 1 - 32 * (20 + level)
    v = np.concatenate([contrast, np.full((1, h, w), scale)]).clip(-2047, 2047)
    layers = network()
    v = convolution(v, layers[0]).clip(0, 2047)
    for layer in layers[1:3]:
        v = (v[:, 1:-1, 1:-1] + convolution(v, layer).clip(0, 2047)).clip(0, 2047)
    y = convolution(v, layers[3]).clip(-(1 << 17), 1 << 17) << level + 4
    return y[:9], np.minimum((np.abs(y[9:]) * 16) // step, 1 << 20)


def undo_prediction(d):
    """Low band from residuals of the mean of left and upper neighbor."""
    q = np.zeros(d.shape, np.int64)
    for i, j in np.ndindex(*d.shape):
        if i and j:
            predicted = (q[i, j - 1] + q[i - 1, j]) >> 1
        elif j:
            predicted = q[i, j - 1]
        elif i:
            predicted = q[i - 1, j]
        else:
            predicted = 0
        q[i, j] = d[i, j] + predicted
    return q


def dequantize(q, step, near, far):
    """Coefficients of half steps `q`; `near` and `far` are offsets in 1/256 step."""
    a = np.abs(q)
    offset = np.where(a > 2, far, np.where(a > 0, near, 0))
    return np.sign(q) * ((128 * a - offset) * step >> 8)


def to_rgb(z):
    """Red, green, blue from three orthonormal axes; a single plane is unchanged."""
    return times(z @ OPPONENT, 1) if z.shape[2] == 3 else z


class SparseHeader(NamedTuple):
    """Parameters of the coefficients."""

    levels: int
    step: int
    prediction: int
    wavelet: str
    trellis: bool
    angles: tuple  # three, in 1/1024 of a turn
    filters: bytes


def read_header(data, h, w):
    """Parse the field `sparse`."""
    step, at = read_varint(data, 1)
    require(len(data) >= at + 1, "sparse: truncated")
    flags, rest = data[at], data[at + 1 :]
    wavelet, angles = "9/7", (0, 0, 0)
    if flags & 128:
        wavelet, rest = rest.decode("ascii", "replace"), b""
        require(wavelet in FILTERS, "sparse: an unknown wavelet")
        require(not flags & 64, "sparse: a rotation")
    elif flags & 64:
        require(len(rest) >= 4, "sparse: truncated")
        value = int.from_bytes(rest[:4], "big")
        angles = tuple((value >> shift & 1023) - 512 for shift in (20, 10, 0))
        rest = rest[4:]
    require(data[0] == level_count(h, w, wavelet), "sparse: wrong levels")
    require(1 <= step <= 4 * UNIT, "sparse: step out of range")
    require(flags & 31 <= (wavelet == "9/7"), "sparse: unknown prediction")
    return SparseHeader(data[0], step, flags & 31, wavelet, bool(flags & 32), angles, rest)


def rotation(angles):
    """Matrix to the rotated axes, 14 fractional bits."""
    out = np.eye(3, dtype=np.int64) << 14
    for (i, j), angle in zip(((0, 1), (0, 2), (1, 2)), angles):
        c, s = (round(16384 * f(2 * np.pi * angle / 1024)) for f in (np.cos, np.sin))
        turn = np.eye(3, dtype=np.int64) << 14
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        out = (out @ turn + 8192) >> 14
    return out


def rotated(planes, matrix):
    """Product of a matrix with planes, rounded half up."""
    v = (np.tensordot(matrix, planes, 1) + 8192) >> 14
    return np.clip(v, -(1 << 30), 1 << 30)


def predicted_on_axes(low, level, s):
    """Prediction on the axes of the file, from the low band there."""
    if s.angles == (0, 0, 0):
        return predicted(low, level, s.step)
    matrix = rotation(s.angles)
    means, expected = predicted(rotated(low, matrix.T), level, s.step)
    squares = matrix**2 >> 18
    for i in (0, 3, 6):
        means[i : i + 3] = rotated(means[i : i + 3], matrix)
        total = np.tensordot(squares, expected[i : i + 3] ** 2, 1)
        expected[i : i + 3] = np.vectorize(math.isqrt, otypes=[np.int64])(total >> 10)
    return means, expected


SIDE = 512  # of a precinct, in positions of the low band


class Precinct(NamedTuple):
    """Rows and columns of the low band, and what has been decoded there."""

    rows: tuple  # first, last + 1
    columns: tuple
    decoder: RangeDecoder
    done: dict  # magnitudes and neighbor sums by (plane, level, name)
    counts: dict  # of the adaptive tables


def axis_cuts(n):
    """Boundaries of the precincts along an axis."""
    parts = max(1, (n + SIDE // 2) // SIDE)
    return [*range(0, parts * SIDE, SIDE), n]


def rectangles(h, w, wavelet):
    """(rows, columns) of the precincts of a level with a low band of (h, w)."""
    if wavelet != "9/7":
        return [((0, h), (0, w))]
    rows, columns = ([*pairwise(axis_cuts(n))] for n in (h, w))
    return [(r, c) for r in rows for c in columns]


def segments(payload, h, w, s):
    """Range decoders: of the undivided levels, and of all precincts of the others."""
    places = []
    for level in range(s.levels, 0, -1):
        found = rectangles(-(-h >> level), -(-w >> level), s.wavelet)
        places += [(level, *place) for place in found if len(found) > 1]
    if not places:
        return RangeDecoder(payload), {}
    lengths = []
    at = 0
    for _ in range(1 + len(places)):
        length, at = read_varint(payload, at)
        lengths.append(length)
    require(at + sum(lengths) == len(payload), "payload: wrong lengths of segments")
    parts = []
    for length in lengths:
        parts.append(RangeDecoder(payload[at : at + length]))
        at += length
    return parts[0], dict(zip(places, parts[1:]))


def inside(a, b):
    """Is the range `a` inside of `b`?"""
    return b[0] <= a[0] and a[1] <= b[1]


def entered(coarser, level, rows, columns, decoders):
    """The precinct of a level, which begins as the coarser one around it ended."""
    below = [(a[0] // 2, -(-a[1] // 2)) for a in (rows, columns)]
    around = next(p for p in coarser if inside(below[0], p.rows) and inside(below[1], p.columns))
    decoder = decoders.get((level, rows, columns))
    if decoder is None:  # an undivided level
        return Precinct(rows, columns, around.decoder, around.done, around.counts)
    part = tuple(slice(a - p[0], b - p[0]) for (a, b), p in zip(below, around[:2]))
    done = {k: tuple(v[part] for v in pair) for k, pair in around.done.items() if k[1] == level + 1}
    return Precinct(rows, columns, decoder, done, deepcopy(around.counts))


def read_precinct(precinct, n_planes, s, bands, prediction):
    """Dequantized coefficients of the bands of a precinct, by (plane, band), and their places."""
    means, expected = prediction
    model = context_model(s.prediction)
    decoder = precinct.decoder
    q, places = {}, {}
    for i, band in enumerate(bands):
        ends = zip((precinct.rows, precinct.columns), (band.h, band.w))
        at = tuple(slice(min(a, n), min(b, n)) for (a, b), n in ends)
        h, w = (v.stop - v.start for v in at)
        for p in range(n_planes):
            own = band._replace(h=h, w=w)
            part = expected[3 * i + p][at]
            known = precinct.done, precinct.counts
            q[p, i] = read_band(decoder, p, own, part, *known, model, s.trellis)
            places[p, i] = at
    near, far = decoder.uniform(8, 2) - 128
    out = {}
    for (p, i), v in q.items():
        require(np.abs(v).max(initial=0) * s.step < 1 << 31, "payload: too large")
        out[p, i] = dequantize(v, s.step, near, far) + means[3 * i + p][places[p, i]]
    return out, places


def read_level(precincts, low, level, s, bands):
    """Low and detail bands (level, name) of each plane, (c, h, w) is the low band."""
    prediction = 2 * [np.zeros((9, *low.shape[1:]), np.int64)]
    if s.prediction:
        prediction = predicted_on_axes(low, level, s)
    planes = [{(level, "ll"): plane} for plane in low]
    for plane in planes:
        plane.update({(level, b.name): np.zeros((b.h, b.w), np.int64) for b in bands})
    for precinct in precincts:
        found, places = read_precinct(precinct, len(low), s, bands, prediction)
        for (p, i), v in found.items():
            planes[p][level, bands[i].name][places[p, i]] = v
    return planes


def decode_coefficients(data, models, payload, h, w, planes):
    """Residual (h, w, planes), full scale is 2**20."""
    s = read_header(data, h, w)
    require(not s.prediction or planes in (1, 3), "sparse: prediction needs 1 or 3 planes")
    root, others = segments(payload, h, w, s)
    lowest, *details = band_sizes(h, w, s.wavelet, s.levels)
    low = []
    at = 0
    for _ in range(planes):
        model, more, at = read_model(models, at)
        require(not more, "models: every model stands alone here")
        d = read_run(root, model, lowest.h * lowest.w).reshape(lowest.h, lowest.w)
        low.append(undo_prediction(d) * s.step)
    require(at == len(models), "models: too many")
    low = np.stack(low)
    require(np.abs(low).max(initial=0) < 1 << 30, "payload: too large")
    size = (0, 2 * lowest.h), (0, 2 * lowest.w)  # contains the coarsest level
    precincts = [Precinct(*size, root, {}, {})]
    for level in range(s.levels, 0, -1):
        places = rectangles(*low.shape[1:], s.wavelet)
        precincts = [entered(precincts, level, *place, others) for place in places]
        parts = read_level(precincts, low, level, s, [b for b in details if b.level == level])
        rows, columns = -(-h >> level - 1), -(-w >> level - 1)
        low = np.stack([next_low(part, level, s.wavelet)[:rows, :columns] for part in parts])
        require(np.abs(low).max(initial=0) < 1 << 30, "payload: too large")
    for decoder in (root, *others.values()):
        decoder.finish()
    if s.filters:
        low = filter_planes(low, s.filters, s.step)
    if s.angles != (0, 0, 0):
        require(planes == 3, "sparse: a rotation needs 3 planes")
        low = rotated(low, rotation(s.angles).T)
    return to_rgb(np.moveaxis(low, 0, 2))
