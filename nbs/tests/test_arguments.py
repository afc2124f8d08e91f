"""Arguments are never ignored: one declaration, the same arguments in every entry point, and every refusal with its reason.

`VALUES` holds one value of every argument that is not its default. `ACCEPTED` lists which of them have a meaning for each way to
encode; all others must be refused. A new argument that is missing here, or that is accepted in silence, fails.
"""

import inspect
import itertools
import json
import warnings
from fractions import Fraction
from io import BytesIO
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from implicit_compress.codec import api as codec
from implicit_compress.bench.sweep import compress_many
from implicit_compress.bench.codecs import tasks
from implicit_compress.bitstream.header import peek
from implicit_compress.cli.main import main
from implicit_compress.codec.encode import compress
from implicit_compress.image.save import save_image
from implicit_compress.image.samples import demo_image

NOT_DECLARED = {"image", "unknown"}  # parameters of compress: the input, and what it refuses

VALUES = dict(
    bpp=4.0,
    psnr=26.0,
    lmbda=0.002,
    lossless=True,
    method="network",
    seconds=0.05,
    preset="fast",
    steps=3,
    seed=5,
    start="none",
    shape=(5, 2),
    skips=True,
    prune=0.5,
    pruning="layer",
    pool=0.5,
    hashing="hash",
    quantizer="linear",
    coder="huffman",
    wavelet="haar",
    levels=1,
    details="sparse",
    colour="ycbcr",
    share=0.4,
    icc=b"a profile",
    exif=b"II*\0\10" + bytes(9),
    xmp=b"a title",
    frame=1,
    strip=True,
    strip_profile=True,
    checkpoint="state",
    threads=1,
    device="cpu",
    progress=True,
    callbacks=[object()],
)

TARGETS, RUN = (
    {"bpp", "psnr", "lmbda"},
    {"threads", "progress", "icc", "exif", "xmp", "frame", "strip", "strip_profile"},
)
NETWORK = {
    "seed",
    "skips",
    "prune",
    "pool",
    "quantizer",
    "coder",
    "levels",
    "colour",
    "device",
    "callbacks",
    "checkpoint",
}
WAYS = dict(  # the arguments that choose a way to encode
    network={},
    hybrid=dict(details="sparse"),
    instant=dict(preset="instant"),
    coefficients=dict(details="sparse", share=0),
    pyramid=dict(method="pyramid"),
    analysis=dict(method="pyramid", seconds=0),
    auto=dict(method="auto"),
    auto_at_once=dict(method="auto", seconds=0),
    lossless=dict(lossless=True),
    lossless_network=dict(lossless=True, bpp=0.3),
)
BUDGET = {"seconds", "preset", "steps"}
ACCEPTED = dict(  # names in VALUES that mean something beside those of WAYS
    network=TARGETS | RUN | NETWORK | BUDGET | {"lossless", "method", "shape", "details"},
    hybrid=TARGETS | RUN | NETWORK | BUDGET | {"method", "details", "wavelet", "share"},
    instant=TARGETS | RUN | {"lossless", "method", "wavelet", "preset"},
    coefficients=TARGETS | RUN | {"method", "wavelet", "details", "share"},
    pyramid=TARGETS | RUN | BUDGET | {"seed", "start", "device", "method", "checkpoint"},
    analysis=TARGETS | RUN | {"device", "method", "seconds"},
    auto=TARGETS | RUN | BUDGET | {"seed", "start", "device", "method"},
    auto_at_once=TARGETS | RUN | {"device", "method", "seconds"},
    lossless=TARGETS | RUN | BUDGET | {"lossless", "shape"},
    lossless_network={"bpp", "lossless", "method", "details"} | RUN | NETWORK | BUDGET,
)
CHOOSES = dict(
    preset={"instant"},
    share={"coefficients"},
    details={"hybrid", "coefficients"},
    method={"pyramid", "analysis", "auto", "auto_at_once"},
    seconds={"analysis", "auto_at_once"},
    lossless={"lossless", "lossless_network"},
    bpp={"lossless_network"},
)  # another value is another way

# What was accepted in silence before there was a declaration, and other combinations: (arguments, what the message says)
COMBINATIONS = [
    (dict(start="none"), "start has no meaning"),
    (dict(pruning="rigl"), "pruning has no meaning without prune"),
    (dict(pruning="rigl", prune=0), "without prune"),
    (dict(hashing="hash"), "hashing has no meaning without pool"),
    (dict(method="pyramid", pruning="rigl"), "pruning has no meaning"),
    (dict(method="pyramid", coder="range"), "coder has no meaning"),
    (dict(preset="instant", quantizer="cluster"), "quantizer has no meaning"),
    (dict(preset="instant", coder="huffman"), "coder has no meaning"),
    (dict(preset="instant", seconds=5), "seconds has no meaning"),
    (dict(preset="instant", start="none"), "start has no meaning"),
    (dict(preset="instant", pruning="rigl"), "pruning has no meaning"),
    (dict(preset="instant", seed=5), "seed has no meaning"),
    (dict(preset="instant", steps=5), "steps has no meaning"),
    (dict(preset="instant", device="cpu"), "device has no meaning"),
    (dict(preset="instant", callbacks=[print]), "callbacks has no meaning"),
    (dict(preset="instant", checkpoint="state"), "checkpoint has no meaning"),
    (dict(preset="instant", bppp=0.3), "did you mean bpp?"),
    (dict(preset="instant", details="network"), "stores coefficients alone"),
    (dict(preset="instant", share=0.3), "stores coefficients alone"),
    (dict(details="sparse", share=0, preset="fast"), "no network is fitted"),
    (dict(lossless=True, prune=0.5), "prune has no meaning"),
    (dict(lossless=True, quantizer="cluster"), "quantizer has no meaning"),
    (dict(lossless=True, colour="ycbcr"), "colour has no meaning"),
    (dict(lossless=True, details="sparse"), "details has no meaning"),
    (dict(lossless=True, bppp=0.3), "did you mean bpp?"),
    (dict(lossless=True, quality=9), "there is no argument 'quality'"),
    (dict(lossless=True, seed=5), "seed has no meaning"),
    (dict(lossless=True, checkpoint="state"), "checkpoint has no meaning"),
    (dict(lossless=True, method="pyramid"), "lossless has no meaning"),
    (dict(lossless=True, method="auto"), "lossless has no meaning"),
    (dict(seconds=5, preset="fast"), "give one of them"),
    (dict(steps=5, preset="fast"), "give one of them"),
    (dict(method="pyramid", seconds=5, preset="fast"), "give one of them"),
    (dict(method="pyramid", seconds=5, steps=5), "give one of them"),
    (dict(method="pyramid", seconds=0, steps=5), "steps has no meaning"),
    (dict(method="pyramid", seconds=0, seed=5), "seed has no meaning"),
    (dict(method="pyramid", seconds=0, start="none"), "start none has no analysis"),
    (dict(method="auto", callbacks=[print]), "callbacks has no meaning"),
    (dict(seconds=0), "seconds is 0"),
    (dict(seconds=0, lossless=True), "seconds is 0"),
    (dict(share=0.5), "no details to share"),
    (dict(share=0), "no details to share"),
    (dict(details="network"), "a wavelet of PyWavelets"),
    (dict(details="network", levels=1), "a wavelet of PyWavelets"),
    (dict(details="network", levels=1, wavelet="9/7"), "a wavelet of PyWavelets"),
    (dict(details="network", levels=1, wavelet="haar", share=0), "share is 0"),
    (dict(wavelet="haar"), "nothing is transformed"),
    (dict(preset="instant", levels=1), "levels has no meaning"),
    (dict(details="sparse", share=0, colour="ycbcr"), "colour has no meaning"),
    (dict(prune=0.5, pool=0.5), "give one of them"),
    (dict(shape=(9, 1), prune=0.5), "no hidden weights for prune"),
    (dict(shape=(9, 1), skips=True), "no hidden weights for skips"),
    (dict(shape=(9, 1), pool=0.5), "no hidden weights for pool"),
    (dict(shape=(9, 3), details="sparse"), "shape has no meaning"),
    (dict(shape=(9, 3), bpp=1), "not several"),
    (dict(bpp=1, psnr=30), "not several"),
    (dict(psnr=30, lmbda=0.1), "not several"),
    (dict(checkpoint="state", psnr=30), "that of one fit"),
    (dict(checkpoint="state", lmbda=0.1), "that of one fit"),
    (dict(lr=1e-4), "there is no argument 'lr'"),
    (dict(batch=64), "there is no argument 'batch'"),
    (dict(color="ycbcr"), "did you mean colour?"),
    (dict(every_s=1), "there is no argument 'every_s'"),
    (dict(pruneing="layer"), "did you mean pruning?"),
]

OUT_OF_RANGE = [
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
    dict(shape=5),
    dict(shape=(5,)),
    dict(shape=(5, 2, 1, 1)),
    dict(shape=(5, 2.5)),
    dict(shape="12"),
    dict(prune=1),
    dict(prune=-0.1),
    dict(pool=1),
    dict(levels=13),
    dict(levels=-1),
    dict(share=1.5),
    dict(icc="profile"),
    dict(threads=0),
    dict(preset="medum"),
    dict(method="piramid"),
    dict(coder="zip"),
    dict(quantizer=3),
    dict(details="all"),
    dict(colour="lab"),
    dict(start="begin"),
    dict(pruning="random"),
    dict(hashing="md5"),
    dict(skips=1),
    dict(skips="yes"),
    dict(lossless=1),
    dict(wavelet=5),
    dict(progress=1),
]


@pytest.fixture(scope="module")
def arguments():
    "The declaration"
    from implicit_compress.codec import arguments

    return arguments


@pytest.fixture(scope="module")
def crop():
    return demo_image()[80:96, 120:136]


class NeverRead:
    "An image that must not be looked at"

    @property
    def shape(self):
        raise AssertionError("work began before the arguments were checked")


# ---------------------------------------------------------------------------------------------- the same names everywhere


def test_compress_has_the_declared_arguments(arguments):
    "The signature, the declaration and the tables of this test name the same arguments"
    parameters = inspect.signature(compress).parameters
    assert set(parameters) - NOT_DECLARED == set(arguments.ARGUMENTS) == set(VALUES)
    assert set(WAYS) == set(ACCEPTED)


def test_declared_defaults_are_those_of_compress(arguments):
    "The signature says None, or False for a switch: what is not given differs from what is"
    for name, a in arguments.ARGUMENTS.items():
        assert inspect.signature(compress).parameters[name].default is (
            False if a.kind is bool else None
        ), name


def cli_flags(command):
    "Names of arguments of compress among the options of a command"
    return {p.name for p in main.commands[command].params if p.param_type_name == "option"}


def reasons(arguments, surface):
    return {a.name for a in arguments.ARGUMENTS.values() if a.absent.get(surface)}


@pytest.mark.parametrize(
    "command, surface, own, missing",
    [
        ("encode", "cli", {"out", "resume", "quiet"}, set()),
        (
            "compare",
            "cli",
            {"out", "quiet"},
            {"checkpoint"},
        ),  # one file of several results: nothing to go on with
        ("encode-many", "encode_many", {"out", "workers", "dask", "again", "quiet"}, set()),
    ],
)
def test_surface_of_the_command_line(arguments, command, surface, own, missing):
    "Every argument is an option, or is declared to be absent with a reason"
    other = {"encode_many": reasons(arguments, "cli")}.get(surface, set())
    assert (
        cli_flags(command) - own
        == set(arguments.ARGUMENTS) - reasons(arguments, surface) - other - missing
    )


def test_surface_of_pillow(arguments):
    from implicit_compress.pillow import options_of

    for name in arguments.ARGUMENTS:
        if name in reasons(arguments, "pillow"):
            with pytest.raises(ValueError, match=name):
                options_of({name: VALUES[name]})
        else:
            assert options_of({name: VALUES[name]}) == {name: VALUES[name]}
    assert (
        reasons(arguments, "pillow") == {"icc"}
        and options_of(dict(icc_profile=b"", quality=None)) == {}
    )


def test_surface_of_the_bench(arguments):
    "Every argument has a text form that is read back with its type"
    for name in arguments.ARGUMENTS:
        if name in reasons(arguments, "bench"):
            with pytest.raises(ValueError, match=name):
                arguments.parse_settings([f"{name}=1"])
        else:
            how = {name: VALUES[name]}
            assert arguments.parse_settings(arguments.settings_text(how).split()) == how


def test_surface_of_explore(arguments):
    "Every argument is a control or a parameter"
    pytest.importorskip("ipywidgets")
    from implicit_compress.widgets.explorer import STAGES, explore, knobs

    shown = set(knobs()) - {"aim"} | {"lossless"}  # lossless is a choice of aim
    parameters = set(inspect.signature(explore).parameters) - {"image", "start"}
    assert "lossless" in dict(knobs()["aim"].options).values()
    assert shown | parameters == set(arguments.ARGUMENTS) - reasons(
        arguments, "explore"
    ) | parameters - set(arguments.ARGUMENTS)
    assert {n for _, names in STAGES for n in names} <= shown


def test_surface_of_encode_many(arguments, tmp_path):
    "compress_many refuses what it cannot pass on, and nothing else, before any file is made"
    save_image(tmp_path / "a.png", demo_image()[:8, :8])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.iic").write_bytes(b"")  # is there already: nothing is encoded
    own = set(inspect.signature(compress_many).parameters)
    for name, value in VALUES.items():
        if name in own:
            continue
        if name in reasons(arguments, "encode_many"):
            with pytest.raises(ValueError, match=name):
                compress_many(
                    [tmp_path / "a.png"], tmp_path / "out", progress=False, **{name: value}
                )
        elif name in ACCEPTED["network"]:
            compress_many([tmp_path / "a.png"], tmp_path / "out", progress=False, **{name: value})


def test_choices_are_those_of_the_modules(arguments):
    "The declaration lists what the stages can do"
    from implicit_compress.hybrid.codec import COLOURS
    from implicit_compress.bitstream.fields import DETAILS
    from implicit_compress.entropy.generic import CODERS
    from implicit_compress.siren.spec import HASHINGS
    from implicit_compress.siren.prune import PRUNERS
    from implicit_compress.siren.quantize import QUANTIZERS

    of = {n: set(a.choices) for n, a in arguments.ARGUMENTS.items()}
    assert (
        of["coder"] == set(CODERS)
        and of["quantizer"] == set(QUANTIZERS)
        and of["pruning"] == set(PRUNERS)
    )
    assert (
        of["details"] == set(DETAILS)
        and of["colour"] == set(COLOURS)
        and of["hashing"] == set(HASHINGS)
    )


def test_declaration_needs_no_numpy():
    "Programs that only read the declaration start at once"
    from implicit_compress.codec import arguments

    tree = __import__("ast").parse(inspect.getsource(arguments))
    names = {n.module or "" for n in tree.body if n.__class__.__name__ == "ImportFrom"} | {
        a.name for n in tree.body if n.__class__.__name__ == "Import" for a in n.names
    }
    import sys

    assert {n.split(".")[0] for n in names} <= set(sys.stdlib_module_names)


def test_help_says_meaning_choices_and_default(arguments):
    "Every option has a sentence, its choices and its default"
    text = " ".join(
        CliRunner().invoke(main, ["encode", "--help"], terminal_width=100).output.split()
    )
    for name in arguments.names_on("cli"):
        a = arguments.ARGUMENTS[name]
        assert (
            f"--{name.replace('_', '-')}" in text
            and all(c in text for c in a.choices)
            and a.meaning[0].isupper()
            and a.meaning.endswith(".")
        ), name
        if a.kind is not bool and (a.unset or a.default not in (None, "")):
            assert f"[default: {a.unset or arguments.as_text(a.default)}]" in text, name


# ---------------------------------------------------------------------------------------------- nothing is ignored


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", VALUES)
def test_every_argument_means_something_or_is_refused(arguments, way, name):
    "One more argument beside those that choose a way to encode: it is listed as accepted, or the error names it"
    given = WAYS[way] | {name: VALUES[name]}
    if name in CHOOSES and way in CHOOSES[name] and name in ACCEPTED[way]:
        given = WAYS[way]  # another value would be another way
    if name in ACCEPTED[way]:
        arguments.validated(given)
        return
    with pytest.raises(arguments.ArgumentError) as e:
        compress(NeverRead(), **given)
    assert name in str(e.value) or (name in TARGETS and "not several" in str(e.value))


@pytest.mark.parametrize(
    "how, says",
    COMBINATIONS,
    ids=lambda v: ",".join(f"{k}={w}" for k, w in v.items()) if isinstance(v, dict) else "",
)
def test_refused_combinations(how, says):
    "The message has the reason, and comes before any work"
    with pytest.raises(ValueError) as e:
        compress(NeverRead(), **how)
    assert says in str(e.value)


def test_a_network_too_small_for_a_stage_is_said(crop):
    "A target may leave one layer, which has no hidden weights"
    with pytest.warns(UserWarning, match="skips and prune had no effect"):
        compress(crop, bpp=3.0, steps=2, prune=0.5, skips=True, threads=1)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        compress(crop, bpp=12.0, steps=2, prune=0.5, skips=True, threads=1)
    assert not [w for w in seen if "had no effect" in str(w.message)]


@pytest.mark.parametrize("how", OUT_OF_RANGE, ids=str)
def test_values_out_of_range(how):
    "The message names the argument, what was given and what is allowed"
    ((name, value),) = how.items()
    with pytest.raises(ValueError) as e:
        compress(NeverRead(), **how)
    assert str(e.value).startswith(f"{name} is {value!r}: ")


def test_values_of_other_types_count(arguments):
    "NumPy's numbers are numbers, a whole float is a whole number, None is not given"
    _, how = arguments.validated(
        dict(
            bpp=np.float32(0.5),
            steps=np.int64(3),
            seed=4.0,
            prune=Fraction(1, 4),
            skips=np.bool_(True),
            shape=None,
            coder=None,
        )
    )
    assert (how["bpp"], how["steps"], how["seed"], how["prune"], how["skips"]) == (
        0.5,
        3,
        4,
        0.25,
        True,
    )
    assert (
        all(
            type(how[k]) is t
            for k, t in dict(bpp=float, steps=int, seed=int, prune=float, skips=bool).items()
        )
        and how["coder"] == "range"
    )


def test_unknown_names_list_all_that_exist():
    with pytest.raises(ValueError) as e:
        compress(NeverRead(), bppp=0.3)
    assert all(name in str(e.value) for name in VALUES)


def test_unknown_names_in_pillow(tmp_path, crop):
    "Misspelt options, options of other formats, frames; nothing is left behind"
    im = Image.fromarray(crop)
    for how, says in (
        (dict(bppp=0.3), "did you mean bpp?"),
        (dict(quality=90), "bpp"),
        (dict(dpi=(72, 72)), "resolution"),
        (dict(nonsense=1), "nonsense"),
        (dict(optimize=True), "optimize"),
        (dict(icc=b""), "icc_profile"),
        (dict(save_all=True), "one image"),
        (dict(append_images=[im]), "one image"),
    ):
        with pytest.raises(ValueError, match=says.replace("?", r"\?")):
            im.save(tmp_path / "p.iic", **how)
    assert not (tmp_path / "p.iic").exists()


def test_pillow_passes_every_argument_on(crop):
    "method, start, share, shape and callbacks used to be dropped"
    im, out = Image.fromarray(crop), BytesIO()
    im.save(out, "IIC", method="pyramid", seconds=0, lmbda=0.02)
    assert peek(out.getvalue()).method == "latent"
    im.save(out := BytesIO(), "IIC", shape=(5, 2), steps=1, threads=1)
    assert peek(out.getvalue()).args["hidden"] == 5
    with pytest.raises(ValueError, match="known are network"):
        im.save(BytesIO(), "IIC", method="nonsense")


def run(line, code=2):
    "What a command says on its one line"
    r = CliRunner().invoke(main, line.split())
    assert r.exit_code == code and r.stderr.count("\n") == 1 and r.stderr.startswith("Error: "), (
        r.exit_code,
        r.output,
    )
    return r.stderr


def test_unknown_and_meaningless_options_of_the_command_line(tmp_path, crop, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_image("a.png", crop)
    for command in ("encode a.png -o a.iic", "compare a.png", "encode-many . -o out"):
        for options, says in (
            ("--bppp 1", "did you mean --bpp?"),
            ("--bpp low", "bpp is 'low'"),
            ("--preset instant --coder huffman", "coder has no meaning"),
            ("--steps 2.5", "whole number"),
            ("--lossless --prune .5", "prune has no meaning"),
            ("--method pyramid --skips", "skips has no meaning"),
            ("--coder zip", "known are range"),
        ):
            assert says in run(f"{command} {options}")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_compare_with_a_file_has_nothing_to_encode(tmp_path, crop, monkeypatch):
    "Options of the encoder beside a finished file"
    monkeypatch.chdir(tmp_path)
    save_image("a.png", crop)
    (tmp_path / "a.iic").write_bytes(compress(crop, preset="instant", bpp=4.0))
    assert "--bpp" in run("compare a.png a.iic --bpp 1") and "--lossless" in run(
        "compare a.png a.iic --lossless"
    )


@pytest.mark.parametrize(
    "words, says",
    [
        ("detials=sparse", "did you mean details?"),
        ("details=spares", "did you mean sparse?"),
        ("steps=2.5", "whole number"),
        ("bpp=low", "a number"),
        ("skips=perhaps", "true or false"),
        ("threads=2", "not for settings"),
        ("callbacks=x", "not for settings"),
        ("details", "name=value"),
        ("steps=1 steps=2", "given twice"),
        ("shape=3", "WIDTH,DEPTH"),
    ],
)
def test_settings_of_a_codec(arguments, words, says):
    with pytest.raises(arguments.ArgumentError) as e:
        arguments.parse_settings(words.split())
    assert says in str(e.value)


@pytest.mark.parametrize(
    "spec, point, says",
    [
        ("siren detials=sparse", dict(bpp=1.0), "did you mean details?"),
        ("instant steps=5", dict(bpp=1.0), "steps has no meaning"),
        ("pyramid prune=.3", dict(bpp=1.0), "prune has no meaning"),
        ("siren shape=9,3", dict(bpp=1.0), "not several"),
        ("siren pruning=rigl", dict(psnr=30.0), "without prune"),
        ("lossless skips=true", dict(bpp=1.0), "skips has no meaning"),
        ("coin prune=.3", dict(bpp=1.0), "there is no setting 'prune'"),
        ("siren threads=2", dict(bpp=1.0), "set by the bench"),
        ("siren steps=many", dict(bpp=1.0), "a whole number"),
    ],
)
def test_codecs_of_the_bench_are_checked_before_the_first_image(spec, point, says):
    with pytest.raises(ValueError) as e:
        tasks(["missing.png"], [spec], [point])
    assert says in str(e.value)


def test_explore_drops_what_is_hidden_and_nothing_else():
    "A control that does not count beside the others is not on the screen; what is on the screen is passed on, and refused by compress"
    pytest.importorskip("ipywidgets")
    from implicit_compress.widgets.explorer import settings

    assert settings(method="pyramid", start="none", prune=0.3, coder="huffman") == dict(
        bpp=0.3, preset="medium", method="pyramid", start="none"
    )
    assert settings(
        preset="instant", details="network", share=0.3, skips=True, wavelet="haar"
    ) == dict(bpp=0.3, preset="instant", wavelet="haar")
    for stages in (
        dict(prune=0.5, pool=0.5),
        dict(details="network"),
        dict(wavelet="haar"),
        dict(details="sparse", share=0.3, levels=1),
    ):
        assert stages.items() <= settings(**stages).items()


@pytest.mark.parametrize(
    "start, says",
    [
        (dict(prune=0.97), "ends at 0.95"),
        (dict(bpp=20.0), "ends at"),
        (dict(method="piramid"), "did you mean pyramid"),
        (dict(levels=7), "ends at 4"),
        (dict(preset="quick"), "known are instant"),
        (dict(aim="size"), "known are bpp"),
        (dict(share=2), "share is 2"),
        (dict(psnr=30.0, bpp=1.0), "no other aim"),
        (dict(psnr=30.0, aim="bpp"), "no other aim"),
        (dict(preset="fast", seconds=5.0), "give one of them"),
    ],
    ids=str,
)
def test_explore_refuses_values_that_its_controls_do_not_have(start, says):
    pytest.importorskip("ipywidgets")
    from implicit_compress.widgets.explorer import knobs

    with pytest.raises(ValueError, match=says):
        knobs(**start)
    assert (
        knobs(psnr=30.0)["aim"].value == "psnr" and knobs(preset="fast")["preset"].value == "fast"
    )


def test_unknown_names_in_explore_and_job():
    pytest.importorskip("ipywidgets")
    from implicit_compress.widgets.explorer import explore, settings
    from implicit_compress.widgets.session import Job

    for f in (
        lambda: explore(demo_image(), prunning=0.5),
        lambda: settings(prunning=0.5),
        lambda: Job(demo_image(), dict(prunning=0.5)),
    ):
        with pytest.raises(ValueError, match="did you mean pruning"):
            f()


# ---------------------------------------------------------------------------------------------- what is accepted, counts

LIGHT = dict(
    network=dict(steps=2, bpp=8.0),
    hybrid=dict(steps=2, share=0.6, bpp=12.0),
    pyramid=dict(steps=2),
    auto=dict(steps=2),
    lossless_network=dict(steps=2, bpp=8.0),
)
NOT_IN_THE_FILE = dict(
    threads="never changes a sample",
    progress="is shown",
    device="cpu is the default",
    callbacks="an object without methods does nothing",
    checkpoint="a fit that ends leaves the same file",
    seconds="needs the clock",
    preset="needs the clock",
    method="is the default, or chooses the way",
    **dict.fromkeys(
        ("frame", "strip", "strip_profile"),
        "chooses what is taken of an image file: test_image_files.py",
    ),
)
SAME_FILE = {  # (way, name): why the file is the same although the argument counts
    ("hybrid", "details"): "chooses the way",
    ("coefficients", "details"): "chooses the way",
    ("coefficients", "share"): "chooses the way",
    ("lossless_network", "lossless"): "chooses the way",
    (
        "hybrid",
        "pruning",
    ): "the network of this crop has one hidden matrix, in which both ways prune the same weights",
    **{
        ("auto", n): "coefficients cost less on this crop; the file of the pyramid changes"
        for n in ("seed", "start", "steps", "lmbda")
    },
}
METADATA = {"icc", "exif", "xmp"}
FEW = {"seed", "prune", "coder", "icc", "steps"}
BESIDE = dict(pruning=dict(prune=0.5), hashing=dict(pool=0.5))  # what else an argument needs


def variants():
    "Ways and arguments that must change the file"
    for way, names in ACCEPTED.items():
        for name in sorted(names - set(NOT_IN_THE_FILE)):
            if (way, name) in SAME_FILE or way in ("lossless", "auto_at_once"):
                continue  # its file is that of another way, or fits nothing
            if way == "lossless_network" and name not in FEW:
                continue  # it is the file of a network, which is tried above
            yield way, name
        if "prune" in names and way != "lossless_network":
            yield from ((way, n) for n in ("pruning", "hashing") if (way, n) not in SAME_FILE)


@pytest.fixture(scope="module")
def encoded(crop):
    "Encode each set of arguments once"
    known = {}

    def encode(how):
        key = json.dumps(how, default=repr, sort_keys=True)
        if key not in known:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a target that two steps miss
                known[key] = bytes(compress(crop, **{"threads": 1} | how))
        return known[key]

    return encode


@pytest.mark.parametrize("way, name", list(variants()))
def test_accepted_arguments_change_the_file(way, name, encoded, monkeypatch):
    "Away from its default, every argument that is accepted changes the bytes"
    if way == "lossless_network":
        monkeypatch.setattr(
            codec, "encode_lossless_file", lambda x, base=None: base
        )  # the network that would be tried
    base = WAYS[way] | LIGHT.get(way, {}) | BESIDE.get(name, {})
    if name in ("shape", "psnr", "lmbda"):
        base = {k: v for k, v in base.items() if k != "bpp"}
    if name in METADATA and way in ("pyramid", "auto"):
        base |= dict(lmbda=0.004)  # a target of another kind is sought for long
    more = {name: VALUES[name]}
    assert encoded(base) != encoded(base | more)


def test_the_tables_of_this_file_are_needed(arguments):
    "No exception is listed for what does not exist"
    assert set(NOT_IN_THE_FILE) | {n for _, n in SAME_FILE} | set(BESIDE) | set(CHOOSES) <= set(
        arguments.ARGUMENTS
    )
    assert all(n in ACCEPTED[w] or n in BESIDE for w, n in SAME_FILE)
    assert all(
        set(names) <= set(VALUES) for names in itertools.chain(ACCEPTED.values(), WAYS.values())
    )
