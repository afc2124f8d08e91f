"""Settings and arguments: one declaration, the same names everywhere, every refusal with its reason.

`VALUES` holds one value of every argument that is not its default. `MEANINGFUL` lists which of them
have a meaning for each method; all others must be refused. A new argument that is missing here, or
that is accepted without effect, fails.
"""

import contextlib
import inspect
import warnings
from dataclasses import fields
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from implicit_compress.bench.batch import encode_many
from implicit_compress.bench.codecs import tasks
from implicit_compress.bitstream.fields import METHOD_FIELDS
from implicit_compress.bitstream.header import peek
from implicit_compress.cli.main import main
from implicit_compress.cli.options import flag, read_method
from implicit_compress.codec.encode import compress
from implicit_compress.image.samples import demo_image
from implicit_compress.image.save import save_image
from implicit_compress.pillow import save_arguments
from implicit_compress.settings.base import Settings, flat, parse
from implicit_compress.settings.fields import SettingsError, is_optional, range_text, value_type
from implicit_compress.settings.interfaces import (
    INTERFACES,
    names_for,
    parse_request,
    request_text,
)
from implicit_compress.settings.methods import METHODS, Hybrid, Latent, Lossless, as_method
from implicit_compress.settings.request import Request, meaningful
from implicit_compress.settings.siren import Gradual, Siren
from implicit_compress.settings.tables import settings_table
from implicit_compress.settings.target import make_request

VALUES = dict(
    bpp=4.0,
    psnr=26.0,
    lmbda=0.002,
    seconds=0.05,
    steps=3,
    effort="fast",
    seed=5,
    threads=1,
    device="cpu",
    checkpoint="state",
    progress=True,
    callbacks=[object()],
    frame=1,
    strip=True,
    strip_profile=True,
    icc=b"a profile",
    exif=b"II*\0\10" + bytes(9),
    xmp=b"a title",
)
TARGETS = {"bpp", "psnr", "lmbda"}
GENERAL = {"threads", "progress", "frame", "strip", "strip_profile", "icc", "exif", "xmp"}
FITTED = {"seconds", "steps", "effort", "seed", "device", "checkpoint"}
MEANINGFUL = {  # method: names in VALUES that have a meaning
    "auto": TARGETS | FITTED | GENERAL,
    "latent": TARGETS | FITTED | GENERAL,
    "wavelet": TARGETS | GENERAL,
    "hybrid": TARGETS | FITTED | GENERAL | {"callbacks"},
    "hybrid:base_share=0.4": TARGETS | FITTED | GENERAL | {"callbacks"},
    "siren": TARGETS | FITTED | GENERAL | {"callbacks"},
    "siren:width=5,depth=2": FITTED | GENERAL | {"callbacks"},
    "lossless": GENERAL,
    "lossless:base=siren": TARGETS | FITTED | GENERAL | {"callbacks"},
    "lossless:base=wavelet": TARGETS | GENERAL,
}
REFUSED = [  # method, arguments, what the message says
    ("auto", dict(seconds=5, effort="fast"), "give one of seconds, steps and effort"),
    ("auto", dict(steps=5, seconds=5), "seconds and steps are given"),
    ("siren", dict(bpp=1, psnr=30), "bpp and psnr are given"),
    ("siren", dict(seconds=0), "a network needs time"),
    ("lossless:base=siren", dict(seconds=0), "a network needs time"),
    ("siren", dict(checkpoint="state", psnr=30), "the state of one fit"),
    ("siren", dict(checkpoint="state", lmbda=0.1), "the state of one fit"),
    ("latent:init=random", dict(seconds=0), "random weights need a fit"),
    ("auto:latent.init=random", dict(seconds=0), "random weights need a fit"),
    ("latent", dict(seconds=0, seed=5), "where nothing is fitted"),
    ("siren", dict(strip=True, exif=b"x"), "strip leaves exif out"),
    ("siren", dict(strip_profile=True, icc=b"x"), "strip_profile leaves icc out"),
    ("siren:width=9,depth=3", dict(bpp=1), "siren with a width and a depth"),
]
REFUSED_METHODS = [  # text form, what the message says
    ("piramid", "there is no method 'piramid'"),
    ("sirren", "did you mean siren?"),
    ("siren:prun=gradual", "did you mean prune?"),
    ("siren:prune=gradul", "did you mean gradual?"),
    ("siren:prune.sparsity=0.5", "siren.prune is off: choose one"),
    ("siren:prune=none,prune.sparsity=0.5", "siren.prune is off: leave out"),
    ("siren:width=5", "give width and depth together"),
    ("siren:tiles=2", "needs width and depth"),
    ("siren:prune=gradual,hash=multihash", "give one"),
    ("siren:width=9,depth=1,prune=gradual", "no hidden weights for prune"),
    ("siren:width=9,depth=1,hash=hashtrick", "no hidden weights for hash"),
    ("siren:width=9,depth=1,skip_connections=true", "no hidden weights for skip_connections"),
    ("siren:prune=gradual,prune.start=0.5,prune.end=0.2", "give less than end"),
    ("siren:coder=zip", "known are range"),
    ("siren:width=5.5,depth=2", "a whole number"),
    ("siren:skip_connections=perhaps", "true or false"),
    ("siren:width.x=5", "is one value"),
    ("siren:width", "write name=value"),
    ("siren:coder=lzma,coder=zstd", "given twice"),
    ("hybrid:base.width=5,base.depth=2", "hybrid.base has a width"),
    ("hybrid:residual=none,base_share=0.5", "needs a residual"),
    ("hybrid:wavelet=haar", "levels is 0"),
    ("hybrid:residual=siren", "a wavelet of PyWavelets"),
    ("hybrid:residual=siren,wavelet=9/7,levels=1", "a wavelet of PyWavelets"),
]


@pytest.fixture(scope="module")
def crop():
    return demo_image()[80:96, 120:136]


class NeverRead:
    """An image that must not be looked at."""

    @property
    def shape(self):
        raise AssertionError("work began before the arguments were checked")


def stage_classes(cls):
    """A settings class and the classes of all its stages."""
    found = [cls]
    for f in fields(cls):
        for own in f.metadata["stages"]:
            found += stage_classes(own)
    return found


CLASSES = list(dict.fromkeys(c for m in METHODS.values() for c in stage_classes(m)))


# ---- the same names everywhere


def test_compress_has_the_declared_arguments():
    """Image, method and the fields of `Request`, in this order and with their defaults."""
    parameters = inspect.signature(compress).parameters
    assert list(parameters)[:2] == ["image", "method"]
    assert set(parameters) - {"image", "method"} == {f.name for f in fields(Request)} == set(VALUES)
    for f in fields(Request):
        assert parameters[f.name].default == f.default, f.name
        assert parameters[f.name].kind is inspect.Parameter.KEYWORD_ONLY, f.name


def options(command):
    return {p.name for p in main.commands[command].params if p.param_type_name == "option"}


METHOD_OPTIONS = {"method", "settings", "lossless"}


@pytest.mark.parametrize(
    "command, own, names",
    [
        ("encode", {"out", "resume", "quiet"}, set(names_for("cli"))),
        ("compare", {"out", "quiet"}, set(names_for("cli")) - {"checkpoint"}),
        (
            "encode-many",
            {"out", "workers", "dask", "overwrite", "quiet"},
            set(names_for("encode_many")) & set(names_for("cli")),
        ),
    ],
)
def test_options_of_the_command_line(command, own, names):
    """Every argument is an option, or is declared to be absent with a reason."""
    assert options(command) == own | METHOD_OPTIONS | names


def test_absent_arguments_have_reasons():
    for f in fields(Request):
        absent = f.metadata.get("absent", {})
        assert set(absent) <= set(INTERFACES) and all(absent.values()), f.name


def test_options_of_pillow():
    for f in fields(Request):
        if f.name in names_for("pillow"):
            assert save_arguments({f.name: VALUES[f.name]}) == {f.name: VALUES[f.name]}
        else:
            with pytest.raises(SettingsError, match=f.name):
                save_arguments({f.name: VALUES[f.name]})
    assert set(VALUES) - set(names_for("pillow")) == {"icc"}
    assert save_arguments(dict(icc_profile=b"", quality=None)) == {}


@pytest.mark.parametrize("name", VALUES)
def test_text_form_of_arguments(name):
    """Every argument of a benchmark has a text form that is read back with its type."""
    if name in names_for("bench"):
        arguments = {name: VALUES[name]}
        assert parse_request(request_text(arguments).split()) == arguments
    else:
        with pytest.raises(SettingsError, match=f"{name} is not for"):
            parse_request([f"{name}=1"])


def test_arguments_of_encode_many(tmp_path):
    """What cannot be passed on is refused before any file is made."""
    save_image(tmp_path / "a.png", demo_image()[:8, :8])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.iic").write_bytes(b"")  # exists already: nothing is encoded
    for name, value in VALUES.items():
        words = dict(progress=False) | {name: value}
        if name in ("threads", "progress") or name in names_for("encode_many"):
            encode_many([tmp_path / "a.png"], tmp_path / "out", "siren", **words)
        else:
            with pytest.raises(SettingsError, match=name):
                encode_many([tmp_path / "a.png"], tmp_path / "out", "siren", **words)


def test_help_has_meaning_choices_and_default():
    result = CliRunner().invoke(main, ["encode", "--help"], terminal_width=100)
    text = " ".join(result.output.split())
    for f in fields(Request):
        assert f.metadata["meaning"][0].isupper() and f.metadata["meaning"].endswith((".", ")."))
        if f.name not in names_for("cli"):
            continue
        assert flag(f.name) in text and all(c in text for c in f.metadata["choices"]), f.name
        if f.metadata["auto"]:
            assert f"[default: {f.metadata['auto']}]" in text, f.name


# ---- settings


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_declaration_of_settings(cls):
    """A stage has the defaults of its class; names and meanings are given; defaults are in range."""
    assert cls.name and cls.__doc__ and cls() == cls()
    for f in fields(cls):
        assert f.metadata["meaning"], f.name
        if f.metadata["stages"] and f.default is not None:
            assert f.default == type(f.default)(), f.name
        if f.default is None:
            assert is_optional(cls, f.name), f.name


def header_names(names):
    return {field.name for name in names for field in METHOD_FIELDS[name]}


def test_headers_of_settings_exist():
    """Every `header=` names a field of the header declaration, or says in which header a stage nests."""
    known = header_names(METHOD_FIELDS)
    for cls in CLASSES:
        for f in fields(cls):
            if f.metadata.get("header"):
                assert f.metadata["header"] in known, f"{cls.__name__}.{f.name}"


def values_of(cls, f):
    """Strategy of the values of a setting, from its declaration."""
    m = f.metadata
    off = [st.none()] if is_optional(cls, f.name) else []
    if m["stages"]:
        return st.one_of(*off, *(settings_of(own) for own in m["stages"]))
    kind = value_type(cls, f.name)
    if m["choices"]:
        return st.sampled_from(m["choices"])
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.sampled_from([f.default, "haar", "db3"])
    low = next((v for v in (m["low"], m["above"]) if v is not None), 0)
    high = next((v for v in (m["high"], m["below"]) if v is not None), low + 1000)
    if kind is int:
        return st.one_of(*off, st.integers(int(low), int(high)))
    # at most 12 significant digits, as in the text form
    numbers = st.integers(1, 999).map(lambda i: float(f"{low + (high - low) * i / 1000:.12g}"))
    return st.one_of(*off, numbers)


def settings_of(cls):
    """Strategy of valid settings."""
    names = [f.name for f in fields(cls)]
    optional = {f.name: values_of(cls, f) for f in fields(cls)}

    def build(given):
        try:
            return cls(**given)
        except SettingsError:
            return None

    assert names == list(optional)
    made = st.fixed_dictionaries({}, optional=optional).map(build)
    return made.filter(lambda made: made is not None)


QUIET = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@pytest.mark.parametrize("cls", METHODS.values(), ids=lambda c: c.name)
def test_text_form_of_settings(cls):
    """`parse` reads what `str` writes; the text lists what differs from the defaults."""

    @QUIET
    @given(settings_of(cls))
    def check(made):
        assert parse(str(made), METHODS) == made
        assert as_method(str(made)) == made and str(as_method(str(made))) == str(made)
        assert (not flat(made)) == (made == cls())

    check()


@QUIET
@given(
    st.one_of(
        st.text(max_size=40),
        st.tuples(st.sampled_from([*METHODS]), st.text(":=,.abeprsinut0159", max_size=30)).map(
            ":".join
        ),
    )
)
def test_any_text_is_read_or_refused(text):
    """`as_method` raises nothing but `SettingsError`."""
    with contextlib.suppress(SettingsError):
        assert isinstance(as_method(text), Settings)


@pytest.mark.parametrize("text, message", REFUSED_METHODS, ids=[t for t, _ in REFUSED_METHODS])
def test_refused_settings(text, message):
    with pytest.raises(SettingsError) as e:
        compress(NeverRead(), text)
    assert message in str(e.value)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_ranges_are_in_messages(cls):
    """A value out of range is refused, and the message has the name, the value and the range."""
    for f in fields(cls):
        m = f.metadata
        if m["stages"] or value_type(cls, f.name) not in (int, float):
            continue
        for limit, step in (("low", -1), ("above", 0), ("high", 1), ("below", 0)):
            if m[limit] is None:
                continue
            value = m[limit] + step
            with pytest.raises(SettingsError) as e:
                cls(**{f.name: value})
            assert str(e.value).startswith(f"{cls.name}.{f.name} is {value!r}: ")
            assert range_text(f) in str(e.value)


def test_tables_list_every_setting():
    for method in METHODS.values():
        names = {row.name for row in settings_table(method)}
        assert {f.name for f in fields(method)} <= names
        text = CliRunner().invoke(main, ["methods", method.name]).output
        assert all(f"{name}=" in text for name in names)


# ---- arguments and methods


@pytest.mark.parametrize("method", MEANINGFUL)
@pytest.mark.parametrize("name", VALUES)
def test_every_argument_has_a_meaning_or_is_refused(method, name):
    """An argument is listed as meaningful, or the error names it."""
    assert set(meaningful(as_method(method))) == MEANINGFUL[method]
    if name in MEANINGFUL[method]:
        make_request(as_method(method), {name: VALUES[name]})
        return
    with pytest.raises(SettingsError, match=f"{name} has no meaning for") as e:
        compress(NeverRead(), method, **{name: VALUES[name]})
    assert all(useful in str(e.value) for useful in MEANINGFUL[method])


@pytest.mark.parametrize("method, arguments, message", REFUSED, ids=str)
def test_refused_combinations(method, arguments, message):
    """The message has the reason, and comes before any work."""
    with pytest.raises(SettingsError) as e:
        compress(NeverRead(), method, **arguments)
    assert message in str(e.value)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(bpp=0),
        dict(bpp=-1),
        dict(bpp=float("nan")),
        dict(bpp=float("inf")),
        dict(bpp="0.3"),
        dict(bpp=True),
        dict(psnr=0),
        dict(lmbda=-1),
        dict(seconds=-1),
        dict(steps=0),
        dict(steps=2.5),
        dict(steps=True),
        dict(seed=-1),
        dict(seed=2**32),
        dict(threads=0),
        dict(effort="medum"),
        dict(icc="profile"),
        dict(progress=1),
        dict(strip="yes"),
    ],
    ids=str,
)
def test_values_out_of_range(arguments):
    """The message names the argument, what was given and what is allowed."""
    ((name, value),) = arguments.items()
    with pytest.raises(SettingsError) as e:
        compress(NeverRead(), **arguments)
    assert str(e.value).startswith(f"{name} is {value!r}: ")


def test_numbers_of_other_types():
    """NumPy's numbers and fractions are numbers, a whole float is a whole number, None is not given."""
    request = Request(bpp=np.float32(0.5), steps=np.int64(3), seed=4.0, strip=np.bool_(True))
    values = (request.bpp, request.steps, request.seed, request.strip)
    assert values == (0.5, 3, 4, True)
    assert [type(v) for v in values] == [float, int, int, bool]
    prune = Gradual(sparsity=Fraction(1, 4))
    assert type(prune.sparsity) is float and prune.sparsity == 0.25


def test_methods_of_other_types():
    for method in (5, None, Siren, Gradual()):
        with pytest.raises(SettingsError, match="give settings such as"):
            compress(NeverRead(), method)


def test_unknown_names_list_all():
    with pytest.raises(SettingsError) as e:
        save_arguments(dict(bppp=0.3))
    assert "did you mean bpp?" in str(e.value)
    assert all(name in str(e.value) for name in names_for("pillow"))
    with pytest.raises(SettingsError) as e:
        as_method("siren:widht=3")
    assert all(f.name in str(e.value) for f in fields(Siren))
    with pytest.raises(TypeError, match="bppp"):
        compress(NeverRead(), bppp=0.3)


# ---- Pillow


def test_unknown_names_in_pillow(tmp_path, crop):
    """Misspelt options, options of other formats, frames; nothing is left behind."""
    im = Image.fromarray(crop)
    for words, message in (
        (dict(bppp=0.3), "did you mean bpp?"),
        (dict(quality=90), "bpp"),
        (dict(dpi=(72, 72)), "resolution"),
        (dict(nonsense=1), "nonsense"),
        (dict(optimize=True), "optimize"),
        (dict(icc=b""), "icc_profile"),
        (dict(method="nonsense"), "there is no method"),
        (dict(strip_profile=True, icc_profile=b"x"), "leave one of them out"),
        (dict(save_all=True), "one image"),
        (dict(append_images=[im]), "one image"),
    ):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            im.save(tmp_path / "p.iic", **words)
    assert not (tmp_path / "p.iic").exists()


def test_pillow_passes_method_and_arguments_on(crop):
    im = Image.fromarray(crop)
    out = BytesIO()
    im.save(out, "IIC", method=Latent(), seconds=0, lmbda=0.02)
    assert peek(out.getvalue()).method == "latent"
    out = BytesIO()
    im.save(out, "IIC", method="siren:width=5,depth=2", steps=1, threads=1)
    assert peek(out.getvalue()).args["hidden"] == 5


# ---- the command line


def run(line):
    """The error of a command, on its one line."""
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("Error: "), result.stderr
    return result.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        ("--bppp 1", "did you mean --bpp?"),
        ("--bpp low", "bpp is 'low'"),
        ("--steps 2.5", "whole number"),
        ("--method wavelet --steps 5", "steps has no meaning for wavelet"),
        ("--lossless --bpp 1", "bpp has no meaning for lossless"),
        ("--lossless --method siren", "leave one of them out"),
        ("--method latent --set prune=gradual", "there is no setting of latent 'prune'"),
        ("--method siren --set prune=gradul", "did you mean gradual?"),
        ("--method siren --set coder=zip", "known are range"),
        ("--method siren --set coder", "NAME=VALUE"),
        ("--method sirren", "did you mean siren?"),
    ],
)
def test_refusals_of_the_command_line(tmp_path, crop, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    save_image("a.png", crop)
    for command in ("encode a.png -o a.iic", "compare a.png", "encode-many . -o out"):
        assert message in run(f"{command} {words}")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_method_of_the_command_line():
    expected = Siren(prune=Gradual(sparsity=0.3))
    assert read_method("siren", ["prune=gradual", "prune.sparsity=0.3"]) == expected
    assert read_method("siren:prune=gradual", ["prune.sparsity=0.3"]) == expected
    assert read_method() == as_method("auto") and read_method(lossless=True) == Lossless()


def test_compare_with_a_file_has_nothing_to_encode(tmp_path, crop, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_image("a.png", crop)
    (tmp_path / "a.iic").write_bytes(compress(crop, "wavelet", bpp=4.0))
    for words in ("--bpp 1", "--lossless", "--set coder=zstd", "--method siren"):
        assert words.split()[0] in run(f"compare a.png a.iic {words}")


@pytest.mark.parametrize(
    "codec, message",
    [
        ("siren:prun=gradual", "did you mean prune?"),
        ("wavelet steps=5", "steps has no meaning"),
        ("siren threads=2", "threads is not for"),
        ("siren steps=many", "a whole number"),
        ("siren bpp=2", "leave it out"),
        ("jpeg steps=5", "no settings"),
        ("sirren", "did you mean siren?"),
    ],
)
def test_codecs_of_a_benchmark_are_checked_first(codec, message):
    with pytest.raises(ValueError) as e:
        tasks(["missing.png"], [codec], [dict(bpp=1.0)])
    assert message in str(e.value)


# ---- what is accepted has an effect

EFFECTLESS = {  # name: why the file does not depend on it
    "threads": "a file does not depend on it",
    "progress": "is shown only",
    "device": "cpu is the default",
    "callbacks": "an object without methods does nothing",
    "checkpoint": "a fit that ends leaves the same file",
    "seconds": "needs the clock",
    "effort": "needs the clock",
    "frame": "chooses an image of a file: test_image_files.py",
    "strip": "an array has no metadata: test_image_files.py",
    "strip_profile": "an array has no metadata: test_image_files.py",
}
BASES = {  # method: arguments of the file to compare with
    "siren": dict(bpp=6.0, steps=2),
    "siren:width=5,depth=2": dict(steps=2),
    "hybrid:base_share=0.4": dict(bpp=6.0, steps=9),
    "wavelet": dict(bpp=3.0),
    "latent": dict(bpp=3.0, steps=2),
    "lossless": {},
}
EFFECTS = [
    (method, name)
    for method in BASES
    for name in sorted(MEANINGFUL[method] - set(EFFECTLESS))
    if not (
        method.startswith(("latent", "hybrid")) and name in ("psnr", "lmbda")
    )  # sought for long
]


@pytest.mark.parametrize("method, name", EFFECTS)
def test_meaningful_arguments_change_the_file(crop, method, name):
    base = BASES[method]
    if name in ("psnr", "lmbda"):
        base = {k: v for k, v in base.items() if k != "bpp"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a target that two steps miss
        first = compress(crop, method, threads=1, **base)
        second = compress(crop, method, threads=1, **base | {name: VALUES[name]})
    assert bytes(first) != bytes(second)


def test_a_network_too_small_for_a_stage_is_reported(crop):
    """A target may leave one layer, which has no hidden weights."""
    method = Siren(prune=Gradual(), skip_connections=True)
    with pytest.warns(UserWarning, match="skip_connections and prune had no effect"):
        compress(crop, method, bpp=3.0, steps=2, threads=1)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        compress(crop, method, bpp=12.0, steps=2, threads=1)
    assert not [w for w in seen if "had no effect" in str(w.message)]


def test_nested_settings_are_compared_by_value():
    assert Hybrid() == Hybrid(base=Siren()) and Hybrid() != Hybrid(base=Siren(coder="zstd"))
    assert hash(Hybrid()) == hash(Hybrid(base=Siren()))
