"""Check that the built wheel and source distribution contain all files of the package.

python nbs/scripts/check_dist.py FOLDER      # the folder with the .whl and the .tar.gz
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

SDIST_ONLY = {"settings.ini", "setup.py", "README.md", "LICENSE"}


def package_files():
    """All files of the package that are under version control or not ignored."""
    git = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "implicit_compress"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {f for f in git.stdout.split("\n") if f and Path(f).is_file()}


def check(folder):
    """Compare both archives with the package; print their contents."""
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    files = package_files()
    missing = {"wheel": files - in_wheel, "sdist": (files | SDIST_ONLY) - in_sdist}
    if any(missing.values()):
        sys.exit(f"missing: {missing}")
    for path in (wheel, sdist):
        size = path.stat().st_size / 1000
        print(f"{path.name}: {size:.0f} kB, all {len(files)} files of the package")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
