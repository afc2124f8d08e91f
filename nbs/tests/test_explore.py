"""The arguments of `explore` and of its jobs, and the controls of every setting."""

import inspect
from dataclasses import fields

import pytest

from implicit_compress import Siren, compress, demo_image
from implicit_compress.settings.interfaces import names_for
from implicit_compress.settings.methods import METHODS

pytest.importorskip("ipywidgets")
from implicit_compress.widgets.controls import SettingsPanel
from implicit_compress.widgets.explorer import explore
from implicit_compress.widgets.session import Job


def stages_of(cls):
    """A settings class and all that its stages may hold."""
    yield cls
    for f in fields(cls):
        for own in f.metadata["stages"]:
            yield from stages_of(own)


CLASSES = list(dict.fromkeys(c for method in METHODS.values() for c in stages_of(method)))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_controls_keep_the_defaults(cls):
    """Every setting of every stage has a control, and its default survives."""
    panel = SettingsPanel(cls(), lambda: None)
    assert {*panel.controls, *panel.stages} == {f.name for f in fields(cls)}
    assert panel.settings == cls()


def test_arguments():
    """Explore has the arguments of compress except three; those of the fit are its own."""
    names = set(inspect.signature(compress).parameters) - {"image", "method"}
    assert names - set(names_for("explore")) == {"callbacks", "checkpoint", "progress"}


@pytest.mark.parametrize(
    "method, arguments, message",
    [
        ("siren", dict(bpp=20.0), "its slider goes from"),
        ("siren", dict(seconds=1e6), "ends at 100000"),
        ("pyramid", {}, "there is no method 'pyramid'"),
        ("siren:prune=gradual,prune.sparsity=2", {}, "below 1"),
        ("siren:prunning=gradual", {}, "did you mean prune"),
        ("siren", dict(psnr=30.0, bpp=1.0), "give one of"),
        ("siren", dict(effort="fast", seconds=5.0), "give one of"),
        ("siren", dict(effort="quick"), "known are instant"),
        ("wavelet", dict(seconds=5.0), "no meaning for wavelet"),
        ("siren", dict(secnds=5.0), "did you mean seconds"),
        ("siren", dict(checkpoint="state"), "checkpoint is not for explore"),
    ],
    ids=str,
)
def test_refused(method, arguments, message):
    with pytest.raises(ValueError, match=message):
        explore(demo_image()[:16, :16], method, **arguments)


def test_hidden_arguments_are_not_passed_on():
    e = explore(demo_image()[:16, :16], bpp=1.0, seconds=3.0, seed=2)
    assert e.call.arguments == dict(bpp=1.0, seconds=3.0, seed=2)
    e.call.method.choice.value = "wavelet"
    assert e.call.arguments == dict(bpp=1.0)
    e.call.method.choice.value = "lossless"
    assert e.call.arguments == {}
    e.call.method.choice.value = "siren"
    e.call.method.panel.find("width").value = "8"
    assert e.buttons.begin.disabled and "width and depth" in e.call.text.value
    e.call.method.panel.find("depth").value = "2"
    assert not e.buttons.begin.disabled
    assert e.call.settings == Siren(width=8, depth=2)
    assert e.call.arguments == dict(seconds=3.0, seed=2)


def test_job_refuses_unknown_arguments():
    with pytest.raises(ValueError, match="did you mean seconds"):
        Job(demo_image(), "siren", dict(secnds=5.0))
