"""Pillow's `draft` and `thumbnail` of `.iic` files decode at reduced resolution."""

import io
import pickle
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from implicit_compress import Latent, compress, decompress, demo_image
from implicit_compress.bitstream.container import pack, unpack
from implicit_compress.pillow import IicImageFile, LoadError

H, W = 75, 101
X = demo_image()[40 : 40 + H, 80 : 80 + W]
ALPHA = np.linspace(0, 255, H * W).reshape(H, W, 1).astype(np.uint8)
IMAGES = {
    "RGB": X,
    "L": X[..., :1],
    "RGBA": np.concatenate([X, ALPHA], 2),
    "LA": np.concatenate([X[..., :1], ALPHA], 2),
    "I;16": X[..., :1].astype(np.uint16) * 257,
}
HOW = {
    "wavelet": dict(method="wavelet:filters=false", bpp=2.0),
    "haar": dict(method="wavelet:wavelet=haar", bpp=2.0),
    "latent": dict(method=Latent(init="random"), bpp=2.0, steps=3),
}


def opened(data):
    return IicImageFile(io.BytesIO(data))


@pytest.fixture(scope="module")
def wave():
    return bytes(compress(X, threads=1, **HOW["wavelet"]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", HOW)
@pytest.mark.parametrize("mode", IMAGES)
def test_size_mode_and_samples_agree(method, mode):
    """Every level has the samples of `decompress`; a thumbnail has the size that Pillow gives."""
    data = bytes(compress(IMAGES[mode], threads=1, **HOW[method]))
    for level in (0, 1, 2, 3):
        im = opened(data)
        result = im.draft(None, (W >> level, H >> level))
        y = decompress(data, scale=Fraction(1, 1 << level))
        assert (im.mode, im.size) == (mode, y.shape[1::-1])
        assert np.array_equal(np.array(im), y[..., 0] if y.shape[2] == 1 else y)
        if not level:
            assert result is None
            continue
        left, top, right, bottom = result[1]
        assert 0 <= left == top < 0.5 and right <= im.width and bottom <= im.height
    small, whole = opened(data), Image.fromarray(X)
    small.thumbnail((20, 15))
    whole.thumbnail((20, 15))
    assert (small.size, small.mode) == (whole.size, mode)


def test_draft_is_never_smaller_than_requested(wave):
    for size in [(W, H), (W - 1, 1), (51, 38), (50, 37), (26, 19), (25, 18), (1, 1), (0, 0)]:
        im = opened(wave)
        im.draft("L", size)
        assert im.width >= size[0] and im.height >= size[1] and im.mode == "RGB"
    assert im.size == tuple(-(-n >> 3) for n in (W, H))  # the smallest resolution of the file


def test_draft_of_loaded_images_and_other_methods_does_nothing(wave):
    im = opened(wave)
    im.load()
    assert im.draft(None, (10, 10)) is None and im.size == (W, H)
    im = opened(wave)
    assert im.draft(None, (50, 37)) and im.draft(None, (10, 10)) is None
    assert pickle.loads(pickle.dumps(im)).size == im.copy().size == im.size == (51, 38)
    assert opened(wave).draft("L", None) is None
    for method in ("lossless", "siren", "hybrid:base_share=0.3,levels=1"):
        steps = {} if method == "lossless" else dict(steps=2, bpp=3)
        data = bytes(compress(X[:24, :24], method, threads=1, **steps))
        im = opened(data)
        assert im.draft(None, (3, 3)) is None and im.size == (24, 24)
        assert np.array_equal(np.array(im), decompress(data))


def test_damaged_files(wave):
    """A header that is not valid changes nothing; damaged samples are an error of `load`."""
    found = unpack(wave)
    header, models, payload = found.coded
    bad = pack(header, models, payload[:9])
    im = opened(bad)
    with pytest.raises(LoadError):
        im.thumbnail((W // 2, H // 2))
    header.args["sparse"] = b"\xff" + header.args["sparse"][1:]
    im = opened(pack(header, models, payload))
    assert im.draft(None, (9, 9)) is None and im.size == (W, H)
    with pytest.raises(LoadError):
        im.load()


def test_thumbnail_is_in_place(wave):
    """The rectangle that `draft` returns has no shift against the whole image."""

    def error(box):
        reduced = Image.fromarray(decompress(wave, scale=Fraction(1, 4)))
        y = np.array(reduced.resize((25, 18), box=box), float)
        return np.square(y - whole).mean()

    whole = np.array(Image.fromarray(decompress(wave)).resize((25, 18)), float)
    box = opened(wave).draft(None, (25, 18))[1]
    assert error(box) < 0.7 * error((0, 0, W / 4, H / 4))
