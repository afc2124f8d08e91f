"""Bits of latent files by part.

    python nbs/benchmarks/latent_shares.py FOLDER FILES [--out latent_shares.tsv]

FOLDER holds kodim01.png ..., FILES the output of `latent_points.py FOLDER --keep FILES`. Every
file is also decoded in three new processes: with one thread, with two, and with other kernels of
OpenBLAS; `same` states whether all three results are equal. Existing rows are not measured again.
"""

import argparse
from pathlib import Path

from points import Table, decoded_everywhere

from implicit_compress.bitstream.container import unpack
from implicit_compress.codec.decode import decompress
from implicit_compress.image.load import load_image
from implicit_compress.image.metrics import ms_ssim
from implicit_compress.latent.format import read_latents
from implicit_compress.latent.synthesis import N_SEPARATE

LEVELS = range(N_SEPARATE)

if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("files", type=Path)
    a.add_argument("--out", default="latent_shares.tsv")
    a = a.parse_args()
    table = Table(
        a.out,
        "image lmbda effort init bytes header models context synthesis "
        + " ".join(f"grid{level}" for level in LEVELS)
        + " decode_1_s decode_2_s same ms_ssim",
        4,
        "Bytes of each part of a latent file (header: what belongs to no other part)",
    )
    for p in sorted(a.files.glob("*.iic")):
        key = p.stem.split("_")
        if table.has(*key):
            continue
        data = p.read_bytes()
        h, models, words = unpack(data).coded
        bits = read_latents(h, models, words).bits
        parts = {
            "context": bits["context"] / 8,
            "synthesis": bits["synthesis"] / 8,
            "models": len(models),
        } | {f"grid{level}": bits.get(level, 0) / 8 for level in LEVELS}
        source = a.folder / f"{key[0]}.png"
        (one, two, _), same = decoded_everywhere(source, p)
        table.add(
            dict(zip(("image", "lmbda", "effort", "init"), key))
            | {k: round(v, 1) for k, v in parts.items()}
            | dict(
                bytes=len(data),
                header=round(len(data) - sum(parts.values()), 1),
                decode_1_s=one["decode_s"],
                decode_2_s=two["decode_s"],
                same=same,
                ms_ssim=round(ms_ssim(decompress(data), load_image(source)), 5),
            )
        )
