"""Six Kodak images at the rates of six_images.py, with networks and coefficients combined.

    python nbs/benchmarks/combined.py FOLDER [--seconds 45]

Two threads, one fit at a time; decoded in a new process. One row per point is written to
results/combined_six.tsv; existing rows are not measured again. IMPLICIT_COMPRESS_DATA names the
folder that holds kodak/.
"""

import argparse
import os
from pathlib import Path

from points import Table, decoded, encoded

IMAGES, RATES = (1, 5, 8, 15, 20, 23), (0.1, 0.2, 0.35, 0.6)
WAYS = {
    "network + coefficients": dict(method="hybrid:base_share=0.15"),
    "coefficients alone": dict(method="wavelet"),
}

if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--seconds", type=float, default=45)
    a.add_argument("--threads", type=int, default=2)
    a = a.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "combined_six.tsv",
        "image target_bpp way bytes bpp psnr_db encode_s decode_s",
        3,
        f"networks and coefficients, {a.seconds:g} s of fitting, {a.threads} threads",
    )
    for way, rate, i in [(w, r, i) for w in WAYS for r in RATES for i in IMAGES]:
        if table.has(f"kodim{i:02d}", rate, way):
            continue
        source, out = (
            Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak" / f"kodim{i:02d}.png",
            a.folder / f"{way[:7]}_{i:02d}_{rate}.iic",
        )
        budget = (
            dict(seconds=a.seconds) if WAYS[way]["method"] != "wavelet" else {}
        )  # coefficients alone take no time
        said = encoded(source, out, bpp=rate, threads=a.threads, **budget, **WAYS[way])
        table.add(
            dict(
                image=f"kodim{i:02d}",
                target_bpp=rate,
                way=way,
                **said,
                **decoded(source, out, a.threads),
            )
        )
