"""Image files: orientation, frames, metadata, colour of PNG, reals, 16-bit PNG, and what counts as a file."""

import io
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

import implicit_compress.pillow  # noqa: F401  (teaches Pillow the format)
from implicit_compress.image.load import icc_profile, load_image, read_image
from implicit_compress.image.metadata import upright_exif, upright_xmp
from implicit_compress.image.profile import CURVES, PRIMARIES, curve_profile
from implicit_compress.image.samples import demo_image
from implicit_compress.image.save import _png_text, save_image

H, W = 20, 28
X = demo_image()[40 : 40 + H, 80 : 80 + W]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'


def exif_block(orientation=6):
    """EXIF with a maker, a date in its sub-directory, and an orientation."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = orientation
    exif[0x8769] = {0x9003: "2020:01:02 03:04:05"}
    return exif.tobytes()


def written(im, fmt, **options):
    """The bytes of an image file."""
    f = io.BytesIO()
    im.save(f, fmt, **options)
    return f.getvalue()


def several(n=3):
    """Images that differ."""
    return [Image.fromarray(np.roll(X, 5 * i, 1)) for i in range(n)]


def animated(fmt, n=3, **options):
    """A file of `n` frames."""
    first, *rest = several(n)
    return written(first, fmt, save_all=True, append_images=rest, **options)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunks(x, *chunks):
    """A PNG file with more chunks before its samples."""
    data = written(Image.fromarray(x), "PNG")
    return data[:33] + b"".join(chunk(*c) for c in chunks) + data[33:]


def parsed(block):
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    return exif


# orientation


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_files_are_turned_once(fmt, tmp_path):
    """A path, its bytes and an opened image are turned by their EXIF; Pillow's own turning is the reference."""
    options = dict(lossless=True) if fmt == "WEBP" else {}
    path = tmp_path / "x"
    path.write_bytes(written(Image.fromarray(X), fmt, exif=exif_block(), **options))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert expected.shape == (W, H, 3)
    opened = Image.open(path)
    opened.load()
    for source in (
        path,
        str(path),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        Image.open(path),
        opened,
    ):
        assert (load_image(source) == expected).all()


DERIVED = {
    "crop": lambda im: im.crop((2, 3, 17, 15)),
    "rotate": lambda im: im.rotate(90, expand=True),
    "transpose": lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "resize": lambda im: im.resize((9, 7)),
    "copy": lambda im: im.copy(),
    "convert": lambda im: im.convert("RGBA"),
    "exif_transpose": ImageOps.exif_transpose,
}


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("fmt", ["PNG", "JPEG"])
def test_derived_images_are_not_turned(name, fmt):
    """What was made from an opened image is as Pillow gives it."""
    im = DERIVED[name](Image.open(io.BytesIO(written(Image.fromarray(X), fmt, exif=exif_block()))))
    got = load_image(im)
    assert got.shape == np.asarray(im).shape and (got == np.asarray(im)).all()


def test_broken_exif_does_not_keep_an_image_from_being_read():
    """Counts that lie, cut blocks, wrong beginnings."""
    good = exif_block()
    lies = good[:14] + b"\xff\xff" + good[16:]
    for block in (lies, good[:20], good[:9], b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\x7f"):
        data = written(Image.fromarray(X), "JPEG", exif=block, quality=95)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_image(data)
        assert sorted(found.samples.shape) == sorted(X.shape)
        if found.exif:
            assert parsed(found.exif).get(0x0112, 1) == 1
        else:
            assert any("EXIF" in text for text in found.warnings)


# frames

FRAMES = {
    "TIFF": {},
    "GIF": dict(duration=100),
    "PNG": dict(duration=100),
    "WEBP": dict(duration=100, lossless=True),
    "MPO": {},
    "AVIF": dict(duration=100),
}


@pytest.mark.parametrize("fmt", FRAMES)
def test_frames_left_out_are_warned_of(fmt):
    """Two of three frames are left out, and that is said."""
    data = animated(fmt, **FRAMES[fmt])
    with pytest.warns(UserWarning, match="2 of 3 frames"):
        got = load_image(data)
    assert got.shape[:2] == (H, W)


@pytest.mark.parametrize("fmt", FRAMES)
def test_frame_chooses(fmt):
    """Each frame is the one that Pillow gives; nothing is warned of, and others are refused with the count."""
    data = animated(fmt, **FRAMES[fmt])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(3):
            im = Image.open(io.BytesIO(data))
            im.seek(i)
            expected = np.asarray(im.convert("RGB"))
            assert (load_image(data, frame=i)[..., :3] == expected).all()
            if i:
                assert (load_image(im)[..., :3] == expected).all()
    for bad in (3, -1, True, 1.5, "1"):
        with pytest.raises(ValueError, match=r"3 frames: 0 to 2|whole number"):
            load_image(data, frame=bad)
    with pytest.raises(ValueError, match="one frame: 0"):
        load_image(written(Image.fromarray(X), "PNG"), frame=1)


def test_an_opened_image_stays_where_it_stood():
    """Choosing a frame of an opened image does not move it."""
    im = Image.open(io.BytesIO(animated("TIFF")))
    im.seek(1)
    expected = np.asarray(im)
    assert (load_image(im, frame=2) != expected).any()
    assert im.tell() == 1 and (np.asarray(im) == expected).all()


def test_one_frame_is_no_reason_to_warn():
    """Still images of every format are read without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fmt in ("PNG", "TIFF", "GIF", "WEBP", "JPEG", "AVIF", "BMP"):
            load_image(written(Image.fromarray(X), fmt))


# metadata


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_metadata_is_read_and_says_upright(fmt):
    """EXIF and XMP of a turned file: all tags, orientation 1."""
    more = dict(xmp=XMP)
    if fmt == "PNG":
        more = dict(pnginfo=_png_text(XMP))
    exif = exif_block()
    if fmt == "TIFF":
        exif = parsed(exif.removeprefix(b"Exif\0\0"))
        exif[0x02BC] = XMP
        more = {}
    found = read_image(written(Image.fromarray(X), fmt, exif=exif, **more))
    tags = parsed(found.exif)
    assert tags[0x010F] == "Maker" and tags.get(0x0112, 1) == 1
    assert tags.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert found.xmp.startswith(b"<x:xmpmeta") and b'"6"' not in found.xmp
    assert found.samples.shape[:2] == (W, H)


def test_orientation_of_xmp_alone_is_applied_and_reset():
    """Some programs note the orientation in XMP only."""
    found = read_image(written(Image.fromarray(X), "JPEG", xmp=XMP))
    assert found.samples.shape[:2] == (W, H)
    assert b'Orientation="1"' in found.xmp


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
@pytest.mark.parametrize("depth", [8, 16])
def test_metadata_is_written(suffix, depth, tmp_path):
    """What is written is what comes back."""
    if depth == 16 and suffix not in (".png", ".tif"):
        pytest.skip("8 bits only")
    x = X if depth == 8 else X[..., :1].astype(np.uint16) * 257
    exif, xmp = upright_exif(exif_block()), upright_xmp(XMP)
    found = read_image(save_image(tmp_path / f"x{suffix}", x, exif=exif, xmp=xmp))
    assert found.xmp == xmp
    assert (
        parsed(found.exif)[0x010F] == "Maker"
        and parsed(found.exif).get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    )
    assert found.samples.shape == x.shape and (suffix == ".jpg" or (found.samples == x).all())


def test_formats_without_metadata_refuse_it(tmp_path):
    for suffix in (".bmp", ".ppm"):
        with pytest.raises(ValueError, match="EXIF or XMP"):
            save_image(tmp_path / f"x{suffix}", X, exif=upright_exif(exif_block()))
    with pytest.raises(ValueError, match="JPEG cannot hold"):
        save_image(tmp_path / "x.jpg", X, xmp=b"x" * 70_000)


# colour of PNG


def to_srgb(icc, samples):
    """Gray levels in sRGB by a colour engine."""
    p = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    mode = "L" if p.profile.xcolor_space.strip() == "GRAY" else "RGB"
    im = Image.fromarray(
        np.repeat(np.uint8(samples)[None, :, None], 3, 2)
        if mode == "RGB"
        else np.uint8(samples)[None],
        mode=None,
    )
    out = ImageCms.profileToProfile(
        im, p, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
    )
    return np.asarray(out)[0].astype(float)


def srgb_curve(linear):
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


LEVELS = np.array([0, 40, 90, 128, 200, 255])


@pytest.mark.parametrize("gamma", [1.0, 0.5, 1 / 1.8])
@pytest.mark.parametrize("channels", [1, 3])
def test_gamma_becomes_a_profile(gamma, channels):
    """GAMA says how to raise samples to light; the profile of the file does the same in a colour engine."""
    x = X if channels == 3 else X[..., 0]
    icc = icc_profile(
        io.BytesIO(with_chunks(x, (b"gAMA", struct.pack(">I", round(gamma * 100_000)))))
    )
    assert icc and len(zlib.compress(icc)) < 400
    assert ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.version >= 4
    assert (
        np.abs(to_srgb(icc, LEVELS) - srgb_curve((LEVELS / 255) ** (1 / gamma))[:, None]).max()
        < 1.5
    )


def test_primaries_become_a_profile():
    """CHRM of BT.2020: white stays white, and primaries come out of the engine as they went in."""
    xy = (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)
    body = struct.pack(">8I", *[round(v * 100_000) for v in xy])
    icc = icc_profile(
        io.BytesIO(with_chunks(X, (b"gAMA", struct.pack(">I", 50_000)), (b"cHRM", body)))
    )
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
    light = np.array(
        [profile.red_primary[0], profile.green_primary[0], profile.blue_primary[0]]
    )  # XYZ in the white of profiles
    light = light @ np.linalg.inv(np.array(profile.chromatic_adaptation[0])).T
    got = light[:, :2] / light.sum(1, keepdims=True)
    assert np.allclose(got, np.reshape(xy, (4, 2))[1:], atol=2e-3), got
    assert np.abs(to_srgb(icc, [255, 0]) - [[255] * 3, [0] * 3]).max() <= 1


def code_points(primaries, transfer, matrix=0, full=1):
    return with_chunks(X, (b"cICP", bytes([primaries, transfer, matrix, full])))


def test_code_points_become_a_profile_where_that_is_exact():
    """cICP: sRGB needs none, Display P3 becomes one, PQ, HLG and luma matrices are warned of."""
    assert icc_profile(io.BytesIO(code_points(1, 13))) is None
    p3 = icc_profile(io.BytesIO(code_points(12, 13)))
    assert np.abs(to_srgb(p3, LEVELS) - LEVELS[:, None]).max() <= 1
    assert (
        np.abs(
            to_srgb(icc_profile(io.BytesIO(code_points(1, 8))), LEVELS)
            - srgb_curve(LEVELS / 255)[:, None]
        ).max()
        < 1.5
    )
    for odd in ((9, 16), (9, 18), (1, 13, 1), (1, 13, 0, 0), (200, 13), (1, 2)):
        with pytest.warns(UserWarning, match="cICP"):
            load_image(code_points(*odd))
        assert icc_profile(io.BytesIO(code_points(*odd))) is None


def test_colour_chunks_in_their_order():
    """CICP before iCCP before sRGB before gAMA; nonsense is left out with a warning."""
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    assert icc_profile(io.BytesIO(with_chunks(X, (b"sRGB", b"\0"), gamma))) is None
    assert icc_profile(io.BytesIO(with_chunks(X, (b"cICP", bytes([1, 13, 0, 1])), gamma))) is None
    assert icc_profile(io.BytesIO(with_chunks(X, (b"gAMA", struct.pack(">I", 45_455))))) is None
    for odd in (
        (b"gAMA", struct.pack(">I", 0)),
        (b"gAMA", struct.pack(">I", 4_000_000_000)),
        (b"cHRM", struct.pack(">8I", *[30_000] * 8)),
    ):
        with pytest.warns(UserWarning, match="gAMA|cHRM"):
            load_image(with_chunks(X, odd))
    with pytest.warns(UserWarning, match="gAMA"):
        load_image(with_chunks(X, gamma, (b"cHRM", struct.pack(">8I", *[30_000] * 8))))


def test_profiles_that_do_not_fit_are_warned_of():
    """Damaged, of another color space, of samples that are converted."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for im, icc in (
        (Image.fromarray(X), b"no profile"),
        (Image.fromarray(X[..., 0]), srgb),
        (Image.fromarray(X).convert("CMYK"), srgb),
    ):
        with pytest.warns(UserWarning, match="color profile"):
            load_image(written(im, "TIFF", icc_profile=icc))


# reals, bytes, file objects


def test_real_files_are_read_as_arrays_are():
    """Float TIFF and PFM of 0..1, gray and colour."""
    x = np.float32(X) / 255
    pfm = b"PF\n%d %d\n-1.0\n" % (W, H) + x[::-1].astype("<f4").tobytes()
    gray = b"Pf\n%d %d\n1.0\n" % (W, H) + x[::-1, :, 0].astype(">f4").tobytes()
    assert (load_image(written(Image.fromarray(x[..., 0]), "TIFF")) == X[..., :1]).all()
    assert (load_image(io.BytesIO(pfm)) == X).all()
    assert (load_image(io.BytesIO(gray)) == X[..., :1]).all()
    assert (load_image(Image.fromarray(x[..., 0])) == X[..., :1]).all()
    for odd in (x[..., 0] * 2, x[..., 0] - 1, np.where(x[..., 0] > 0.5, np.nan, x[..., 0])):
        with pytest.raises(ValueError, match="NaN"):
            load_image(written(Image.fromarray(odd), "TIFF"))
    for cut in (pfm[:6], pfm[:-1]):
        with pytest.raises(ValueError):
            load_image(io.BytesIO(cut))


class Pipe(io.RawIOBase):
    """A file object that cannot seek."""

    def __init__(self, data):
        self.source = io.BytesIO(data)

    def readable(self):
        return True

    def seekable(self):
        return False

    def readinto(self, b):
        return self.source.readinto(b)


def test_all_that_holds_bytes_is_a_file():
    """bytes, bytearray, memoryview, and file objects from where they stand."""
    data = written(Image.fromarray(X), "PNG")
    behind = io.BytesIO(b"something before" + data)
    behind.seek(16)
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), behind, Pipe(data)):
        assert (load_image(source) == X).all()
    at_end = io.BytesIO(data)
    at_end.read()
    with pytest.raises(ValueError, match="no bytes left"):
        load_image(at_end)
    with pytest.raises(ValueError, match="binary mode"):
        load_image(io.StringIO("text"))


# 16-bit PNG


def png16(x, interlace=0, kind=0):
    """A 16-bit PNG file: every row has filter `kind`, whose differences are all 0 or 1, or is stored as it is."""
    h, w, c = x.shape
    passes = (
        [
            (0, 0, 8, 8),
            (0, 4, 8, 8),
            (4, 0, 8, 4),
            (0, 2, 4, 4),
            (2, 0, 4, 2),
            (0, 1, 2, 2),
            (1, 0, 2, 1),
        ]
        if interlace
        else [(0, 0, 1, 1)]
    )
    raw = b"".join(
        bytes([kind]) + row.astype(">u2").tobytes()
        for top, left, dy, dx in passes
        for row in x[top::dy, left::dx]
        if row.size
    )
    head = struct.pack(">IIBBBBB", w, h, 16, {1: 0, 2: 4, 3: 2, 4: 6}[c], 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(raw, 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("shape", [(1, 300_000), (300_000, 1), (600, 500)])
def test_deep_png_takes_the_time_that_pillow_takes(shape):
    """Thin and square images with the slowest filter: processor time of ours against Pillow's, which is at least a millisecond."""
    data = png16(np.ones((*shape, 3), np.uint16), kind=4)

    def clock(f):
        t = time.process_time()
        f()
        return time.process_time() - t

    theirs = clock(lambda: Image.open(io.BytesIO(data)).load())
    ours = min(clock(lambda: load_image(io.BytesIO(data))) for _ in range(2))
    assert ours < 20 * theirs + 0.3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlace", [0, 1])
def test_deep_png_is_exact(channels, interlace):
    """Every channel count and order of rows; opened images as well as files."""
    for h, w in ((1, 1), (1, 9), (9, 1), (13, 21)):
        x = np.random.default_rng(channels).integers(0, 65536, (h, w, channels)).astype(np.uint16)
        data = png16(x, interlace)
        assert (load_image(io.BytesIO(data)) == x).all()
        assert (load_image(Image.open(io.BytesIO(data))) == x).all()


def test_deep_png_with_a_transparent_colour():
    """TRNS of 16 bits: one colour is clear."""
    x = np.random.default_rng(0).integers(0, 65536, (7, 9, 3)).astype(np.uint16)
    data = png16(x)
    data = data[:33] + chunk(b"tRNS", x[2, 3].astype(">u2").tobytes()) + data[33:]
    got = load_image(io.BytesIO(data))
    assert (got[..., :3] == x).all() and got[2, 3, 3] == 0 and (got[..., 3] == 0).sum() == 1


def test_images_above_the_limit_are_refused_before_work(monkeypatch):
    """Pillow's limit counts for deep PNG as for all others."""
    data = png16(np.zeros((40, 50, 3), np.uint16))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 900)
    with pytest.raises(ValueError, match=r"too large.*MAX_IMAGE_PIXELS"):
        load_image(io.BytesIO(data))


def test_damage_is_refused():
    """A cut progressive JPEG, a changed 16-bit PNG."""
    data = written(Image.fromarray(X), "JPEG", progressive=True)
    with pytest.raises(ValueError):
        load_image(io.BytesIO(data[: len(data) * 2 // 3]))
    data = bytearray(
        png16(np.random.default_rng(0).integers(0, 65536, (9, 9, 3)).astype(np.uint16))
    )
    data[len(data) // 2] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        load_image(io.BytesIO(bytes(data)))


# folders


def test_folders_say_what_they_skipped(tmp_path):
    """A page named .jpg and a file with another suffix are named with the reason, hidden files are not; a GIF is an image."""
    from implicit_compress.bench.datasets import image_set

    for name in ("a.png", "b.gif"):
        Image.fromarray(X).save(tmp_path / name)
    (tmp_path / "html.jpg").write_text("<html></html>")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    with pytest.warns(UserWarning) as seen:
        found = image_set(tmp_path)
    assert list(found) == ["a", "b"]
    text = " ".join(str(w.message) for w in seen)
    assert (
        "html.jpg (no image that Pillow can read)" in text
        and "notes.txt (no image by its name)" in text
        and ".hidden" not in text
    )
    for name in ("a.png", "b.gif"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=r"html\.jpg"):
        image_set(tmp_path)


# the encoder: frames, metadata, sources


def encoded(source, **how):
    """A small file of a small image."""
    from implicit_compress.codec.encode import compress

    return compress(source, **{"method": "wavelet", "bpp": 4.0, **how})


def decoded(data, **how):
    from implicit_compress.codec.decode import decompress

    return decompress(data, **how)


def shell(line, code=0):
    """Run a command of the command line."""
    from click.testing import CliRunner

    from implicit_compress.cli.main import main

    done = CliRunner().invoke(main, line)
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout, done.stderr


def test_compress_warns_of_frames_and_takes_the_chosen_one():
    """Paths, bytes and opened images alike."""
    data = animated("TIFF")
    for source in (data, io.BytesIO(data), Image.open(io.BytesIO(data))):
        with pytest.warns(UserWarning, match="2 of 3 frames") as seen:
            encoded(source)
        assert seen[0].filename == __file__
    for i, x in enumerate(several()):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = encoded(data, bpp=None, method="lossless", frame=i)
        assert (decoded(out) == np.asarray(x)).all()
    with pytest.raises(ValueError, match="3 frames: 0 to 2"):
        encoded(data, frame=3)
    with pytest.raises(ValueError, match="frame"):
        encoded(X, frame=0)


def test_lossless_refuses_to_leave_frames_out():
    """Unless one was chosen, also by the place where an opened image stands."""
    data = animated("GIF", duration=100)
    with pytest.raises(ValueError, match=r"2 of 3 frames.*frame"):
        encoded(data, bpp=None, method="lossless")
    im = Image.open(io.BytesIO(data))
    im.seek(1)
    expected = np.asarray(im.convert("RGB"))
    assert (decoded(encoded(im, bpp=None, method="lossless"))[..., :3] == expected).all()


def test_command_line_and_plugin_choose_frames(tmp_path, monkeypatch):
    """`--frame`, Pillow's `save(frame=)`, and their warnings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tif").write_bytes(animated("TIFF"))
    how = "--method wavelet --bpp 4"
    assert "Warning: 2 of 3 frames" in shell(f"encode m.tif -o a.iic {how}")[1]
    assert "Warning" not in shell("encode m.tif -o b.iic --lossless --frame 2")[1]
    assert (decoded((tmp_path / "b.iic").read_bytes()) == np.asarray(several()[2])).all()
    assert "3 frames: 0 to 2" in shell(f"encode m.tif -o c.iic {how} --frame 3", 2)[1]
    assert "2 of 3 frames" in shell("encode m.tif -o c.iic --lossless", 2)[1]
    assert not (tmp_path / "c.iic").exists()
    im = Image.open("m.tif")
    with pytest.warns(UserWarning, match="2 of 3 frames"):
        im.save("d.iic", method="wavelet", bpp=4.0)
    im.save("e.iic", method="lossless", frame=1)
    assert (np.asarray(Image.open("e.iic")) == np.asarray(several()[1])).all()


def test_encode_many_names_frames_and_files(tmp_path, monkeypatch):
    """One line for a file of several frames, one for a page named .jpg, and the others are encoded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.tif").write_bytes(animated("TIFF"))
    (tmp_path / "in" / "html.jpg").write_text("<html></html>")
    (tmp_path / "in" / "notes.txt").write_text("x")
    out, err = shell("encode-many in -o out --method wavelet --bpp 4", 2)
    assert "2 of 3 frames" in out + err and "notes.txt (no image by its name)" in err
    assert len([line for line in (out + err).splitlines() if line.startswith("html")]) == 1
    assert [p.name for p in (tmp_path / "out").glob("*.iic")] == ["m.iic"]
    (tmp_path / "in" / "html.jpg").unlink()
    shell("encode-many in -o second --method wavelet --bpp 4 --frame 1 --strip")
    assert [p.name for p in (tmp_path / "second").glob("*.iic")] == ["m.iic"]


def test_metadata_of_files_is_kept(tmp_path, monkeypatch):
    """EXIF and XMP through encode and decode, and Pillow; orientation is applied once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(
        written(Image.fromarray(X), "JPEG", exif=exif_block(), xmp=XMP)
    )
    shell("encode a.jpg -o a.iic --method wavelet --bpp 4")
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        shell(f"decode a.iic -o out{suffix}")
        im = Image.open(f"out{suffix}")
        im.load()
        tags = im.getexif()
        assert im.size == (H, W) and tags[0x010F] == "Maker" and tags.get(0x0112, 1) == 1
        assert (
            tags.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
            and b'"6"' not in read_image(f"out{suffix}").xmp
        )
    assert "metadata" in shell("decode a.iic -o out.bmp")[1]
    im = Image.open("a.iic")
    assert (
        im.info["xmp"].startswith(b"<x:xmpmeta")
        and im.getexif()[0x010F] == "Maker"
        and im.size == (H, W)
    )
    im.save("b.jpg", exif=im.info["exif"])
    assert Image.open("b.jpg").getexif()[0x010F] == "Maker"


def contents(data):
    """Metadata of a file."""
    from implicit_compress.bitstream.container import unpack

    found = unpack(data)
    return found.icc, found.exif, found.xmp


def test_metadata_given_and_left_out(tmp_path, monkeypatch):
    """`exif=` and `xmp=` replace those of the file, b'' and `--strip` leave them out; the color profile stays."""
    monkeypatch.chdir(tmp_path)
    p3 = curve_profile(CURVES[13], PRIMARIES[12])
    data = written(Image.fromarray(X), "JPEG", exif=exif_block(), xmp=XMP, icc_profile=p3)
    (tmp_path / "a.jpg").write_bytes(data)
    icc, exif, xmp = contents(encoded(data))
    assert icc == p3 and parsed(exif)[0x0112] == 1 and xmp
    assert contents(encoded(data, exif=b"", xmp=b"", icc=b"")) == (None, None, None)
    assert contents(encoded(data, strip=True)) == (p3, None, None)
    assert contents(encoded(data, strip=True, strip_profile=True)) == (None, None, None)
    given = contents(encoded(X, exif=exif_block(), xmp=XMP))
    assert parsed(given[1])[0x0112] == 1 and b'"1"' in given[2]
    with pytest.raises(ValueError, match="EXIF"):
        encoded(X, exif=b"nonsense")
    shell("encode a.jpg -o a.iic --method wavelet --bpp 4 --strip")
    assert contents((tmp_path / "a.iic").read_bytes()) == (p3, None, None)
    Image.open("a.jpg").save(
        "b.iic", method="wavelet", bpp=4.0, exif=exif_block(3), icc_profile=None
    )
    icc, exif, xmp = contents((tmp_path / "b.iic").read_bytes())
    assert icc is None and parsed(exif)[0x0112] == 1


def test_a_profile_that_is_too_large_can_be_left_out(tmp_path, monkeypatch):
    """Above 4 MiB: refused before any fit, with the option that helps."""
    monkeypatch.chdir(tmp_path)
    p3 = curve_profile(CURVES[13], PRIMARIES[12])
    large = p3 + np.random.default_rng(0).bytes(2**22)
    large = len(large).to_bytes(4, "big") + large[4:]
    (tmp_path / "a.png").write_bytes(written(Image.fromarray(X), "PNG", icc_profile=large))
    monkeypatch.setattr("PIL.PngImagePlugin.MAX_TEXT_CHUNK", 2**24)
    if icc_profile("a.png") is None:
        pytest.skip("Pillow does not hand over such a profile")
    assert "--strip-profile" in shell("encode a.png -o a.iic --seconds 1000", 2)[1]
    shell("encode a.png -o a.iic --method wavelet --bpp 4 --strip-profile")
    assert contents((tmp_path / "a.iic").read_bytes())[0] is None


def test_compress_and_decompress_take_all_that_holds_bytes():
    """bytes, bytearray, memoryview, offset and unseekable file objects, both ways."""
    png = written(Image.fromarray(X), "PNG")
    expected = encoded(X)
    iic = bytes(expected)
    for data, f in ((png, encoded), (iic, decoded)):
        behind = io.BytesIO(b"something before" + data)
        behind.seek(16)
        results = [
            f(s)
            for s in (data, bytearray(data), memoryview(data), io.BytesIO(data), behind, Pipe(data))
        ]
        assert all(
            np.array_equal(np.asarray(r), np.asarray(results[0]))
            if f is decoded
            else bytes(r) == iic
            for r in results
        )
    assert encoded(np.float32(X[..., 0]) / 255) == encoded(
        written(Image.fromarray(np.float32(X[..., 0]) / 255), "TIFF")
    )


def test_bench_measures_without_metadata(tmp_path):
    """Codecs there are compared by their samples: EXIF of a photograph is nobody's bytes."""
    from implicit_compress.bench.measure import encode_task

    path = tmp_path / "a.jpg"
    path.write_bytes(written(Image.fromarray(X), "JPEG", exif=exif_block()))
    task = dict(image=str(path), codec="wavelet", bpp=4.0, threads=1)
    encode_task(task, str(tmp_path / "a.iic"))
    assert contents((tmp_path / "a.iic").read_bytes())[1] is None
