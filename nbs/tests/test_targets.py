"""Targets: a size, a quality and a weight of rate are met, or a warning names what the file has."""

import math
import re
import warnings

import numpy as np
import pytest

from implicit_compress import Auto, Hybrid, Latent, compress, decompress
from implicit_compress.image.metrics import psnr
from implicit_compress.image.samples import demo_image
from implicit_compress.lossless.encoder import encode_lossless_file

PHOTO = demo_image()[40:136, 80:208]
NOISE = (
    demo_image()[:64, :64].astype(int) // 2 + np.random.default_rng(0).integers(0, 128, (64, 64, 3))
).astype(np.uint8)
FLAT = np.full((40, 50, 3), 77, np.uint8)
GRAY16 = (
    257 * demo_image()[50:114, 90:170, :1].astype(np.uint16)
    + np.random.default_rng(1).integers(0, 99, (64, 80, 1))
).astype(np.uint16)
NETWORK = dict(threads=1, steps=24, progress=False)


def encoded(x, **how):
    """A file, decoded again, and the warnings."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        f = compress(x, **{"method": "siren"} | how)
    y = decompress(f)
    assert psnr(y, x.reshape(y.shape)) == f.psnr and math.isclose(
        f.bpp, 8 * len(f) / (y.shape[0] * y.shape[1])
    )
    return f, [str(w.message) for w in seen]


@pytest.mark.parametrize("target", [26, 32, 38, 44])
@pytest.mark.parametrize("x", [PHOTO, NOISE, GRAY16], ids=["photo", "noise", "gray16"])
def test_quality_is_met_from_above(x, target):
    f, said = encoded(x, psnr=target, method="wavelet")
    assert 0 <= f.psnr - target <= 0.1 or f.psnr == math.inf
    assert not said


@pytest.mark.parametrize(
    "how", [dict(psnr=70), dict(psnr=200), dict(bpp=30.0), dict(lmbda=1e-9)], ids=str
)
@pytest.mark.parametrize(
    "x", [PHOTO[:40, :40], NOISE[:40, :40], FLAT], ids=["photo", "noise", "flat"]
)
def test_never_above_the_lossless_file(x, how):
    f, _ = encoded(x, method="wavelet", **how)
    assert len(f) <= len(encode_lossless_file(x))
    assert f.psnr == math.inf or ("psnr" in how and f.psnr >= how["psnr"])
    if f.psnr == math.inf:
        assert "lossless" in f.note or len(f) < len(encode_lossless_file(x))


def test_quality_below_the_smallest_file_is_a_remark():
    f, said = encoded(PHOTO, psnr=5, method="wavelet")
    assert f.psnr > 5.1 and len(f) < 150 and "no smaller" in f.note and not said


@pytest.mark.parametrize("target", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("x", [PHOTO, NOISE], ids=["photo", "noise"])
def test_size_is_met_from_below(x, target):
    f, said = encoded(x, bpp=target, method="wavelet")
    most = target * x.shape[0] * x.shape[1] / 8
    # four bytes are more than 1 % of a small file; all coefficients of noise are equally large, so
    # that many become zero at the same step, and no step has some of the sizes
    share = 0.98 if x is NOISE else 0.99
    assert min(share * most, most - 4) <= len(f) <= most and not said


def test_cost_is_least_among_neighbours():
    lmbda = 2e-3
    f, _ = encoded(PHOTO, lmbda=lmbda, method="wavelet")
    cost = f.mse + lmbda * f.bpp
    for factor in (0.7, 0.85, 1.15, 1.4):
        g, _ = encoded(PHOTO, bpp=factor * f.bpp, method="wavelet")
        assert cost <= 1.005 * (g.mse + lmbda * g.bpp)


def test_tiny_image_says_what_was_reached():
    f, said = encoded(NOISE[:3, :5], bpp=0.3, method="wavelet")
    assert (
        len(said) == 1
        and f"{len(f):,} bytes" in said[0]
        and "0.3 bits" in said[0]
        and "header" in said[0]
    )


def test_warning_names_the_file_returned():
    f, said = encoded(NOISE[:32, :32], psnr=40, **NETWORK)
    if 0 <= f.psnr - 40 <= 0.1 or f.psnr == math.inf:
        pytest.fail("this target was meant to be out of reach")
    named = [s for s in said if "40 dB were asked for" in s]
    assert len(named) == 1 and f"{f.psnr:.2f} dB" in named[0] and f"{len(f):,} bytes" in named[0]


def test_search_of_networks_does_not_run_away():
    f, said = encoded(PHOTO[:48, :64], psnr=22, **NETWORK | dict(steps=200))
    assert f.bpp < 2 and len(f) < len(encode_lossless_file(PHOTO[:48, :64]))
    assert abs(f.psnr - 22) <= 0.1 or any(f"{f.psnr:.2f} dB" in s for s in said)


def test_search_shares_the_budget():
    from implicit_compress.codec.search import LONG, PROBES

    assert sum(s for _, s in PROBES) + sum(LONG) <= 1 and max(LONG) > 3 * max(s for _, s in PROBES)


@pytest.mark.parametrize("share", [None, 0.2])
def test_hybrid_meets_quality_and_size(share):
    how = dict(method=Hybrid(base_share=share), **NETWORK)
    f, said = encoded(PHOTO[:64, :64], psnr=30, **how)
    assert 0 <= f.psnr - 30 <= 0.1 and not said
    f, said = encoded(PHOTO[:64, :64], bpp=2.0, **how)
    assert 1.98 <= f.bpp <= 2 and not said


@pytest.mark.parametrize("target", [dict(bpp=0.6), dict(psnr=31), dict(lmbda=1e-3)], ids=str)
def test_auto_is_never_worse_than_either(target):
    how = dict(steps=3, seed=0, threads=1) if "lmbda" not in target else dict(seconds=0)
    latent = Latent(init="random" if "steps" in how else "pretrained")
    x = PHOTO[:48, :48]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        auto, fitted = (
            compress(x, Auto(latent=latent), **how, **target),
            compress(x, latent, **how, **target),
        )
        alone = compress(x, "wavelet", **target)
    files = [fitted, alone]
    if "bpp" in target:
        best = max((f for f in files if f.bpp <= 1.01 * target["bpp"]), key=lambda f: f.psnr)
    elif "psnr" in target:
        best = min((f for f in files if f.psnr >= target["psnr"]), key=len)
    else:
        best = min(files, key=lambda f: f.mse + target["lmbda"] * f.bpp)
    assert bytes(auto) == bytes(best)


def test_every_warning_is_about_the_target_asked_for():
    _, said = encoded(PHOTO[:40, :40], bpp=0.05, method="wavelet")
    assert said and all(
        re.match(r"0\.05 bits per pixel were asked for, the file has", s) for s in said
    )


def test_latent_is_warned_about_once():
    _, said = encoded(PHOTO[:48, :64], bpp=0.02, method="latent", seconds=0)
    assert len([s for s in said if "were asked for" in s]) == 1
