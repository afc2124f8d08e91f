"""Files that must be refused: the folder bad holds them, bad.json says with which error.

Every file is read by `decompress`, by `info` and by the plugin, in one process whose memory is limited. `error` and `says` are the
class and a phrase of the message of `decompress`; the plugin gives the same message as `LoadError`. `info` is "facts" where header
and ledger can be shown, since it decodes nothing, else a class. `limits` are lower than the default ones, for files that ask for
no more than a photograph does, and `work` that such a file is otherwise right.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BAD = json.loads((HERE / "bad" / "bad.json").read_text(encoding="utf-8"))
SECONDS = 3  # that a refusal may take, on a loaded machine
MEGABYTES = 200  # of address space beyond what the imports take

READ_ALL = """
import io, json, resource, sys, time, warnings
from pathlib import Path
from PIL import Image
import implicit_compress.pillow
from implicit_compress.bitstream.limits import Limits
from implicit_compress.codec.info import file_info, format_info
from implicit_compress import decompress
Image.MAX_IMAGE_PIXELS = None
folder, megabytes = Path(sys.argv[1]), int(sys.argv[2])
warm = sorted(folder.parent.glob('golden/v*/lossless_20x24.iic'))[0].read_bytes()
decompress(warm, threads=1)
Image.open(io.BytesIO(warm)).load()
used = int(Path('/proc/self/statm').read_text().split()[0])*resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20),)*2)
warnings.simplefilter('error')
def plugin(data, limits):
    implicit_compress.pillow.IicImageFile.limits = limits
    return Image.open(io.BytesIO(data)).load()
def outcome(read, *args):
    t = time.perf_counter()
    try: found = dict(kind='read', result=read(*args))
    except BaseException as e: found = dict(kind=type(e).__name__, says=str(e))
    return dict(found, seconds=time.perf_counter() - t)
for name, case in json.loads((folder/'bad.json').read_text()).items():
    data, limits = (folder/f'{name}.iic').read_bytes(), Limits(**case.get('limits', {}))
    found = dict(name=name, decompress=outcome(lambda: decompress(data, threads=1, limits=limits).shape),
                 info=outcome(lambda: format_info(file_info(data), name)), plugin=outcome(lambda: bool(plugin(data, limits))))
    print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def found():
    """What came of each file, by its name."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs RLIMIT_AS")
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(HERE / "bad"), str(MEGABYTES)],
        capture_output=True,
        text=True,
        timeout=180,
        env=env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_folder_and_table_agree():
    """No file without an expected error, none that is missing, none that is large."""
    files = {p.stem: p.stat().st_size for p in (HERE / "bad").glob("*.iic")}
    assert set(files) == set(BAD)
    assert max(files.values()) < 3000


@pytest.mark.parametrize("name", BAD)
def test_decompress_refuses(found, name):
    """The documented error, soon, and in little memory."""
    row = found[name]["decompress"]
    assert row["kind"] == BAD[name]["error"] and BAD[name]["says"] in row["says"], row
    assert row["seconds"] < SECONDS


@pytest.mark.parametrize("name", BAD)
def test_plugin_refuses(found, name):
    """Pillow's class of error with the same message."""
    row = found[name]["plugin"]
    if BAD[name]["error"] != "DamagedError" or row["kind"] != "UnidentifiedImageError":
        assert row["kind"] == "LoadError" and BAD[name]["says"] in row["says"], row
    assert row["seconds"] < SECONDS


@pytest.mark.parametrize("name", BAD)
def test_info_shows_or_refuses(found, name):
    """Header and ledger, or the documented error; nothing is decoded, and no control character is printed."""
    row = found[name]["info"]
    assert row["kind"] == {"facts": "read"}.get(BAD[name]["info"], BAD[name]["info"]), row
    text = row.get("result") or row["says"]
    assert all(c.isprintable() or c == "\n" for c in text)
    assert row["seconds"] < 1
