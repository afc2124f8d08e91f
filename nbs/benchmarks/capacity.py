"""PSNR of networks by size.

    python nbs/benchmarks/capacity.py FOLDER

kodim15 reduced to 384x256: width, depth and steps; then one network, 24 wide and ten deep, at
four resolutions of kodim05 and kodim15. One network per image (no tiles), files decoded in a new
process, one thread. One row per point is written to results/capacity.tsv; existing rows are not
measured again. IMPLICIT_COMPRESS_DATA names the folder that holds kodak/.
"""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from points import Table, decoded, encoded

from implicit_compress.bitstream.header import count_weights

GRID = [(w, d, s) for s in (300, 1000) for d in (4, 10) for w in (12, 20, 28, 40)] + [
    (20, d, 1000) for d in (2, 6, 14)
]
SIZES = ((96, 64), (192, 128), (384, 256), (768, 512))


def reduced(i, size):
    """A Kodak image, reduced by area averages."""
    return np.array(
        Image.open(
            Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak" / f"kodim{i:02d}.png"
        ).resize(size, Image.Resampling.BOX)
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "capacity.tsv",
        "image columns rows width depth steps weights bytes bpp psnr_db encode_s decode_s",
        6,
        "one network per image, quantization-aware training, one thread",
    )
    points = [(15, (384, 256), *g) for g in GRID] + [
        (i, size, 24, 10, 1000) for size in SIZES for i in (5, 15)
    ]
    for i, size, width, depth, steps in points:
        if table.has(f"kodim{i:02d}", *size, width, depth, steps):
            continue
        np.save(source := folder / "image.npy", reduced(i, size))
        said = encoded(
            source,
            out := folder / "point.iic",
            method=f"siren:width={width},depth={depth}",
            steps=steps,
            threads=1,
        )
        table.add(
            dict(
                image=f"kodim{i:02d}",
                columns=size[0],
                rows=size[1],
                width=width,
                depth=depth,
                steps=steps,
                weights=count_weights(width, depth),
                **said,
                **decoded(source, out),
            )
        )
