"""A pyramid leaves torch as it was, works wherever it is called, goes on from a checkpoint, and its kernels are compiled before the clock starts."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from implicit_compress import Latent, compress
from implicit_compress.image.samples import demo_image
from implicit_compress.latent import codec, encoding, kernels
from implicit_compress.latent.codec import encode_latents
from implicit_compress.settings.target import Run, Target

CROP = demo_image()[60:92, 90:138]  # 32x48
HOW = dict(lmbda=4e-3, steps=4, threads=1)
TARGET = Target(lmbda=4e-3)
FORKED = """
import multiprocessing, sys
import torch
from implicit_compress.latent.codec import encode_latents
from implicit_compress.image.samples import demo_image
from implicit_compress.settings.target import Run, Target
x = demo_image()[60:92, 90:138]
def work(_): return bytes(encode_latents(x, target=Target(lmbda=4e-3), run=Run(steps=2)))
if __name__ == '__main__':
    torch.set_num_threads(2)
    torch.ones(1 << 20).exp().sum()    # threads of torch's own exist
    here = work(0)
    for method in sys.argv[1:]:
        with multiprocessing.get_context(method).Pool(1) as pool: assert pool.map(work, range(1)) == [here], method
"""


def test_worker_processes(tmp_path):
    """A worker makes a pyramid after its parent has made one, however it is started."""
    methods = [
        m for m in ("fork", "spawn", "forkserver") if m in multiprocessing.get_all_start_methods()
    ]
    script = tmp_path / "script.py"
    script.write_text(FORKED)
    subprocess.run(
        [sys.executable, script, *methods],
        check=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )


def test_overlapping_threads():
    """Two pyramids at once: the same files, and torch has as many threads as before."""
    alone, out, before = (
        bytes(encode_latents(CROP, target=TARGET, run=Run(steps=4, threads=1))),
        {},
        torch.get_num_threads(),
    )
    torch.set_num_threads(2)
    try:

        def work(k):
            out[k] = bytes(encode_latents(CROP, target=TARGET, run=Run(steps=4 + 4 * k, threads=1)))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert torch.get_num_threads() == 2 and out[0] == alone
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("within", ["no_grad", "inference_mode", "float64", "meta"])
def test_settings_of_the_host(within):
    """The same file under any gradient mode, default dtype or device, which stay as they are."""
    alone = bytes(compress(CROP, "latent", **HOW))
    if within in ("no_grad", "inference_mode"):
        with getattr(torch, within)():
            assert bytes(compress(CROP, "latent", **HOW)) == alone
    elif within == "meta":
        with torch.device("meta"):
            assert bytes(compress(CROP, "latent", **HOW)) == alone
    else:
        torch.set_default_dtype(torch.float64)
        try:
            assert bytes(compress(CROP, "latent", **HOW)) == alone
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


def test_file_is_small_when_pickled():
    """What a file remembers of its fit are a few numbers."""
    f = encode_latents(CROP, target=TARGET, run=Run(steps=4, threads=1))
    assert len(pickle.dumps(f)) < len(f) + 2000
    g = pickle.loads(pickle.dumps(f))
    assert g == f and g.fit.lmbda == f.fit.lmbda == HOW["lmbda"] and g.fit.stop == "steps"


class Stopping(encoding.BudgetClock):
    """Somebody stops a fit after six steps."""

    def __call__(self, o):
        p = super().__call__(o)
        if o.steps == 6:
            raise KeyboardInterrupt
        return p


@pytest.mark.parametrize(
    "how", [dict(lmbda=4e-3), dict(lmbda=4e-3, method=Latent(init="random")), dict(bpp=1.0)]
)
def test_resume(how, tmp_path, monkeypatch):
    """Stopped and resumed: the file of a fit that nobody stopped."""
    how, path = dict(method="latent", steps=14, threads=1) | how, tmp_path / "state"
    whole = compress(CROP, **how)
    with monkeypatch.context() as m:
        m.setattr(encoding, "BudgetClock", Stopping)
        assert compress(CROP, checkpoint=path, **how).fit.stop == "interrupted"
    resumed = compress(CROP, checkpoint=path, **how)
    assert bytes(resumed) == bytes(whole)
    assert bytes(compress(CROP, checkpoint=path, **how)) == bytes(whole)  # done already
    longer = compress(CROP, checkpoint=path, **how | dict(steps=20))
    assert longer.fit.step > resumed.fit.step


def test_checkpoint_is_refused(tmp_path):
    """Of another image, of other settings, or when all that is asked for was done."""
    path = tmp_path / "state"
    compress(CROP, "latent", checkpoint=path, **HOW)
    for x, how in ((CROP[::-1], HOW), (CROP, HOW | dict(lmbda=5e-3)), (CROP, HOW | dict(seed=1))):
        with pytest.raises(ValueError, match="belongs to another"):
            compress(x, "latent", checkpoint=path, **how)
    with pytest.raises(ValueError, match="all that was asked for"):
        compress(CROP, "latent", checkpoint=path, **HOW | dict(steps=3))


def test_checkpoint_that_cannot_be_written(tmp_path, monkeypatch):
    """A warning, and the file all the same."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("implicit_compress.siren.checkpoint.atomic_write", full)
    with pytest.warns(UserWarning, match="No space left"):
        f = compress(CROP, "latent", checkpoint=tmp_path / "state", **HOW)
    assert bytes(f) == bytes(encode_latents(CROP, target=TARGET, run=Run(steps=4, threads=1)))


def signatures():
    """Of all kernels."""
    return {k.py_func.__name__: [str(s) for s in k.signatures] for k in kernels.KERNELS}


@pytest.mark.parametrize("planes", [1, 2, 3])
def test_everything_is_compiled_before_the_clock(planes):
    """A fit of one to three channels needs no kernel that `ready` has not compiled; each has one signature."""
    codec.compile_kernels()
    before = signatures()
    assert all(
        len(s) <= 1 for s in before.values()
    )  # none where a kernel in a cache holds it already
    x = np.repeat(CROP[..., :1], planes, 2)
    encode_latents(x, target=Target(n_bytes=x[..., 0].size / 8), run=Run(steps=3, threads=1))
    assert signatures() == before


def test_compiling_is_announced(monkeypatch, capsys):
    """On standard error with a progress bar, else as a warning."""
    monkeypatch.setattr(codec, "compiled", lambda: False)
    with pytest.warns(RuntimeWarning, match="compiled once"):
        codec.announce_compilation(False)
    codec.announce_compilation(True)
    assert "compiled once" in capsys.readouterr().err


def test_clock_begins_after_compiling(monkeypatch):
    """The budget is not spent when the first step comes."""
    seen, ready = [], codec.compile_kernels

    class Watched(encoding.BudgetClock):
        def __init__(self, *args, **more):
            seen.append("clock")
            super().__init__(*args, **more)

    def compiling():
        seen.append("ready")
        ready()

    monkeypatch.setattr(encoding, "BudgetClock", Watched)
    monkeypatch.setattr(codec, "compile_kernels", compiling)
    encode_latents(CROP, target=TARGET, run=Run(steps=4, threads=1))
    assert seen == ["ready", "clock"]
