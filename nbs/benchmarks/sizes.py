"""From one pixel to 24 megapixels.

    python nbs/benchmarks/sizes.py FOLDER [--seconds 60]

Kodak images side by side, cropped to size, at 0.1 bits per pixel (100 bytes for small ones), with
networks alone and with coefficients; time and peak memory of the encoder and of the decoder, each
in a separate process. One row per size is written to results/sizes.tsv. IMPLICIT_COMPRESS_DATA
names the folder that holds kodak/.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from points import DECODE, ENCODE, Table, fresh

from implicit_compress.image.load import load_image

SIZES = (
    (1, 1),
    (1, 64),
    (37, 53),
    (256, 384),
    (512, 768),
    (2048, 3072),
    (4096, 5860),
)  # rows, columns
PEAK = """
import resource
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps(dict(json.loads(said), peak_mb=peak_mb)))"""


def mosaic(h, w):
    """The landscape images of Kodak, side by side."""
    folder = Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak"
    wide = [x for p in sorted(folder.glob("*.png")) if (x := load_image(p)).shape[0] == 512]
    rows, cols = -(-h // 512), -(-w // 768)
    return np.concatenate(
        [
            np.concatenate([wide[(r * cols + c) % len(wide)] for c in range(cols)], 1)
            for r in range(rows)
        ]
    )[:h, :w]


def watched(code):
    """The same, and the peak of its memory."""
    return code.replace("print(json.dumps(", "said = (json.dumps(") + PEAK


if __name__ == "__main__":
    import json

    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--seconds", type=float, default=60)
    a = a.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "sizes.tsv",
        "height width way megapixels bytes psnr_db encode_s encode_peak_mb decode_s decode_peak_mb",
        3,
        f"image sizes, {a.seconds:g} s of fitting at most",
    )
    for h, w in SIZES:
        np.save(source := a.folder / "size.npy", mosaic(h, w))
        for way, how in {
            "network": dict(method="siren"),
            "coefficients": dict(method="hybrid"),
        }.items():
            if table.has(h, w, way) or (way == "coefficients" and h * w > 7e6):
                continue  # every try of a step takes a minute there
            out, seconds = a.folder / "size.iic", min(a.seconds, 5 + h * w / 1e4)
            enc = fresh(
                watched(ENCODE),
                source,
                out,
                json.dumps(dict(bpp=max(0.1, 800 / (h * w)), seconds=seconds, **how)),
            )
            dec = fresh(watched(DECODE), source, out, 2)
            table.add(
                dict(
                    height=h,
                    width=w,
                    way=way,
                    megapixels=round(h * w / 1e6, 3),
                    bytes=dec["bytes"],
                    psnr_db=dec["psnr_db"],
                    encode_s=enc["encode_s"],
                    encode_peak_mb=enc["peak_mb"],
                    decode_s=dec["decode_s"],
                    decode_peak_mb=dec["peak_mb"],
                )
            )
