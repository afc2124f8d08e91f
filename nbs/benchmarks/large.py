"""Seconds, memory and quality of large photographs at a rate: wavelet coefficients beside others.

    python nbs/benchmarks/large.py PHOTOGRAPH --mpixels .4 2 6 12 24 100 --bpp .3

PHOTOGRAPH is a file of the native resolution of a camera; larger sizes repeat it mirrored, smaller
ones are its middle. Each encoding and decoding runs in a process of its own, on one core; memory
is the peak of that process, imports included. Rows are appended to results/large.tsv.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from points import RESULTS, machine

Image.MAX_IMAGE_PIXELS = None
COLUMNS = ("image", "codec", "mpixel", "bpp", "psnr_db", "encode_s", "encode_mb", "decode_s")
COLUMNS += ("decode_mb", "date", "machine")
CODECS = ("wavelet", "jpeg", "jpeg2000", "webp", "avif")
ONE_CORE = {k: "1" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}


def resized(x, mpixel):
    """The middle of an image, or the image repeated mirrored."""
    factor = (mpixel * 1e6 / (x.shape[0] * x.shape[1])) ** 0.5
    h, w = (round(n * factor) for n in x.shape[:2])
    if factor > 1:
        edges = ((0, max(0, h - x.shape[0])), (0, max(0, w - x.shape[1])), (0, 0))
        return np.pad(x, edges, mode="symmetric")
    top, left = (x.shape[0] - h) // 2, (x.shape[1] - w) // 2
    return np.ascontiguousarray(x[top : top + h, left : left + w])


def coded(x, codec, n_bytes):
    """File of a codec at most as large, or the smallest."""
    if codec == "wavelet":
        from implicit_compress import compress

        return bytes(compress(x, "wavelet", bpp=8 * n_bytes / x[..., 0].size, threads=1))
    image = Image.fromarray(x)
    if codec == "jpeg2000":
        out = io.BytesIO()
        image.save(
            out,
            "JPEG2000",
            irreversible=True,
            quality_mode="rates",
            quality_layers=[x.size / n_bytes],
        )
        return out.getvalue()
    low, high, best = 1, 95, None
    while low <= high:  # the largest quality that fits
        quality = (low + high) // 2
        out = io.BytesIO()
        image.save(out, codec.upper(), quality=quality, **OPTIONS[codec])
        if out.tell() <= n_bytes:
            best, low = out.getvalue(), quality + 1
        else:
            high = quality - 1
    return best or out.getvalue()


OPTIONS = dict(
    jpeg=dict(optimize=True),
    webp=dict(method=6),
    avif=dict(speed=6, subsampling="4:4:4", max_threads=1),
)


def peak_mb():
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def encode(source, codec, bpp, out):
    """Encode in this process, after a small image that loads the codec."""
    x = np.load(source)
    coded(x[:64, :64], codec, 2000)
    start = time.perf_counter()
    data = coded(x, codec, bpp * x.shape[0] * x.shape[1] / 8)
    seconds = time.perf_counter() - start
    Path(out).write_bytes(data)
    print(json.dumps(dict(encode_s=seconds, encode_mb=peak_mb(), n=len(data))))


def decode(source, codec, out):
    """Decode in this process, and compare."""
    data = Path(out).read_bytes()
    start = time.perf_counter()
    if codec == "wavelet":
        from implicit_compress import decompress

        y = decompress(data, threads=1)
    else:
        y = np.asarray(Image.open(io.BytesIO(data)))
    seconds, memory = time.perf_counter() - start, peak_mb()
    x = np.load(source, mmap_mode="r")
    rows = range(0, len(x), 256)
    error = sum(float(((x[a : a + 256] - y[a : a + 256].astype(float)) ** 2).sum()) for a in rows)
    psnr = 10 * np.log10(255**2 * x.size / error)
    print(json.dumps(dict(decode_s=seconds, decode_mb=memory, psnr_db=psnr)))


def run(*arguments):
    """Run a part of this script in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    out = subprocess.run(command, env=os.environ | ONE_CORE, capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    return json.loads(out.stdout.splitlines()[-1])


def main():
    """Measure all sizes and codecs."""
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("photograph", type=Path)
    a.add_argument("--mpixels", type=float, nargs="+", default=[0.4, 2, 6, 12])
    a.add_argument("--bpp", type=float, default=0.3)
    a.add_argument("--codecs", nargs="+", default=CODECS)
    a.add_argument("--work", type=Path, default=Path("large-work"))
    a = a.parse_args()
    a.work.mkdir(exist_ok=True)
    x = np.asarray(Image.open(a.photograph).convert("RGB"))
    table = RESULTS / "large.tsv"
    if not table.exists():
        table.write_text("\t".join(COLUMNS) + "\n")
    for mpixel in a.mpixels:
        source = a.work / "source.npy"
        y = resized(x, mpixel)
        pixels = y.shape[0] * y.shape[1]
        np.save(source, y)
        del y
        for codec in a.codecs:
            out = a.work / f"out.{codec}"
            row = run("encode", source, codec, a.bpp, out) | run("decode", source, codec, out)
            row |= dict(image=a.photograph.stem, codec=codec, mpixel=pixels / 1e6)
            row |= dict(bpp=8 * row["n"] / pixels, date=time.strftime("%Y-%m-%d"))
            row["machine"] = machine()
            values = [row[k] for k in COLUMNS]
            line = "\t".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values)
            print(line, flush=True)
            with table.open("a") as f:
                f.write(line + "\n")


if __name__ == "__main__":
    parts = dict(encode=encode, decode=decode)
    if sys.argv[1:2] and sys.argv[1] in parts:
        values = [
            float(v) if i == 2 and sys.argv[1] == "encode" else v
            for i, v in enumerate(sys.argv[2:])
        ]
        parts[sys.argv[1]](*values)
    else:
        main()
