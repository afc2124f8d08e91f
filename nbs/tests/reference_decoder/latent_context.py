"""Latent grids and their context model (section 7 of the specification)."""

from functools import lru_cache

import numpy as np

from .entropy import exp2_fraction, quantize, read_escapes, root
from .fields import require
from .fixed_point import shift_round

INTER_SCALE = 3  # finest scales with features from all coarser grids
SPATIAL = (
    [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1), (-2, -2), (-2, 2)]
)  # fmt: skip
PARENT = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)]
TILE = 256  # rows and columns
LAG = 3  # columns that a row is behind the one above
CLIP = 4095  # magnitude of a latent as context
ACTIVATION_LIMIT = 1 << 24


def wavefronts(h, w):
    """Positions (rows, columns) that are decoded together, in order."""
    high, wide = min(TILE, h), min(TILE, w)
    top = np.arange(0, h, TILE)[:, None, None]
    left = np.arange(0, w, TILE)[:, None]
    r = np.arange(high)
    for t in range(wide + LAG * (high - 1)):
        c = t - LAG * r
        y, x = np.broadcast_arrays(top + r, left + c)
        inside = (c >= 0) & (c < wide) & (y < h) & (x < w)
        if inside.any():
            yield y[inside], x[inside]


def neighbors(grid, r, c, offsets, tiled=False):
    """Values (len(offsets), n) of a grid; zero outside of it, and of the tile if `tiled`."""
    out = []
    for a, b in offsets:
        y, x = r + a, c + b
        inside = (y >= 0) & (y < grid.shape[0]) & (x >= 0) & (x < grid.shape[1])
        if tiled:
            inside &= (y // TILE == r // TILE) & (x // TILE == c // TILE)
        y = np.clip(y, 0, grid.shape[0] - 1)
        x = np.clip(x, 0, grid.shape[1] - 1)
        out.append(np.where(inside, grid[y, x], 0))
    return np.array(out)


def inter_scale_features(coarser, m, h, w):
    """Features (6, h, w) with 6 fractional bits from all coarser grids, the parent first."""
    grown = []
    for k, grid in enumerate(coarser):
        grown.append(grid.repeat(1 << k, 0).repeat(1 << k, 1)[:h, :w])
    x = np.stack(grown).reshape(len(grown), -1)
    v = shift_round((m.Q[:, :-1] @ x + m.Q[:, -1:]) << 6, m.s)
    return np.clip(v, -ACTIVATION_LIMIT, ACTIVATION_LIMIT).reshape(-1, h, w)


def context_features(level, own, coarser, inter, r, c):
    """Features (29, n) with 6 fractional bits."""
    x = np.zeros((29, len(r)), np.int64)
    x[:12] = neighbors(own, r, c, SPATIAL, True)
    if coarser:
        x[12:17] = neighbors(coarser[0], r >> 1, c >> 1, PARENT)
    if len(coarser) > 1:
        x[17] = neighbors(coarser[1], r >> 2, c >> 2, PARENT[:1])[0]
    for i, (a, b) in enumerate(((0, 4), (4, 12), (12, 18))):
        x[18 + i] = np.abs(x[a:b]).sum(0)
    x[:21] <<= 6
    x[21] = level << 4
    x[22] = 1 << 6
    if inter is not None:
        x[23:] = inter[:, r >> 1, c >> 1]
    return x


def predict(net, x):
    """Means in 1/32 and scales 0..84 of latents."""
    W1, W2, W3, L = net[:4]
    h = np.clip(shift_round(W1.Q @ x << 4, W1.s), 0, ACTIVATION_LIMIT)
    k = np.clip(shift_round(W2.Q @ h, W2.s), 0, ACTIVATION_LIMIT)
    out = shift_round(W3.Q @ (h + k), W3.s) + shift_round(L.Q @ x << 4, L.s)
    mean = np.clip(shift_round(out[0], 5), -32 * CLIP, 32 * CLIP)
    scale = np.clip(shift_round(out[1], 7) + 36, 0, 84)
    return mean, scale


REACHES = ((24, 3), (42, 15), (58, 63), (85, 511))  # scales below a bound, and their reach


def exponential(d, scale):
    """2**30 * exp(-d/32 / 2**((scale-36)/8)) of a distance in 1/32."""
    up = -((scale - 36) // 8)
    x = (d * 1549082005 >> 15) * root(2 * (8 * up - 36 + scale)) >> 30
    e = min(x << 4 + up if up > -4 else x >> -4 - up, 40 << 24)
    return exp2_fraction(e) >> (e >> 24)


@lru_cache(None)
def laplace(fraction, scale, reach):
    """Cumulative frequencies of -reach..reach and of the escape, for a mean of 0..16 thirty-seconds."""
    counts = []
    for v in range(-reach, reach + 1):
        d = abs(32 * v - fraction)
        near = exponential(abs(d - 16), scale)
        far = exponential(d + 16, scale)
        counts.append((2 << 30) - near - far if d < 16 else near - far)
    left = exponential(32 * reach + fraction + 16, scale)
    right = exponential(32 * reach - fraction + 16, scale)
    counts.append(left + right)
    return quantize(np.maximum(np.array(counts) >> 11, 1))


def read_wavefront(decoder, mean, scale):
    """Latents of a wavefront: those with the shortest tables first."""
    whole = mean + 16 >> 5
    off = mean - 32 * whole
    out = np.empty(len(mean), np.int64)
    length = np.searchsorted([bound for bound, _ in REACHES], scale, side="right")
    for k in np.unique(length).tolist():
        reach = REACHES[k][1]
        where = np.flatnonzero(length == k)
        tables = [laplace(abs(int(off[i])), int(scale[i]), reach) for i in where]
        v = np.array([decoder.symbol(t) for t in tables]) - reach
        far = np.flatnonzero(v > reach)
        if len(far):
            v[far] = read_escapes(decoder, len(far), -reach, reach)
        out[where] = v
    return np.where(off < 0, -out, out) + whole


def read_grids(f, decoder, net):
    """Latents by level, coarse to fine."""
    out = {}
    coarser = []  # clipped, the parent first
    for level in range(f["levels"] - 1, f["first"] - 1, -1):
        h, w = -(-f["height"] >> level), -(-f["width"] >> level)
        inter = None
        if coarser and level < INTER_SCALE:
            inter = inter_scale_features(coarser, net[4 + level], *coarser[0].shape)
        q = np.zeros((h, w), np.int64)
        own = np.zeros((h, w), np.int64)
        for r, c in wavefronts(h, w):
            x = context_features(level, own, coarser, inter, r, c)
            q[r, c] = read_wavefront(decoder, *predict(net, x))
            own[r, c] = np.clip(q[r, c], -CLIP, CLIP)
        require(np.abs(q).max() <= 1 << 15, "payload: a latent is too large")
        out[level] = q
        coarser = [own, *coarser]
    return out
