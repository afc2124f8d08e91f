"""Fit the tables of `wavelet.context` on photographs.

    python nbs/scripts/train_wavelet.py FOLDER [--images 36]

FOLDER holds JPEG or PNG photographs that are in no benchmark (the shipped tables: BSDS500).
Prints the lines for the notebook 45_wavelet/00_context: WEIGHTS and PRIORS. The tables that are
used with the prediction are fitted by `train_prediction.py`, with the functions of this script.
Existing files need the tables that they were written with.
"""

import argparse
import base64
import textwrap
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from implicit_compress.entropy.models import Model, ideal_bits
from implicit_compress.image.load import load_image
from implicit_compress.image.samples import to_float
from implicit_compress.wavelet.bands import BandCoder, neighborhood
from implicit_compress.wavelet.coefficients import transform_planes
from implicit_compress.wavelet.context import (
    EDGES,
    N_FEATURES,
    ORIENTATIONS,
    PAD,
    TABLES,
    UNIT,
    class_of,
    features,
    scan_passes,
)
from implicit_compress.wavelet.header import SparseHeader, levels_of
from implicit_compress.wavelet.levels import LevelCoder
from implicit_compress.wavelet.precincts import Rect, Region, SegmentWriter, level_plans

STEPS = (0.25, 0.1, 0.04, 0.16, 0.06)  # one for an image, in turn
MOST = 20_000  # coefficients of a pass that are used


class Recorder(BandCoder):
    """Codes bands, and records the features and symbols of every pass."""

    def code(self, key, shape, expected, v):
        """Code a band."""
        known = neighborhood(self.magnitudes, key)._replace(expected=expected)
        band = super().code(key, shape, expected, v)
        own = np.zeros(np.add(shape, 2 * PAD), np.int32)
        for k, at in enumerate(scan_passes(*shape)):
            f = features(k, at, own, known)
            kind = class_of(k, key[0], ORIENTATIONS.index(key[2]))
            some = slice(None, None, 1 + f.shape[1] // MOST)
            symbols = np.sign(band[at]) * (np.abs(band[at]) + 1 >> 1)  # of half steps
            self.passes.append((kind, f[:, some], symbols[some], int(key[0] > 0)))
            own[PAD:-PAD, PAD:-PAD][at] = np.abs(symbols)
        return band


def first_level(shape, step, real):
    """Coder of the levels of an image without precincts, and the decoded lowest band."""
    levels = levels_of(*shape[:2], "9/7")
    header = SparseHeader(levels, step, 0, "9/7")
    plans = level_plans(shape, levels, divided=False)
    coder = LevelCoder(SegmentWriter(), shape, header, plans)
    low = [np.rint(real[p, levels, "ll"] / step) * step for p in range(3)]
    return coder, Region(Rect(0, 0, *low[0].shape), np.stack(low).astype(np.int32))


def visits(images, predictor=None):
    """Class, features, symbols and kind of plane of every pass over every image."""
    for i, x in enumerate(images):
        r = to_float(x) - 0.5
        levels = levels_of(*r.shape[:2], "9/7")
        step = round(STEPS[i % len(STEPS)] * UNIT)
        real = transform_planes(r, "9/7", levels)
        level_coder, low = first_level(r.shape, step, real)
        level_coder.predictor = predictor
        tables = predictor.tables if predictor else TABLES
        recorder = Recorder(level_coder.segments.root, tables)
        recorder.passes = []
        level_coder.coders = {low.at: recorder}
        for level in range(levels, 0, -1):
            low = level_coder.code(level, low, real)
        yield from recorder.passes


def fit_weights(images, predictor=None, rounds=2):
    """Non-negative least squares for the magnitude, weighted by a power of the expected one.

    The first expectation is that of the tables of `predictor`.
    """
    unit = np.r_[np.ones(N_FEATURES - 1), 1 / 16]  # the last feature is in 1/16 of a step
    W = predictor.tables.weights / unit / 256 if predictor else None
    for _ in range(rounds):
        A, B = np.zeros((45, N_FEATURES, N_FEATURES)), np.zeros((45, N_FEATURES))
        for kind, f, q, _ in visits(images, predictor):
            f = f * unit[:, None]
            m = W[kind] @ f if W is not None else f.mean(0) / 2
            sure = f * (m + 0.05) ** -1.5
            A[kind] += sure @ f.T
            B[kind] += sure @ np.minimum(np.abs(q), 60)
        W = np.zeros((45, N_FEATURES))
        for k in range(45):
            ridge = 1e-3 * max(np.trace(A[k]) / N_FEATURES, 1e-9)
            values, vectors = np.linalg.eigh(A[k] + np.eye(N_FEATURES) * ridge)
            root = (vectors * np.sqrt(values.clip(1e-12))) @ vectors.T
            W[k] = nnls(root, np.linalg.solve(root, B[k]))[0]
    return np.rint(W * unit * 256).clip(0, 255).astype(np.uint8)


def best_prior(q, k):
    """Scale and weight of zero for the symbols of context `k`."""
    u, n = np.unique(q, return_counts=True)

    def bits(scale, zero):
        return float(
            sum(ideal_bits(np.array([v]), Model(2, scale, zero=zero))[0] * m for v, m in zip(u, n))
        )

    near = max(0, round(8 * np.log2(max(float(np.abs(u) @ n) / n.sum(), 0.02) * 8 * 0.7)))
    return min(
        (bits(s, z), s, z)
        for s in range(max(0, near - 10), near + 11)
        for z in ((0,) if k > 12 else range(-4, 48, 4))
    )[1:]


def fit_priors(images, W, predictor=None, most=100_000):
    """Scale and weight of zero for every context, by exact bits."""
    seen, out, rng = {}, [], np.random.default_rng(0)
    for kind, f, q, plane in visits(images, predictor):
        c = np.searchsorted(EDGES, W[kind].astype(np.int64) @ f, side="right")
        for k in np.unique(c).tolist():
            seen.setdefault((plane, k), []).append(q[c == k])
    for plane in (0, 1):
        row = []
        for k in range(len(EDGES) + 1):
            q = np.concatenate(seen.get((plane, k), [np.zeros(0, int)]))
            if len(q) < 500:
                row.append((row[-1][0] + 4, 0))
                continue
            row.append(best_prior(q if len(q) < most else rng.choice(q, most), k))
        out.append(row)
    return out


def photographs(folder, n):
    """Some photographs of a folder, evenly spaced in the order of their names."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return [load_image(f) for f in files[:: max(1, len(files) // n)][:n]]


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--images", type=int, default=36)
    a = a.parse_args()
    images = photographs(a.folder, a.images)
    W = fit_weights(images)
    text = base64.b85encode(W[:, :-1].tobytes()).decode()
    print("\n".join(f'    b"{line}"' for line in textwrap.wrap(text, 80)))
    for row in fit_priors(images, W):
        print("    (" + ", ".join(map(str, row)) + "),")
