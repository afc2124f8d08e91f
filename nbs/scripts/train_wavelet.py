"""Fit the tables of `wavelet.context` on photographs.

    python nbs/scripts/train_wavelet.py FOLDER [--images 36]

FOLDER holds JPEG or PNG photographs that are in no benchmark (the shipped tables: BSDS500).
Prints the lines for the notebook 45_wavelet/00_context: WEIGHTS and PRIORS. Existing files need the
tables they were written with, so a change of the tables needs a new header of the coefficients.
"""

import argparse
import base64
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from implicit_compress.entropy.models import Model, ideal_bits
from implicit_compress.image.load import load_image
from implicit_compress.image.samples import to_float
from implicit_compress.transform.wavelet import decompose
from implicit_compress.wavelet.codec import levels_of
from implicit_compress.wavelet.context import EDGES, contexts, rgb_to_opponent, walk

STEPS = ((0.25, 0.06), (0.16, 0.035), (0.1, 0.02))  # two to an image, in turn


def visits(files):
    """Kind, features and symbols of every pass over every image."""
    for i, f in enumerate(files):
        r = rgb_to_opponent(to_float(load_image(f)) - 0.5)
        levels, out = levels_of(*r.shape[:2], "9/7"), []
        bands = decompose(r, "9/7", levels)
        for step in STEPS[i % len(STEPS)]:
            real = {(p, b.level, b.name): b.data[..., p] / step for b in bands for p in range(3)}
            walk(r.shape, "9/7", levels, partial(visit, real, out))
            yield from out
            out.clear()


def visit(real, out, kind, f, at, key, band):
    """Quantize the coefficients of a pass, and record their neighborhoods."""
    v = real[key][at]
    band[at] = np.sign(v) * np.floor(np.abs(v) + 0.38)
    out.append((kind, f, band[at], int(key[0] > 0)))


def weights(files, rounds=3):
    """Non-negative least squares for the magnitude, weighted by a power of the expected one."""
    W = None
    for _ in range(rounds):
        A, B = np.zeros((45, 14, 14)), np.zeros((45, 14))
        for kind, f, q, _ in visits(files):
            m = W[kind] @ f if W is not None else f.mean(0) / 2
            sure = f * (m + 0.05) ** -1.5
            A[kind] += sure @ f.T
            B[kind] += sure @ np.minimum(np.abs(q), 60)
        W = np.zeros((45, 14))
        for k in range(45):
            values, vectors = np.linalg.eigh(
                A[k] + np.eye(14) * 1e-3 * max(np.trace(A[k]) / 14, 1e-9)
            )
            root = (vectors * np.sqrt(values.clip(1e-12))) @ vectors.T
            W[k] = nnls(root, np.linalg.solve(root, B[k]))[0]
    return np.rint(W * 256).clip(0, 255).astype(np.uint8)


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


def priors(files, W, most=100000):
    """Scale and weight of zero for every context, by exact bits."""
    seen, out, rng = {}, [], np.random.default_rng(0)
    for kind, f, q, plane in visits(files):
        c = contexts(kind, f, W.astype(np.int64))
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


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--images", type=int, default=36)
    a = a.parse_args()
    files = sorted(p for p in a.folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // a.images)][: a.images]
    W = weights(files)
    print(
        "\n".join(
            f'    b"{line}"' for line in textwrap.wrap(base64.b85encode(W.tobytes()).decode(), 80)
        )
    )
    for row in priors(files, W):
        print("    (" + ", ".join(map(str, row)) + "),")
