"""Six Kodak images at four rates, with real files.

    python nbs/benchmarks/six_images.py FOLDER [--seconds 172] [--threads 2]

Every point is fitted in a separate process, one at a time, written to FOLDER, decoded from there
in another process, and compared with the source. One row per point is written to
results/siren_six.tsv; existing points are not measured again. IMPLICIT_COMPRESS_DATA names the
folder that holds kodak/.
"""

import argparse
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

IMAGES, RATES = (1, 5, 8, 15, 20, 23), (0.1, 0.2, 0.35, 0.6)
TABLE = Path(__file__).parent / "results" / "siren_six.tsv"
COLUMNS = [
    "image",
    "target_bpp",
    "bytes",
    "bpp",
    "psnr_db",
    "encode_s",
    "decode_s",
    "steps",
    "hidden",
    "layers",
    "tiles",
    "threads",
    "date",
]
ENCODE = """import sys, time
from implicit_compress import compress
t = time.time(); f = compress(sys.argv[1], 'siren', bpp=float(sys.argv[3]), seconds=float(sys.argv[4]), threads=int(sys.argv[5]))
open(sys.argv[2], 'wb').write(f); print(f.fit.step, round(time.time() - t, 1))"""
DECODE = """import sys, time
from pathlib import Path
from implicit_compress import decompress
from implicit_compress.bitstream.header import peek
from implicit_compress.image.load import load_image
from implicit_compress.image.metrics import psnr
data = Path(sys.argv[2]).read_bytes()
t = time.time()
y = decompress(data)
s = time.time() - t
h = peek(data)
rate = 8 * len(data) / (y.shape[0] * y.shape[1])
quality = psnr(y, load_image(sys.argv[1]))
print(len(data), rate, quality, round(s, 2), h.args['hidden'], h.args['layers'], h.tiles)"""


def run(code, *args):
    p = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True
    )
    if p.returncode:
        raise RuntimeError(p.stderr[-2000:])
    return p.stdout.split()


def point(img, rate, folder, seconds, threads):
    """One row of the table."""
    src, out = (
        Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / "kodak" / f"kodim{img:02d}.png",
        folder / f"kodim{img:02d}_{rate}.iic",
    )
    steps, enc = run(ENCODE, src, out, rate, seconds, threads)
    n, bpp, db, dec, *net = run(DECODE, src, out)
    return (
        f"kodim{img:02d}",
        rate,
        n,
        f"{float(bpp):.5f}",
        f"{float(db):.3f}",
        enc,
        dec,
        steps,
        *net,
        threads,
        date.today(),
    )


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--seconds", type=float, default=172)
    a.add_argument("--threads", type=int, default=2)
    a = a.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    TABLE.parent.mkdir(exist_ok=True)
    if not TABLE.exists():
        TABLE.write_text("\t".join(COLUMNS) + "\n")
    done = {tuple(line.split("\t")[:2]) for line in TABLE.read_text().splitlines()}
    for img, rate in [
        (i, r) for r in RATES for i in IMAGES if (f"kodim{i:02d}", str(r)) not in done
    ]:
        row = "\t".join(map(str, point(img, rate, a.folder, a.seconds, a.threads)))
        with TABLE.open("a") as f:
            f.write(row + "\n")
        print(row, flush=True)
