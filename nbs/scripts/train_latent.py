"""Train the initial weights of the latent method.

    python nbs/scripts/train_latent.py FOLDER [--only starts] [--steps 900] [--images 16]
        [--size 128] [--analysis-steps 700]

FOLDER holds JPEG or PNG photographs that are in no benchmark (the shipped weights: BSDS500).

Initial weights of the decoder's networks: square crops of many photographs are joined to one
large image, and a pyramid is fitted to it. One set of weights is trained for each lmbda,
initialised with the previous one; all are written to implicit_compress/latent_pretrained.bin.
Existing files need the weights whose id they contain: once a version of the package is released,
its ids must not be reused.

Analysis networks, which predict latents for the encoder: one for each set of initial weights,
trained with fixed decoder networks, on a new image of other crops in every step. They are written
to implicit_compress/latent_analysis.bin; the decoder does not need them.
"""

import argparse
import math
import time
import zlib
from pathlib import Path

import numpy as np
import torch

from implicit_compress.image.load import load_image
from implicit_compress.latent.analysis import (
    ANALYSIS_FILE,
    WEIGHT_SHAPES,
    analysis_forward,
    image_pyramid,
)
from implicit_compress.latent.autograd import synthesis_forward
from implicit_compress.latent.budget import BudgetClock
from implicit_compress.latent.context_model import N_CONTEXT_MATRICES
from implicit_compress.latent.fit import FitTarget, fit_latents
from implicit_compress.latent.fit_state import LatentFit
from implicit_compress.latent.gradients import RateModel
from implicit_compress.latent.model_choice import choose_spec, pretrained_id
from implicit_compress.latent.synthesis import N_SEPARATE
from implicit_compress.latent.weights import INIT_BITS, PRETRAINED_FILE, initial_weights
from implicit_compress.runtime.memory import keep_memory

PACKAGE = Path(__file__).parent.parent.parent / "implicit_compress"
LMBDAS = (4e-3, 1e-3, 2.5e-4, 6e-5, 1.6e-2)  # the last begins with the first


def photographs(folder):
    """All of them."""
    return [
        load_image(p)
        for p in sorted(folder.iterdir())
        if p.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]


def mosaic(photos, rng, images, size):
    """One image of a square crop of each of several photographs."""
    across = math.ceil(images**0.5)
    out = np.zeros((size * -(-images // across), size * across, 3), np.uint8)
    for i, k in enumerate(rng.permutation(len(photos))[:images]):
        a, b = (int(rng.integers(n - size + 1)) for n in photos[k].shape[:2])
        r, c = divmod(i, across)
        out[r * size : (r + 1) * size, c * size : (c + 1) * size] = photos[k][
            a : a + size, b : b + size
        ]
    return torch.from_numpy(out / 255.0).float().movedim(2, 0).contiguous()


def learned(x, lmbda, steps, W=None):
    """Weights after a fit of `steps` steps."""
    t = time.process_time()
    o = LatentFit(choose_spec((*x.shape[1:], 3), lmbda, "none"), x, lmbda)
    if W:
        for w, v in zip(o.weights, W):
            w.copy_(v if w.shape == v.shape else torch.cat([v[:, : w.shape[1] - 1], v[:, -1:]], 1))
    o.start_weights = o.weights  # initial weights of all images cost no bits
    fit_latents(o, BudgetClock(None, steps), FitTarget(rounding=False))
    print(
        f"lmbda {lmbda:g}: {o.steps} steps, {time.process_time() - t:.0f} s of processor, "
        f"{-10 * np.log10(o.mse):.2f} dB, {o.bpp:.4f} bpp, {1000 * (o.mse + lmbda * o.bpp):.3f}",
        flush=True,
    )
    if W:  # what was learned without the finest grid keeps what was known of it
        for w, v in zip(o.weights, W):
            if w.shape != v.shape:
                w.data = torch.cat([w[:, :-1], v[:, w.shape[1] - 1 : -1], w[:, -1:]], 1)
    return o.weights


def packed(number, W):
    """Initial weights as bytes."""
    head = bytes(
        [number, W[0].shape[0], W[N_CONTEXT_MATRICES + 1].shape[0], len(W) - N_CONTEXT_MATRICES - 4]
    )
    return head + b"".join(
        np.clip(np.rint(w.numpy().astype(np.float64) * 4096), -32767, 32767).astype("<i2").tobytes()
        for w in W
    )


def fresh(rng):
    """Initial weights of an analysis network, whose output is zero."""
    return [
        torch.from_numpy(rng.uniform(-1, 1, s) / max(1, np.prod(s[1:])) ** 0.5).float()
        if i in (0, 2)
        else torch.zeros(s)
        for i, s in enumerate(WEIGHT_SHAPES)
    ]


def analysis(photos, lmbda, steps, scales=None, images=4, size=128):
    """Weights of every scale after training on a number of images."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    across = math.ceil(images**0.5)
    spec = choose_spec((size * -(-images // across), size * across, 3), lmbda, "shipped")
    W = [torch.from_numpy(v / 2.0**INIT_BITS).float() for v in initial_weights(spec)]
    synthesis, rate, t = spec.synthesis, RateModel(spec.synthesis.grids), time.process_time()
    pixels, said = synthesis.h * synthesis.w, 0.0
    scales = {
        g.level: [v.clone() for v in scales[g.level]]
        if scales and g.level in scales
        else fresh(rng)
        for g in synthesis.grids
        if g.level < N_SEPARATE
    }
    leaves = [v.requires_grad_(True) for vs in scales.values() for v in vs]
    adam = torch.optim.Adam(leaves, 4e-3, betas=(0.9, 0.99))
    for i in range(steps):
        adam.param_groups[0]["lr"] = (
            4e-3 * (0.02 + 0.98 * (1 + math.cos(math.pi * i / steps)) / 2) * min(1, (i + 1) / 30)
        )
        x = mosaic(photos, rng, images, size)
        seen = image_pyramid(x, synthesis.levels)
        ys = [
            v + torch.rand_like(v) - 0.5
            for v in (analysis_forward(seen, g.level, scales[g.level]) for g in synthesis.grids)
        ]
        mse = (synthesis_forward(synthesis, ys, W[N_CONTEXT_MATRICES:]) - x).square().mean()
        bits, grads, _ = rate([v.detach() for v in ys], W[:N_CONTEXT_MATRICES])
        adam.zero_grad()
        torch.autograd.backward(
            [mse, *ys], [torch.ones(()), *(v * (lmbda / pixels) for v in grads)]
        )
        torch.nn.utils.clip_grad_norm_(leaves, 0.05)
        adam.step()
        said = said * 0.98 + 0.02 * 1000 * (float(mse.detach()) + lmbda * sum(bits) / pixels)
    print(
        f"analysis for lmbda {lmbda:g}: {steps} steps, {time.process_time() - t:.0f} s of "
        f"processor, about {said / (1 - 0.98**steps):.3f}",
        flush=True,
    )
    return spec, {k: [v.detach() for v in vs] for k, vs in scales.items()}


def doubled(scales):
    """The same for steps of half the size."""
    return scales and {
        k: [2 * v if i > 3 else v for i, v in enumerate(vs)] for k, vs in scales.items()
    }


def packed_analysis(spec, scales):
    """An analysis as bytes."""
    return bytes([spec.pretrained_id, spec.synthesis.step_code, min(scales)]) + b"".join(
        v.numpy().astype("<f2").tobytes() for k in sorted(scales) for v in scales[k]
    )


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--only", choices=("starts", "analyses"))
    a.add_argument("--images", type=int, default=16)
    a.add_argument("--size", type=int, default=128)
    a.add_argument("--steps", type=int, default=900)
    a.add_argument("--analysis-steps", type=int, default=700)
    a = a.parse_args()
    keep_memory()
    photos, rng = photographs(a.folder), np.random.default_rng(0)
    if a.only != "analyses":
        x, known, out = mosaic(photos, rng, a.images, a.size), {}, b""
        for lmbda in LMBDAS:
            known[lmbda] = learned(
                x, lmbda, a.steps, known.get(4 * lmbda, known.get(LMBDAS[0])) if known else None
            )
            out += packed(pretrained_id(lmbda), known[lmbda])
            (PACKAGE / PRETRAINED_FILE).write_bytes(zlib.compress(out, 9))
    if a.only != "starts":
        out, scales, first = b"", None, None
        for lmbda in LMBDAS:
            spec, scales = analysis(
                photos, lmbda, a.analysis_steps, first if lmbda > LMBDAS[0] else doubled(scales)
            )
            first = first or scales
            out += packed_analysis(spec, scales)
            (PACKAGE / ANALYSIS_FILE).write_bytes(zlib.compress(out, 9))
    print(
        *(
            f"{p.stat().st_size} bytes of {p.name}"
            for p in (PACKAGE / PRETRAINED_FILE, PACKAGE / ANALYSIS_FILE)
            if p.exists()
        ),
        sep="\n",
    )
