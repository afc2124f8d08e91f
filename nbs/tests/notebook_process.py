"""A notebook in a process of its own, forked from one that has imported the libraries already.

Importing torch, numba, matplotlib and nbdev takes several times as long as most notebooks. The process that
is forked has imported libraries only, nothing of this package, so each notebook begins as in a new process.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

LIBRARIES = [
    "nbdev.test",
    "torch",
    "torchmetrics.image",
    "numba",
    "scipy.ndimage",
    "scipy.optimize",
    "matplotlib.pyplot",
    "ipywidgets",
    "pywt",
    "constriction",
]
ROOT = Path(__file__).resolve().parents[2]
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
PROCESSES = multiprocessing.get_context(METHOD)
if METHOD == "forkserver":
    PROCESSES.set_forkserver_preload(LIBRARIES)


def _run(path: Path, flags: str, log: str) -> None:
    """Run the cells as `nbdev_test --path path --flags flags` does; exit code 1 if one fails."""
    output = os.open(log, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from nbdev.config import get_config
    from nbdev.test import test_nb

    config = get_config(path=ROOT)
    os.chdir(config.nbs_path)
    passed, _ = test_nb(
        path,
        skip_flags=config.tst_flags.split(),
        force_flags=flags.split(),
        basepath=config.config_path,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(0 if passed else 1)


def run_notebook(path: Path, flags: str = "", seconds: float = 600) -> str | None:
    """Run a notebook; None if every cell passed, otherwise the end of its output."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = PROCESSES.Process(target=_run, args=(path, flags, log.name))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            return f"{path.name}: not finished after {seconds:.0f} s"
        if process.exitcode == 0:
            return None
        output = Path(log.name).read_text(encoding="utf-8", errors="replace")
        return f"{path.name}: exit code {process.exitcode}\n{output[-7000:]}"
