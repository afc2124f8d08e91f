"""Networks alone and with every decomposition, at equal size.

    python nbs/benchmarks/decomposition.py FOLDER

Three Kodak images (the center 384x256), a page of text and a micrograph at two rates; 600 steps
per network, one thread. Files are decoded in a new process. One row per point is written to
results/decomposition.tsv; existing rows are not measured again. IMPLICIT_COMPRESS_DATA names the
folder that holds kodak/. Recorded rows of rendered pages are from before the change to the basic
font layout (`bench.datasets`): some letters are shifted by a pixel since then.
"""

import os
import sys
from pathlib import Path

import numpy as np
from points import Table, decoded, encoded

from implicit_compress.bench.datasets import image_set
from implicit_compress.bench.synthetic import text_page
from implicit_compress.image.load import load_image

RATES = (0.2, 0.6)
WAYS = {
    "plain network": {},
    "luma and chroma apart": dict(method="hybrid:chroma=siren,residual=none"),
    "means of 2x2, rendered at full size": dict(method="hybrid:levels=1,residual=none"),
    "haar low band alone": dict(method="hybrid:wavelet=haar,levels=1,residual=none"),
    "bior4.4 low band alone": dict(method="hybrid:wavelet=bior4.4,levels=1,residual=none"),
    "haar, network of details": dict(method="hybrid:wavelet=haar,levels=1,residual=siren"),
    "network + coefficients": dict(method="hybrid:base_share=0.5"),
    "means of 2x2 + coefficients": dict(method="hybrid:levels=1,base_share=0.15"),
    "means of 4x4 + coefficients": dict(method="hybrid:levels=2,base_share=0.15"),
    "bior4.4 low band, 2 levels + coefficients": dict(
        method="hybrid:wavelet=bior4.4,levels=2,residual.wavelet=bior4.4,base_share=0.15"
    ),
    "coefficients alone": dict(method="wavelet"),
}


def middle(x, h=256, w=384):
    top, left = (x.shape[0] - h) // 2, (x.shape[1] - w) // 2
    return x[max(top, 0) :, max(left, 0) :][:h, :w]


def sources(folder):
    """Name and file of every image."""
    kodak = Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak"
    shown = {f"kodim{i:02d}": middle(load_image(kodak / f"kodim{i:02d}.png")) for i in (5, 15, 23)}
    shown["text page"] = middle(text_page())
    shown["micrograph"] = middle(load_image(image_set("scientific")["cell"]))
    for name, x in shown.items():
        np.save(p := folder / f"{name.replace(' ', '_')}.npy", x)
        yield name, p


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "decomposition.tsv",
        "image target_bpp way bytes bpp psnr_db encode_s decode_s",
        3,
        "decompositions of the image, 600 steps a network, one thread",
    )
    for name, source in sources(folder):
        for rate in RATES:
            for way, how in WAYS.items():
                x = np.load(source, mmap_mode="r")
                if table.has(name, rate, way) or (
                    way.startswith("luma") and (x.ndim < 3 or x.shape[2] < 3)
                ):
                    continue
                budget = (
                    dict(steps=600) if how["method"] != "wavelet" else {}
                )  # coefficients alone take no steps
                said = encoded(
                    source, out := folder / "point.iic", bpp=rate, threads=1, **budget, **how
                )
                table.add(
                    dict(image=name, target_bpp=rate, way=way, **said, **decoded(source, out))
                )
