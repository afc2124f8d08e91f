"""Skip connections at equal size.

    python nbs/benchmarks/skips.py FOLDER

The center 384x256 of three Kodak images at 0.2 and 0.6 bits per pixel, 2,000 steps, one thread,
with and without skip connections; decoded in a new process. One row per point is written to
results/skips.tsv; existing rows are not measured again. IMPLICIT_COMPRESS_DATA names the folder
that holds kodak/.
"""

import os
import sys
from pathlib import Path

import numpy as np
from decomposition import middle
from points import Table, decoded, encoded

from implicit_compress.image.load import load_image

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "skips.tsv",
        "image target_bpp skips bytes bpp psnr_db encode_s decode_s",
        3,
        "sine networks with and without skips, 2,000 steps, one thread",
    )
    for i, rate, skips in [
        (i, r, s) for r in (0.2, 0.6) for i in (5, 15, 23) for s in (False, True)
    ]:
        if table.has(f"kodim{i:02d}", rate, skips):
            continue
        np.save(
            source := folder / "image.npy",
            middle(
                load_image(
                    Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak" / f"kodim{i:02d}.png"
                )
            ),
        )
        said = encoded(
            source,
            (out := (folder / "point.iic")),
            method=f"siren:skip_connections={str(skips).lower()}",
            bpp=rate,
            steps=2000,
            threads=1,
        )
        table.add(
            dict(
                skips=skips, image=f"kodim{i:02d}", target_bpp=rate, **said, **decoded(source, out)
            )
        )
