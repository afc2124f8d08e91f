"""Every stage of the codec, alone and combined, as a real file.

    python nbs/benchmarks/stages.py FOLDER [--bpp 0.4] [--steps 300]

The demo image is compressed with each stage enabled, with one thread and again with two; the file
is decoded in new processes with one thread and with two, with three kernels of OpenBLAS. One row
per stage is written to results/stages.tsv: bytes, PSNR, and whether the PSNR is that of the
encoder (round_trip), all decoders give the same pixels (same_pixels) and both encoders the same
file (same_file). Existing rows are not measured again.
"""

import argparse
from pathlib import Path
import numpy as np
from points import Table, decoded_everywhere, encoded
from implicit_compress.image.samples import demo_image

STAGES = {
    "dense, graded, range coder": {},
    "coder: huffman": dict(coder="huffman"),
    "coder: lzma": dict(coder="lzma"),
    "coder: deflate": dict(coder="deflate"),
    "coder: zstd": dict(coder="zstd"),
    "quantizer: linear": dict(quantizer="linear"),
    "quantizer: range": dict(quantizer="range"),
    "quantizer: cluster": dict(quantizer="cluster"),
    **{
        f"prune: {p}": dict(prune=0.3, pruning=p)
        for p in ("magnitude", "layer", "damage", "rigl", "snfs")
    },
    "hashing: multi-hash": dict(pool=0.5, hashing="multi-hash"),
    "hashing: hash": dict(pool=0.5, hashing="hash"),
    "tiles: 4": dict(shape=[9, 6, 4]),
    "skips": dict(skips=True),
    "colour: ycbcr": dict(colour="ycbcr"),
    "wavelet: haar, details: none": dict(wavelet="haar", levels=1),
    "wavelet: bior4.4, details: none": dict(wavelet="bior4.4", levels=1),
    "wavelet: haar, details: network": dict(wavelet="haar", levels=1, details="network"),
    "wavelet: haar, details: sparse": dict(wavelet="haar", levels=2, details="sparse", share=0.15),
    "wavelet: bior4.4, details: sparse": dict(
        wavelet="bior4.4", levels=2, details="sparse", share=0.15
    ),
    "wavelet: db3, details: sparse": dict(wavelet="db3", levels=2, details="sparse", share=0.15),
    "details: sparse, no network": dict(details="sparse", share=0),
    "lossless": dict(lossless=True),
    "lossless, with a network": dict(lossless=True, bpp=0.4),
    "prune + cluster + huffman (Han et al. 2016)": dict(
        prune=0.3, quantizer="cluster", coder="huffman"
    ),
    "prune + range": dict(prune=0.3, quantizer="range"),
    "skips + prune + linear": dict(skips=True, prune=0.3, quantizer="linear"),
    "multi-hash + linear": dict(pool=0.5, hashing="multi-hash", quantizer="linear"),
    "hash + cluster + zstd": dict(pool=0.5, hashing="hash", quantizer="cluster", coder="zstd"),
    "ycbcr + haar + network": dict(colour="ycbcr", wavelet="haar", levels=1, details="network"),
    "ycbcr + bior4.4 + sparse + prune + cluster": dict(
        colour="ycbcr",
        wavelet="bior4.4",
        levels=2,
        details="sparse",
        share=0.15,
        prune=0.3,
        quantizer="cluster",
    ),
}

if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--bpp", type=float, default=0.4)
    a.add_argument("--steps", type=int, default=300)
    a = a.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    np.save(source := a.folder / "demo.npy", demo_image())
    table = Table(
        "stages.tsv",
        "stage bytes bpp psnr_db round_trip same_pixels same_file encode_s decode_s",
        1,
        f"two parrots, 288x192, {a.bpp} bits per pixel asked for, {a.steps} steps",
    )
    for name, how in STAGES.items():
        if table.has(name):
            continue
        lossless = how == dict(lossless=True)
        fitted = not lossless and how.get("share") != 0  # coefficients alone take no steps
        how = (
            ({} if lossless or "shape" in how else dict(bpp=a.bpp))
            | (dict(steps=a.steps) if fitted else {})
            | how
        )
        one, two = a.folder / "one.iic", a.folder / "two.iic"
        said = encoded(source, one, **how, **({} if lossless else dict(threads=1)))
        encoded(source, two, **how, **({} if lossless else dict(threads=2)))
        seen, same = decoded_everywhere(source, one)
        mark = lambda b: "yes" if b else "NO"
        table.add(
            dict(
                stage=name,
                **{k: seen[0][k] for k in ("bytes", "bpp", "psnr_db", "decode_s")},
                encode_s=said["encode_s"],
                round_trip=mark(
                    abs(said["said_db"] - seen[0]["psnr_db"]) < 1e-3
                    or said["said_db"] == seen[0]["psnr_db"]
                ),
                same_pixels=mark(same),
                same_file=mark(one.read_bytes() == two.read_bytes()),
            )
        )
