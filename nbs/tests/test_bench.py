"""A bench goes on past what fails, keeps old rows apart, and says what its figures are."""

import importlib
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from nbdev.config import get_config

from implicit_compress.bench import codecs, process
from implicit_compress.bench import measure as bench
from implicit_compress.bench.baselines import CODECS
from implicit_compress.bench.bd import bd_rates
from implicit_compress.bench.codecs import parse_codec, tasks
from implicit_compress.bench.curves import common_images, curves
from implicit_compress.bench.measure import measure
from implicit_compress.bench.other_codecs import CodecError, TargetMissed
from implicit_compress.bench.report import write_report
from implicit_compress.bench.rows import read_rows, write_rows
from implicit_compress.bench.sweep import folder_rows, sweep
from implicit_compress.cli.main import main
from implicit_compress.image.samples import demo_image
from implicit_compress.image.save import save_image

POINTS = [dict(quality=q) for q in (15, 40, 80)]


def crop(k=0):
    return demo_image()[24 * k : 24 * k + 24, 60:84]


@pytest.fixture
def album(tmp_path):
    """Two images of 24x24 pixels, one with an alpha channel, and a web page that is named .jpg."""
    folder = tmp_path / "album"
    folder.mkdir()
    for k in range(2):
        save_image(folder / f"{k}.png", crop(k))
    save_image(folder / "la.png", np.dstack([crop()[..., 0], crop()[..., 1]]))
    (folder / "html.jpg").write_text("<!doctype html><title>no image</title>")
    return folder


@pytest.fixture
def at_once(monkeypatch):
    """Encode and decode in this process: tests of what becomes of the rows need no others."""

    def call(function, *args, **how):
        module, name = function.split(":")
        try:
            return json.loads(json.dumps(getattr(importlib.import_module(module), name)(*args)))
        except Exception as e:
            raise process.ProcessFailed(f"{type(e).__name__}: {e}") from e

    monkeypatch.setattr(bench, "run_in_subprocess", call)


def run(*line):
    return CliRunner().invoke(main, [*map(str, line)])


def row(picture, codec, target, rate, db, **more):
    return dict(
        image=picture,
        codec=codec,
        target=target,
        bpp=rate,
        psnr_db=db,
        mse=10 ** (-db / 10),
        ms_ssim=0.9,
        encode_s=1.0,
        decode_s=1.0,
        **more,
    )


def table(pictures="abcd", codecs=("jpeg", "webp"), rates=(0.1, 0.2, 0.4)):
    """Rows whose BD-rates are known: every codec needs a tenth fewer bits than the one before it."""
    return [
        row(p, c, f"bpp={b}", b * 0.9**k * (1 + i), 30 + 10 * np.log10(b))
        for i, p in enumerate(pictures)
        for k, c in enumerate(codecs)
        for b in rates
    ]


def test_one_unreadable_image_costs_its_rows(album, tmp_path, at_once):
    """A web page among images, and an image that no codec here can hold: reported, exit code 1, everything else is there."""
    out = tmp_path / "out"
    done = run(
        "bench",
        "--dataset",
        album,
        "--codec",
        "jpeg,webp",
        "--quality",
        "15,40,80",
        "-o",
        out,
        "-q",
    )
    assert done.exit_code == 1
    assert (
        "html.jpg" in done.output and "la.png" in done.output and "BD-rate of webp" in done.output
    )
    assert {"table.tsv", "psnr.png", "bd_rate.md"} <= {p.name for p in out.iterdir()}
    rows = read_rows(out / "table.tsv")
    assert len(rows) == 4 * 2 * 3 and {r["image"] for r in rows if "error" in r} == {
        "html.jpg",
        "la.png",
    }
    found = curves(rows)
    assert {c: [p["images"] for p in ps] for c, ps in found.items()} == dict(
        jpeg=[2, 2, 2], webp=[2, 2, 2]
    )
    assert "html.jpg" in (out / "bd_rate.md").read_text()


def test_all_is_well_is_exit_code_0(album, tmp_path, at_once):
    (album / "html.jpg").unlink()
    (album / "la.png").unlink()
    assert (
        run(
            "bench",
            "--dataset",
            album,
            "--codec",
            "jpeg",
            "--quality",
            "40",
            "-o",
            tmp_path / "out",
            "-q",
        ).exit_code
        == 0
    )


def test_an_image_that_one_codec_cannot_hold():
    """The image is left out of all curves; BD-rates of single images go on with what both codecs have."""
    rows = [
        r
        if (r["image"], r["codec"]) != ("d", "webp")
        else dict(image="d", codec="webp", target=r["target"], error="cannot hold it")
        for r in table()
    ]
    assert {p["images"] for ps in curves(rows).values() for p in ps} == {3}
    assert len(curves(rows)["jpeg"]) == len(curves(rows)["webp"]) == 3
    assert common_images(rows).notes == ["left out: image d: failed for webp: cannot hold it"]
    rate = bd_rates(rows, ["jpeg"])[1]
    assert rate["jpeg"] == pytest.approx(-10, abs=1e-6) and rate["jpeg, images"] == 3


def test_a_codec_that_fails_on_most_images_is_left_out():
    """Not the images: the other codecs keep theirs."""
    rows = table("abcdefgh", ("jpeg", "webp", "siren"))
    rows = [
        r
        if r["codec"] != "siren" or r["image"] == "a"
        else dict(image=r["image"], codec="siren", target=r["target"], error="killed")
        for r in rows
    ]
    assert sorted(curves(rows)) == ["jpeg", "webp"] and curves(rows)["jpeg"][0]["images"] == 8
    assert any("siren" in n and "7 of 8" in n for n in common_images(rows).notes)
    assert bd_rates(rows, ["jpeg"])[2]["jpeg, images"] == 1


def test_an_image_that_is_kept_exactly_has_no_psnr():
    """One flat image that a lossy codec keeps exactly does not cost that codec its curve."""
    rows = [
        {k: v for k, v in r.items() if k != "psnr_db"} | dict(lossless=True)
        if (r["image"], r["codec"]) == ("d", "webp")
        else r
        for r in table()
    ]
    assert [len(ps) for ps in curves(rows).values()] == [3, 3] and all(
        "psnr_db" in p for p in curves(rows)["webp"]
    )


def test_nothing_that_works_leaves_a_report(tmp_path):
    """All rows failed: the table says so."""
    rows = [dict(image="a", codec="jpeg", target=f"bpp={b}", error="no image") for b in (0.1, 0.2)]
    assert [p.name for p in write_report(rows, tmp_path)] == ["table.tsv"] and curves(rows) == {}


def test_a_changed_source_is_measured_anew(tmp_path, at_once):
    """Rows carry the hash of their source, and those of the old one never come back unless it does."""
    image, out = tmp_path / "a.png", tmp_path / "out"

    def measured(k):
        save_image(image, crop(k))
        return sweep([image], ["jpeg"], POINTS, out, progress=False)

    old, new = measured(0), measured(1)
    assert (
        len({r["source_sha256"] for r in old + new}) == 2
        and len(list((out / "points").iterdir())) == 6
    )
    assert read_rows(out) == folder_rows(out) == new
    assert curves(read_rows(out)) == curves(new)
    assert measured(0) == old and read_rows(out) == old
    with pytest.raises(ValueError, match=r"two files named a\.png"):
        curves(old + new)


def test_rows_of_another_version_do_not_mix_in(tmp_path, monkeypatch, at_once):
    """After an update of a library its rows of before are history."""
    for k in range(2):
        save_image(tmp_path / f"{k}.png", crop(k))
    images = [tmp_path / f"{k}.png" for k in range(2)]
    sweep(images, ["jpeg"], POINTS[:1], tmp_path / "out", progress=False)
    for module in (codecs, bench):
        monkeypatch.setattr(module, "maker", lambda name: "pillow 999")
    new = sweep(images[:1], ["jpeg"], POINTS[:1], tmp_path / "out", progress=False)
    assert read_rows(tmp_path / "out") == new


def test_two_images_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_image(tmp_path / folder / "x.png", crop())
    with pytest.raises(ValueError, match=r"two images are named x\.png"):
        tasks([tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"], ["jpeg"], POINTS)


def test_a_process_that_is_killed_is_a_row(album, tmp_path, monkeypatch):
    """Killed, out of memory, out of time, ended without a word: each says so."""
    (task,) = tasks([album / "0.png"], ["jpeg"], POINTS[:1])
    for code, says in (
        ("os.kill(os.getpid(), 9)", "SIGKILL: out of memory"),
        ("raise MemoryError", "^out of memory"),
        ("os._exit(3)", "ended with code 3"),
        ("1/0", "ZeroDivisionError: division"),
        ("raise ValueError(object())", "ValueError$"),
    ):
        script = "import os, sys\nfrom implicit_compress.bench import measure, process\n"
        script += f"def fail(*a): {code}\nmeasure.encode_task = fail\nprocess.child(*sys.argv[1:])"
        monkeypatch.setattr(process, "CHILD", script)
        got = measure(task, tmp_path / "out", retry=True)
        assert re.search(says, got["error"]) and got["image"] == "0.png" and "bpp" not in got
        assert read_rows(tmp_path / "out") == [got]


def test_a_process_that_takes_too_long_is_a_row(album, tmp_path, monkeypatch):
    """It is measured again once more time is given."""
    (task,) = tasks([album / "0.png"], ["jpeg"], POINTS[:1])
    late = measure(task, tmp_path / "out", timeout=0.001)
    assert (
        "timed out after 0.001 s" in late["error"]
        and measure(task, tmp_path / "out", timeout=0.001) == late
    )
    assert measure(task, tmp_path / "out", timeout=100)["psnr_db"] > 10


def test_warnings_of_an_encoder_are_in_its_row(album, tmp_path, at_once):
    """JPEG cannot be so small."""
    (got,) = sweep([album / "0.png"], ["jpeg"], [dict(bpp=0.01)], tmp_path / "out", progress=False)
    assert "above the target of 0.01" in got["warnings"] and "error" not in got
    write_rows([got], tmp_path / "t.tsv")
    assert read_rows(tmp_path / "t.tsv")[0]["warnings"] == got["warnings"]


@pytest.mark.parametrize(
    "spec", ["latent steps=2", "latent seconds=0", "auto seconds=0", "wavelet"]
)
def test_own_codecs_are_measured(spec, album, tmp_path, at_once):
    """By their names, with settings behind them."""
    (got,) = sweep([album / "0.png"], [spec], [dict(bpp=3.0)], tmp_path / "out", progress=False)
    assert got.get("psnr_db", 0) > 15, got
    assert all(isinstance(v, (str, int, float, bool)) for v in got.values())


@pytest.mark.parametrize(
    "spec, says",
    [
        ("gif", "there is no codec 'gif'"),
        ("jpeg quality=3", "has no settings"),
        ("latent bpp=.3", "target"),
        ("siren threads=2", "set by the benchmark"),
        ("wavelet effort=best", "effort has no meaning"),
        ("", "there is no codec"),
    ],
)
def test_specs_that_are_refused(spec, says):
    with pytest.raises(ValueError, match=says):
        parse_codec(spec).check(dict(bpp=1.0))


def test_points_that_a_codec_does_not_support(album):
    """Said, where others can; refused, where the codec would have none."""
    with pytest.raises(
        ValueError, match="siren needs points with a target, one of bpp, psnr, lmbda"
    ):
        tasks([album / "0.png"], ["siren", "jpeg"], POINTS)
    with pytest.raises(ValueError, match="jpeg needs points"):
        tasks([album / "0.png"], ["jpeg"], [dict(lmbda=0.01)])
    with pytest.warns(UserWarning, match="siren has no target quality"):
        assert [
            t["codec"]
            for t in tasks([album / "0.png"], ["siren", "jpeg"], [dict(bpp=0.2), dict(quality=5)])
        ] == ["siren", "jpeg", "jpeg"]
    with pytest.raises(ValueError, match="is no point"):
        tasks([album / "0.png"], ["jpeg"], [dict(bppp=0.2)])


def test_the_headline_is_the_mean_over_images(tmp_path):
    """BD-rates of the mean curves stand beside it, under their own name."""
    rows = table("ab")
    for r in rows:
        if r["image"] == "b" and r["codec"] == "webp":
            r["bpp"] /= 0.9 * 0.5  # twice the bits on the larger one
    rate = next(r for r in bd_rates(rows, ["jpeg"]) if r["codec"] == "webp")
    assert rate["jpeg"] == pytest.approx((-10 + 100) / 2, abs=1e-6) and rate[
        "jpeg, spread"
    ] == pytest.approx(55, abs=1e-6)
    assert rate["jpeg, mean curves"] > 55
    write_report(rows, tmp_path)
    assert (
        "+45.0 % ± 55.0" in (tmp_path / "bd_rate.md").read_text()
        and "mean ± standard deviation" in (tmp_path / "bd_rate.md").read_text()
    )


def test_narrow_ranges_are_marked(tmp_path):
    rows = table("a", rates=(0.1, 0.11))
    assert bd_rates(rows, ["jpeg"])[1]["jpeg, narrow"] == 1
    write_report(rows, tmp_path)
    assert "-10.0 %* " in (tmp_path / "bd_rate.md").read_text()


@pytest.mark.parametrize(
    "target, says",
    [
        (dict(bpp=0.001), "its smallest file has .* bpp, above the target of 0.001"),
        (dict(psnr=90.0), "its best file has .* dB, below the target of 90"),
    ],
)
@pytest.mark.parametrize("codec", ["jpeg", "j2k", "webp"])
def test_targets_out_of_reach_are_said(codec, target, says):
    with pytest.warns(TargetMissed, match=says):
        data = CODECS[codec].compress(crop(), **target)
    assert CODECS[codec].decompress(data).shape == (24, 24, 3)


@pytest.mark.parametrize(
    "shape, dtype", [((1, 16384, 3), np.uint8), ((4, 4, 2), np.uint8), ((4, 4, 3), np.uint16)]
)
def test_what_a_codec_cannot_hold_has_an_error_of_its_own(shape, dtype):
    with pytest.raises(CodecError):
        CODECS["webp"].compress(np.zeros(shape, dtype), quality=5)


def test_readme_states_recorded_rates(monkeypatch):
    """The rows of README.md are what the script computes from the recorded tables."""
    folder = get_config().nbs_path / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    rows = importlib.import_module("methods").table()
    assert len(rows) == 4
    assert all(row.count("|") == 7 for row in rows)
    lines = (get_config().config_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line in rows] == rows
