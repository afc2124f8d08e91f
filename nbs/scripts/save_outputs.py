"""Run notebooks by the rules of nbdev_test and save their outputs, which the documentation shows.

    python nbs/scripts/save_outputs.py [NOTEBOOK ...]      # all notebooks without an argument

Cells with `#| eval: false` or a test flag (slow, cuda) are not run and keep their outputs.
"""

import os
import sys
from pathlib import Path

from execnb.nbio import write_nb
from execnb.shell import CaptureShell
from fastcore.xtras import working_directory
from nbdev.clean import nbdev_clean
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.process import NBProcessor

os.environ["IN_TEST"] = "1"  # the last cell's nbdev_export() then does nothing
FLAGS = set(get_config().tst_flags.split())


def skipped(cell):
    """Would nbdev_test skip this cell?"""
    if cell.cell_type != "code" or "nbdev_export(" in cell.source:
        return True
    directives = getattr(cell, "directives_", None) or {}
    return directives.get("eval:", [""])[0].lower() == "false" or bool(FLAGS & directives.keys())


def save_outputs(path):
    """Run the notebook at `path` and write it back with its outputs, clean."""
    nb = NBProcessor(path, rm_directives=False, process=True).nb
    for cell in nb.cells:
        if not skipped(cell):
            cell["outputs"] = []  # a cell that now prints nothing would keep what it printed before
    with working_directory(path.parent):
        CaptureShell(path).run_all(nb, exc_stop=True, preproc=skipped)
    write_nb(nb, path)
    nbdev_clean.__wrapped__(fname=str(path))
    print("saved", path.name)


if __name__ == "__main__":
    for path in [Path(a) for a in sys.argv[1:]] or sorted(nbglob(as_path=True)):
        save_outputs(path.absolute())
