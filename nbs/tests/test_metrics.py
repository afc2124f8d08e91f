"""Distances refuse what is no image; BD-rates say how far they reach."""

import warnings

import numpy as np
import pytest

from implicit_compress.image.metrics import ms_ssim, mse, psnr
from implicit_compress.image.perceptual import lpips
from implicit_compress.image.rate_distortion import bd_rate

BYTES = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
REALS = BYTES / 255.0
NAN = np.where(np.arange(48).reshape(4, 4, 3) == 5, np.nan, REALS)
INF = np.where(np.arange(48).reshape(4, 4, 3) == 5, np.inf, REALS)
DISTANCES = mse, psnr, ms_ssim, lpips  # lpips refuses before it needs the weights of AlexNet


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(
    "other, says",
    [
        (NAN, "of 48 real samples 1 are NaN and 0 lie outside"),
        (INF, "of 48 real samples 0 are NaN and 1 lie outside"),
        (REALS - 0.1, "lie outside"),
        (BYTES.astype(float), "lie outside"),
        (BYTES.astype(np.uint16), "differ in kind"),
        (BYTES[:3], "differ in kind"),
        (BYTES[:0], "is empty"),
        (BYTES.astype(np.int64), "samples of type int64 have no known peak"),
    ],
)
def test_distances_refuse_what_is_no_image(distance, other, says):
    """NaN, infinity, reals in 0..255, two sample types, two shapes, nothing: all distances say the same, in both orders."""
    for pair in ((BYTES, other), (other, BYTES)):
        with pytest.raises(ValueError, match=says):
            distance(*pair)


@pytest.mark.parametrize("pair", [(NAN, NAN), (BYTES[:0], BYTES[:0]), (BYTES * 1.0, BYTES * 1.0)])
def test_mse_refuses_two_of_a_kind(pair):
    """Two arrays with the same fault are not equal images."""
    with pytest.raises(ValueError):
        mse(*pair)
    with pytest.raises(ValueError):
        psnr(*pair)


def test_mse_and_psnr_agree():
    """The mean squared error of samples, of reals and of single channels is that of the PSNR."""
    far = BYTES ^ 1
    assert psnr(BYTES, far) == pytest.approx(-10 * np.log10(mse(BYTES, far)), abs=1e-9)
    assert mse(REALS, far) == pytest.approx(mse(BYTES, far), abs=1e-12)
    assert mse(BYTES > 7, BYTES > 7) == 0


def curve(*dbs, factor=1.0):
    """Points with a slope of 6 dB an octave."""
    return [(factor * 2 ** ((q - 30) / 6), q) for q in dbs]


@pytest.mark.parametrize(
    "bad, says",
    [
        ([], "shape"),
        (np.empty((0, 2)), "without points"),
        ([(0.1, 30.0), (0.2, np.nan)], "finite"),
        ([(0.1, 30.0), (np.inf, 31.0)], "finite"),
        ([(0.0, 30.0), (0.2, 31.0)], "above 0"),
        ([(0.1, 30.0)], "2 points"),
    ],
)
def test_bd_rate_refuses_what_is_no_curve(bad, says):
    """No points, NaN, infinity, a rate of nothing: in both places."""
    for pair in ((curve(28, 34), bad), (bad, curve(28, 34))):
        with pytest.raises(ValueError, match=says):
            bd_rate(*pair)


@pytest.mark.parametrize(
    "anchor, test",
    [
        ((28, 31, 34), (33.2, 36, 39)),  # 0.8 dB of 6
        ((26, 30, 36), (34, 40, 44)),  # 2 dB of 10
        ((30, 30.4, 30.8), (26, 30, 40)),  # all of a range of 0.8 dB
    ],
)
def test_narrow_overlap_warns(anchor, test):
    """Below 1 dB or a quarter of the shorter range the mean says little, and is given with a warning."""
    with pytest.warns(UserWarning, match="the curves share only"):
        rate = bd_rate(curve(*anchor), curve(*test, factor=0.8))
    assert rate == pytest.approx(-20, abs=1e-6)


def test_wide_overlap_is_silent():
    """Where one curve lies within the other nothing is to be said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bd_rate(
            curve(20, 25, 30, 35, 40, 45), curve(29, 31, 33, factor=0.5)
        ) == pytest.approx(-50, abs=1e-6)
