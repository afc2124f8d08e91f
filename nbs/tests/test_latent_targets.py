"""A pyramid meets the size or the quality that was asked for, on real bytes and decoded samples, or says what it reached."""

import warnings

import numpy as np
import pytest

from implicit_compress import compress, decompress
from implicit_compress.image.alpha import visible_psnr
from implicit_compress.image.samples import demo_image
from implicit_compress.latent import encoding

CROP = demo_image()[60:124, 90:186]  # 64x96
GRAY = np.ascontiguousarray(demo_image()[70:118, 120:176, :1])  # 48x56


def bpp_of(f, x):
    """Bits per pixel of the real bytes."""
    return 8 * len(f) / (x.shape[0] * x.shape[1])


def encoded(x, **how):
    """A file made with few steps, without a word of warning; its figures are those of its bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        f = compress(x, "latent", **dict(steps=12, threads=1) | how)
    assert f.bpp == pytest.approx(bpp_of(f, x), rel=1e-12)
    return f


@pytest.mark.parametrize("bpp", [0.4, 0.8, 2.0])
def test_short_fit_meets_size(bpp):
    """Within one per cent, from below."""
    assert (
        0.985 * bpp <= bpp_of(encoded(CROP, bpp=bpp), CROP) <= bpp
    )  # words of four bytes are 1.3 % of the smallest file


@pytest.mark.parametrize("psnr", [24.0, 28.0, 32.0])
def test_short_fit_meets_quality(psnr):
    """Within 0.1 dB, from above."""
    assert psnr <= encoded(CROP, psnr=psnr, steps=60).psnr <= psnr + 0.1


def test_quality_without_fitting():
    """The analysis alone is brought to its target."""
    assert 24 <= encoded(CROP, psnr=24.0, steps=None, seconds=0).psnr <= 24.1


def test_quality_is_that_of_visible_color():
    """Samples under alpha 0 do not count."""
    alpha = np.zeros((*CROP.shape[:2], 1), np.uint8)
    alpha[10:50, 20:80] = 255
    f = encoded(np.concatenate([CROP, alpha], 2), psnr=26.0, steps=60)
    assert 26 <= visible_psnr(decompress(f)[..., :3], CROP, alpha) <= 26.1


def test_size_after_interrupt(monkeypatch):
    """A fit that somebody stops meets its target, too."""

    class Stopped(encoding.BudgetClock):
        def __call__(self, o):
            if o.steps == 5:
                raise KeyboardInterrupt
            return super().__call__(o)

    monkeypatch.setattr(encoding, "BudgetClock", Stopped)
    f = encoded(CROP, bpp=1.0, steps=1000)
    assert f.fit.stop == "interrupted" and 0.985 <= bpp_of(f, CROP) <= 1


def test_small_gray_image():
    """Weights take no more than their share of a file of two hundred bytes."""
    assert 0.95 * 0.6 <= bpp_of(encoded(GRAY, bpp=0.6, steps=20), GRAY) <= 0.6


def test_size_without_fitting():
    """The analysis alone is brought to its target."""
    assert 0.985 <= bpp_of(encoded(CROP, bpp=1.0, steps=None, seconds=0), CROP) <= 1


@pytest.mark.parametrize(
    "how, said",
    [
        (dict(bpp=0.02), "0.02 bits per pixel were asked for"),
        (dict(psnr=38.0), "38 dB were asked for"),
    ],
)
def test_missed_target_is_said(how, said):
    """A target that cannot be reached is named, with the figures of the file that is returned."""
    with pytest.warns(UserWarning, match=said) as caught:
        f = compress(CROP, "latent", steps=4, threads=1, **how)
    assert any(f"{f.bpp:.3f} bits per pixel and {f.psnr:.2f} dB" in str(w.message) for w in caught)


@pytest.mark.parametrize("how", [dict(bpp=0.8), dict(psnr=22.0), dict(lmbda=3e-3)])
def test_steps_do_not_depend_on_the_clock(how):
    """The same bytes twice."""
    assert bytes(encoded(CROP, **how, steps=8)) == bytes(encoded(CROP, **how, steps=8))
