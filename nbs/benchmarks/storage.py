"""Size from float32 to a file, stage by stage, at equal quality.

    python nbs/benchmarks/storage.py FOLDER

kodim15, the center 384x256; networks of ten layers and three widths, 600 steps, one thread. The
first rows hold what the same fit would need as float32, float16 and as 8-bit integers rounded
after the fit, raw and range coded: computed here, without a file of this codec. The others are
real files decoded in a new process. One row per point is written to results/storage.tsv; existing
rows are not measured again.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from decomposition import middle
from points import Table, decoded, encoded

from implicit_compress.entropy.segments import encode
from implicit_compress.image.load import load_image
from implicit_compress.image.metrics import psnr
from implicit_compress.settings.siren import Siren
from implicit_compress.siren.fit import fit
from implicit_compress.siren.network import render_network
from implicit_compress.siren.plan import init_network

WIDTHS, DEPTH, STEPS = (14, 20, 28), 10, 600
WAYS = {
    "linear + huffman": dict(method="siren:quantizer=uniform,coder=huffman"),
    "linear + range coder": dict(method="siren:quantizer=uniform"),
    "clipped range + range coder": dict(method="siren:quantizer=clipped"),
    "cluster + huffman": dict(method="siren:quantizer=codebook,coder=huffman"),
    "cluster + range coder": dict(method="siren:quantizer=codebook"),
    "graded + range coder": dict(method="siren"),
    "graded + zstd": dict(method="siren:coder=zstd"),
    "prune .3 + graded + range coder": dict(method="siren:prune=gradual,prune.sparsity=0.3"),
    "prune .3 + cluster + huffman": dict(
        method="siren:prune=gradual,prune.sparsity=0.3,quantizer=codebook,coder=huffman"
    ),
    "multi-hash .5 + graded + range coder": dict(method="siren:hash=multihash"),
    "hash .5 + graded + range coder": dict(method="siren:hash=hashtrick"),
}


def rounded(net, bits):
    """Round every tensor to symmetric 8-bit integers; returns them and the network."""
    with torch.no_grad():
        out = []
        for p in net.free_parameters():
            step = float(p.abs().max()) / (2 ** (bits - 1) - 1) + 1e-12
            q = (p / step).round()
            p.copy_(q * step)
            out.append(q.flatten().int().numpy())
    return out


def shown(net, x):
    return psnr(np.clip(render_network(net, *x.shape[:2]), 0, 1), x)


def with_shape(method, width):
    """The text form of a method with a width and a depth."""
    name, _, settings = method.partition(":")
    return f"{name}:" + ",".join(filter(None, [f"width={width},depth={DEPTH}", settings]))


def floats(x):
    """Rows of the storage formats of one floating-point fit."""
    for width in WIDTHS:
        net, how = init_network(x, width, DEPTH, Siren())
        fit(net, x, steps=STEPS, threads=1, progress=False, **how)
        n = sum(p.numel() for p in net.free_parameters())
        yield "float32", width, 4 * n, shown(net, x)
        with torch.no_grad():
            [p.copy_(p.half().float()) for p in net.free_parameters()]
        yield "float16", width, 2 * n, shown(net, x)
        for bits in (10, 8):
            if bits == 8:
                q = rounded(net, 8)
            else:
                keep = [p.detach().clone() for p in net.free_parameters()]
                q = rounded(net, 10)
            db, coded = shown(net, x), encode([v.astype(np.int64) for v in q])
            yield f"{bits}-bit after the fit, raw", width, n * bits // 8 + 4 * len(q), db
            yield (
                f"{bits}-bit after the fit, range coded",
                width,
                len(coded.models) + len(coded.payload) + 4 * len(q),
                db,
            )
            if bits == 10:
                with torch.no_grad():
                    [p.copy_(k) for p, k in zip(net.free_parameters(), keep)]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "storage.tsv",
        "way width bytes psnr_db encode_s",
        2,
        "size of a network by stage; kodim15, center 384x256, ten layers, 600 steps, one thread",
    )
    x = middle(load_image(Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak" / "kodim15.png"))
    np.save(source := folder / "kodim15.npy", x)
    if not table.has("float32", WIDTHS[-1]):
        for way, width, n, db in floats(x):
            table.add(dict(way=way, width=width, bytes=n, psnr_db=round(float(db), 3)))
    for way, how in WAYS.items():
        for width in WIDTHS:
            if table.has(way, width):
                continue
            said = encoded(
                source,
                out := folder / "point.iic",
                method=with_shape(how["method"], width),
                steps=STEPS,
                threads=1,
            )
            table.add(dict(way=way, width=width, **said, **decoded(source, out)))
