"""Lossless prediction of samples (section 8 of the specification)."""

import numpy as np

from .entropy import RangeDecoder, read_model, read_run
from .fields import from_zigzag, inflate, read_varint, require
from .generic import unlzma
from .ranking import decode_ranking

DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]
NEAREST = {"A": DIAGONAL, "B": CROSS}
NEIGHBORS = {
    "A": [*DIAGONAL, (-3, -1), (-3, 1), (3, -1), (3, 1), (-1, -3), (-1, 3), (1, -3), (1, 3)],
    "B": [
        *CROSS,
        (-2, -1),
        (-2, 1),
        (2, -1),
        (2, 1),
        (-1, -2),
        (-1, 2),
        (1, -2),
        (1, 2),
        (-3, 0),
        (3, 0),
        (0, -3),
        (0, 3),
    ],
}
BOUNDS = sorted({round(2 ** (k / 2)) for k in range(40)})  # between contexts
MARGIN = 3
GROUPS = 6  # of passes that share models


def to_planes(x, ycocg):
    """Planes that the prediction sees: YCoCg-R, or green first."""
    if x.shape[2] < 3:
        return x
    if not ycocg:
        return x[..., [1, 0, 2, 3][: x.shape[2]]]
    r, g, b, *alpha = np.moveaxis(x, 2, 0)
    co = r - b
    t = b + (co >> 1)
    cg = g - t
    return np.stack([t + (cg >> 1), co, cg, *alpha], 2)


def from_planes(z, ycocg):
    """Inverse of `to_planes`."""
    if z.shape[2] < 3:
        return z
    if not ycocg:
        return z[..., [1, 0, 2, 3][: z.shape[2]]]
    y, co, cg, *alpha = np.moveaxis(z, 2, 0)
    t = y - (cg >> 1)
    b = t - (co >> 1)
    return np.stack([b + co, cg + t, b, *alpha], 2)


def padded(plane, step):
    """A lattice with margins: mirrored, or repeated where a side has three samples or fewer."""
    lattice = plane[::step, ::step]
    return np.pad(lattice, MARGIN, mode="reflect" if min(lattice.shape) > 3 else "edge")


def around(plane, at, offsets):
    """Values (len(offsets), n) at these offsets."""
    return np.stack([plane[at[0] + MARGIN + a, at[1] + MARGIN + b] for a, b in offsets])


class Lossless:
    """State of the decoder of one file."""

    def __init__(self, f, base):
        self.shape = f["height"], f["width"], f["channels"]
        self.ycocg = f["color"] == 1
        peak = (1 << f["depth"]) - 1
        self.low = [0, -peak, -peak, 0] if self.ycocg and self.shape[2] > 2 else [0] * 4
        self.high = [peak] * 4
        self.base = None if base is None else to_planes(base, self.ycocg)
        self.decoder = RangeDecoder(f["payload"])
        self.predictors = f["predictors"]
        self.at = 0  # offset in the predictors
        self.models = self.read_models(f["models"])
        self.counts = {}
        self.z = np.zeros(self.shape, np.int64)  # planes decoded so far
        self.error = np.zeros(self.shape, np.int64)  # magnitudes of their residuals

    def read_models(self, data):
        """Models by (group, channel, context)."""
        out = {}
        at = 0
        for group in range(GROUPS):
            for channel in range(self.shape[2]):
                first, at = read_varint(data, at)
                n, at = read_varint(data, at)
                require(first + n <= len(BOUNDS) + 1, "models: contexts out of range")
                for k in range(first, first + n):
                    out[group, channel, k], more, at = read_model(data, at)
                    require(not more, "models: every model stands alone here")
        require(at == len(data), "models: too many")
        return out

    def read_predictor(self, n_features):
        """Weights of a predictor with 12 fractional bits; by default the mean of the four nearest."""
        n, self.at = read_varint(self.predictors, self.at)
        weights = []
        for _ in range(n):
            v, self.at = read_varint(self.predictors, self.at)
            weights.append(from_zigzag(v))
        require(n in (0, n_features), "predictors: wrong number of weights")
        require(max(map(abs, weights), default=0) <= 1 << 20, "predictors: too large")
        return weights or [1024] * 4 + [0] * (n_features - 4)

    def residuals(self, group, channel, contexts):
        """Residuals of a pass: those of each context together, contexts ascending."""
        out = np.empty(len(contexts), np.int64)
        for k in np.unique(contexts).tolist():
            require((group, channel, k) in self.models, "models: one is missing")
            where = np.flatnonzero(contexts == k)
            known = self.counts.setdefault((group, channel, k), {})
            out[where] = read_run(self.decoder, self.models[group, channel, k], len(where), known)
        return out

    def put(self, channel, step, at, predicted, residuals):
        """Store samples and the magnitudes of their residuals."""
        v = predicted + residuals
        require(v.min() >= self.low[channel] and v.max() <= self.high[channel], "sample range")
        self.z[::step, ::step, channel][at] = v
        self.error[::step, ::step, channel][at] = np.abs(residuals)

    def features(self, channel, step, kind, at):
        """Features (k, n) of a prediction."""
        near = [(0, 0), *NEAREST[kind]]
        out = [around(padded(self.z[..., channel], step), at, NEIGHBORS[kind])]
        for c in range(channel):
            out.append(around(padded(self.z[..., c], step), at, near))
        if self.base is not None:
            out.append(around(padded(self.base[..., channel], step), at, near))
        out.append(np.ones((1, len(at[0])), np.int64))
        return np.concatenate(out)

    def contexts(self, channel, step, kind, at):
        """Contexts 0..39: expected magnitude of the residual."""
        four = around(padded(self.z[..., channel], step), at, NEAREST[kind])
        expected = np.abs(4 * four - four.sum(0)).sum(0) // 4
        expected += around(padded(self.error[..., channel], step), at, NEAREST[kind]).sum(0)
        for c in range(channel):
            expected += 4 * self.error[::step, ::step, c][at]
        return np.searchsorted(BOUNDS, expected, side="right")

    def coarsest(self, step):
        """Samples of the coarsest lattice, predicted by the middle of the range."""
        for c in range(self.shape[2]):
            at = np.nonzero(np.ones(self.z[::step, ::step, c].shape, bool))
            middle = (self.low[c] + self.high[c] + 1) // 2
            residuals = self.residuals(0, c, np.zeros(len(at[0]), np.int64))
            self.put(c, step, at, middle, residuals)

    def one_pass(self, step, kind):
        """All channels of a pass: A (odd row and odd column) or B (one of them odd)."""
        lattice = self.z[::step, ::step, 0]
        row = np.arange(lattice.shape[0])[:, None] & 1
        col = np.arange(lattice.shape[1]) & 1
        at = np.nonzero(row & col if kind == "A" else row ^ col)
        if not len(at[0]):
            return
        group = {1: 4, 2: 2}.get(step, 1) + (kind == "B" and step < 4)
        for c in range(self.shape[2]):
            X = self.features(c, step, kind, at)
            weights = np.array(self.read_predictor(len(X)))
            predicted = (weights @ X + 2048 >> 12).clip(self.low[c], self.high[c])
            contexts = self.contexts(c, step, kind, at)
            self.put(c, step, at, predicted, self.residuals(group, c, contexts))

    def decode(self):
        """Planes of the image."""
        levels = max(0, (max(self.shape[:2]) - 1).bit_length() - 3)
        self.coarsest(1 << levels)
        for level in reversed(range(levels)):
            for kind in "AB":
                self.one_pass(1 << level, kind)
        require(self.at == len(self.predictors), "predictors: too many")
        self.decoder.finish()
        return from_planes(self.z, self.ycocg)


def decode_lossless(f, base=None):
    """Samples (h, w, channels) of a file; `base` are those of its nested file."""
    shape = f["height"], f["width"], f["channels"]
    size = 1 if f["depth"] == 8 else 2
    if f.get("coder") == 5:
        require(
            "base" not in f and "values" not in f and not f["predictors"], "coder: other fields"
        )
        require(f["depth"] == 8, "coder: symbol ranking has 8 bits")
        return decode_ranking(f["models"], f["payload"], shape)
    if "coder" in f:
        plain = "base" not in f and "values" not in f
        require(plain and not f["models"] and not f["predictors"], "coder: with other fields")
        raw = unlzma(f["payload"], size * shape[0] * shape[1] * shape[2])
        require(len(raw) == size * shape[0] * shape[1] * shape[2], "payload: wrong length")
        x = np.frombuffer(raw, f"<u{size}").astype(np.int64).reshape(shape)
    else:
        x = Lossless(f, base).decode()
    if "values" in f:
        bitmap = inflate(f["values"], 1 << f["depth"] - 3)
        require(len(bitmap) == 1 << f["depth"] - 3, "values: wrong length")
        used = np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8)))
        require(x.max() < len(used), "values: an index is too large")
        x = used[x]
    require(x.min() >= 0 and x.max() < 1 << f["depth"], "sample range")
    return x
