"""What imports cost: seconds and loaded modules, each in a new process.

    python nbs/benchmarks/import_times.py [--repeats 7]

Seconds are the minimum of the repeats, without the start of Python itself. `heavy` names those of
torch, numba, scipy, matplotlib, click and pooch that were loaded.
"""

import argparse
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[1] / "tests" / "golden" / "v1" / "rgb_37x53.iic"
DECODE = "from implicit_compress import decompress; decompress(open({!r}, 'rb').read())"
INFO = "from implicit_compress import file_info; file_info(open({!r}, 'rb').read())"
HELP = "from implicit_compress.cli.main import main; main(['--help'], standalone_mode=False)"
TASKS = {
    "import implicit_compress": "import implicit_compress",
    "decode a SIREN file": DECODE.format(str(FILE)),
    "decode a latent file": DECODE.format(str(FILE.with_name("latent_rgb_37x53.iic"))),
    "file_info": INFO.format(str(FILE)),
    "implicit-compress --help": HELP,
}
MEASURE = """
import contextlib, io, sys, time
before, start = len(sys.modules), time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    exec({task!r})
seconds = time.perf_counter() - start
own = sum(name.startswith('implicit_compress') for name in sys.modules)
names = 'torch', 'numba', 'scipy', 'matplotlib', 'click', 'pooch'
heavy = ' '.join(name for name in names if name in sys.modules)
print(seconds, len(sys.modules) - before, own, heavy, sep='\\t')
"""


def measure(task: str, repeats: int) -> tuple[float, list[str]]:
    """Minimum of the seconds, and the counts, of a task in new processes."""
    rows = []
    for _ in range(repeats):
        command = [sys.executable, "-c", MEASURE.format(task=task)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(done.stdout.rstrip("\n").split("\t"))
    return min(float(r[0]) for r in rows), rows[-1][1:]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="processes for each task")
    arguments = parser.parse_args()
    print("task", "seconds", "modules", "modules of the package", "heavy", sep="\t")
    for name, code in TASKS.items():
        seconds, counts = measure(code, arguments.repeats)
        print(name, f"{seconds:.3f}", *counts, sep="\t")
