"""Files of latents: weights, grids, samples (section 7 of the specification)."""

import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from .entropy import RangeDecoder, read_model, read_run
from .fields import require
from .fixed_point import Matrix, shift_round
from .latent_context import INTER_SCALE, read_grids
from .latent_synthesis import SEPARATE, synthesize

PRETRAINED = Path(__file__).resolve().parents[3] / "implicit_compress" / "latent_pretrained.bin"
WEIGHT_BITS = 15  # fractional bits of initial weights
TAPS, MLP_IN, MLP_OUT, MLP_SKIP, CONVS = range(7, 12)  # indices of matrices
CUBIC = (111, 29, -9, -3)  # in 1/128
IDENTITY = (128, 0, 0, 0)


def matrix_shapes(f):
    """Shapes of all matrices, in file order."""
    p, w, n = f["planes"], f["context"], f["hidden"]
    c = min(SEPARATE, f["levels"]) - f["first"] + 1
    inter = [(6, max(1, f["levels"] - k)) for k in range(INTER_SCALE)]
    context = [(w, 29), (w, w), (2, w), (2, 29), *inter]
    return [*context, (13, 4), (n, c), (p, n), (p, c), *[(p, 9 * p)] * f["convs"]]


def pseudo_random(shape, largest):
    """Pseudo-random numbers below `largest` in magnitude, double precision."""
    v = (np.arange(shape[0] * shape[1], dtype=np.uint64) + 1) * 2654435761 & 0xFFFFFFFF
    for _ in range(2):
        v = (v ^ v >> 15) * 2246822519 & 0xFFFFFFFF
    return ((v >> 8).astype(np.float64) / (1 << 23) - 1).reshape(shape) * largest


def default_weights(shapes):
    """Initial weights without pretraining, 15 fractional bits."""
    W = [np.zeros(s) for s in shapes]
    variances = {0: 0.75, 1: 1.5, 4: 0.75, 5: 0.75, 6: 0.75, MLP_IN: 0.09}
    for i, v in variances.items():
        W[i] = pseudo_random(shapes[i], (v / shapes[i][1]) ** 0.5)
    W[3][1, [18, 19, 20, 22]] = 0.1, 0.04, 0.05, -4.5
    W[TAPS][:] = np.array([CUBIC] * 6 + [IDENTITY] * 7) / 128
    W[MLP_IN][:, -1] = 0
    W[MLP_SKIP] = 0.1 + pseudo_random(shapes[MLP_SKIP], 0.07)
    W[MLP_SKIP][:, -1] = 0.5
    return [np.rint(v * (1 << WEIGHT_BITS)).astype(np.int64) for v in W]


@lru_cache(1)
def pretrained():
    """All pretrained weights: number to matrices, 12 fractional bits."""
    data = zlib.decompress(PRETRAINED.read_bytes())
    out = {}
    at = 0
    while at < len(data):
        number, context, hidden, convs = data[at : at + 4]
        at += 4
        sizes = dict(planes=3, levels=SEPARATE, first=0)
        arrays = []
        for s in matrix_shapes(dict(sizes, context=context, hidden=hidden, convs=convs)):
            values = np.frombuffer(data, "<i2", s[0] * s[1], at)
            arrays.append(values.astype(np.int64).reshape(s))
            at += 2 * s[0] * s[1]
        out[number] = arrays
    return out


def initial_weights(f, shapes):
    """Weights that the coded differences refer to, 15 fractional bits."""
    own = default_weights(shapes)
    if not f["start"]:
        return own
    require(f["start"] in pretrained(), "start: unknown")
    learned = [v << WEIGHT_BITS - 12 for v in pretrained()[f["start"]]]
    rows = [len(v) for v in own[: MLP_IN + 1]]
    same = rows == [len(v) for v in learned[: MLP_IN + 1]] and len(own) == len(learned)
    require(same, "start: networks of another size")
    first = f["first"]
    c = shapes[MLP_IN][1] - 1
    kept = [*range(SEPARATE - first - c, SEPARATE - first), SEPARATE]
    color = f["planes"] == 3
    for i in (MLP_OUT, MLP_SKIP):
        v = learned[i] if i == MLP_OUT else learned[i][:, kept]
        own[i][:] = v if color else v.sum(0) // 3
    for i in (4, 5, 6):
        k = min(own[i].shape[1], learned[i].shape[1]) - 1
        own[i][:] = 0
        own[i][:, :k] = learned[i][:, :k]
        own[i][:, -1] = learned[i][:, -1]
    for i in (0, 1, 2, 3, TAPS):
        own[i] = learned[i]
    own[MLP_IN] = learned[MLP_IN][:, kept]
    if color:
        own[CONVS:] = learned[CONVS:]
    return own


def read_matrices(f, decoder):
    """All matrices of a file."""
    shapes = matrix_shapes(f)
    steps = f["steps"]
    require(len(steps) == len(shapes) and max(steps) <= WEIGHT_BITS, "steps")
    out = []
    at = 0
    for s, shape, start in zip(steps, shapes, initial_weights(f, shapes)):
        model, more, at = read_model(f["models"], at)
        require(not more, "models: every model stands alone here")
        difference = read_run(decoder, model, start.size).reshape(shape)
        Q = difference + shift_round(start, WEIGHT_BITS - s)
        require(np.abs(Q).max(initial=0) < 1 << 15, "payload: a weight is too large")
        out.append(Matrix(Q, s))
    require(at == len(f["models"]), "models: too many")
    return out


def decode_latent(f):
    """Samples (h, w, planes) of a file."""
    require(f["first"] < min(f["levels"], SEPARATE), "first: no scale has latents")
    decoder = RangeDecoder(f["payload"])
    mats = read_matrices(f, decoder)
    latents = read_grids(f, decoder, mats[:TAPS])
    decoder.finish()
    return synthesize(f, mats[TAPS:], latents)
