"""Filters of the decoded planes (section 5.6 of the specification), in integers, pixel by pixel."""

import numpy as np

from .entropy import Model, RangeDecoder, read_run, uniform_symbols
from .fields import require

MARGIN = 3
GRAY = [(0, 1), (1, -1), (1, 0), (1, 1)]


def pairs(radius):
    """One neighbor of each pair in a diamond, in order of row and column."""
    found = [(a, b) for a in range(radius + 1) for b in range(-radius, radius + 1)]
    return [p for p in found if p > (0, 0) and abs(p[0]) + abs(p[1]) <= radius]


def read_filters(data, n_planes):
    """For each plane: the filter of each class, from 1 on, and the coefficients."""
    decoder = RangeDecoder(data)
    out = []
    for p in range(n_planes):
        classes, size = (18, 24) if p == 0 else (3, 16)
        n = int(decoder.uniform(5, 1)[0])
        if not n:
            out.append((np.zeros(classes, int), np.zeros((0, size), int)))
            continue
        groups = uniform_symbols(decoder, n + 1, classes)
        scale = int(decoder.uniform(6, 1)[0])
        q = read_run(decoder, Model(2, scale, 0, 0, 0), n * size).reshape(n, size)
        require(np.abs(q).sum(1).max() <= 4095, "sparse: coefficients of a filter")
        out.append((groups, q))
    require(any(len(q) for _, q in out), "sparse: no filters")
    decoder.finish()
    return out


def classes_of(z, step):
    """Class of every pixel of `z`, which has a margin of 3, and whether it is turned."""
    v = z[1:-1, 1:-1]
    c = 2 * v
    neighbors = {
        (a, b): z[1 + a : z.shape[0] - 1 + a, 1 + b : z.shape[1] - 1 + b]
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
    }
    sums = []
    for a, b in ((0, 1), (1, 0), (1, 1), (1, -1)):
        d = np.minimum(np.abs(neighbors[a, b] + neighbors[-a, -b] - c), 1 << 15)
        h, w = d.shape[0] - 4, d.shape[1] - 4
        sums.append(sum(d[i : i + h, j : j + w] for i in range(5) for j in range(5)))
    across, down, falling, rising = sums
    degree = np.zeros(across.shape, int)
    for quarters in (2, 6, 15, 35, 80):
        degree += 4 * (across + down) >= quarters * step
    axis_max, axis_min = np.maximum(across, down), np.minimum(across, down)
    other_max, other_min = np.maximum(falling, rising), np.minimum(falling, rising)
    none = (5 * axis_max < 7 * axis_min) & (5 * other_max < 7 * other_min)
    axis = axis_max - axis_min >= other_max - other_min
    kind = np.where(none, 0, np.where(axis, 1, 2))
    turned = np.where(none, False, np.where(axis, across > down, falling > rising))
    return 3 * degree + kind, turned


def differences(z, offsets, limit):
    """Sums of two opposite differences, clipped, for each pair."""
    m = MARGIN
    h, w = z.shape[0] - 2 * m, z.shape[1] - 2 * m
    here = z[m : m + h, m : m + w]
    out = []
    for a, b in offsets:
        u = z[m + a : m + a + h, m + b : m + b + w] - here
        v = z[m - a : m - a + h, m - b : m - b + w] - here
        out.append(np.clip(u, -limit, limit) + np.clip(v, -limit, limit))
    return out


def turned_pairs(offsets, exchange):
    """Positions in `offsets` of the pairs after an exchange of coordinates."""
    out = []
    for a, b in offsets:
        a, b = (b, a) if exchange == "transpose" else (a, -b)
        out.append(offsets.index((a, b) if (a, b) > (0, 0) else (-a, -b)))
    return out


def filter_planes(planes, data, step):
    """Filtered planes (c, h, w)."""
    filters = read_filters(data, len(planes))
    shift = max(0, step.bit_length() - 7)
    unit = step >> shift
    edges = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
    z = np.pad(np.clip(planes >> shift, -(1 << 23), 1 << 23), edges, mode="edge")
    classes, turned = classes_of(z[0], unit)
    half = max(1, unit >> 1)
    out = planes.copy()
    for p, (groups, q) in enumerate(filters):
        if not len(q):
            continue
        offsets = pairs(3 if p == 0 else 2)
        f = differences(z[p], offsets, 2048) + differences(z[p], offsets, half)
        own = classes
        if p:
            f += differences(z[0], GRAY, 2048)
            own = classes // 6
        f = np.array(f)
        if p == 0:
            for kind, exchange in ((1, "transpose"), (2, "mirror")):
                order = turned_pairs(offsets, exchange)
                at = turned & (classes % 3 == kind)
                f[:, at] = f[order + [len(offsets) + i for i in order]][:, at]
        coefficients = np.concatenate([np.zeros((1, q.shape[1]), int), q])[groups[own]]
        change = ((f * np.moveaxis(coefficients, 2, 0)).sum(0) + 64) >> 7
        out[p] = np.clip(out[p] + (change << shift), 1 - (1 << 30), (1 << 30) - 1)
    return out
