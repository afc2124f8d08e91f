"""Whatever the bytes are, the decoder answers with a picture or with one of its own errors, soon, and in bounded memory."""

import io
import itertools
import json
import os
import pickle
import random
import shlex
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from implicit_compress import Hybrid, Latent, Siren, compress, decompress
from implicit_compress.bitstream.container import attach, pack, unpack
from implicit_compress.bitstream.encoded import Encoded
from implicit_compress.bitstream.fields import MAGIC, VERSION
from implicit_compress.bitstream.header import Header, peek, spans
from implicit_compress.bitstream.limits import Limits, cost_of
from implicit_compress.cli.main import main
from implicit_compress.codec import decode as codec
from implicit_compress.codec import encode
from implicit_compress.entropy.general_purpose import PACKERS
from implicit_compress.entropy.integers import read_varint, varint
from implicit_compress.entropy.models import Model, write_model
from implicit_compress.image.alpha import split_alpha, visible_psnr
from implicit_compress.image.load import as_samples
from implicit_compress.image.metrics import psnr
from implicit_compress.image.samples import demo_image
from implicit_compress.latent.context_model import Matrix
from implicit_compress.latent.format import header_from_spec, write_latents
from implicit_compress.latent.synthesis import SynthesisSpec
from implicit_compress.latent.weights import LatentSpec, initial_weights, round_to_bits
from implicit_compress.lossless.predict import passes
from implicit_compress.runtime.errors import (
    DamagedError,
    IicError,
    LimitError,
    NotIicError,
    TruncatedError,
    UnsupportedError,
)
from implicit_compress.runtime.threads import _BLAS
from implicit_compress.wavelet.encoder import encode_sparse

HERE = Path(__file__).parent
GOLDEN = sorted(HERE.glob("golden/v*/golden.json"))
SMALL = Limits(
    pixels=1 << 14, weights=1 << 14, operations=1 << 30
)  # keeps the images of forged headers small
SECONDS = 10  # a case that takes longer hangs


def again(body):
    """A body with its checksum forged."""
    return bytes(body) + zlib.crc32(body).to_bytes(4, "little")


class Hangs(BaseException):
    """Not an error that anybody may catch."""


@contextmanager
def alarm(seconds=SECONDS):
    """Turn a hang into a failure."""

    def ring(*_):
        raise Hangs(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(data, limits=SMALL):
    """The error's class, or a picture that fits the header; anything else fails, warnings too."""
    with warnings.catch_warnings(), alarm():
        warnings.simplefilter("error")
        try:
            y = decompress(data, threads=1, limits=limits)
        except IicError as e:
            assert str(e) and len(str(e)) < 500
            return type(e)
    h = peek(data)
    assert y.shape == (h.height, h.width, h.channels) and y.dtype == (
        np.uint8 if h.depth == 8 else np.uint16
    )
    assert y.max() < 1 << h.depth
    return y


def refused(data, kind=IicError, limits=SMALL):
    """The bytes must not give a picture."""
    found = outcome(data, limits)
    assert isinstance(found, type) and issubclass(found, kind), (found, kind, bytes(data[:60]))


def encoded(x, bpp, steps=20, **kw):
    how = {"method": "siren", "bpp": bpp, "steps": steps, "threads": 1} | kw
    return bytes(compress(x, **how))


@pytest.fixture(scope="session")
def tiny():
    """One sine layer, below 100 bytes."""
    return encoded(demo_image()[40:49, 80:95], 4)


@pytest.fixture(scope="session")
def files(tiny):
    """A few kinds of files, some with a profile and several layers."""
    x = demo_image()[40:64, 80:110]
    two = encoded(x, 4)
    assert peek(two).args["layers"] > 1
    return {
        "tiny": tiny,
        "layers": two,
        "gray": encoded(x[:12, :9, 0], 5),
        "deep": encoded(x[:9, :9].astype(np.uint16) * 257, 6),
        "tiles": encoded(x, None, method=Siren(width=4, depth=2, tiles=3)),
        "lossless": bytes(compress(x[:7, :9], "lossless")),
        "latent": encoded(x[:12, :14], None, lmbda=1e-2, method=Latent(init="random")),
        "profile": attach(tiny, icc=bytes(range(100))),
    }


# ---------------------------------------------------------------------------------------------- damage


def test_files_are_good(files):
    """What the other tests damage is whole."""
    for data in files.values():
        assert isinstance(outcome(data), np.ndarray)


def test_every_prefix(files):
    """No beginning of a file is a picture."""
    for data in files.values():
        for i in range(len(data)):
            refused(data[:i])
    refused(b"", TruncatedError)


def test_every_bit_flip(files):
    """The checksum sees every single bit."""
    for data in files.values():
        for i in range(8 * len(data)):
            b = bytearray(data)
            b[i // 8] ^= 1 << i % 8
            refused(b)


def payload_bits(data):
    """Numbers of the bits of everything that is decoded: predictors, steps, models and words."""
    return [
        i
        for f, _, a, b in spans(data)
        if f.name in ("predictors", "steps", "models", "payload")
        for i in range(8 * a, 8 * b)
    ]


def test_bit_flips_with_forged_checksum(files):
    """A flip that the checksum hides gives an error, or an image of valid size; most flips of the payload show."""
    rng = random.Random(0)
    for name, data in files.items():
        want, payload, seen = outcome(data), set(payload_bits(data)), []
        bits = range(8 * (len(data) - 4))
        for i in bits if name == "tiny" else rng.sample(bits, min(400, len(bits))):
            b = bytearray(data[:-4])
            b[i // 8] ^= 1 << i % 8
            found = outcome(again(b))
            if i in payload:
                seen.append(
                    isinstance(found, type)
                    or found.shape != want.shape
                    or not np.array_equal(found, want)
                )
        print(
            f"{name}: {np.mean(seen):.1%} of {len(seen)} flips of the payload raise or alter samples"
        )
        assert len(seen) > 50 and np.mean(seen) > 0.5, name


def edited(rng, data):
    """A copy with a few bytes replaced, deleted, inserted, swapped or repeated."""
    b = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        i, j = sorted(rng.randrange(len(b) + 1) for _ in "ab")
        kind = rng.randrange(5)
        if kind == 0 and i < len(b):
            b[i] = rng.randrange(256)
        if kind == 1:
            del b[i : min(j, i + 4)]
        if kind == 2:
            b[i:i] = rng.randbytes(rng.randint(1, 4))
        if kind == 3:
            b[i:j] = b[i:j][::-1]
        if kind == 4:
            b[i:i] = b[i : min(j, i + 8)]
    return bytes(b)


def test_random_edits(files):
    """Replaced, lost, added, swapped bytes: refused as they are, and harmless with a forged checksum."""
    rng = random.Random(1)
    for data in files.values():
        for _ in range(150):
            if (b := edited(rng, data)) != data:
                refused(b)
            if len(b := edited(rng, data[:-4])) > 4:
                outcome(again(b))


@pytest.mark.parametrize(
    "change, kind",
    [
        (lambda d: d + b"\0", DamagedError),
        (lambda d: d + d, DamagedError),
        (lambda d: d[:-4] + d[:-5:-1], DamagedError),
        (lambda d: d.replace(MAGIC, b"\x09IIC"), NotIicError),
        (lambda d: bytes(c & 127 for c in d), NotIicError),
        (lambda d: b"\r\n" + d, NotIicError),
        (lambda d: d[:4] + b"\n" + d[4:], IicError),
        (lambda d: d[::-1], NotIicError),
        (lambda d: b"\x89PNG\r\n\x1a\n" + d, NotIicError),
        (lambda d: b"\xff\xd8\xff\xe0" + d, NotIicError),
        (lambda d: b"text", NotIicError),
        (lambda d: MAGIC + random.Random(0).randbytes(500), IicError),
        (lambda d: bytes(len(d)), NotIicError),
        (lambda d: MAGIC * 50, IicError),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_something_else(tiny, change, kind):
    """Other formats, converted copies, joined files."""
    refused(change(tiny), kind)


def test_words_of_other_order(files):
    """Swapped bytes of the payload, with a forged checksum."""
    for data in files.values():
        a, b = next((a, b) for f, _, a, b in spans(data) if f.name == "payload")
        outcome(again(data[:a] + data[a:b][::-1] + data[b:-4]))
        outcome(again(data[: a + 1] + bytes(b - a - 1) + data[b:-4]))


@pytest.mark.parametrize("kind", ["str", "None", "int", "list", "path", "array"])
def test_not_bytes(kind, tmp_path):
    """An argument that is no bytes is refused as such."""
    refused(
        {
            "str": "x.iic",
            "None": None,
            "int": 7,
            "list": [1, 2],
            "path": tmp_path,
            "array": np.zeros(5),
        }[kind]
    )


# ------------------------------------------------------------------------------------- composed headers


def composed(
    version=VERSION,
    method=0,
    flags=0,
    form=3,
    height=4,
    width=5,
    hidden=3,
    layers=2,
    steps=bytes([43] * 14),
    models=None,
    words=b"",
    icc=None,
    tiles=None,
):
    """A file of any fields, right or wrong, with a valid checksum; by default a flat picture."""
    models = write_model(Model(0, mean=0), max(0, len(steps) - 1)) if models is None else models
    body = b"\x01" + varint(len(icc)) + icc if icc is not None else b""
    profile = varint(len(body)) + body if icc is not None else b""
    return again(
        MAGIC
        + bytes([version, method, flags, form])
        + varint(height)
        + varint(width)
        + varint(hidden)
        + bytes([layers])
        + varint(len(steps))
        + steps
        + (b"" if tiles is None else varint(len(tiles)) + tiles)
        + profile
        + varint(len(models))
        + models
        + varint(len(words))
        + words
    )


def test_flat_picture():
    """All weights zero is a valid file of one colour."""
    y = outcome(composed())
    assert y.shape == (4, 5, 3) and len(np.unique(y)) == 1


@pytest.mark.parametrize(
    "fields, kind",
    [
        (dict(version=0), UnsupportedError),
        (dict(version=255), UnsupportedError),
        (dict(method=9), UnsupportedError),
        (dict(flags=4), UnsupportedError),
        (dict(flags=16), UnsupportedError),
        (dict(flags=8), IicError),
        (dict(flags=2, tiles=b""), DamagedError),
        (dict(flags=2, tiles=bytes(30)), DamagedError),
        (dict(flags=2, tiles=bytes(5000)), LimitError),
        (dict(flags=2), IicError),
        (dict(flags=128), IicError),
        (dict(form=0), UnsupportedError),
        (dict(form=5), UnsupportedError),
        (dict(form=0x43), UnsupportedError),
        (dict(height=0), DamagedError),
        (dict(width=0), DamagedError),
        (dict(hidden=0), DamagedError),
        (dict(layers=0), DamagedError),
        (dict(height=2**32 - 1, width=2**32 - 1), LimitError),
        (dict(height=65535, width=65535), LimitError),
        (dict(width=2**31), LimitError),
        (dict(height=2**63), LimitError),
        (dict(hidden=65535), LimitError),
        (dict(layers=255), LimitError),
        (dict(hidden=1024, layers=64), LimitError),
        (dict(height=9000, width=9000, hidden=500, layers=10), LimitError),
        (dict(steps=bytes(9000)), LimitError),
        (dict(steps=b""), IicError),
        (dict(steps=bytes(1)), IicError),
        (dict(steps=bytes(5)), IicError),
        (dict(steps=b"\xff" * 14, models=write_model(Model(0, mean=2**30), 13)), IicError),
        (dict(models=b""), TruncatedError),
        (dict(models=b"\0"), TruncatedError),
        (dict(models=bytes(40)), DamagedError),
        (dict(words=b"\1"), DamagedError),
        (dict(words=bytes(4)), DamagedError),
        (dict(models=write_model(Model(2, 255, 0, 0, 3), 13)), TruncatedError),
        (dict(models=write_model(Model(0, mean=0), 99)), DamagedError),
        (dict(icc=b"x"), IicError),
        (dict(flags=1), IicError),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else None,
)
def test_impossible_fields(fields, kind):
    """Each field alone out of its range, under a valid checksum and the limits everybody has."""
    refused(composed(**fields), kind, Limits())


@pytest.mark.parametrize(
    "packed, kind",
    [
        (zlib.compress(bytes(1 << 26), 9), LimitError),
        (b"\x78\x9c1234", DamagedError),
        (zlib.compress(b"abc")[:-1], DamagedError),
        (zlib.compress(b"abc") + b"?", DamagedError),
    ],
)
def test_impossible_profile(packed, kind):
    """Samples do not need the profile, and whoever asks for it gets an error."""
    data = composed(flags=1, icc=packed)
    assert isinstance(outcome(data), np.ndarray)
    with pytest.raises(kind):
        _ = unpack(data).icc  # it is inflated when it is read


numbers = st.one_of(
    st.integers(0, 80),
    st.sampled_from([2**k + d for k in (7, 8, 15, 16, 20, 31, 32, 63) for d in (-1, 0, 1)]),
)
scales = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 30).map(bytes),
    st.integers(5, 16).map(lambda n: bytes([43] * n)),
)
models = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.lists(
        st.builds(
            lambda s, c, m, z, k, more: write_model(
                Model(s, c if s else 0, m, z if s else 0, k if s else 0), more
            ),
            st.integers(0, 7),
            st.integers(0, 255),
            st.integers(-(2**33), 2**33),
            st.integers(-48, 48),
            st.integers(0, 3),
            st.integers(0, 14),
        ),
        max_size=15,
    ).map(b"".join),
)


def test_flat_tiles():
    """Tiles whose weights are all zero are a picture of one colour, too."""
    assert len(np.unique(outcome(composed(flags=2, tiles=bytes([128, 128, 128]))))) == 1


@given(
    tiles=st.binary(min_size=1, max_size=20),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    steps=scales,
    words=st.binary(max_size=40),
)
def test_composed_tiles(tiles, **fields):
    """Any plan of cuts."""
    outcome(composed(flags=2, tiles=tiles, **fields))


@given(
    form=st.sampled_from([1, 2, 3, 4, 0x13, 0x21, 0x33]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    colour=st.integers(0, 1),
    predictors=st.binary(max_size=60),
    models=st.binary(max_size=60),
    words=st.binary(max_size=60),
)
def test_composed_lossless(form, height, width, colour, predictors, models, words):
    """A sound header of the lossless method with anything behind it."""
    outcome(
        again(
            MAGIC
            + bytes([VERSION, 1, 0, form])
            + varint(height)
            + varint(width)
            + bytes([colour])
            + b"".join(varint(len(p)) + p for p in (predictors, models, words))
        )
    )


@given(
    form=st.sampled_from([1, 2, 3, 4, 0x13, 0x21, 0x33]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    levels=st.integers(1, 7),
    first=st.integers(0, 3),
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=2),
    convs=st.integers(0, 2),
    start=st.sampled_from([0, 0, 0, 44, 255]),
    steps=st.integers(0, 15),
    models=st.one_of(st.just(write_model(Model(0, mean=0)) * 13), models),
    words=st.binary(max_size=60),
)
def test_composed_pyramids(
    form, height, width, levels, first, sizes, convs, start, steps, models, words
):
    """Scales, networks and words of any kind."""
    own = bytes([levels, first, 40, *sizes, convs, start, 11 + convs, *[steps] * (11 + convs)])
    if models and len(models) == 26:
        models = models[: 2 * (11 + convs)]
    outcome(
        again(
            MAGIC
            + bytes([VERSION, 3, 0, form])
            + varint(height)
            + varint(width)
            + own
            + b"".join(varint(len(p)) + p for p in (models or b"", words))
        )
    )


def test_flat_pyramid():
    """Weights as they were guessed and latents of zero are a picture of one colour in a few bytes."""
    plan = LatentSpec(SynthesisSpec(20, 30, 3, 3, 0, 40), 4, 4, 1, 0)
    steps, *coded = write_latents(
        plan,
        [Matrix(round_to_bits(v, 6), 6) for v in initial_weights(plan)],
        [np.zeros((g.h, g.w), np.int64) for g in plan.synthesis.grids],
    )
    data = pack(header_from_spec(plan, 8, steps), *coded)
    assert len(data) < 150 and len(np.unique(outcome(data))) == 1
    for wrong in (b"", coded[1] + b"\1", bytes(len(coded[1]))):
        refused(pack(header_from_spec(plan, 8, steps), coded[0], wrong))


def test_base_of_another_kind(files):
    """A drawing that does not fit, and a lossless file inside a lossless file."""
    whole = files["lossless"]
    h, *coded = unpack(whole).coded
    for base in (whole, files["tiny"], files["gray"], b"text"):
        refused(pack(replace(h, args=dict(h.args, base=base)), *coded))


@given(
    version=st.sampled_from([VERSION] * 9 + [0, 2]),
    flags=st.sampled_from([0] * 9 + [1]),
    form=st.sampled_from([1, 2, 3, 4, 0x13, 0x21, 0x33]),
    height=numbers,
    width=numbers,
    hidden=numbers,
    layers=st.integers(0, 255),
    steps=scales,
    models=models,
    words=st.binary(max_size=60),
)
def test_composed_headers(**fields):
    """Fields of any values, under a valid checksum."""
    outcome(composed(**fields))


@given(data=st.data())
def test_composed_payloads(data):
    """A sound header with any models and words."""
    hidden, layers, n = (
        data.draw(st.integers(1, 12)),
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(7, 15)),
    )
    outcome(
        composed(
            hidden=hidden,
            layers=layers,
            steps=data.draw(st.binary(min_size=n, max_size=n)),
            models=data.draw(models),
            words=data.draw(st.binary(max_size=80)),
        )
    )


BOMBS = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from test_robustness import *
flat = lambda strength: write_model(Model(1, 0, 0, 0, strength), 13)
bombs = [(fields, composed(**fields)) for fields in (
    dict(height=65535, width=65535), dict(height=1, width=2**31), dict(hidden=1024, layers=64), dict(hidden=65535, layers=255),
    dict(height=9000, width=9000, hidden=500, layers=10), dict(steps=bytes(1 << 19)), dict(hidden=600, layers=4, models=b""),
    dict(flags=1, icc=zlib.compress(bytes(1 << 26), 9)), dict(models=write_model(Model(7, 255, 2**33, 48, 3), 13)),
    dict(hidden=200, layers=9, models=flat(3)), dict(hidden=400, layers=9, models=flat(0)))]
bombs.append(("words of 2 GiB", again(MAGIC + bytes([VERSION, 0, 0, 3, 4, 5, 3, 2, 1, 43, 0]) + varint(2**31) + b"abc")))
base = int(open("/proc/self/statm").read().split()[0])*resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (base + (64 << 20),)*2)
for fields, data in bombs:
    t = time.perf_counter()
    try: decompress(data, threads=1) if "icc" not in fields else unpack(data).icc
    except IicError as e: print(f"{time.perf_counter() - t:.3f} {len(data)} {type(e).__name__} {str(fields)[:80]}")
    else: sys.exit(f"{fields} gave a picture")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_bombs_in_little_memory():
    """Files of few bytes that ask for much are refused within 64 MB and, on an idle machine, a tenth of a second."""
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, str(HERE)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 12, (
        done.stdout + done.stderr[-3000:]
    )
    assert all(float(line.split()[0]) < 3 for line in done.stdout.splitlines()), done.stdout


class Canary:
    """An object whose unpickling would leave a trace."""

    def __reduce__(self):
        return (os.mkdir, ("canary",))


def test_nothing_is_executed(tmp_path, monkeypatch):
    """Pickles, arrays of objects and archives are just bytes of another format."""
    monkeypatch.chdir(tmp_path)
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.array([Canary()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("archive/data.pkl", pickle.dumps(Canary()))
    for data in (
        pickle.dumps(Canary()),
        pickle.dumps(Canary(), 0),
        array.getvalue(),
        archive.getvalue(),
    ):
        refused(data, NotIicError)
        refused(MAGIC + data)
    assert not Path("canary").exists()


# ------------------------------------------------------------------------------------------ determinism


def digest(y):
    return sha256(y.astype(f"<u{y.itemsize}").tobytes()).hexdigest()


def golden():
    """Every golden file: path and what is known of it."""
    return [
        (p.parent / f"{name}.iic", facts)
        for p in GOLDEN
        for name, facts in json.loads(p.read_text(encoding="utf-8")).items()
    ]


@pytest.mark.parametrize(
    "path, facts",
    golden(),
    ids=lambda v: f"{v.parent.name}-{v.stem}" if isinstance(v, Path) else "",
)
def test_golden_file(path, facts):
    """Files of every published version decode to the same samples, for ever."""
    data = path.read_bytes()
    found = unpack(data)
    h, icc = found.header, found.icc
    assert sha256(data).hexdigest() == facts["file_sha256"], "the file itself was changed"
    args = {k: list(v) if isinstance(v, bytes) else v for k, v in h.args.items()}
    assert (
        dict(
            height=h.height,
            width=h.width,
            channels=h.channels,
            depth=h.depth,
            method=h.method,
            **args,
        )
        == facts["header"]
    )
    y = decompress(data, threads=1)
    assert ([*y.shape], str(y.dtype), digest(y)) == (
        facts["shape"],
        facts["dtype"],
        facts["samples_sha256"],
    )
    assert (sha256(icc).hexdigest() if icc else None) == facts["icc_sha256"]
    for name in ("exif", "xmp"):
        value = getattr(found, name)
        assert (sha256(value).hexdigest() if value else None) == facts.get(f"{name}_sha256")


def test_golden_files_are_listed():
    """No golden file without its facts, none for a version that is not written yet."""
    assert {p for p, _ in golden()} == set(HERE.glob("golden/v*/*.iic"))
    assert (HERE / "golden" / f"v{VERSION}" / "golden.json") in GOLDEN


ELSEWHERE = """
import sys, warnings
from pathlib import Path
from hashlib import sha256
from implicit_compress import decompress
warnings.simplefilter("error")
for p in sys.argv[1:]:
    for threads in 1, 2:
        y = decompress(Path(p).read_bytes(), threads=threads)
        print(sha256(y.astype(f"<u{y.itemsize}").tobytes()).hexdigest())
"""


@pytest.mark.parametrize("kernel, threads, seed", [("Nehalem", 1, 0), ("Haswell", 2, 1)])
def test_same_samples_elsewhere(kernel, threads, seed):
    """Other matrix kernels, thread counts and hash seeds, in a process that shares nothing with the encoder."""
    paths = [str(p) for p, _ in golden()]
    env = {
        **os.environ,
        "OPENBLAS_CORETYPE": kernel,
        "OPENBLAS_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": str(seed),
    }
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *paths],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == [f["samples_sha256"] for _, f in golden() for _ in range(2)]


def test_eight_threads_at_once(files):
    """Decoders do not disturb each other, not even when some of them fail."""
    whole, bad = files["layers"], files["layers"][:-1]
    want = digest(decompress(whole, threads=1))

    def one(i):
        if i % 3:
            return digest(decompress(whole, threads=1 + i % 2))
        with pytest.raises(IicError):
            decompress(bad)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(48)))
    assert {f for f in found if f} == {want}


def test_nothing_stays_behind(files):
    """After failures everything is as it was: settings of NumPy, torch and the matrix library, threads, and the next picture."""
    import torch
    from threadpoolctl import threadpool_info

    def state():
        return (
            np.geterr(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            threading.active_count(),
            _BLAS.calls,
            [p["num_threads"] for p in threadpool_info()],
            signal.getsignal(signal.SIGINT),
        )

    want = {k: digest(decompress(d)) for k, d in files.items()}
    before = state()
    for data in files.values():
        for bad in (data[:-1], data[:9], again(data[:-9]), again(data[:8] + b"\xff" + data[9:-4])):
            outcome(bad)
        with pytest.raises(ValueError):
            decompress(data, box=(0, 0, 999, 999))
        with pytest.raises(ValueError):
            decompress(data, scale=-1)
    with pytest.raises(ValueError):
        compress(np.zeros((4, 4, 9), np.uint8), "siren")

    class Fails:
        def after_step(self, s):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compress(demo_image(), "siren", bpp=0.1, steps=5, threads=2, callbacks=[Fails()])
    assert state() == before
    assert {k: digest(decompress(d)) for k, d in files.items()} == want


# ---------------------------------------------------------------------------------------------- encoder


@pytest.mark.parametrize(
    "picture, says",
    [
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (np.zeros((5, 5, 5), np.uint8), "channels"),
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((2, 2, 2, 2), np.uint8), "shape"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), np.inf), "outside"),
        (np.full((4, 4), 200.0), "outside"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.array([[object()]]), "object"),
        (np.array([["a"]]), "type"),
        (np.zeros((4, 4), complex), "complex"),
        (np.zeros((3, 4, 4, 3)), "shape"),
        (b"", None),
        (None, None),
        ("no such file.png", "no such file"),
    ],
    ids=lambda v: v if isinstance(v, str) else "picture",
)
def test_pictures_the_encoder_refuses(picture, says):
    """A clear error before any work."""
    with alarm(60), pytest.raises((ValueError, OSError, TypeError), match=says):
        compress(picture, "siren", bpp=1, steps=1, threads=1)


@pytest.mark.parametrize(
    "how",
    [
        dict(bpp=0),
        dict(bpp=-1),
        dict(bpp=float("nan")),
        dict(psnr=0),
        dict(lmbda=-1),
        dict(seconds=0),
        dict(steps=0),
        dict(bpp=1, psnr=1),
        dict(effort="no"),
        dict(threads=0),
        dict(bpp=float("inf")),
    ],
    ids=str,
)
def test_arguments_the_encoder_refuses(how):
    """Impossible options are a ValueError that names them."""
    with alarm(60), pytest.raises(ValueError, match=next(iter(how))):
        budget = {} if {"seconds", "effort"} & set(how) else {"steps": 1}
        compress(np.zeros((4, 4), np.uint8), "siren", **budget | how)


@pytest.mark.parametrize(
    "picture, how",
    [
        (np.broadcast_to(np.uint8(0), (1 << 21, 2)), dict(bpp=1)),
        (np.zeros((4, 4), np.uint8), dict(bpp=1e9)),
        (np.zeros((64, 64), np.uint8), dict(bpp=1e5)),
        (np.broadcast_to(np.uint8(0), (12_000, 12_000)), dict(bpp=0.001)),
    ],
    ids=["side", "network", "neurons", "pixels"],
)
def test_files_nobody_could_read(picture, how, monkeypatch):
    """What a header cannot say, or a decoder would refuse, is refused before a network is made."""

    def never(*a, **kw):
        raise AssertionError("a network was made")

    monkeypatch.setattr("implicit_compress.siren.network.SirenNet", never)
    with pytest.raises(ValueError):
        compress(picture, "siren", steps=1, threads=1, **how)


@given(
    h=st.integers(1, 9),
    w=st.integers(1, 9),
    c=st.integers(1, 4),
    kind=st.sampled_from(["u1", "u2", "f4", "f8", "?"]),
    bpp=st.floats(0.1, 60),
    seed=st.integers(0, 99),
    layout=st.sampled_from(["C", "F", "read-only", "strided", "big-endian"]),
)
def test_there_and_back(h, w, c, kind, bpp, seed, layout):
    """Any small picture comes back in its own size and type, as good as the encoder said, and the same file twice."""
    x = np.random.default_rng(seed).random((h, 2 * w, c))
    x = (
        x.astype(kind)
        if kind[0] == "f"
        else x > 0.5
        if kind == "?"
        else (x * 255.99).astype(kind) * (1 if kind == "u1" else 257)
    )
    x = (
        x[:, ::2]
        if layout == "strided"
        else np.array(x[:, :w], order="F" if layout == "F" else "C")
    )
    if layout == "big-endian":
        x = x.astype(x.dtype.newbyteorder(">"))
    x.flags.writeable = layout != "read-only"
    f = compress(x, "siren", bpp=bpp, steps=20, threads=1, seed=seed)
    y = outcome(f, Limits())
    assert y.shape == (h, w, c) and y.dtype == (np.uint16 if kind == "u2" else np.uint8)
    whole = as_samples(x)
    color, alpha = split_alpha(whole)  # where alpha is 0 everywhere, gray takes the place of color
    db = (
        psnr(y, whole)
        if c in (1, 3) or np.isinf(f.psnr)
        else visible_psnr(y[..., :-1], color, alpha)
    )
    assert abs(f.psnr - db) < 1e-9 or f.psnr == db
    assert f.bpp == 8 * len(f) / (h * w)
    assert compress(x, "siren", bpp=bpp, steps=20, threads=1, seed=seed) == f


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "L",
        "LA",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBX",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
        "I",
        "I;16",
        "La",
        "RGBa",
    ],
)
def test_pillow_modes(mode):
    """Every mode that Pillow can make becomes a picture, or is refused by name."""
    im = Image.fromarray(demo_image()[:12, :10])
    try:
        im = (
            im.convert("L").convert(mode)
            if mode[0] == "I"
            else im.convert("RGBA").convert(mode)
            if mode in ("La", "RGBa", "PA")
            else im.convert(mode)
        )
    except ValueError:
        pytest.skip("Pillow cannot make it")
    y = outcome(encoded(im, 8), Limits())
    assert y.shape[:2] == (12, 10)


# ---------------------------------------------------------------------------------------------- limits

NET = dict(hidden=16, layers=4, steps=bytes([43] * 13))


def network_file(h=8, w=8, c=1, depth=16, **args):
    return pack(Header(h, w, c, depth, args=NET | args), write_model(Model(0, mean=0), 12), b"")


def detail_field(*files):
    return b"".join(bytes([4]) + varint(len(f)) + f for f in files)


ASK_TOO_MUCH = {
    "pixels": Header(2**17, 2**17, 3, args=NET),
    "pixels of an enlarged base": Header(
        9000, 9000, 1, 8, "hybrid", dict(wavelet=b"", levels=12, base=network_file(3, 3))
    ),
    "weights": Header(4, 4, 3, args=NET | dict(hidden=1024, layers=64)),
    "operations of a base": Header(
        8000,
        8000,
        1,
        8,
        "lossless",
        dict(
            color="none",
            predictors=b"",
            base=network_file(8000, 8000, depth=8, hidden=500, layers=60),
        ),
    ),
    "operations of a base in a base": Header(
        8000,
        8000,
        1,
        8,
        "lossless",
        dict(
            color="none",
            predictors=b"",
            base=pack(
                Header(
                    8000,
                    8000,
                    1,
                    8,
                    "hybrid",
                    dict(
                        wavelet=b"", levels=0, base=network_file(8000, 8000, hidden=500, layers=60)
                    ),
                ),
                b"",
                b"",
            ),
        ),
    ),
    "operations of chroma": Header(
        8000,
        8000,
        3,
        8,
        "hybrid",
        dict(
            wavelet=b"",
            levels=0,
            base=network_file(8000, 8000),
            chroma=network_file(8000, 8000, 2, hidden=500, layers=60),
        ),
    ),
    "operations of details": Header(
        9000,
        9000,
        1,
        8,
        "hybrid",
        dict(
            wavelet=b"haar",
            levels=1,
            base=network_file(4500, 4500),
            details=detail_field(network_file(4500, 4500, 3, hidden=800, layers=20)),
        ),
    ),
    "weights of a pool": Header(
        4, 4, 3, args=NET | dict(hidden=512, layers=60, hashing="multi-hash", pool=3900)
    ),
    "memory of coefficients": Header(
        11000,
        11000,
        4,
        16,
        "hybrid",
        dict(
            wavelet=b"haar",
            levels=3,
            base=network_file(1375, 1375, 4),
            sparse=b"\10\200\200\1\0\0db2",
        ),
    ),
}


@pytest.mark.parametrize("asks", ASK_TOO_MUCH)
def test_limits_count_everything(asks, monkeypatch):
    """What nested files, pools and transforms take is counted before any work."""

    def never(*_):
        raise AssertionError("work was begun")

    monkeypatch.setattr(
        "implicit_compress.codec.decode.DECODERS",
        dict.fromkeys(("siren", "lossless", "hybrid", "latent"), never),
    )
    data = pack(ASK_TOO_MUCH[asks], b"", b"")
    assert len(data) < 300
    with (
        alarm(3),
        pytest.raises(LimitError, match=rf"{asks.split()[0]}, at most \d+; raise Limits"),
    ):
        decompress(data)


@pytest.mark.parametrize(
    "what, most", [("pixels", 100), ("weights", 20), ("operations", 10**6), ("memory", 10**5)]
)
def test_each_limit_can_be_lowered(files, what, most):
    """A caller with little to spend says so."""
    with pytest.raises(LimitError, match=what):
        decompress(files["layers"], limits=Limits(**{what: most}))


@pytest.mark.parametrize("depth", [8, 12, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_header_arithmetic_up_to_30k_x_20k(channels, depth):
    """Costs are exact integers that rise with the image; 100 megapixels are allowed, 600 are refused by the number of pixels alone."""
    kinds = {
        "siren": NET,
        "lossless": dict(color="ycocg", predictors=b""),
        "hybrid": dict(wavelet=b"", levels=0, sparse=b"\10\200\200\1\0\0" + b"9/7"),
        "latent": dict(
            levels=7, first=0, step=0, context=16, hidden=32, convs=1, start=0, steps=b""
        ),
    }
    for method, args in kinds.items():
        costs = [
            cost_of(Header(h, w, channels, depth, method, args))
            for h, w in ((1000, 1000), (10_000, 10_000), (30_000, 20_000), (1 << 20, 1 << 20))
        ]
        assert all(type(v) is int and v >= 0 for c in costs for v in c)
        assert [c.pixels for c in costs] == [10**6, 10**8, 6 * 10**8, 1 << 40]
        for a, b in itertools.pairwise(costs):
            assert b.operations > 5 * a.operations and b.memory > 5 * a.memory
        Limits().check(Header(10_000, 10_000, channels, depth, method, args))
        Limits().check(Header(8_000, 12_500, channels, depth, method, args))
        with pytest.raises(LimitError, match="600000000 pixels, at most"):
            Limits().check(Header(30_000, 20_000, channels, depth, method, args))
        Limits(pixels=10**9, operations=10**14, memory=10**12).check(
            Header(30_000, 20_000, channels, depth, method, args)
        )


@pytest.mark.parametrize(
    "how",
    [
        dict(method="lossless"),
        dict(method="wavelet"),
        dict(method="latent"),
        dict(method="auto"),
        dict(method=Hybrid(levels=1)),
        dict(method="siren"),
    ],
    ids=str,
)
def test_encoder_refuses_what_the_decoder_would(how, monkeypatch):
    """Before any work, for every method, and for no photograph of 100 megapixels."""

    def begun(*_, **__):
        raise InterruptedError("work was begun")

    encoders = dict.fromkeys(encode.ENCODERS, begun)
    monkeypatch.setattr("implicit_compress.codec.encode.ENCODERS", encoders)
    monkeypatch.setattr("implicit_compress.codec.encode.encode_lossless_file", begun)
    monkeypatch.setattr(
        "implicit_compress.codec.search.lossless_estimate", lambda x: 1 << 40
    )  # seconds of work, of which nothing follows here
    with alarm(20):
        with pytest.raises(LimitError, match="pixels"):
            compress(np.broadcast_to(np.uint8(0), (12_000, 12_000, 3)), **how)
        for c in (1, 3, 4):
            with pytest.raises(InterruptedError):
                compress(np.broadcast_to(np.uint8(0), (10_000, 10_000, c)), **how)


def test_networks_of_bands_are_refused_before_a_fit(monkeypatch):
    """A low band and details whose networks together take too long."""

    def never(*_, **__):
        raise AssertionError("a fit was begun")

    monkeypatch.setattr("implicit_compress.hybrid.codec.encode_siren", never)
    monkeypatch.setattr("implicit_compress.hybrid.codec.Limits", lambda: Limits(operations=10**8))
    with pytest.raises(LimitError, match="operations"):
        compress(demo_image(), Hybrid(levels=1, base_share=0.9), bpp=2)


ESTIMATES = """
import json, resource, sys, time
from implicit_compress.bitstream.container import unpack
from implicit_compress.bitstream.header import peek
from implicit_compress.bitstream.limits import cost_of
from implicit_compress import decompress
small, large = (open(path, "rb").read() for path in sys.argv[1:])
decompress(small, threads=1)
before, t = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
decompress(large, threads=1)
spent, memory = time.process_time() - t, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)*1024
print(json.dumps(dict(seconds=spent, memory=memory, cost=cost_of(peek(large), payload_bytes=len(unpack(large).payload))._asdict())))
"""


def flat_file(kind, n):
    """A flat image of n x n pixels in a few bytes."""
    quiet = write_model(Model(0, mean=0))
    if kind == "network":
        return network_file(n, n, 3, 8, hidden=28, layers=8)
    if kind == "lossless":
        models = b"".join(varint(0) + varint(40) + quiet * 40 for _ in range(6))
        return pack(
            Header(n, n, 1, 8, "lossless", dict(color="none", predictors=bytes(len(passes(n, n))))),
            models,
            b"",
        )
    header, *coded = encode_sparse(np.zeros((n, n, 3)), step=0.25)
    return pack(Header(n, n, 3, 8, "hybrid", dict(wavelet=b"", levels=0, sparse=header)), *coded)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak memory in KiB")
@pytest.mark.parametrize("kind, side", [("lossless", 900), ("sparse", 500), ("network", 500)])
def test_estimates_hold(kind, side, tmp_path):
    """Memory stays below twice the estimate; so does time on an idle machine, here it may be six times."""
    paths = [tmp_path / name for name in ("small.iic", "large.iic")]
    for path, n in zip(paths, (40, side)):
        path.write_bytes(flat_file(kind, n))
    done = subprocess.run(
        [sys.executable, "-c", ESTIMATES, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["memory"] < 2 * found["cost"]["memory"], found
    assert found["seconds"] < 6 * found["cost"]["operations"] / 1e9, found


@pytest.mark.parametrize("kind", ["lossless", "sparse", "network"])
def test_decoding_can_be_interrupted(kind):
    """Ctrl-C ends it within about a second, whatever is being computed."""
    data = (
        network_file(5000, 5000, 3, 8, hidden=100, layers=20)
        if kind == "network"
        else flat_file(kind, {"lossless": 5000, "sparse": 2400}[kind])
    )

    class Pressed(BaseException):
        """What a signal raises."""

    def ring(*_):
        nonlocal rang
        rang = time.process_time()
        raise Pressed

    rang, before = 0.0, signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2 if kind == "sparse" else 0.7)
        with pytest.raises(Pressed):
            decompress(data, threads=1)
        assert time.process_time() - rang < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ------------------------------------------------------------------------------------- classes of errors


@pytest.mark.parametrize(
    "wrong",
    [
        dict(scale=0),
        dict(scale=-1),
        dict(scale=float("nan")),
        dict(scale=float("inf")),
        dict(scale=1e300),
        dict(scale="2"),
        dict(scale=None),
        dict(box=(0, 0, 1)),
        dict(box=(0, 0, 1.5, 2)),
        dict(box="abcd"),
        dict(box=(2, 0, 1, 3)),
        dict(box=(-1, 0, 1, 1)),
        dict(box=(0, 0, 999, 999)),
        dict(box=7),
        dict(threads=0),
        dict(threads=-2),
        dict(threads="all"),
    ],
    ids=str,
)
def test_wrong_arguments_of_decompress(files, wrong):
    """A `ValueError` that names the argument, and no error of the file."""
    for data in files.values():
        with pytest.raises(ValueError, match=next(iter(wrong))) as e:
            decompress(data, **wrong)
        assert not isinstance(e.value, IicError)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        IndexError(),
        OverflowError(),
        RecursionError(),
        ZeroDivisionError(),
        UnicodeDecodeError("ascii", b"", 0, 1, ""),
        struct.error(),
        TypeError(),
        ValueError(),
        RuntimeWarning(),
        AssertionError(),
        MemoryError(),
        type("PanicException", (BaseException,), {})(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_last_guard(tiny, error, monkeypatch):
    """Should a method forget an error, it still leaves as one of ours; interrupts pass."""

    def fails(*_):
        raise error

    monkeypatch.setattr(codec, "DECODERS", codec.DECODERS | {"siren": fails})
    with pytest.raises(LimitError if isinstance(error, MemoryError) else DamagedError):
        decompress(tiny)
    for other in (KeyboardInterrupt(), SystemExit()):
        error = other
        with pytest.raises(type(other)):
            decompress(tiny)


@pytest.mark.parametrize("coder", PACKERS)
def test_packers_name_their_errors(coder):
    """Every flip and cut of a packed stream is an `IicError` or other bytes; bytes behind it are refused."""
    pack_, unpack_ = PACKERS[coder]
    whole = pack_(b"some text, some text, some more" + bytes(40))
    assert unpack_(whole, 71) == b"some text, some text, some more" + bytes(40)
    for more in (b"\0", b"junk", whole):
        with pytest.raises(DamagedError, match="follow the packed stream"):
            unpack_(whole + more, 1000)
    with pytest.raises(LimitError):
        unpack_(whole, 70)
    for i in range(len(whole)):
        with pytest.raises(IicError):
            unpack_(whole[:i], 1000)
        for bit in range(8):
            with suppress(IicError):
                unpack_(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :], 1000)


def test_zstd_of_much():
    """What the encoder writes of more than a window, the decoder takes."""
    much = bytes(range(256)) * 40_000
    assert PACKERS["zstd"][1](PACKERS["zstd"][0](much), len(much)) == much


def test_metadata_behind_its_stream(tiny):
    """Bytes behind a packed profile are refused when it is asked for."""
    data = pack(peek(tiny), *unpack(tiny).coded[1:], icc=b"x" * 50)
    _, value, a, b = next(s for s in spans(data) if s[0].name == "extras")
    kind, (n, at) = value[0], read_varint(value, 1)
    longer = bytes([kind]) + varint(n + 4) + value[at:] + b"junk"
    bad = again(data[:a] + varint(len(longer)) + longer + data[b:-4])
    with pytest.raises(DamagedError, match="does not end"):
        unpack(bad).extra("icc")


def test_representations_escape(tiny):
    """Text of a file is no markup."""
    f = Encoded(tiny)
    f.psnr, f.bpp, f.seconds, f.note = 1.0, 1.0, 1.0, "<script>a|b</script>"
    for text in (f._repr_html_(), f._repr_markdown_()):
        assert "<script" not in text
    header = replace(peek(tiny), args=dict(peek(tiny).args, coder="<b>|"))
    assert "<b>" not in header._repr_markdown_() and "<b>|" not in header._repr_markdown_()


# --------------------------------------------------------------------------------------------- commands


def command(line, **kw):
    """Run a command in this process: exit code, standard error."""
    with alarm(60):
        r = CliRunner().invoke(main, shlex.split(line), **kw)
    if r.exception and not isinstance(r.exception, SystemExit):
        raise r.exception
    return r.exit_code, r.stderr


@pytest.fixture
def desk(tmp_path, monkeypatch, tiny, files):
    """A folder with good and bad files, as working directory."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(demo_image()[:10, :12]).save("good.png")
    Path("good.iic").write_bytes(tiny)
    Path("cut.iic").write_bytes(tiny[:-7])
    Path("flip.iic").write_bytes(tiny[:-9] + bytes([tiny[-9] ^ 4]) + tiny[-8:])
    Path("empty.iic").write_bytes(b"")
    Path("empty.png").write_bytes(b"")
    Path("text.png").write_text("this is no picture")
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:-40])
    Path("bomb.iic").write_bytes(composed(height=65535, width=65535))
    Path("forged.iic").write_bytes(composed(steps=b""))
    Path("pickle.iic").write_bytes(pickle.dumps(Canary()))
    Path("big.png").write_bytes(png_header(200_000, 200_000))
    Path("folder").mkdir()
    Path("locked.iic").write_bytes(b"mine")
    Path("locked.iic").chmod(0o444)
    return tmp_path


def png_header(w, h):
    """A PNG file that only claims its size."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "line",
    [
        *(
            f"decode {name}.iic -o out.png"
            for name in ["cut", "flip", "empty", "bomb", "forged", "pickle", "missing"]
        ),
        "decode good.png -o out.png",
        "decode folder -o out.png",
        *(f"info {name}.iic" for name in ["cut", "flip", "empty", "pickle", "missing"]),
        "info folder",
        "decode good.iic -o out.xyz",
        "decode good.iic -o folder",
        "decode good.iic -o nowhere/out.png",
        "decode good.iic -o out.png --box 0,0,99,99",
        "decode good.iic -o out.png --scale 1e6",
        "decode good.iic -o good.iic",
        *(
            f"encode {name} -o out.iic"
            for name in [
                "missing.png",
                "text.png",
                "empty.png",
                "cut.png",
                "big.png",
                "folder",
                "cut.iic",
            ]
        ),
        "encode good.png -o folder",
        "encode good.png -o nowhere/out.iic",
        "encode good.png -o out.png",
        "encode good.png -o out",
        "encode good.png -o out.iic --bpp nan",
        "encode good.png -o out.iic --steps 0",
        "encode good.png -o out.iic --psnr -3",
        "encode good.png -o out.iic --device nothing",
        "encode good.png -o /proc/out.iic",
        "encode good.png -o /dev/full --steps 3",
        "compare text.png",
        "compare good.png cut.iic",
        "compare good.png -o good.png",
        "demo -o good.png",
    ],
)
def test_command_says_one_line(desk, line):
    """Exit code 2, one line of error, nothing written."""
    before = sorted(p.name for p in desk.rglob("*"))
    code, said = command(line)
    assert code == 2 and said.startswith("Error: ") and said.count("\n") == 1, said
    assert sorted(p.name for p in desk.rglob("*")) == before


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_command_leaves_locked_files(desk):
    """A read-only file stays."""
    code, said = command("encode good.png -o locked.iic --steps 3")
    assert code == 2 and "read-only" in said and Path("locked.iic").read_bytes() == b"mine"


def test_command_checks_before_it_fits(desk, monkeypatch):
    """What can be known early is said early: no fit is begun."""

    def never(*a, **kw):
        raise AssertionError("a fit was begun")

    monkeypatch.setattr("implicit_compress.siren.fit.fit", never)
    for line in (
        "encode good.png -o nowhere/out.iic",
        "encode good.png -o folder",
        "encode text.png -o out.iic",
        "compare good.png -o good.png",
        "demo -o good.png",
    ):
        assert command(line)[0] == 2


def test_info_decodes_nothing(desk, monkeypatch):
    """Header and ledger only; latents with --deep, within the limits of `decode`."""

    def never(*_):
        raise AssertionError("latents were decoded")

    bad = HERE / "bad" / "info_pyr_64k.iic"
    with monkeypatch.context() as m:
        m.setattr("implicit_compress.codec.info.read_latents", never)
        assert command(f"info {bad}")[0] == command(f"info {bad} --json")[0] == 0
    code, said = command(f"info {bad} --deep")
    assert code == 2 and "pixels, at most" in said


@pytest.mark.parametrize(
    "name",
    ["esc\x1b]0;x\x07.iic", "line\nbreak.iic", "bidi\u202e.iic"],
    ids=["escape", "newline", "bidi"],
)
def test_names_command_no_terminal(desk, name, tiny):
    """Names of files are printed without control characters, in results and in errors."""
    Path(name).write_bytes(tiny)
    for args in (
        ["info", name],
        ["info", f"{name}.missing"],
        ["decode", f"{name}.missing", "-o", "out.png"],
    ):
        r = CliRunner().invoke(main, args)
        assert all(c.isprintable() or c == "\n" for c in r.stdout + r.stderr), r.output


def test_fuzz_targets_run():
    """Each target, for a few inputs, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz.py"), "--inputs", "12", "--seconds", "60", "--seed", "3"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 9 and all(
        "12 inputs, 0 failed" in line for line in done.stdout.splitlines()
    ), done.stdout


def test_commands_through_pipes(desk):
    """A picture through encode and decode, without a file."""
    r = CliRunner().invoke(
        main,
        ["encode", "-", "-o", "-", "--steps", "9", "--bpp", "8", "--quiet"],
        input=Path("good.png").read_bytes(),
    )
    back = CliRunner().invoke(main, ["decode", "-", "-o", "-"], input=r.stdout_bytes)
    assert np.array_equal(
        np.array(Image.open(io.BytesIO(back.stdout_bytes))), decompress(r.stdout_bytes)
    )


@pytest.mark.parametrize("line", ["--help", "info good.iic", "decode good.iic -o out.png"])
def test_reading_needs_no_torch(desk, line):
    """Only encoding waits for torch."""
    code = f"import sys\nfrom implicit_compress.cli.main import main\ntry: main({shlex.split(line)!r})\nexcept SystemExit as e: assert not e.code\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-1000:]


def test_time_of_a_refusal(tiny):
    """A damaged file is recognised at once."""
    t = time.perf_counter()
    for _ in range(100):
        outcome(tiny[:-1])
    assert (time.perf_counter() - t) / 100 < 0.1
