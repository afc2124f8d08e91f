"""Cost of a file over the time that its encoder was given: the default beside wavelet coefficients.

    python nbs/benchmarks/budgets.py IMAGE ... --seconds .5 2 5 15 60 300 --lmbda .004

`auto` encodes coefficients, and latents if the budget may buy a better file. Every file is written
by one process and decoded by another, on one core; existing rows are not measured again.
"""

import argparse
import tempfile
from pathlib import Path

from points import Table, decoded, encoded

from implicit_compress import file_info

COLUMNS = "image lmbda method seconds kind bytes bpp psnr_db rd_cost encode_s decode_s"


def measured(source, out, lmbda, seconds, method):
    """Encode and decode an image."""
    budget = {} if seconds == 0 else dict(seconds=seconds)
    enc = encoded(source, out, method=method, lmbda=lmbda, threads=1, **budget)
    dec = decoded(source, out, threads=1)
    cost = 1000 * (10 ** (-dec["psnr_db"] / 10) + lmbda * dec["bpp"])
    return enc | dec | dict(kind=file_info(out.read_bytes())["method"], rd_cost=round(cost, 4))


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("images", type=Path, nargs="+")
    a.add_argument("--lmbda", type=float, default=4e-3)
    a.add_argument("--seconds", type=float, nargs="+", default=[0.5, 2, 5, 15, 60, 300])
    a = a.parse_args()
    table = Table("budgets.tsv", COLUMNS, 4, "rd_cost is 1000*(mse + lmbda*bpp); seconds 0: none")
    with tempfile.TemporaryDirectory() as folder:
        for image in a.images:
            runs = [("wavelet", 0), *(("auto", s) for s in a.seconds)]
            for method, seconds in runs:
                key = (image.stem, a.lmbda, method, seconds)
                if not table.has(*key):
                    row = measured(image, Path(folder) / "file.iic", a.lmbda, seconds, method)
                    table.add(dict(zip(("image", "lmbda", "method", "seconds"), key)) | row)
