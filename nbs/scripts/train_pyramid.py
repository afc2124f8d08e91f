"""Learn the weights a pyramid begins with: `python nbs/scripts/train_pyramid.py FOLDER [--steps 900] [--pictures 16] [--size 128]`

FOLDER holds JPEG or PNG photographs that are in no benchmark (the shipped starts: BSDS500). Squares of many of them become one large picture;
what is overfitted to that picture fits none of them by itself. One start is learned for each lmbda, each beginning with the one before,
and all go into implicit_compress/pyramid_start.bin. Files that are already written need the start they name: a number is never used again.
"""
import argparse, time, zlib
from pathlib import Path
import numpy as np
import torch
from implicit_compress.fit import keep_memory
from implicit_compress.image import load_image
from implicit_compress.overfit import Clock, Overfit, overfit, plan_for, start_number
from implicit_compress.pyramid import STARTS

OUT = Path(__file__).parent.parent.parent/"implicit_compress"/STARTS
LMBDAS = (4e-3, 1e-3, 2.5e-4, 6e-5, 1.6e-2)    # the last begins with the first


def mosaic(folder, pictures, size, seed=0):
    "One picture made of a square of each of many"
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    rng = np.random.default_rng(seed)
    across = int(np.ceil(pictures**.5))
    out = np.zeros((size*-(-pictures//across), size*across, 3), np.uint8)
    for i, k in enumerate(rng.permutation(len(files))[:pictures]):
        x = load_image(files[k])
        a, b = (int(rng.integers(n - size + 1)) for n in x.shape[:2])
        r, c = divmod(i, across)
        out[r*size:(r + 1)*size, c*size:(c + 1)*size] = x[a:a + size, b:b + size]
    return out


def learned(x, lmbda, steps, W=None):
    "Weights after a fit of `steps` steps"
    t = time.process_time()
    o = Overfit(plan_for((*x.shape[1:], 3), lmbda, "none"), x, lmbda)
    if W:
        for w, v in zip(o.W, W): w.copy_(v if w.shape == v.shape else torch.cat([v[:, :w.shape[1] - 1], v[:, -1:]], 1))
    o.round_weights = lambda: None    # a start is as fine as it can be
    overfit(o, Clock(None, steps))
    print(f"lmbda {lmbda:g}: {o.steps} steps, {time.process_time() - t:.0f} s of processor, {-10*np.log10(o.mse):.2f} dB, {o.bpp:.4f} bpp, {1000*(o.mse + lmbda*o.bpp):.3f}", flush=True)
    if W:    # what was learned without the finest grid keeps what was known of it
        for w, v in zip(o.W, W):
            if w.shape != v.shape: w.data = torch.cat([w[:, :-1], v[:, w.shape[1] - 1:-1], w[:, -1:]], 1)
    return o.W


def packed(number, W):
    "A start as bytes"
    head = bytes([number, W[0].shape[0], W[5].shape[0], len(W) - 8])
    return head + b"".join(np.clip(np.rint(w.numpy().astype(np.float64)*4096), -32767, 32767).astype("<i2").tobytes() for w in W)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder", type=Path); a.add_argument("--pictures", type=int, default=16); a.add_argument("--size", type=int, default=128); a.add_argument("--steps", type=int, default=900)
    a = a.parse_args()
    keep_memory()
    x, known, out = torch.from_numpy(mosaic(a.folder, a.pictures, a.size)/255.).float().movedim(2, 0).contiguous(), {}, b""
    for lmbda in LMBDAS:
        known[lmbda] = learned(x, lmbda, a.steps, known.get(4*lmbda, known.get(LMBDAS[0])) if known else None)
        out += packed(start_number(lmbda), known[lmbda])
        OUT.write_bytes(zlib.compress(out, 9))
    print(OUT.stat().st_size, "bytes")
