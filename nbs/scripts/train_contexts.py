"""Train the networks and tables of `wavelet.context_network`.

    python nbs/scripts/train_contexts.py FOLDER... --images 67 --out FILE

Each FOLDER holds JPEG or PNG photographs that are in no benchmark; the shipped weights are of the
photographs that `train_prediction.py` names. The coefficients are coded with the present weights,
and the network is trained with the features and symbols that this gives, once for files with the
prediction of details and once for files without. FILE replaces
implicit_compress/wavelet_contexts.npz; golden files have to be written anew then.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from train_prediction import parts, photographs

from implicit_compress.entropy.models import Model, ideal_bits
from implicit_compress.image.samples import to_float
from implicit_compress.settings.methods import Wavelet
from implicit_compress.wavelet.bands import BandCoder
from implicit_compress.wavelet.coefficients import Coefficients
from implicit_compress.wavelet.context import (
    N_CLASSES,
    N_FEATURES,
    PAD,
    UNIT,
    features,
    scan_passes,
)
from implicit_compress.wavelet.context_network import (
    N_CONTEXTS,
    PER_CONTEXT,
    contexts,
    read_contexts,
)
from implicit_compress.wavelet.header import SparseHeader
from implicit_compress.wavelet.levels import LevelCoder
from implicit_compress.wavelet.precincts import Rect, Region, SegmentWriter, level_plans

STEPS = (0.25, 0.1, 0.04, 0.16, 0.06)  # one for an image, in turn, up to half an octave from it
MOST = 5_000  # coefficients of a pass that are used
MOST_MAGNITUDE = 1 << 18
HIDDEN = 16
LINEAR_GAIN = 64.0  # units of 1/256 for a weight of 1 in the training
HIDDEN_GAIN = 0.25
HIDDEN_UNIT = 64  # units of a hidden neuron for a value of 1
BATCH = 1 << 15
LEARNING_RATE = 0.02
# first magnitudes of the classes that the training distinguishes
MAGNITUDES = np.array([*range(16), 20, 28, 40, 60])


class Record(NamedTuple):
    """Some coefficients of a pass."""

    kind: int  # class
    level: int
    features: np.ndarray  # (16,n) int32
    symbols: np.ndarray  # (n,) int32
    plane: int  # 0 gray, 1 color
    every: int  # each stands for so many


class Recorder(BandCoder):
    """Codes bands, and records the features and symbols of every pass."""

    def __init__(self, root, rng):
        super().__init__(root.coder, root.context_model, root.loops, root.rdo_lambda, True)
        self.kinds = {id(n): k for k, n in enumerate(self.context_model.networks)}
        self.records = []
        self.rng = rng
        self.inner = root.loops
        self.loops = root.loops._replace(
            pass_contexts=self.pass_contexts, place_pass=self.place_pass
        )

    def code(self, key, shape, expected, v):
        """Code a band."""
        self.plane = int(key[0] > 0)
        return super().code(key, shape, expected, v)

    def pass_contexts(self, k, own, known, network, level):
        """Contexts of a pass, whose features are kept."""
        self.at = scan_passes(*np.subtract(own.shape, 2 * PAD))[k]
        f = features(k, self.at, own, known)
        self.seen = self.kinds[id(network)], level, np.minimum(f, MOST_MAGNITUDE).astype(np.int32)
        return self.inner.pass_contexts(k, own, known, network, level)

    def place_pass(self, k, symbols, ctx, n_contexts, trellis, band, own):
        """Record some coefficients of a pass."""
        self.inner.place_pass(k, symbols, ctx, n_contexts, trellis, band, own)
        kind, level, f = self.seen
        q = own[PAD:-PAD, PAD:-PAD][self.at] * np.sign(band[self.at])
        every = 1 + len(q) // MOST
        some = slice(int(self.rng.integers(every)), None, every)
        self.records.append(Record(kind, level, f[:, some], q[some], self.plane, every))


def records_of(x, step, prediction, rng):
    """Records of all passes over an image."""
    settings = Wavelet(filters=False, prediction="on" if prediction else "off")
    c = Coefficients(to_float(x) - 0.5, settings)
    unit = round(step * UNIT)
    header = SparseHeader(c.levels, unit, int(prediction), "9/7", 1, c.angles)
    plans = level_plans(x.shape, c.levels, divided=False)
    levels = LevelCoder(SegmentWriter(), x.shape, header, plans)
    whole, root = next(iter(levels.coders.items()))
    recorder = Recorder(root, rng)
    levels.coders = {whole: recorder}
    low = np.stack([np.rint(c.real[p, c.levels, "ll"] / unit) * unit for p in range(3)])
    region = Region(Rect(0, 0, *low.shape[1:]), low.astype(np.int32))
    for level in range(c.levels, 0, -1):
        region = levels.code(level, region, c.real)
    return recorder.records


class Network(nn.Module):
    """The network in reals: contexts without rounding, and a histogram for each context."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Parameter(torch.full((N_CLASSES, N_FEATURES), 0.25))  # roots of weights
        self.hidden = nn.Parameter(torch.randn(HIDDEN, N_FEATURES + 1) * 0.25)
        self.hidden_bias = nn.Parameter(torch.randn(N_CLASSES, HIDDEN) * 0.3)
        self.output = nn.Parameter(torch.zeros(N_CLASSES, HIDDEN))
        self.output_bias = nn.Parameter(torch.full((N_CLASSES,), -2.5))
        self.histograms = nn.Parameter(laplace_logits().repeat(2, 1, 1))

    def position(self, f, level, spans):
        """Contexts of (n,16) features, sorted by class; `spans`: (class, first, last) of each."""
        z = (2 * f + 1).view(torch.int32).bitwise_right_shift(19) - (127 << 4)
        z = torch.cat([z.float() / 16, level[:, None]], 1)
        out = []
        for kind, a, b in spans:
            total = f[a:b] @ self.linear[kind] ** 2 * LINEAR_GAIN
            hidden = F.relu(z[a:b] @ self.hidden.T * HIDDEN_GAIN + self.hidden_bias[kind])
            change = hidden @ self.output[kind] + self.output_bias[kind]
            out.append(2 * torch.log2(2 * total + 1) + change)
        return torch.cat(out).clamp(0, N_CONTEXTS - 1.001)

    def bits(self, position, magnitude, plane):
        """Bits of the magnitudes, from two neighboring histograms."""
        low = position.detach().floor().long()
        part = (position - low)[:, None]
        row = plane * N_CONTEXTS + low
        table = self.histograms.flatten(0, 1)
        logits = table[row] * (1 - part) + table[row + 1] * part
        return F.cross_entropy(logits, magnitude, reduction="none") / math.log(2)


def laplace_logits():
    """Histograms (32,20) of Laplace distributions."""
    scale = np.exp2(np.arange(N_CONTEXTS) / 2 - 7)[:, None].clip(0.02)
    tails = np.exp(-(MAGNITUDES - 0.5).clip(0) / scale)
    p = tails - np.append(tails[:, 1:], np.zeros((N_CONTEXTS, 1)), 1)
    return torch.tensor(np.log(p + 1e-5), dtype=torch.float32)[None]


def joined(records):
    """All records as arrays sorted by class: class, features, level, magnitude, plane, weight."""
    order = sorted(range(len(records)), key=lambda i: records[i].kind)
    some = [records[i] for i in order]
    symbols = np.abs(np.concatenate([r.symbols for r in some]))

    def each(name, kind):
        return np.concatenate([np.full(len(r.symbols), getattr(r, name), kind) for r in some])

    f = np.concatenate([r.features for r in some], 1).T.astype(np.float32)
    magnitude = np.searchsorted(MAGNITUDES, symbols, side="right") - 1
    level, every = each("level", np.float32), each("every", np.float32)
    return each("kind", np.uint8), f, level, magnitude, each("plane", np.int64), every


def spans_of(kinds):
    """(class, first, last) of the runs of sorted classes."""
    ends = np.flatnonzero(np.diff(kinds)) + 1
    pairs = zip([0, *ends.tolist()], [*ends.tolist(), len(kinds)])
    return [(int(kinds[a]), a, b) for a, b in pairs]


def train(records, steps, rng):
    """Minimize the bits of the magnitudes."""
    kinds, *arrays = joined(records)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    mean = 0.0
    for i in range(steps):
        some = np.sort(rng.integers(0, len(kinds), BATCH))
        f, level, magnitude, plane, weight = (torch.from_numpy(a[some]) for a in arrays)
        position = network.position(f, level, spans_of(kinds[some]))
        bits = network.bits(position, magnitude, plane)
        loss = (bits * weight).sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        mean += (float(loss.detach()) - mean) / min(i + 1, 200)
        if i % 500 == 499:
            print(f"{i + 1:6} steps, {mean:.4f} bits", flush=True)
    return network


def fixed_point(w, largest=127):
    """The shift with which weights fit 8 bits."""
    return math.floor(math.log2(largest / np.abs(w).max()))


def quantized(network):
    """The network in integers, as arrays of the file."""
    w = {k: v.detach().numpy().astype(np.float64) for k, v in network.named_parameters()}
    hidden = w["hidden"] * HIDDEN_GAIN * HIDDEN_UNIT / 16
    output = w["output"] * PER_CONTEXT / HIDDEN_UNIT
    shifts = fixed_point(hidden), fixed_point(output)
    hidden_bias = w["hidden_bias"] * HIDDEN_UNIT
    output_bias = w["output_bias"] * PER_CONTEXT + PER_CONTEXT / 2  # rounds to the nearest context
    return dict(
        linear=np.rint(w["linear"] ** 2 * LINEAR_GAIN).clip(0, 255).astype(np.uint8),
        hidden=np.rint(hidden * 2.0 ** shifts[0]).astype(np.int8),
        hidden_bias=np.rint(hidden_bias * 2.0 ** shifts[0]).astype(np.int32),
        output=np.rint(output * 2.0 ** shifts[1]).astype(np.int8),
        output_bias=np.rint(output_bias * 2.0 ** shifts[1]).astype(np.int32),
        shifts=np.array(shifts, np.int8),
    )


def best_prior(q):
    """Scale and weight of zero for the symbols of a context."""
    u, n = np.unique(q, return_counts=True)

    def bits(scale, zero):
        model = Model(2, scale, zero=zero)
        return float(sum(ideal_bits(np.array([v]), model)[0] * m for v, m in zip(u, n)))

    near = max(0, round(8 * np.log2(max(float(np.abs(u) @ n) / n.sum(), 0.02) * 8 * 0.7)))
    return min(
        (bits(s, z), s, z) for s in range(max(0, near - 10), near + 11) for z in range(-4, 48, 4)
    )[1:]


def fit_priors(records, model, rng, most=100_000):
    """Scale and weight of zero for every context, by exact bits."""
    seen = {}
    for r in records:
        c = contexts(model.networks[r.kind], r.level, r.features)
        for k in np.unique(c).tolist():
            seen.setdefault((r.plane, k), []).append(r.symbols[c == k])
    out = []
    for plane in (0, 1):
        row = []
        for k in range(N_CONTEXTS):
            q = np.concatenate(seen.get((plane, k), [np.zeros(0, int)]))
            if len(q) < 500:
                row.append((row[-1][0] + 4, 0) if row else (0, 8))
            else:
                row.append(best_prior(q if len(q) < most else rng.choice(q, most)))
        out.append(row)
    return np.array(out, np.int16)


def as_file(sets, path):
    """Write the arrays of both sets."""
    np.savez_compressed(path, **{f"{k}{i}": v for i, own in sets.items() for k, v in own.items()})


def trained(records, prediction, path, steps, rng):
    """Train a set of weights and tables; `path` is overwritten."""
    arrays = quantized(train(records, steps, rng))
    as_file({prediction: arrays | dict(priors=np.zeros((2, N_CONTEXTS, 2), np.int16))}, path)
    model = read_contexts(path.read_bytes(), bool(prediction))
    return arrays | dict(priors=fit_priors(records, model, rng))


def main():
    """Record, train, write the file."""
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folders", type=Path, nargs="+")
    a.add_argument("--images", type=int, default=67, help="at most so many of a folder")
    a.add_argument("--steps", type=int, default=4000)
    a.add_argument("--out", type=Path, default=Path("wavelet_contexts.npz"))
    a = a.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images = parts([x for f in a.folders for x in photographs(f, a.images)], rng, per_size=1)
    sets = {}
    for prediction in (0, 1):
        records = []
        for i, x in enumerate(images):
            step = STEPS[i % len(STEPS)] * 2 ** rng.uniform(-0.5, 0.5)
            records += records_of(x, step, bool(prediction), rng)
        sets[prediction] = trained(records, prediction, a.out, a.steps, rng)
    as_file(sets, a.out)
    print(f"{a.out}: {a.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
