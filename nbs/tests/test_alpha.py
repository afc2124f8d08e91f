"""Alpha is exact with every method, hidden colour costs nothing, and other sizes of colour and alpha agree."""

import warnings
import zlib
from fractions import Fraction

import numpy as np
import pytest

from implicit_compress import Hybrid, Lossless, Siren, compress, decompress
from implicit_compress.bitstream.container import assemble, attach, ledger, pack, unpack
from implicit_compress.bitstream.header import Header, peek
from implicit_compress.bitstream.limits import Limits
from implicit_compress.image.alpha import fill_hidden_color, visible_psnr
from implicit_compress.image.geometry import scaled_size
from implicit_compress.image.metrics import psnr
from implicit_compress.image.samples import demo_image
from implicit_compress.lossless.encoder import encode_alpha, encode_lossless_file
from implicit_compress.runtime.errors import DamagedError, IicError, LimitError
from implicit_compress.siren.integer import render_integer

H, W = 37, 53
ROW, COL = np.mgrid[:H, :W]
COLOUR = demo_image()[60 : 60 + H, 90 : 90 + W]
CUT_OUT = np.where((ROW - 18) ** 2 + (COL - 26) ** 2 < 200, 255, 0).astype(np.uint8)[
    ..., None
]  # 0 and 255 alone
SOFT = np.clip(300 - 8 * np.hypot(ROW - 18, COL - 26), 0, 255).astype(np.uint8)[..., None]
NOISE = np.random.default_rng(0).integers(0, 256, COLOUR.shape, dtype=np.uint8)
HIDDEN = np.where(CUT_OUT > 0, COLOUR, NOISE)  # noise where nothing is seen
KINDS = dict(
    rgba_hidden=np.concatenate([HIDDEN, CUT_OUT], 2),
    la=np.concatenate([HIDDEN[..., :1], CUT_OUT], 2),
    soft=np.concatenate([COLOUR, SOFT], 2),
    opaque=np.concatenate([COLOUR, np.full_like(CUT_OUT, 255)], 2),
)
WAYS = dict(
    wavelet=dict(method="wavelet", bpp=4),
    siren=dict(method=Siren(width=6, depth=3), steps=8),
    tiles=dict(method=Siren(width=5, depth=2, tiles=2), steps=4),
    hybrid=dict(method=Hybrid(levels=1, chroma=Siren(), base_share=0.4), bpp=4, steps=4),
    details=dict(method=Hybrid(wavelet="haar", levels=1, residual=Siren()), bpp=8, steps=4),
    latent_0=dict(method="latent", bpp=4, seconds=0),
    latent=dict(method="latent", lmbda=3e-3, steps=3),
    auto=dict(method="auto", bpp=4, seconds=0),
)


def encoded(x, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compress(x, **{"method": "siren", "threads": 1} | how)


@pytest.fixture(scope="module")
def cut_outs():
    """A cut-out by every way."""
    return {name: encoded(KINDS["rgba_hidden"], **how) for name, how in WAYS.items()}


# ------------------------------------------------------------------------------------------- samples


@pytest.mark.parametrize("way", WAYS)
def test_cut_out_is_exact(cut_outs, way):
    """0 stays 0 and 255 stays 255, whatever draws the colour."""
    f, x = cut_outs[way], KINDS["rgba_hidden"]
    y = decompress(f)
    assert y.shape == x.shape and y.dtype == x.dtype
    assert np.array_equal(y[..., 3], x[..., 3])
    assert f.psnr == pytest.approx(visible_psnr(y[..., :3], COLOUR, CUT_OUT), abs=1e-9)
    assert f.bpp == pytest.approx(8 * len(f) / (H * W))


@pytest.mark.parametrize("way", ["wavelet", "siren", "latent_0"])
@pytest.mark.parametrize("kind", ["la", "soft", "opaque"])
def test_other_kinds_are_exact(kind, way):
    """Gray with alpha, soft edges, and alpha that is 255 everywhere."""
    x = KINDS[kind]
    y = decompress(encoded(x, **WAYS[way]))
    assert y.shape == x.shape and np.array_equal(y[..., -1], x[..., -1])


@pytest.mark.parametrize("way", ["wavelet", "siren", "latent_0"])
def test_16_bit_alpha(way):
    """Every bit of a deep alpha plane."""
    deep = KINDS["soft"].astype(np.uint16) * 257 + (ROW % 7)[..., None].astype(np.uint16)
    y = decompress(encoded(deep, **WAYS[way]))
    assert y.dtype == np.uint16 and np.array_equal(y[..., 3], deep[..., 3])


def test_constant_plane_costs_next_to_nothing():
    """A plane of one value takes four bytes at most, 16 bits one more."""
    for depth, most in ((np.uint8, 4), (np.uint16, 5)):
        x = COLOUR.astype(depth)
        how = dict(method=Siren(width=5, depth=2), steps=3)
        plain = encoded(x, **how)
        for value in (0, 1, np.iinfo(depth).max):
            f = encoded(np.concatenate([x, np.full_like(x[..., :1], value)], 2), **how)
            assert np.all(decompress(f)[..., 3] == value)
            if value:
                assert len(f) - len(plain) <= most and f.psnr == plain.psnr


def test_lossless_keeps_hidden_colour():
    """Nothing is filled when nothing may be lost, with or without a drawing."""
    based = Lossless(base=Siren(width=5, depth=2))
    for how in (dict(method="lossless"), dict(method=based, steps=3)):
        x = KINDS["rgba_hidden"]
        assert np.array_equal(decompress(encoded(x, **how)), x)


# ------------------------------------------------------------------------------------- hidden colour


def test_filling_changes_nothing_that_is_seen():
    """Visible samples stay; one colour continues as itself."""
    out = fill_hidden_color(HIDDEN, CUT_OUT)
    seen = CUT_OUT[..., 0] > 0
    assert np.array_equal(out[seen], HIDDEN[seen])
    assert np.array_equal(
        fill_hidden_color(np.where(CUT_OUT > 0, 90, HIDDEN).astype(np.uint8), CUT_OUT),
        np.full_like(HIDDEN, 90),
    )
    assert np.array_equal(
        out, fill_hidden_color(np.where(CUT_OUT > 0, HIDDEN, 0).astype(np.uint8), CUT_OUT)
    )


@pytest.mark.parametrize(
    "how", [dict(method="wavelet", bpp=3), dict(method="latent", lmbda=0.003, seconds=0)], ids=str
)
def test_hidden_colour_is_free(how):
    """Noise under alpha 0 gives the same file as one colour there."""
    flat = np.concatenate([np.where(CUT_OUT > 0, COLOUR, 0), CUT_OUT], 2)
    assert bytes(encoded(KINDS["rgba_hidden"], **how)) == bytes(encoded(flat, **how))


def test_quality_is_that_of_visible_colour():
    """psnr= is met where colour is seen."""
    f = encoded(KINDS["rgba_hidden"], method="wavelet", psnr=32)
    y = decompress(f)
    seen = CUT_OUT[..., 0] > 0
    assert f.psnr == pytest.approx(psnr(y[seen][:, :3], COLOUR[seen])) and f.psnr >= 31.9


def test_quality_of_a_latent_file():
    """A latent file meets a quality where colour is seen, too."""
    f = encoded(KINDS["rgba_hidden"], method="latent", psnr=25, seconds=0)
    assert 25 <= f.psnr <= 25.1 and f.psnr == pytest.approx(
        visible_psnr(decompress(f)[..., :3], COLOUR, CUT_OUT)
    )


def test_everything_hidden():
    """An image that shows nothing has a file, and it is small."""
    x = np.concatenate([NOISE, np.zeros_like(CUT_OUT)], 2)
    f = encoded(x, method="wavelet", bpp=4)
    assert np.all(decompress(f)[..., 3] == 0) and len(f) < 100


def test_target_counts_alpha(cut_outs):
    """A target in bits per pixel is that of the whole file; alpha that fills it is kept, with a warning."""
    f = cut_outs["wavelet"]
    assert ledger(f)["alpha"] > 60 and 3.8 < f.bpp < 4.05
    noisy = np.concatenate([COLOUR, NOISE[..., :1]], 2)
    with pytest.warns(UserWarning, match="alpha and metadata take .* larger than asked for"):
        g = compress(noisy, "wavelet", bpp=1, threads=1)
    assert np.array_equal(decompress(g)[..., 3], noisy[..., 3]) and g.bpp > 8


# ---------------------------------------------------------------------------------- scales and boxes


def expected_alpha(size):
    """Area means in real numbers."""

    def weights(n, N):
        edge = np.arange(N + 1) * n / N
        lo, hi = (
            np.maximum(edge[:-1, None], np.arange(n)),
            np.minimum(edge[1:, None], np.arange(n) + 1),
        )
        return np.maximum(hi - lo, 0) * N / n

    return weights(H, size[0]) @ CUT_OUT[..., 0].astype(float) @ weights(W, size[1]).T


@pytest.mark.parametrize("scale", [0.5, Fraction(1, 3), 1.7, 2, 3])
def test_scaled_network(cut_outs, scale):
    """Colour and alpha have the same size at any scale, and a box is a part of the whole."""
    y = decompress(cut_outs["siren"], scale=scale)
    assert y.shape[:2] == scaled_size(H, W, scale)
    assert np.abs(y[..., 3] - expected_alpha(y.shape[:2])).max() <= 1
    top, left, bottom, right = box = 3, 5, y.shape[0] - 2, y.shape[1] - 3
    assert np.array_equal(
        decompress(cut_outs["siren"], scale=scale, box=box), y[top:bottom, left:right]
    )
    with pytest.raises(ValueError, match="outside"):
        decompress(cut_outs["siren"], scale=scale, box=(0, 0, 999, 9))


@pytest.mark.parametrize("level", [0, 1, 2, 5])
def test_scaled_latent_file(cut_outs, level):
    """A latent file at 1/2, 1/4 ... has alpha of the same pixels."""
    f = cut_outs["latent_0"]
    y = decompress(f, scale=Fraction(1, 1 << level))
    rows, cols = -(-H >> level), -(-W >> level)
    assert y.shape == (rows, cols, 4)
    n = 1 << level
    whole = np.pad(CUT_OUT[..., 0], [(0, rows * n - H), (0, cols * n - W)], mode="edge")
    assert np.abs(y[..., 3] - whole.reshape(rows, n, cols, n).mean((1, 3))).max() <= 1
    box = (0, 0, -(-rows // 2), -(-cols // 2))
    assert np.array_equal(decompress(f, scale=Fraction(1, n), box=box), y[: box[2], : box[3]])
    with pytest.raises(ValueError, match="outside"):
        decompress(f, scale=Fraction(1, n), box=(0, 0, rows + 1, cols))


def test_beginning_of_a_latent_file(cut_outs):
    """A beginning of the file is a smaller image, with its alpha."""
    f = bytes(cut_outs["latent_0"])
    shapes = set()
    for n in range(len(f) - 5, len(f) - ledger(f)["payload"], -60):
        try:
            y = decompress(f[:n], allow_truncated=True)
        except IicError:
            break
        level = next(k for k in range(12) if (-(-H >> k), -(-W >> k)) == y.shape[:2])
        assert np.array_equal(y[..., 3], decompress(f, scale=Fraction(1, 1 << level))[..., 3])
        shapes.add(y.shape)
    assert len(shapes) > 1


def test_one_rule_for_scaled_sides():
    """The encoder's grid and the decoder's samples have one size: halves round to even."""
    layer = [(np.array([[9, 4]]), np.array([-3]), 40, 30)]
    for h, w in ((37, 53), (39, 55), (1, 1), (5, 8)):
        for scale in (0.5, 1.5, 2.5, Fraction(1, 3), 0.01, 1):
            assert scaled_size(h, w, scale) == render_integer(layer, h, w, scale=scale).shape[:2]
    assert scaled_size(37, 53, 0.5) == (18, 26)


# ------------------------------------------------------------------------------------ what is refused


def with_alpha(f, alpha):
    """The same colour with any bytes as its field alpha."""
    return attach(f, alpha=alpha)


def test_alpha_of_another_kind(cut_outs):
    """Other sizes, depths, methods, files inside, metadata, damage."""
    f = cut_outs["siren"]
    good = unpack(f).alpha
    assert np.array_equal(decompress(with_alpha(f, good)), decompress(f))
    deep = encode_lossless_file(SOFT.astype(np.uint16))
    based = pack(
        Header(
            H,
            W,
            1,
            8,
            "lossless",
            dict(
                unpack(good).header.args,
                base=bytes(encoded(SOFT, method=Siren(width=3, depth=2), steps=2)),
            ),
        ),
        unpack(good).models,
        unpack(good).payload,
    )
    bad = [
        b"\xff\xff",
        b"text",
        good[:-1],
        good + b"?",
        encode_alpha(SOFT[1:]),
        deep,
        bytes(encode_lossless_file(COLOUR)),
        bytes(encoded(SOFT, method=Siren(width=3, depth=2), steps=2)),
        based,
        bytes(f),
        attach(good, icc=b"abc"),
        good[:-9] + bytes([good[-9] ^ 1]) + good[-8:],
    ]
    for data in bad:
        with pytest.raises(DamagedError, match="alpha"):
            decompress(with_alpha(f, data))


def test_channels_without_alpha(cut_outs):
    """A lossy file of two or four channels needs the field."""
    for way in ("wavelet", "siren", "latent_0"):
        found = unpack(cut_outs[way])
        for channels in (2, 4):
            h = Header(H, W, channels, 8, found.header.method, found.header.args)
            with pytest.raises(DamagedError, match="without a field alpha"):
                decompress(assemble(h, found.models, found.payload, {}))


def test_value_above_the_depth():
    """A constant of a 12-bit file has 12 bits."""
    found = unpack(encoded(COLOUR, method=Siren(width=3, depth=2), steps=2))
    f = assemble(Header(H, W, 3, 12, "siren", found.header.args), found.models, found.payload, {})
    assert np.all(decompress(with_alpha(f, b"\xff\x0f"))[..., 3] == 4095)
    with pytest.raises(DamagedError, match="65535 is more than 12 bits"):
        decompress(with_alpha(f, b"\xff\xff"))


def test_alpha_is_limited(cut_outs):
    """The file inside is held to the limits of the file."""
    f = cut_outs["siren"]
    forged = Header(1 << 14, 1 << 14, 1, 8, "lossless", dict(color="none", predictors=b""))
    with pytest.raises((LimitError, DamagedError)):
        decompress(with_alpha(f, pack(forged, b"", b"")))
    with pytest.raises(LimitError):
        decompress(f, limits=Limits(pixels=H * W - 1))


def test_flips_with_forged_checksum(cut_outs):
    """A flip in the field is refused, or gives other samples of the right size."""
    f = bytes(cut_outs["siren"])
    a = f.index(unpack(f).alpha)
    changed = 0
    for i in range(a, a + len(unpack(f).alpha), 3):
        body = f[:i] + bytes([f[i] ^ 4]) + f[i + 1 : -4]
        try:
            y = decompress(body + zlib.crc32(body).to_bytes(4, "little"))
        except IicError:
            changed += 1
        else:
            assert y.shape == (H, W, 4)
    assert changed > 20  # the inner checksum sees every flip of the inner file


def test_header_counts_every_channel(cut_outs):
    """What asks for the shape alone learns that there is alpha."""
    for f in cut_outs.values():
        h = peek(f)
        assert (h.channels, h.planes, h.alpha) == (4, 3, True)
