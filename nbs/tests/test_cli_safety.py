"""The command line loses nothing: no input or output is overwritten by another, a finished fit is written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import implicit_compress
from implicit_compress.bench import compare
from implicit_compress.bitstream.container import unpack
from implicit_compress.cli import compare as cli_compare
from implicit_compress.cli import files, many
from implicit_compress.cli.main import main
from implicit_compress.codec.decode import decompress
from implicit_compress.codec.encode import compress
from implicit_compress.image.metrics import psnr
from implicit_compress.image.samples import demo_image
from implicit_compress.image.save import save_image

X = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
FAST = ["--method", "siren", "--bpp", "4", "--steps", "3", "--threads", "1"]


@pytest.fixture(scope="module")
def file():
    return bytes(compress(X, "wavelet", bpp=4.0))


@pytest.fixture
def here(tmp_path, monkeypatch, file):
    """A folder of its own, with an image and its file, and the fastest of the other codecs."""
    monkeypatch.setattr(compare, "PEERS", ("jpeg", "webp"))
    monkeypatch.chdir(tmp_path)
    save_image("photo.png", X)
    Path("photo.iic").write_bytes(file)
    return tmp_path


def run(*words, code=0):
    r = CliRunner().invoke(main, list(map(str, words)))
    assert r.exit_code == code, (r.exit_code, r.output, r.exception)
    return r


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file()
    }


def refused(folder, *words, why="is the same file as"):
    """A command that ends with one line and exit code 2, and touches nothing."""
    before = contents(folder)
    r = run(*words, code=2)
    assert why in r.stderr and r.stderr.count("\n") == 1, r.stderr
    assert contents(folder) == before


# ---- outputs against inputs and against each other


def test_compare_does_not_overwrite_its_inputs(here):
    for name in ("side_by_side.png", "table.png"):
        os.link("photo.png", name)
    refused(here, "compare", "side_by_side.png", "photo.iic", "-o", ".")
    refused(here, "compare", here / "side_by_side.png", "photo.iic", "-o", "none/..")
    refused(here, "compare", "photo.png", "photo.iic", "-o", ".")
    Path("linked").symlink_to(".")
    refused(here, "compare", "side_by_side.png", "photo.iic", "-o", "linked")


def test_compare_does_not_write_through_links_to_an_input(here):
    folder = here / "results"
    folder.mkdir()
    (folder / "table.tsv").write_text(cli_compare.TABLE_HEAD)
    (folder / "side_by_side.png").symlink_to(here / "photo.png")
    refused(here, "compare", "photo.png", "photo.iic", "-o", folder)


def test_results_do_not_replace_files_of_others(here):
    for name in ("side_by_side.png", "table.tsv", "parrots.iic", "photo.iic"):
        folder = here / f"with {name}"
        folder.mkdir()
        (folder / name).write_bytes(b"precious")
        if name != "photo.iic":
            refused(here, "demo", "-o", folder, "--steps", 2, why="which no comparison made")
        if name != "parrots.iic":
            refused(
                here, "compare", "photo.png", "-o", folder, *FAST, why="which no comparison made"
            )


def test_a_comparison_can_be_repeated(here):
    for _ in range(2):
        run("compare", "photo.png", "photo.iic", "-o", "again")


def test_checkpoint_output_and_input_are_three_files(here):
    refused(here, "encode", "photo.png", "-o", "x.iic", "--checkpoint", "x.iic", *FAST)
    refused(here, "encode", "photo.png", "-o", "x.iic", "--checkpoint", "./none/../x.iic", *FAST)
    refused(here, "encode", "photo.png", "-o", "x.iic", "--checkpoint", "photo.png", *FAST)
    os.link("photo.png", "hard.iic")
    refused(here, "encode", "photo.png", "-o", "hard.iic", *FAST)
    Path("soft.iic").symlink_to("photo.png")
    refused(here, "encode", "photo.png", "-o", "soft.iic", *FAST)
    os.link("photo.iic", "state")
    refused(here, "encode", "photo.png", "-o", "photo.iic", "--checkpoint", "state", *FAST)
    save_image("x.iic.fit.png", X)
    Path("x.iic.fit").symlink_to("x.iic.fit.png")
    refused(here, "encode", "x.iic.fit.png", "-o", "x.iic", "--resume", *FAST)
    Path("s.1").symlink_to("photo.png")  # the second network of a file with bands writes it
    refused(
        here,
        "encode",
        "photo.png",
        "-o",
        "x.iic",
        "--checkpoint",
        "s",
        "--method",
        "hybrid:chroma=siren",
        *FAST[2:],
    )


def test_decode_does_not_overwrite_its_input(here):
    os.link("photo.iic", "file.png")
    refused(here, "decode", "photo.iic", "-o", "file.png")
    refused(here, "decode", "photo.iic", "-o", "photo.iic", why="ends in")


def test_encode_many_does_not_overwrite_its_inputs(here):
    for folder in ("album", "files"):
        Path(folder).mkdir()
    save_image("album/a.png", X)
    os.link("album/a.png", "files/a.iic")
    refused(here, "encode-many", "album", "-o", "files", "--method", "wavelet", "--overwrite")


def test_bench_does_not_write_among_the_images(here):
    Path("album").mkdir()
    save_image("album/psnr.png", X)
    refused(
        here,
        "bench",
        "--dataset",
        "album",
        "--codec",
        "png",
        "-o",
        "album",
        why="holds images of the set",
    )


# ---- what is finished is written


def test_a_rival_that_fails_is_left_out(here, monkeypatch):
    real = compare.encode_at_size

    def encode_at_size(x, codec, limit):
        if codec == "webp":
            raise RuntimeError("encoding error 5")
        return real(x, codec, limit)

    monkeypatch.setattr(compare, "encode_at_size", encode_at_size)
    r = run("compare", "photo.png", "-o", "beside", "--quiet", *FAST)
    assert "left out: encoding error 5" in r.stdout and "JPEG" in r.stdout.upper()
    assert sorted(contents("beside")) == ["photo.iic", "side_by_side.png", "table.tsv"]
    assert "left out: encoding error 5" in Path("beside/table.tsv").read_text()
    assert decompress(Path("beside/photo.iic").read_bytes()).shape == X.shape


def test_compare_of_an_image_that_other_codecs_cannot_hold(here):
    save_image("long.png", np.zeros((17000, 1, 3), np.uint8))
    r = run("compare", "long.png", "-o", "beside", "--quiet", "--method", "wavelet", "--bpp", "1")
    assert "left out: " in r.stdout
    assert decompress(Path("beside/long.iic").read_bytes()).shape == (17000, 1, 3)


def test_the_file_is_written_before_the_comparison(here, monkeypatch):
    def compare_at_size(*args):
        raise MemoryError

    monkeypatch.setattr(cli_compare, "compare_at_size", compare_at_size)
    run("compare", "photo.png", "-o", "beside", "--quiet", *FAST, code=2)
    assert decompress(Path("beside/photo.iic").read_bytes()).shape == X.shape


def full_disk(monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(files, "atomic_write", full)


@pytest.mark.parametrize(
    "words",
    [("encode", "photo.png", "-o", "x.iic"), ("compare", "photo.png", "-o", "beside")],
    ids=["encode", "compare"],
)
def test_a_file_that_cannot_be_written_is_kept_elsewhere(here, monkeypatch, words):
    (here / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "tmp"))
    full_disk(monkeypatch)
    r = run(*words, "--quiet", *FAST, code=2)
    (kept,) = (here / "tmp").iterdir()
    assert f"(No space left on device); the file was kept as {kept}" in r.stderr
    assert decompress(kept.read_bytes()).shape == X.shape


def test_it_says_so_if_there_is_no_other_place(here, monkeypatch):
    monkeypatch.setattr(files, "keep_elsewhere", lambda data, name: None)
    full_disk(monkeypatch)
    assert (
        "no other place"
        in run("encode", "photo.png", "-o", "x.iic", "--quiet", *FAST, code=2).stderr
    )


# ---- signals

STOP = """
import os, signal, sys
import implicit_compress.siren.fit as fit
from implicit_compress.cli.main import main
real,seen,at = fit._step,[],eval(sys.argv[1])
def step(*args):
    seen.append(0)
    if len(seen) in at: os.kill(os.getpid(), signal.SIGTERM)
    return real(*args)
fit._step = step
main(sys.argv[2:])
"""


def stopped(at, *words):
    """Run a command that gets SIGTERM at some steps of its fits."""
    env = os.environ | dict(PYTHONPATH=os.path.dirname(os.path.dirname(implicit_compress.__file__)))
    return subprocess.run(
        [sys.executable, "-c", STOP, repr(at), *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_sigterm_ends_a_fit_early_and_the_file_is_written(here):
    r = stopped(
        {5},
        "encode",
        "photo.png",
        "--method",
        "siren",
        "-o",
        "early.iic",
        "--bpp",
        "4",
        "--steps",
        "5000",
        "--threads",
        "1",
    )
    assert r.returncode == 0, r.stderr
    assert "Finishing" in r.stderr and decompress(Path("early.iic").read_bytes()).shape == X.shape


def test_a_second_sigterm_stops(here):
    r = stopped(
        {5, 8},
        "compare",
        "photo.png",
        "--method",
        "siren",
        "-o",
        "beside",
        "--bpp",
        "4",
        "--steps",
        "5000",
        "--threads",
        "1",
    )
    assert r.returncode == 128 + signal.SIGTERM and "Stopped" in r.stderr
    assert contents("beside") == {}


def test_sigterm_stops_encode_many_and_keeps_what_is_ready(here, monkeypatch):
    def encode_images(images, out, *args, **how):
        Path(out, "a.iic").write_bytes(b"ready")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(many, "encode_images", encode_images)
    Path("album").mkdir()
    save_image("album/a.png", X)
    before = signal.getsignal(signal.SIGTERM)
    caught = []
    signal.signal(
        signal.SIGTERM, lambda *_: caught.append(0)
    )  # where nobody handles it, the test process lives on
    try:
        r = run("encode-many", "album", "-o", "files", "--quiet", code=2)
        assert "Stopped. The files that were ready are in files" in r.stderr and not caught
        assert contents("files") == {"a.iic": b"ready"}
    finally:
        signal.signal(signal.SIGTERM, before)


def test_compare_stores_no_metadata_and_takes_the_frame(tmp_path, monkeypatch):
    """Files that are compared hold samples alone, and show the frame that was asked for."""
    monkeypatch.chdir(tmp_path)
    first = Image.fromarray(np.zeros((24, 24, 3), np.uint8))
    second = Image.fromarray(demo_image()[:24, :24])
    exif = Image.Exif()
    exif[0x010E] = "a description"
    first.save("two.tif", save_all=True, append_images=[second], exif=exif)
    done = CliRunner().invoke(
        main,
        ["compare", "two.tif", "-o", "out", "--method", "wavelet", "--bpp", "2", "--frame", "1"],
    )
    assert done.exit_code == 0, done.output
    found = unpack(Path("out/two.iic").read_bytes())
    assert found.exif is None
    assert psnr(decompress(Path("out/two.iic").read_bytes()), np.asarray(second)) > 20
