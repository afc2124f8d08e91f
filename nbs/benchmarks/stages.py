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

PRUNING = {  # name in the table: stage of the text form
    "magnitude": "prune=gradual",
    "layer": "prune=gradual,prune.scope=layer",
    "damage": "prune=gradual,prune.criterion=fisher",
    "rigl": "prune=rigl",
    "snfs": "prune=snfs",
}
STAGES = {
    "dense, graded, range coder": dict(method="siren"),
    "coder: huffman": dict(method="siren:coder=huffman"),
    "coder: lzma": dict(method="siren:coder=lzma"),
    "coder: deflate": dict(method="siren:coder=deflate"),
    "coder: zstd": dict(method="siren:coder=zstd"),
    "quantizer: linear": dict(method="siren:quantizer=uniform"),
    "quantizer: range": dict(method="siren:quantizer=clipped"),
    "quantizer: cluster": dict(method="siren:quantizer=codebook"),
    **{
        f"prune: {p}": dict(method=f"siren:{PRUNING[p]},prune.sparsity=0.3")
        for p in ("magnitude", "layer", "damage", "rigl", "snfs")
    },
    "hashing: multi-hash": dict(method="siren:hash=multihash"),
    "hashing: hash": dict(method="siren:hash=hashtrick"),
    "tiles: 4": dict(method="siren:width=9,depth=6,tiles=4"),
    "skips": dict(method="siren:skip_connections=true"),
    "colour: ycbcr": dict(method="hybrid:chroma=siren,residual=none"),
    "wavelet: haar, details: none": dict(method="hybrid:wavelet=haar,levels=1,residual=none"),
    "wavelet: bior4.4, details: none": dict(method="hybrid:wavelet=bior4.4,levels=1,residual=none"),
    "wavelet: haar, details: network": dict(method="hybrid:wavelet=haar,levels=1,residual=siren"),
    "wavelet: haar, details: sparse": dict(
        method="hybrid:wavelet=haar,levels=2,residual.wavelet=haar,base_share=0.15"
    ),
    "wavelet: bior4.4, details: sparse": dict(
        method="hybrid:wavelet=bior4.4,levels=2,residual.wavelet=bior4.4,base_share=0.15"
    ),
    "wavelet: db3, details: sparse": dict(
        method="hybrid:wavelet=db3,levels=2,residual.wavelet=db3,base_share=0.15"
    ),
    "details: sparse, no network": dict(method="wavelet"),
    "lossless": dict(method="lossless"),
    "lossless, with a network": dict(method="lossless:base=siren", bpp=0.4),
    "prune + cluster + huffman (Han et al. 2016)": dict(
        method="siren:prune=gradual,prune.sparsity=0.3,quantizer=codebook,coder=huffman"
    ),
    "prune + range": dict(method="siren:prune=gradual,prune.sparsity=0.3,quantizer=clipped"),
    "skips + prune + linear": dict(
        method="siren:skip_connections=true,prune=gradual,prune.sparsity=0.3,quantizer=uniform"
    ),
    "multi-hash + linear": dict(method="siren:hash=multihash,quantizer=uniform"),
    "hash + cluster + zstd": dict(method="siren:hash=hashtrick,quantizer=codebook,coder=zstd"),
    "ycbcr + haar + network": dict(
        method="hybrid:chroma=siren,wavelet=haar,levels=1,residual=siren"
    ),
    "ycbcr + bior4.4 + sparse + prune + cluster": dict(
        method="hybrid:base.prune=gradual,base.prune.sparsity=0.3,base.quantizer=codebook,chroma=siren,chroma.prune=gradual,chroma.prune.sparsity=0.3,chroma.quantizer=codebook,wavelet=bior4.4,levels=2,residual.wavelet=bior4.4,base_share=0.15"
    ),
}


def mark(right):
    """Yes or no, as the table shows it."""
    return "yes" if right else "NO"


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
        lossless = how["method"] == "lossless"
        fitted = how["method"] not in ("lossless", "wavelet")
        how = (
            ({} if lossless or "width" in how["method"] else dict(bpp=a.bpp))
            | (dict(steps=a.steps) if fitted else {})
            | how
        )
        one, two = a.folder / "one.iic", a.folder / "two.iic"
        said = encoded(source, one, **how, **({} if lossless else dict(threads=1)))
        encoded(source, two, **how, **({} if lossless else dict(threads=2)))
        seen, same = decoded_everywhere(source, one)
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
