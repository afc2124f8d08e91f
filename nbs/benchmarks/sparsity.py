"""Pruning, hashing and a smaller dense network at equal size.

    python nbs/benchmarks/sparsity.py FOLDER

Two Kodak images (the center 384x256) at two rates, 600 steps per fit, one thread. Every network
is as large as its bytes allow: a pruned or hashed one has more weights, each of them cheaper.
Files are decoded in a new process. One row per point is written to results/sparsity.tsv; existing
rows are not measured again. IMPLICIT_COMPRESS_DATA names the folder that holds kodak/.
"""

import os
import sys
from pathlib import Path

import numpy as np
from decomposition import middle
from points import Table, decoded, encoded

from implicit_compress.image.load import load_image

RATES = (0.15, 0.5)
PRUNING = {  # name in the table: stage of the text form
    "magnitude": "prune=gradual",
    "layer": "prune=gradual,prune.scope=layer",
    "damage": "prune=gradual,prune.criterion=fisher",
    "rigl": "prune=rigl",
    "snfs": "prune=snfs",
}
HASHING = {"multi-hash": "multihash", "hash": "hashtrick"}
WAYS = {
    "dense": dict(method="siren"),
    **{
        f"prune {s}": dict(method=f"siren:prune=gradual,prune.sparsity={s}")
        for s in (0.2, 0.4, 0.6)
    },
    **{
        f"prune .4, {p}": dict(method=f"siren:{PRUNING[p]},prune.sparsity=0.4")
        for p in ("layer", "damage", "rigl", "snfs")
    },
    **{
        f"{h} {s}": dict(method=f"siren:hash={HASHING[h]},hash.ratio={s}")
        for h in ("multi-hash", "hash")
        for s in (0.25, 0.5)
    },
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "sparsity.tsv",
        "image target_bpp way bytes bpp psnr_db encode_s decode_s",
        3,
        "pruning and hashing at equal bytes, 600 steps, one thread",
    )
    for i in (5, 23):
        np.save(
            source := folder / f"kodim{i:02d}.npy",
            middle(
                load_image(
                    Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak" / f"kodim{i:02d}.png"
                )
            ),
        )
        for rate in RATES:
            for way, how in WAYS.items():
                if table.has(f"kodim{i:02d}", rate, way):
                    continue
                said = encoded(
                    source, out := folder / "point.iic", bpp=rate, steps=600, threads=1, **how
                )
                table.add(
                    dict(
                        image=f"kodim{i:02d}",
                        target_bpp=rate,
                        way=way,
                        **said,
                        **decoded(source, out),
                    )
                )
