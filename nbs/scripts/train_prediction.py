"""Train the network of `wavelet.prediction`.

    python nbs/scripts/train_prediction.py FOLDER... --seconds 3000 --out FILE [--state STATE]

Each FOLDER holds JPEG or PNG photographs that are in no benchmark. The shipped weights: 160
photographs of BSDS500, and five photographs at native resolution of Debian's package
lomiri-wallpapers-16.04, picosdeeuropa and life (Aitzol Berasategi, CC-BY-4.0), Picture_1A (Trevor
"Freespace", CC-BY-4.0), umang (Abhishek Mudgal, CC-BY-4.0) and seeding (Clemens Engelhardt, CC0),
each also at a half and a third of its size. Large photographs are cut into parts of 512x512.

With --start the training begins with the weights of an older FILE. With --state it is saved every
minute, and continues from there. FILE replaces implicit_compress/wavelet_prediction.npz; then the
contexts are trained by `train_contexts.py`, and golden files have to be written anew.
"""

import argparse
import math
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from implicit_compress.image.load import load_image
from implicit_compress.image.samples import to_float
from implicit_compress.wavelet.coefficients import transform_planes
from implicit_compress.wavelet.context import ORIENTATIONS, UNIT
from implicit_compress.wavelet.context_network import EXACT
from implicit_compress.wavelet.header import SparseHeader, levels_of
from implicit_compress.wavelet.levels import LevelCoder
from implicit_compress.wavelet.precincts import Rect, Region, SegmentWriter, level_plans
from implicit_compress.wavelet.prediction import LARGEST, RADIUS
from implicit_compress.wavelet.quantize import LAMBDA

SIDE = 512  # of parts of large photographs
PATCH = 64  # of the low band
BATCH = 8
CHANNELS = 24
LEARNING_RATE = 3e-3
STEPS = (0.02, 0.35)  # range of quantization steps, full scale is 1
LEVEL_WEIGHTS = {1: 1.0, 2: 3.0, 3: 6.0}  # of a position of a level; 12 above
ACTIVATION = 256.0  # units of an activation of 1
OUTPUT_SCALE = 0.1


def photographs(folder, n):
    """Some photographs of a folder, evenly spaced in the order of their names."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return [load_image(f) for f in files[:: max(1, len(files) // n)][:n]]


def parts(images, rng, per_size=8):
    """Small photographs whole, parts of large ones at three sizes."""
    out = []
    for x in images:
        if max(x.shape[:2]) <= 2 * SIDE:
            out.append(x)
            continue
        for divisor in (1, 2, 3):
            size = x.shape[1] // divisor, x.shape[0] // divisor
            y = np.asarray(Image.fromarray(x).resize(size, Image.Resampling.LANCZOS))
            for _ in range(per_size):
                top, left = (int(rng.integers(max(1, n - SIDE))) for n in y.shape[:2])
                out.append(y[top : top + SIDE, left : left + SIDE].copy())
    return [out[i] for i in rng.permutation(len(out))]


def first_level(shape, step, real):
    """Coder of the levels of an image without precincts, and the decoded lowest band."""
    levels = levels_of(*shape[:2], "9/7")
    header = SparseHeader(levels, step, 0, "9/7")
    plans = level_plans(shape, levels, divided=False)
    coder = LevelCoder(SegmentWriter(), shape, header, plans)
    low = [np.rint(real[p, levels, "ll"] / step) * step for p in range(3)]
    return coder, Region(Rect(0, 0, *low[0].shape), np.stack(low).astype(np.int32))


def examples(images, rng):
    """Per level: (level, step, low band (3,h+12,w+12), details (9,h,w)), over 2**level."""
    out = []
    for x in images:
        r = to_float(x) - 0.5
        step = round(UNIT * math.exp(rng.uniform(*np.log(STEPS))))
        levels = levels_of(*r.shape[:2], "9/7")
        real = transform_planes(r, "9/7", levels)
        coder, region = first_level(r.shape, step, real)
        for level in range(levels, 0, -1):
            low = region.planes
            true = np.full((9, *low.shape[1:]), np.nan, np.float16)
            for i, name in enumerate(ORIENTATIONS):
                for p in range(3):
                    band = real[p, level, name] / (UNIT << level)
                    true[3 * i + p, : band.shape[0], : band.shape[1]] = band
            edges = ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS))
            known = np.pad(low / np.float32(UNIT << level), edges, mode="edge")
            if min(low.shape[1:]) >= 8:
                known = torch.from_numpy(known.astype(np.float16))
                out.append((level, step / UNIT, known, torch.from_numpy(true)))
            region = coder.code(level, region, real)
    return out


class Network(nn.Module):
    """The network in reals."""

    def __init__(self):
        super().__init__()
        sizes = (4, CHANNELS, CHANNELS, CHANNELS, 18)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in pairwise(sizes))
        nn.init.zeros_(self.layers[3].weight)
        nn.init.zeros_(self.layers[3].bias)
        self.layers[3].bias.data[9:] = 0.1

    def forward(self, low, log_step):
        """Means and magnitudes (n,9,h,w) from low bands (n,3,h+12,w+12), over 2**level."""
        x = (low[:, :, 2:-2, 2:-2] - F.avg_pool2d(low, 5, 1)) * 8
        channel = (log_step / 4).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
        first, *residual, last = self.layers
        v = first(torch.cat([x, channel], 1)).relu()
        for layer in residual:
            v = v[:, :, 1:-1, 1:-1] + layer(v).relu()
        y = last(v) * OUTPUT_SCALE
        return y[:, :9], y[:, 9:]


def cost(true, mean, magnitude, unit):
    """Rate-distortion cost of each coefficient, in squared steps.

    The bits are those of a t distribution with 3 degrees of freedom; a coefficient is zero or
    not, whichever costs less.
    """
    r = ((true - mean) / unit).abs()
    b = magnitude.abs() / unit + 0.03
    z = 0.5 / (b * math.sqrt(3))
    zero = -torch.log2((2 / math.pi) * (z / (1 + z * z) + torch.atan(z)))
    v = r.clamp(min=0.5) / b
    other = torch.log2(b) + 2 * torch.log2(1 + v * v / 3) + math.log2(math.pi * math.sqrt(3) / 2)
    return torch.minimum(r * r + LAMBDA * zero, 1 / 12 + LAMBDA * other)


def batch(data, chosen, rng):
    """Patches: low bands, details with NaN outside of bands, units."""
    low, true, units = [], [], []
    for k in chosen:
        level, step, a, t = data[k]
        rows, columns = (min(PATCH, n) for n in t.shape[1:])
        y, x = (int(rng.integers(n - m + 1)) for n, m in zip(t.shape[1:], (rows, columns)))
        a = a[:, y : y + rows + 2 * RADIUS, x : x + columns + 2 * RADIUS].float()
        t = t[:, y : y + rows, x : x + columns].float()
        space = (0, PATCH - columns, 0, PATCH - rows)
        low.append(F.pad(a, space))
        true.append(F.pad(t, space, value=math.nan))
        units.append(step / 2**level)
    return torch.stack(low), torch.stack(true), torch.tensor(units)


def train(data, seconds, start_file, state, rng):
    """Weights averaged over the last steps; the time counts from the start of the training."""
    area = [t.shape[1] * t.shape[2] * LEVEL_WEIGHTS.get(level, 12.0) for level, _, _, t in data]
    chance = np.array(area) / sum(area)
    network = Network()
    if start_file:
        load_integers(network, start_file)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    mean = [p.detach().clone() for p in network.parameters()]
    n, used = 0, 0.0
    if state and state.exists():
        saved = torch.load(state)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        mean, n, used = saved["mean"], saved["n"], saved["used"]
    start, shown = time.process_time() - used, used
    while (used := time.process_time() - start) < seconds:
        progress = used / seconds
        rate = LEARNING_RATE * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)
        optimizer.param_groups[0]["lr"] = rate * min(1, (n + 1) / 100)
        low, true, unit = batch(data, rng.choice(len(data), BATCH, p=chance), rng)
        inside = ~true.isnan()
        found = network(low, torch.log2(unit))
        costs = cost(true.nan_to_num(), *found, unit.view(-1, 1, 1, 1)) * inside
        each = costs.sum((1, 2, 3)) / inside.sum((1, 2, 3))
        loss = (each / (each.detach() + 0.02)).mean()  # images of any quality count alike
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        n += 1
        decay = min(0.999, n / (n + 10))
        for m, p in zip(mean, network.parameters()):
            m.mul_(decay).add_(p.detach(), alpha=1 - decay)
        if used - shown > 60:
            shown = used
            print(f"{used:6.0f} s {n:7} steps, cost {float(each.detach().mean()):.4f}", flush=True)
            if state:
                saved = dict(network=network.state_dict(), optimizer=optimizer.state_dict())
                torch.save(saved | dict(mean=mean, n=n, used=used), f"{state}.part")
                os.replace(f"{state}.part", state)
    return [m.numpy() for m in mean]


def integers(w, b, inputs, gain):
    """Weights of 8 bits, biases and shifts of a layer, with sums below 2**24.

    `inputs`: units of an input of 1; `gain`: units of the result for a unit of the input.
    """
    weights, bias, shifts = [], [], []
    for row, offset in zip(w.astype(np.float64), b.astype(np.float64)):
        bits = min(14, math.floor(math.log2(127 / (np.abs(row).max() + 1e-12))))
        while True:
            q = np.rint(row * 2.0**bits).clip(-127, 127)
            shift = bits - int(math.log2(gain))
            half = 2 ** (shift - 1) if shift > 0 else 0
            total = np.rint(offset * inputs * 2.0**bits) + half
            if np.abs(q).sum() * LARGEST + abs(total) < EXACT:
                break
            bits -= 1
        weights.append(q.transpose(1, 2, 0).ravel())
        bias.append(total)
        shifts.append(shift)
    return np.array(weights, np.int8), np.array(bias, np.int32), np.array(shifts, np.int8)


INPUTS = (128.0, ACTIVATION, ACTIVATION, ACTIVATION)  # 1024 units of the low band are 8
GAINS = (ACTIVATION / 128, 1.0, 1.0, 65536 / ACTIVATION)
OUTPUTS = (1.0, 1.0, 1.0, OUTPUT_SCALE)  # factor of the result of a layer


def load_integers(network, file):
    """Set the weights of a network to those of a file, the inverse of `quantized`."""
    arrays = np.load(file)
    for i, layer in enumerate(network.layers):
        shift = arrays[f"shift{i}"].astype(np.float64)
        unit = np.exp2(-shift - math.log2(GAINS[i])) / OUTPUTS[i]
        half = np.where(shift > 0, np.exp2(shift - 1), 0)
        bias = (arrays[f"bias{i}"] - half) * unit / INPUTS[i]
        w = arrays[f"weights{i}"] * unit[:, None]
        shape = len(w), 3, 3, layer.in_channels
        layer.weight.data[:] = torch.from_numpy(w.reshape(shape).transpose(0, 3, 1, 2).copy())
        layer.bias.data[:] = torch.from_numpy(bias)


def quantized(weights):
    """The four layers in integers, as arrays of the file."""
    w, b = weights[::2], weights[1::2]
    out = {}
    for i in range(4):
        layer = integers(w[i] * OUTPUTS[i], b[i] * OUTPUTS[i], INPUTS[i], GAINS[i])
        out |= dict(zip((f"weights{i}", f"bias{i}", f"shift{i}"), layer))
    return out


def main():
    """Train, write the file."""
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folders", type=Path, nargs="+")
    a.add_argument("--seconds", type=float, default=3000)
    a.add_argument("--images", type=int, default=160, help="at most so many of a folder")
    a.add_argument("--start", type=Path, help="file whose weights the training begins with")
    a.add_argument("--out", type=Path, default=Path("wavelet_prediction.npz"))
    a.add_argument("--state", type=Path)
    a = a.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images = parts([x for f in a.folders for x in photographs(f, a.images)], rng)
    data = examples(images, rng)
    arrays = quantized(train(data, a.seconds, a.start, a.state, rng))
    np.savez_compressed(a.out, **arrays)
    print(f"{a.out}: {a.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
