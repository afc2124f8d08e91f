"""An independent decoder, which follows the specification, decodes files of every option.

Golden files cover: all four methods; 1, 2, 3 and 4 channels; 8 and 16 bits; tiles, skip
connections, both kinds of weight sharing, a codebook, Huffman codes; alpha as a constant and as a
file; ICC, EXIF and XMP; a base of method siren with alpha; raw samples in LZMA2; luma and chroma
networks, networks of detail bands, coefficients of 9/7 and db3; latents with default and with all
pretrained weights. Composed files cover the rest: 12 bits, the coders LZMA2, deflate and Zstandard
for weights, all wavelets, more than seven scales, no, one and two convolutions, several tiles of
latents, fitted predictors, a table of sample values, symbol ranking, wide and escaped symbols of every
model.
"""

import ast
import itertools
import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import pywt
import reference_decoder
from reference_decoder import entropy, fields, latent, wavelet

from implicit_compress import Wavelet, decompress
from implicit_compress.bench.synthetic import text_page
from implicit_compress.bitstream.container import pack
from implicit_compress.bitstream.fields import HEAD, METHOD_FIELDS, TAIL
from implicit_compress.bitstream.header import Header
from implicit_compress.entropy.coders import encode_symbols
from implicit_compress.entropy.integers import varint
from implicit_compress.entropy.models import Model
from implicit_compress.entropy.segments import write_runs
from implicit_compress.image.samples import demo_image
from implicit_compress.latent.context_model import Matrix
from implicit_compress.latent.format import header_from_spec, write_latents
from implicit_compress.latent.synthesis import SynthesisSpec
from implicit_compress.latent.weights import LatentSpec, initial_weights, round_to_bits
from implicit_compress.lossless.codec import encode_lossless
from implicit_compress.lossless.planes import index_values
from implicit_compress.lossless.ranking import encode_ranking
from implicit_compress.siren.codebook import write_codebook
from implicit_compress.siren.spec import spec_of_header
from implicit_compress.siren.step_codes import finest_grade
from implicit_compress.siren.weight_layout import segment_sizes
from implicit_compress.transform.wavelet import WAVELETS, Band, band_sizes, recompose_exact
from implicit_compress.wavelet import precincts
from implicit_compress.wavelet.coefficients import Coefficients

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "v1"
FACTS = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
METHOD = dict(zip(("siren", "lossless", "hybrid", "latent"), range(4)))


def method(name):
    """Name that the package gives to a method."""
    codes = next(f.codes for f in HEAD if f.name == "method")
    return next(key for key, code in codes.items() if code == METHOD[name])


def digest(x):
    """SHA-256 of samples."""
    return sha256(x.astype(f"<u{x.itemsize}").tobytes()).hexdigest()


def agree(data):
    """Both decoders return the same samples."""
    expected = decompress(data, threads=1)
    found = reference_decoder.decode(data)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    return expected


def test_imports():
    """The decoder uses the standard library and NumPy alone; Zstandard is in Python from 3.14 on."""
    allowed = sys.stdlib_module_names | {"numpy", "compression", "zstandard"}
    for path in Path(reference_decoder.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {a.name.partition(".")[0] for a in node.names} <= allowed
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.partition(".")[0] in allowed


def test_tables():
    """The filters beside the decoder are those of the package."""
    filters = {
        name: [[round(65536 * v) for v in f] for f in (w.rec_lo, w.rec_hi)]
        for name, w in ((n, pywt.Wavelet(n)) for n in WAVELETS if n != "9/7")
    }
    assert filters == wavelet.FILTERS


def test_fields():
    """Fields, flags, ranges and codes are those that the package declares, which the page prints."""
    by_code = sorted(next(f.codes for f in HEAD if f.name == "method").items(), key=lambda x: x[1])
    pairs = [(HEAD, fields.HEAD), (TAIL, fields.TAIL)]
    pairs += [(METHOD_FIELDS[name], fields.METHOD_FIELDS[code]) for name, code in by_code]
    for declared, own in pairs:
        assert [(f.name, f.flag) for f in declared] == [(f.name, f.flag) for f in own]
        for a, b in zip(declared, own, strict=True):
            if a.kind == "choice":
                assert sorted(a.codes.values()) == sorted(b.allowed)
            else:
                assert range(a.lo, a.hi + 1) == b.allowed


# ---------------------------------------------------------------------------------- golden files


@pytest.mark.parametrize("name", FACTS)
def test_golden_file(name):
    """Samples and metadata of a golden file."""
    data = (GOLDEN / f"{name}.iic").read_bytes()
    facts = FACTS[name]
    assert sha256(data).hexdigest() == facts["file_sha256"]
    found = reference_decoder.decode(data)
    assert [list(found.shape), str(found.dtype)] == [facts["shape"], facts["dtype"]]
    assert digest(found) == facts["samples_sha256"]
    metadata = reference_decoder.metadata(reference_decoder.parse(data))
    for kind, key in enumerate(("icc", "exif", "xmp"), 1):
        expected = facts.get(f"{key}_sha256")
        assert (sha256(metadata[kind]).hexdigest() if kind in metadata else None) == expected


def test_damage():
    """Every changed bit and every missing byte is refused."""
    data = (GOLDEN / "gray16_9x15.iic").read_bytes()
    damaged = [data[:i] for i in range(len(data))]
    for i in range(8 * len(data)):
        b = bytearray(data)
        b[i // 8] ^= 1 << i % 8
        damaged.append(bytes(b))
    for b in damaged:
        with pytest.raises(reference_decoder.FormatError):
            reference_decoder.decode(b)


def nested(f):
    """Fields of a file and of all files in it."""
    files = [f[name] for name in ("base", "chroma") if name in f]
    if len(f.get("alpha", b"")) > 2:
        files.append(f["alpha"])
    at = 0
    while at < len(f.get("details", b"")):
        file, at = fields.read_bytes(f["details"], at + 1)
        files.append(file)
    return [f, *(g for data in files for g in nested(fields.parse(data)))]


def test_golden_files_cover_every_field():
    """Every field and every code of a method is in a golden file, except those of composed files."""
    seen = set()
    for name in FACTS:
        for f in nested(fields.parse((GOLDEN / f"{name}.iic").read_bytes())):
            own = fields.METHOD_FIELDS[f["method"]]
            codes = ("color", "coder", "hashing", "convs", "start")
            seen |= {(f["method"], x.name) for x in own if x.name in f}
            seen |= {(f["method"], name, f[name]) for name in codes if name in f}
            seen |= {("channels", f["channels"]), ("depth", f["depth"])}
    wanted = {(m, x.name) for m in range(4) for x in fields.METHOD_FIELDS[m]}
    wanted |= {("channels", c) for c in range(1, 5)} | {("depth", d) for d in (8, 12, 16)}
    wanted |= {(0, "coder", c) for c in range(1, 5)} | {(0, "hashing", c) for c in range(2)}
    wanted |= {(1, "color", c) for c in range(2)} | {(3, "convs", c) for c in range(3)}
    wanted |= {(3, "start", n) for n in (0, *latent.pretrained())}
    composed = {(1, "values"), ("depth", 12), (3, "convs", 0), (3, "convs", 2)}
    composed |= {(0, "coder", c) for c in (2, 3, 4)}
    assert wanted - seen == composed


# --------------------------------------------------------------------------------- entropy coding


@pytest.mark.parametrize("seed", range(6))
def test_models(seed):
    """Runs of random models and of symbols with heavy tails."""
    rng = np.random.default_rng(seed)
    segments = []
    runs = []
    for i in range(24):
        n = int(rng.integers(1, 400))
        scale = int(rng.integers(256))
        mean = int(rng.integers(-90, 90)) * int(rng.integers(2))
        zero = int(rng.integers(-48, 49)) * int(rng.integers(2))
        model = Model(int(rng.integers(1, 8)), scale, mean, zero, int(rng.integers(4)))
        width = 2 ** (scale / 8) / 8
        q = rng.standard_t(1.5, n) * width + mean / 4
        segments.append(np.rint(q).clip(-(1 << 31), (1 << 31) - 1).astype(np.int64))
        runs.append((i, i + 1, model))
    coded = write_runs(segments, runs)
    found = entropy.read_segments(*coded, [len(q) for q in segments])
    for a, b in zip(found, segments, strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------ siren


def random_network(rng, h, w, channels, depth=8, coder="range", spread=6, **args):
    """A file of random weights."""
    args = dict(hidden=5, layers=3, steps=bytes([30, 34, 38, 42, 30, 30, 30, 33])) | args
    header = Header(h, w, channels, depth, method("siren"), args)
    sizes = segment_sizes(spec_of_header(header), finest_grade(args["steps"]))
    segments = [rng.integers(-spread, spread + 1, n) for n in sizes]
    if coder != "range":
        args["coder"] = coder
    return pack(
        Header(h, w, channels, depth, method("siren"), args), *encode_symbols(coder, segments)
    )


BOOK = write_codebook(np.arange(-7, 7) * 3001 + 5)
SIREN = [
    dict(channels=3, depth=12),
    dict(channels=1, depth=16, layers=1),
    dict(channels=3, coder="lzma"),
    dict(channels=1, coder="deflate"),
    dict(channels=1, coder="zstd"),
    dict(channels=3, coder="huffman", skips=True, layers=4),
    dict(channels=3, tiles=bytes([90, 200, 10, 128]), skips=True),
    dict(channels=1, hashing="multi-hash", pool=4, tiles=bytes([128, 0, 255])),
    dict(channels=3, hashing="hash", pool=17, layers=5),
    dict(channels=1, codebook=BOOK, steps=bytes([128, 128, 30, 30, 30, 30, 33])),
    dict(channels=3, spread=1000, steps=bytes([100, 120, 140, 90, 75, 90, 90, 120])),
]


@pytest.mark.parametrize("args", SIREN, ids=str)
def test_siren(args):
    """Networks of random weights."""
    y = agree(random_network(np.random.default_rng(0), 23, 31, **args))
    assert len(np.unique(y)) > 20


# ------------------------------------------------------------------------------- wavelet and hybrid


def test_transforms():
    """Inverse transforms of all wavelets, of odd and of tiny sizes."""
    rng = np.random.default_rng(0)
    for name, (h, w) in itertools.product(WAVELETS, ((13, 22), (4, 5))):
        levels = 2
        sizes = band_sizes(h, w, name, levels)
        bands = [
            Band(n, level, rng.integers(-(1 << 21), 1 << 21, (a, b, 1))) for n, level, a, b in sizes
        ]
        expected = recompose_exact(bands, (h, w), name)[..., 0]
        given = {(b.level, b.name): b.data[..., 0] for b in bands}
        found = wavelet.inverse_transform(given, h, w, name, levels)
        np.testing.assert_array_equal(found, expected)


HYBRID = [
    dict(levels=2, parts=("base",)),
    dict(levels=3, parts=("base", "chroma"), sparse="9/7"),
    dict(levels=2, wavelet="9/7", parts=("base", "chroma")),
    dict(levels=2, wavelet="bior2.2", parts=("base", "details"), sparse="bior2.2"),
    dict(levels=2, wavelet="sym4", parts=("base", "chroma", "details"), depth=12),
    dict(levels=0, sparse="coif3"),
    dict(levels=0, sparse="9/7", depth=16, step=1e-5),
    dict(levels=0, sparse="9/7", step=0.15),
    dict(levels=0, sparse="9/7", step=0.1, angles=(80, -100, 511)),
    dict(levels=0, sparse="haar", channels=1),
]


def random_hybrid(rng, levels, wavelet="", parts=(), sparse=None, depth=8, channels=3, **more):
    """A file of random networks and of the coefficients of an image."""
    h, w = 41, 58
    rows, cols = -(-h >> levels), -(-w >> levels)
    args = dict(wavelet=wavelet.encode(), levels=levels)
    if "base" in parts:
        luma = 1 if "chroma" in parts else channels
        args["base"] = random_network(rng, rows, cols, luma, 16)
    if "chroma" in parts:
        args["chroma"] = random_network(rng, rows, cols, 2, 16)
    if "details" in parts:
        args["details"] = b""
        for level in range(levels, 0, -1):
            net = random_network(rng, -(-h >> level), -(-w >> level), 3, 16)
            args["details"] += bytes([2 * level]) + varint(len(net)) + net
    coded = [b"", b""]
    if sparse:
        x = demo_image()[40 : 40 + h, 80 : 80 + w, :channels] / 255 - 0.5
        coefficients = Coefficients(x, Wavelet(sparse), angles=more.get("angles"))
        (args["sparse"], *coded), _ = coefficients.encode(more.get("step", 0.02))
    return pack(Header(h, w, channels, depth, method("hybrid"), args), *coded)


@pytest.mark.parametrize("args", HYBRID, ids=str)
def test_hybrid(args):
    """Networks of low and detail bands, and coefficients."""
    agree(random_hybrid(np.random.default_rng(1), **args))


@pytest.mark.parametrize("prediction", ["off", "on"])
@pytest.mark.parametrize("shape, side", [((36, 3300, 1), 512), ((150, 201, 3), 24)], ids=str)
def test_precincts(monkeypatch, shape, side, prediction):
    """Images whose finest levels are divided."""
    for module in (precincts, wavelet):
        monkeypatch.setattr(module, "SIDE", side)
    h, w, c = shape
    x = demo_image()[:h, :w, :c] / 255 - 0.5
    x = np.pad(x, ((0, h - len(x)), (0, w - x.shape[1]), (0, 0)), "symmetric")
    coded, _ = Coefficients(x, Wavelet(prediction=prediction)).encode(0.1)
    assert len(precincts.segment_counts(shape, 8, True)) > 1
    args = dict(wavelet=b"", levels=0, sparse=coded.header)
    agree(pack(Header(*shape, 8, method("hybrid"), args), *coded[1:]))


# ----------------------------------------------------------------------------------------- latent


LATENT = [
    dict(h=20, w=270, planes=3, levels=8, first=0, convs=2, start=0, depth=8),
    dict(h=520, w=10, planes=1, levels=9, first=1, convs=0, start=0, depth=12),
    dict(h=31, w=45, planes=3, levels=4, first=2, convs=1, start=60, depth=16),
    dict(h=18, w=23, planes=1, levels=7, first=0, convs=1, start=52, depth=8),
    dict(h=9, w=7, planes=3, levels=1, first=0, convs=1, start=0, depth=8),
    dict(h=30, w=33, planes=3, levels=9, first=6, convs=1, start=44, depth=8),
]


def random_latents(rng, h, w, planes, levels, first, convs, start, depth):
    """A file of random latents and of networks near the initial ones."""
    spec = SynthesisSpec(h, w, planes, levels, first, int(rng.integers(60)))
    context, hidden = (16, 32) if start else (7, 9)
    plan = LatentSpec(spec, context, hidden, convs, start)
    mats = []
    for v in initial_weights(plan):
        s = int(rng.integers(4, 14))
        Q = round_to_bits(v, s) + rng.integers(-2, 3, v.shape) * (rng.random(v.shape) < 0.3)
        mats.append(Matrix(Q.astype(np.int64), s))
    latents = [
        np.rint(rng.standard_t(2, (g.h, g.w)) * 2 ** (g.level / 2)).astype(np.int64)
        for g in spec.grids
    ]
    latents[-1][0, 0] = 5000
    steps, *coded = write_latents(plan, mats, latents)
    return pack(header_from_spec(plan, depth, steps), *coded)


@pytest.mark.parametrize("args", LATENT, ids=str)
def test_latent(args):
    """Random latents: tiles, scales without a channel of their own, and without latents."""
    agree(random_latents(np.random.default_rng(2), **args))


# --------------------------------------------------------------------------------------- lossless


def lossless_file(x, color="ycocg", values=b"", **args):
    """A file of predicted samples."""
    key, color_code = next(
        (f.name, f.codes) for f in METHOD_FIELDS[method("lossless")] if f.kind == "choice"
    )
    predictors, *coded = encode_lossless(x, None, color == "ycocg")
    args |= {key: next(v for v, c in color_code.items() if c == (color == "ycocg"))}
    args |= dict(predictors=predictors) | (dict(values=values) if values else {})
    return pack(Header(*x.shape, 8 * x.itemsize, method("lossless"), args), *coded)


def lossless_images():
    """Images of every number of channels."""
    x = demo_image()[30:94, 60:130]
    deep = x[:54, :46].astype(np.uint16) * 257 + x[5:59, 5:51, ::-1]
    return {
        "rgb": x,
        "rgba": np.concatenate([x, x[..., :1]], 2)[:50, :50],
        "gray": x[..., :1],
        "gray_alpha": x[..., :2],
        "deep": deep,
        "one_row": x[:1],
    }


@pytest.mark.parametrize("name", lossless_images())
@pytest.mark.parametrize("color", ["ycocg", "green first"])
def test_lossless(name, color):
    """Images with fitted predictors, with both color transforms."""
    x = lossless_images()[name]
    data = lossless_file(x, color)
    np.testing.assert_array_equal(agree(data), x)
    if name == "rgb":
        assert max(fields.parse(data)["predictors"]) > 0


def test_lossless_values():
    """Samples as indices into the values that occur."""
    x = demo_image()[30:60, 60:100] // 16 * 16
    values, indices = index_values(x)
    np.testing.assert_array_equal(agree(lossless_file(indices, values=values)), x)


@pytest.mark.parametrize("by_palette", [True, False])
@pytest.mark.parametrize("name", ["rgb", "rgba", "gray_alpha", "one_row", "page"])
def test_ranking(name, by_palette):
    """Symbol ranking with both coders of new colors."""
    pages = dict(page=text_page(150, 240)[20:70, 10:150])
    x = (lossless_images() | pages)[name]
    args = dict(color="none", predictors=b"", coder="ranking")
    header = Header(*x.shape, 8, method("lossless"), args)
    np.testing.assert_array_equal(agree(pack(header, *encode_ranking(x, by_palette))), x)
