"""Shared code of these scripts: a table that can be resumed, and points measured on real files."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

from implicit_compress.bench.measure import machine

RESULTS = Path(__file__).parent / "results"
CPUINFO = Path("/proc/cpuinfo")
KERNELS = (
    "Nehalem",
    "Haswell",
    "SkylakeX" if CPUINFO.exists() and "avx512f" in CPUINFO.read_text() else "Sandybridge",
)  # of OpenBLAS; another processor's would crash
ENCODE = """import json, sys, time
import numpy as np
from implicit_compress import compress
source, out, how = sys.argv[1:]
x = np.load(source) if source.endswith('.npy') else source
t = time.time(); f = compress(x, **json.loads(how))
open(out, 'wb').write(f)
print(json.dumps(dict(encode_s=round(time.time() - t, 1), said_db=float(f.psnr))))"""
DECODE = """import json, sys, time
from hashlib import sha256
from pathlib import Path
import numpy as np
from implicit_compress import decompress
from implicit_compress.image.load import load_image
from implicit_compress.image.metrics import psnr
source, out, threads = sys.argv[1:]
x = np.load(source) if source.endswith('.npy') else load_image(source)
data = Path(out).read_bytes()
t = time.time()
y = decompress(data, threads=int(threads))
s = time.time() - t
x = x.reshape(y.shape)
rate = round(8 * len(data) / (y.shape[0] * y.shape[1]), 5)
sha = sha256(y.tobytes()).hexdigest()
quality = round(float(psnr(y, x)), 3)
row = dict(bytes=len(data), bpp=rate, psnr_db=quality, decode_s=round(s, 2), sha256=sha)
print(json.dumps(row))"""


def fresh(code, *args, **env):
    """Run code in a new Python process; returns its output as a dict."""
    p = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        env=os.environ | env,
    )
    if p.returncode:
        raise RuntimeError(p.stderr[-2000:])
    return json.loads(p.stdout.splitlines()[-1])


def encoded(source, out, **how):
    """Compress the image in the file `source` (PNG or .npy) in a new process; returns times."""
    return fresh(ENCODE, source, out, json.dumps(how))


def decoded(source, out, threads=2, **env):
    """Decode the file `out` in a new process, and measure it against `source`."""
    return fresh(DECODE, source, out, threads, **env)


class Table:
    """A TSV under results/; each row is written when it is measured; `key` columns identify a row."""

    def __init__(self, name, columns, key, about):
        self.path, self.columns, self.key = RESULTS / name, columns.split(), key
        self.path.parent.mkdir(exist_ok=True)
        if not self.path.exists():
            script = Path(sys.argv[0]).name
            arguments = " ".join("FOLDER" if "/" in a else a for a in sys.argv[1:])
            head = [
                about,
                f"command: python nbs/benchmarks/{script} {arguments}",
                f"machine: {machine()}; started on {date.today()}",
            ]
            self.path.write_text(
                "".join(f"# {line}\n" for line in head) + "\t".join(self.columns) + "\n"
            )
        self.done = {
            tuple(r[:key])
            for r in (
                line.split("\t") for line in self.path.read_text().splitlines() if line[0] != "#"
            )
        }

    def has(self, *key):
        return tuple(map(str, key)) in self.done

    def add(self, row):
        """Append a row, given as a dict."""
        text = [str(row.get(c, "")) for c in self.columns]
        with self.path.open("a") as f:
            f.write("\t".join(text) + "\n")
        self.done.add(tuple(text[: self.key]))
        print("  ".join(text), flush=True)


def decoded_everywhere(source, out):
    """Decode with one thread and with two, and three kernels of OpenBLAS; are all results equal?"""
    seen = [decoded(source, out, t, OPENBLAS_CORETYPE=k) for t, k in zip((1, 2, 2), KERNELS)]
    return seen, len({s["sha256"] for s in seen}) == 1
