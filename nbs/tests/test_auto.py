"""Method auto decides by image, target and budget; memory is refused before work; strips."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from implicit_compress import Auto, Latent, compress, demo_image
from implicit_compress.cli.main import main
from implicit_compress.codec import encode
from implicit_compress.image.save import save_image
from implicit_compress.latent import autograd, gradients, grid_buffers, strips
from implicit_compress.latent.autograd import synthesis_forward
from implicit_compress.latent.context_features import latent_grids
from implicit_compress.latent.context_model import N_CONTEXT_MATRICES
from implicit_compress.latent.forecast import FEW_PIXELS, steps_needed
from implicit_compress.latent.squared_error import mse_and_grads
from implicit_compress.latent.synthesis import SynthesisSpec
from implicit_compress.latent.weights import INIT_BITS, LatentSpec, initial_weights
from implicit_compress.runtime import memory
from implicit_compress.runtime.memory import NotEnoughMemoryError

PHOTO = demo_image()


@pytest.fixture
def no_latents(monkeypatch):
    """A latent fit is an error."""

    def refuse(*args):
        raise AssertionError("a fit began")

    monkeypatch.setattr(encode, "latent_file", refuse)


TARGETS = [dict(bpp=0.3), dict(psnr=28), dict(lmbda=4e-3)]


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("budget", [dict(steps=20), dict(seconds=0)], ids=str)
def test_auto_starts_no_fit_that_cannot_pay(no_latents, target, budget):
    assert PHOTO.shape[0] * PHOTO.shape[1] > FEW_PIXELS
    f = compress(PHOTO, **budget, **target, threads=1)
    alone = compress(PHOTO, "wavelet", **target, threads=1)
    assert bytes(f) == bytes(alone) and f.settings == alone.settings
    assert f.note.startswith("wavelet; no latents were fitted: ") and "are needed" in f.note
    assert "20 steps" in f.note if "steps" in budget else "0 s" in f.note


def test_command_prints_the_choice(no_latents, tmp_path):
    save_image(tmp_path / "photo.png", PHOTO)
    words = ["encode", str(tmp_path / "photo.png"), "-o", str(tmp_path / "photo.iic")]
    said = CliRunner().invoke(main, [*words, "--steps", "20", "--threads", "1"]).stdout
    assert "dB, " in said and "; wavelet; no latents were fitted: 20 steps" in said
    found = CliRunner().invoke(main, ["info", str(tmp_path / "photo.iic")]).stdout
    assert "wavelet: coefficients alone" in found and "prediction" in found


def test_auto_fits_with_enough_steps(monkeypatch):
    asked = []

    def fitted(source, settings, target, run):
        asked.append(run.steps)
        return encode.wavelet_file(source, Auto().wavelet, target, run)

    monkeypatch.setattr(encode, "latent_file", fitted)
    monkeypatch.setattr(encode, "best_of", lambda files, target: files[0], raising=False)
    needed = int(steps_needed(PHOTO.shape[0] * PHOTO.shape[1], 2.0)) + 1
    f = compress(PHOTO, bpp=0.3, steps=needed, threads=1)
    assert asked == [needed] and "no latents" not in f.note


def test_auto_continues_a_checkpoint_with_any_budget(tmp_path):
    x = PHOTO[:132, :132]
    how = dict(bpp=0.5, steps=3, threads=1, checkpoint=tmp_path / "c.fit")
    f = compress(x, Auto(latent=Latent(init="random")), **how)
    assert (tmp_path / "c.fit").exists() and "no latents" not in f.note


def test_memory_is_refused_before_work(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10_000_000)
    for method in ("latent", "siren"):
        with pytest.raises(NotEnoughMemoryError, match="GB are available: use method wavelet"):
            compress(PHOTO, method, bpp=0.3, steps=5, threads=1)
    f = compress(PHOTO[:32, :32], bpp=1, steps=5, threads=1)
    assert "wavelet; no latents were fitted: a latent fit" in f.note


def test_unknown_memory_is_not_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    assert compress(PHOTO[:16, :16], "siren", bpp=4, steps=2, threads=1)


def in_strips(monkeypatch, rows):
    """Strips of so many rows, whatever the size of an image."""

    def bounds(h, w, *_):
        return [(a, min(a + rows, h)) for a in range(0, h, rows)]

    monkeypatch.setattr(strips, "strip_bounds", bounds)
    monkeypatch.setattr(grid_buffers, "strip_bounds", bounds)


def networks(spec):
    """Initial weights with noise, and latents of two kinds of size."""
    rng = torch.Generator().manual_seed(0)
    floats = [torch.from_numpy(w / 2.0**INIT_BITS).float() for w in initial_weights(spec)]
    net = [w + 0.05 * torch.randn(w.shape, generator=rng) for w in floats]
    ys = [2 * torch.randn(g.h, g.w, generator=rng) for g in spec.synthesis.grids]
    return net, ys


@pytest.mark.parametrize("kernels", [True, False], ids=["kernels", "library"])
@pytest.mark.parametrize("size", [(61, 45), (64, 48), (37, 50)], ids=str)
def test_rate_in_strips_is_that_of_the_whole_grid(monkeypatch, size, kernels):
    spec = LatentSpec(SynthesisSpec(*size, 3, 7, 0, 30), 16, 32, 1, 0)
    net, ys = networks(spec)
    if not kernels:
        monkeypatch.setattr(gradients, "on_cpu", lambda v: False)
    found = []
    for rows in (1000, 12):
        in_strips(monkeypatch, rows)
        model = gradients.RateModel(latent_grids(*size, 7))
        for _ in range(2):  # arrays are used again
            bits, by_latents, by_net = model(ys, net[:N_CONTEXT_MATRICES])
        found.append([np.array(bits), *(v.clone().numpy() for v in (*by_latents, *by_net))])
    assert len(model.grids[-1].strips) > 3
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, atol=3e-5 * max(1, np.abs(a).max()), rtol=1e-4)


@pytest.mark.parametrize("convs", [1, 2])
@pytest.mark.parametrize(("level", "finest"), [(0, 0), (0, 1), (1, 0)])
def test_error_in_strips_is_that_of_the_whole_image(monkeypatch, level, finest, convs):
    spec = LatentSpec(SynthesisSpec(61, 45, 3, 7, finest, 30), 16, 32, convs, 0)
    net, ys = networks(spec)
    if level:
        ys = ys[: len(ys) - level]
    image = torch.rand(3, -(-61 >> level), -(-45 >> level))
    found = []
    for rows in (1000, 12):
        in_strips(monkeypatch, rows)
        mse, *grads = mse_and_grads(spec.synthesis, ys, net[N_CONTEXT_MATRICES:], image, level)
        y = synthesis_forward(spec.synthesis, ys, net[N_CONTEXT_MATRICES:], level)
        flat = [torch.zeros(1) if g is None else g for g in (*grads[0], *grads[1])]
        found.append([np.float32(mse), y.numpy(), *(g.numpy() for g in flat)])
    assert len(autograd.strips_at(spec.synthesis, net[N_CONTEXT_MATRICES:], level)) > 1
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, atol=3e-5 * max(1e-6, np.abs(a).max()), rtol=1e-3)
