"""Metadata fields of a file: they join a finished file, can be skipped, are limited, and nothing damaged is taken."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from implicit_compress import Siren, compress, decompress
from implicit_compress.bitstream.container import assemble, attach, ledger, pack, side_bytes, unpack
from implicit_compress.bitstream.header import Header, peek
from implicit_compress.bitstream.limits import Limits
from implicit_compress.bitstream.metadata import EXTRA, read_extras, write_extras
from implicit_compress.image.samples import demo_image
from implicit_compress.runtime.errors import (
    DamagedError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)

IMAGE = demo_image()[40:64, 80:110]
ICC = bytes(range(256))
EXIF = b"MM\0*\0\0\0\x08" + bytes(50)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
SIDES = dict(icc=ICC, exif=EXIF, xmp=XMP)


@pytest.fixture(scope="module")
def plain():
    """A file without metadata."""
    return bytes(compress(IMAGE, "siren", bpp=6, steps=5, threads=1))


def with_extras(plain, chunks):
    """The file with a list of packed fields as it stands."""
    found = unpack(plain)
    return assemble(found.header, found.models, found.payload, chunks)


def with_raw_extras(plain, body):
    """The file with any bytes as its field `extras`."""
    marked = with_extras(plain, {77: body})
    packed = write_extras({77: body})
    at = marked.index(packed)
    assert len(packed) == len(body) + 2 and marked[at - 1] == len(packed)
    changed = marked[: at - 1] + bytes([len(body)]) + body + marked[at + len(packed) : -4]
    return changed + zlib.crc32(changed).to_bytes(4, "little")


def test_names(plain):
    """What is in a file has names, and the method's decoder gets three parts of it."""
    found = unpack(plain)
    assert found.coded == (found.header, found.models, found.payload)
    assert (found.icc, found.exif, found.xmp, found.alpha) == (None, None, None, None)


def test_attach(plain):
    """Fields join a finished file, change no sample, and leave again."""
    data = attach(plain, **SIDES)
    found = unpack(data)
    assert (found.icc, found.exif, found.xmp) == (ICC, EXIF, XMP)
    assert found.coded == unpack(plain).coded and peek(data) == peek(plain)
    assert len(data) - len(plain) == side_bytes(**SIDES)
    assert np.array_equal(decompress(data), decompress(plain))
    assert attach(data, icc=b"", exif=b"", xmp=b"") == plain
    assert attach(attach(plain, xmp=XMP, exif=EXIF), icc=ICC) == data
    assert unpack(attach(data, exif=b"")).xmp == XMP and unpack(attach(data, exif=b"")).exif is None


@pytest.mark.parametrize(
    "how",
    [
        dict(method="wavelet", bpp=9),
        dict(steps=5, bpp=9),
        dict(method="latent", seconds=0, bpp=9),
        dict(method="lossless"),
    ],
    ids=lambda how: next(iter(how)),
)
def test_compress(how):
    """Every method keeps metadata, and a byte target is that of the whole file."""
    f = compress(IMAGE, **{"method": "siren", "threads": 1} | how, **SIDES)
    found = unpack(f)
    assert (found.icc, found.exif, found.xmp) == (ICC, EXIF, XMP)
    assert f.bpp == pytest.approx(8 * len(f) / IMAGE[..., 0].size)
    if "bpp" in how and "steps" in how:
        assert 0.9 * how["bpp"] < f.bpp < 1.02 * how["bpp"]


def test_metadata_above_the_target_warns():
    """A target that metadata fills is exceeded, with a warning, so that samples get their share."""
    with pytest.warns(UserWarning, match="larger than asked for"):
        f = compress(IMAGE, "wavelet", bpp=2, threads=1, icc=ICC)
    assert f.bpp > 2 and f.psnr > 20


def test_profile_alone_keeps_the_fit(plain):
    """The samples of a network of given shape do not depend on metadata."""
    how = dict(method=Siren(width=5, depth=2), steps=4, threads=1)
    assert attach(compress(IMAGE, **how), icc=ICC) == compress(IMAGE, icc=ICC, **how)


def test_unknown_fields(plain):
    """An unknown field is skipped and kept, an unknown critical one refused."""
    data = with_extras(plain, {EXTRA["xmp"]: zlib.compress(XMP), 100: b"from the future"})
    assert unpack(data).xmp == XMP and np.array_equal(decompress(data), decompress(plain))
    assert unpack(attach(data, icc=ICC)).extras[100] == b"from the future"
    assert ledger(data)["unknown"] == 2 + len(b"from the future") and sum(
        ledger(data).values()
    ) == len(data)
    with pytest.raises(UnsupportedError, match="type 128 needs a newer version"):
        decompress(with_extras(plain, {128: b"x"}))


@pytest.mark.parametrize("name", EXTRA)
def test_damaged_field(plain, name):
    """A decoder of samples skips it; whoever reads it gets an error."""
    z = zlib.compress(b"abc" * 50)
    for packed in (b"text", z[:-1], z + b"?", z[:4] + b"\xff" + z[5:]):
        data = with_extras(plain, {EXTRA[name]: packed})
        assert np.array_equal(decompress(data), decompress(plain))
        with pytest.raises(DamagedError, match=name):
            getattr(unpack(data), name)


@pytest.mark.parametrize(
    "body",
    [
        b"\x01\x05abc",
        b"\x01",
        b"\x02\x01a\x01\x01b",
        b"\x01\x01a\x01\x01b",
        b"\x01\0",
        b"\x01\xff\xff\xff\xff\x7fa",
        b"\x01\x80\0a",
    ],
)
def test_damaged_list(plain, body):
    """Fields that end too late, are empty, stand in another order or twice."""
    with pytest.raises((DamagedError, LimitError)):
        unpack(with_raw_extras(plain, body))
    if b"\xff" not in body:
        with pytest.raises(DamagedError):
            read_extras(body)


@pytest.mark.parametrize("name", EXTRA)
def test_limits(plain, name):
    """A field is not inflated above its limit, and not written above the default one."""
    data = attach(plain, **{name: bytes(5000)})
    assert len(getattr(unpack(data), name)) == 5000
    with pytest.raises(LimitError, match=rf"raise Limits\({name}=...\)"):
        getattr(unpack(data, Limits(**{name: 4999})), name)
    assert decompress(data, limits=Limits(**{name: 4999})).shape == IMAGE.shape
    with pytest.raises(LimitError, match=f"{name}: .* leave it out"):
        attach(plain, **{name: bytes((1 << 22) + 1)})


def test_every_flip_is_seen(plain):
    """The checksum covers metadata."""
    data = attach(plain, exif=EXIF)
    a = data.index(zlib.compress(EXIF, 9))
    for i in range(a - 3, a + 8):
        with pytest.raises((DamagedError, TruncatedError)):
            unpack(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])


def test_alpha_of_a_header():
    """Only gray and colour that a lossy method codes have a field alpha."""
    head = Header(4, 5, args=dict(hidden=3, layers=2, steps=b"\x2b" * 5), channels=4, alpha=True)
    assert (head.planes, head.coded.channels, head.coded.alpha) == (3, 3, False)
    assert head.weights == head.coded.weights
    assert unpack(pack(head, b"", b"", alpha=b"\xff")).header == head
    with pytest.raises(ValueError, match="field alpha"):
        pack(head, b"", b"")
    with pytest.raises(ValueError, match="field alpha"):
        pack(head.coded, b"", b"", alpha=b"\xff")
    for channels in (1, 3):
        with pytest.raises(DamagedError, match="has no such field"):
            unpack(pack(replace(head, channels=channels), b"", b"", alpha=b"\xff"))
    exact = Header(4, 5, 4, method="lossless", args=dict(color="ycocg", predictors=b""), alpha=True)
    with pytest.raises(DamagedError, match="has no such field"):
        unpack(pack(exact, b"", b"", alpha=b"\xff"))
