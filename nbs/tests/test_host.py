"""`compress` changes no setting of its process, and works in worker processes and threads."""

import copy
import logging
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

import implicit_compress
from implicit_compress import Codebook, Hybrid, MultiHash, RigL, Siren, compress, decompress
from implicit_compress.runtime.threads import _BLAS, single_threaded_blas
from implicit_compress.settings.target import Run
from implicit_compress.siren.codec import encode_siren
from implicit_compress.siren.fit import DivergedError, fit
from implicit_compress.siren.network import SirenNet

X = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
METHODS = {
    "network": dict(method="siren", bpp=4.0, steps=2),
    "pool": dict(method=Siren(hash=MultiHash(ratio=0.5)), bpp=8.0, steps=2),
    "prune": dict(method=Siren(prune=RigL(sparsity=0.3)), bpp=8.0, steps=2),
    "cluster": dict(method=Siren(quantizer=Codebook()), bpp=8.0, steps=2),
    "tiles": dict(method=Siren(width=6, depth=2, tiles=2), steps=2),
    "bands": dict(method=Hybrid(levels=1, wavelet="haar", residual=Siren()), bpp=8.0, steps=2),
    "coefficients": dict(method="wavelet", bpp=4.0),
    "lossless": dict(method="lossless"),
}
FITTED = [m for m in METHODS if m not in ("coefficients", "lossless")]


def encoded(method, **more):
    """A file of `X`; with one thread, where there is a fit."""
    quiet = dict(threads=1) if method in FITTED else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two steps miss every target
        return compress(X, **METHODS[method], **quiet, **more)


# ---- processes and threads

WORKERS = """
import multiprocessing, os, sys, threading
import numpy as np
import torch

def work(how):
    from implicit_compress import compress, decompress
    x = np.random.default_rng(0).integers(0, 256, (160, 256, 3), np.uint8)
    f = compress(x, "siren", **how)
    assert decompress(f).shape == x.shape
    return bytes(f)

if __name__ == '__main__':
    torch.set_num_threads(2)
    how,starts = eval(sys.argv[1]),sys.argv[2:]
    plain = work(how)
    for start in starts:
        with multiprocessing.get_context(start).Pool(1) as pool:
            assert pool.apply(work, (how,)) == plain, start
    out = []
    threads = [threading.Thread(target=lambda: out.append(work(how))) for _ in range(2)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert out == [plain]*2
    assert torch.get_num_threads() == 2
"""


def run_script(folder, text, *args, timeout=100):
    """Run a script in a fresh process, with two threads for each library."""
    path = Path(folder) / "script.py"
    path.write_text(text)
    own = os.path.dirname(os.path.dirname(implicit_compress.__file__))
    env = os.environ | dict(PYTHONPATH=own, OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")
    return subprocess.run(
        [sys.executable, str(path), *args], env=env, capture_output=True, text=True, timeout=timeout
    )


def test_compress_in_worker_processes_and_threads_after_a_fit_in_the_parent(tmp_path):
    starts = [
        s for s in ("fork", "spawn", "forkserver") if s in multiprocessing.get_all_start_methods()
    ]
    r = run_script(tmp_path, WORKERS, repr(dict(bpp=0.3, steps=1)), *starts)
    assert r.returncode == 0, r.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_draws_can_draw():
    def blas():
        return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]

    before, held, go = blas(), threading.Event(), threading.Event()

    def draws():
        with single_threaded_blas(), _BLAS.lock:  # the worst moment for a fork
            held.set()
            go.wait(20)

    other = threading.Thread(target=draws)
    other.start()
    held.wait(20)
    pid = os.fork()
    if not pid:
        signal.alarm(20)  # a child that waits for the lock for ever is ended
        with single_threaded_blas():
            pass
        os._exit(0 if blas() == before else 3)
    go.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert blas() == before


def in_new_thread(f):
    out = []
    t = threading.Thread(target=lambda: out.append(f()))
    t.start()
    t.join()
    return out[0]


def test_overlapping_fits_leave_the_thread_counts():
    """The first fit ends while the second one, in another thread, runs on."""
    before, second_runs, first_ended, counts = (
        torch.get_num_threads(),
        threading.Event(),
        threading.Event(),
        [],
    )

    class First:
        def before_fit(self, s):
            other.start()
            second_runs.wait(20)

    class Second:
        def before_fit(self, s):
            second_runs.set()
            first_ended.wait(20)

    def second():
        counts.append(torch.get_num_threads())
        fit(SirenNet(4, 1), X, steps=1, progress=False, callbacks=[Second()])
        counts.append(torch.get_num_threads())

    other = threading.Thread(target=second)
    try:
        torch.set_num_threads(3)
        fit(SirenNet(4, 1), X, steps=1, progress=False, callbacks=[First()])
        here = torch.get_num_threads()
        first_ended.set()
        other.join()
        assert (here, torch.get_num_threads(), in_new_thread(torch.get_num_threads)) == (3, 3, 3)
        assert counts == [3, 3]
    finally:
        torch.set_num_threads(before)


# ---- settings of torch


@contextmanager
def default(setter, value, usual):
    setter(value)
    try:
        yield
    finally:
        setter(usual)


SETTINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: default(torch.set_default_dtype, torch.float64, torch.float32),
    "float16": lambda: default(torch.set_default_dtype, torch.float16, torch.float32),
    "meta": lambda: default(torch.set_default_device, "meta", None),
    "with meta": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize("setting", SETTINGS)
def test_other_settings_of_torch_give_the_same_file(method, setting):
    plain = encoded(method)
    with SETTINGS[setting]():
        assert bytes(encoded(method)) == bytes(plain)


# ---- results


class WithQueue:
    """A callback that cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def after_step(self, s):
        pass


@pytest.mark.parametrize("method", METHODS)
def test_results_can_be_pickled_and_copied(method):
    f = encoded(method, **dict(callbacks=[WithQueue()]) if method == "network" else {})
    f.note = "seen"
    assert len(pickle.dumps(f)) < len(f) + 4096
    for again in (
        pickle.loads(pickle.dumps(f)),
        copy.deepcopy(f),
        copy.copy(f),
        *map(pickle.loads, (pickle.dumps(f, 0), pickle.dumps(f, 5))),
    ):
        assert type(again) is type(f) and bytes(again) == bytes(f)
        assert (again.psnr, again.bpp, again.seconds, again.note, again.summary, repr(again)) == (
            f.psnr,
            f.bpp,
            f.seconds,
            "seen",
            f.summary,
            repr(f),
        )
        assert (again.fit is None) == (f.fit is None)
    assert np.array_equal(decompress(copy.copy(f)), decompress(f))


def test_a_result_remembers_its_fit():
    f = compress(X, "siren", bpp=4.0, steps=300, threads=1)
    r = pickle.loads(pickle.dumps(f)).fit
    assert (r.stop, r.step) == ("steps", 300) and 0 < r.seconds <= f.seconds
    assert r.history.shape == (128, 4) and r.history.dtype == np.float32
    assert (
        r.history[[0, -1], 0].tolist() == [1, 300] and (np.diff(r.history[:, :3], axis=0) > 0).all()
    )
    assert len(pickle.dumps(f)) < len(f) + 4096


# ---- the state of the host


def host_state():
    """What no call may change."""
    numpy_state = np.random.get_state()  # noqa: NPY002  (the generator that all code of the host shares)
    return dict(
        threads=torch.get_num_threads(),
        others=in_new_thread(torch.get_num_threads),
        blas=[
            (i["filepath"], i["num_threads"]) for i in threadpool_info() if i["user_api"] == "blas"
        ],
        dtype=torch.get_default_dtype(),
        device=torch.get_default_device(),
        grad=torch.is_grad_enabled(),
        inference=torch.is_inference_mode_enabled(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        precision=torch.get_float32_matmul_precision(),
        torch_random=torch.get_rng_state().tolist(),
        numpy_random=repr(numpy_state[1:]),
        numpy_words=numpy_state[1].tolist(),
        random=random.getstate(),
        errors=np.geterr(),
        printing=repr(np.get_printoptions()),
        filters=list(warnings.filters),
        show=warnings.showwarning,
        format=warnings.formatwarning,
        signals={s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)},
        logging=(logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        environment=dict(os.environ),
        folder=os.getcwd(),
        recursion=sys.getrecursionlimit(),
        hooks=(sys.excepthook, threading.excepthook),
        running=threading.active_count(),
    )


class Raises:
    def __init__(self, error):
        self.error = error

    def after_step(self, s):
        raise self.error


@contextmanager
def unchanged():
    """Whatever happens inside, the host is as before."""
    compress(X, "lossless")  # what is imported late has been imported
    before = host_state()
    yield
    after = host_state()
    assert {k: v for k, v in after.items() if v != before[k]} == {}


@pytest.mark.parametrize("method", METHODS)
def test_the_host_is_left_as_it_was(method):
    encoded(method)
    with unchanged():
        decompress(encoded(method))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_the_host_is_left_as_it_was_by_a_fit_that_fails(error):
    stopped = error is KeyboardInterrupt  # the file is written all the same
    with unchanged(), nullcontext() if stopped else pytest.raises(error):
        f = encoded("network", callbacks=[Raises(error())])
        assert f.fit.stop == "interrupted"


def test_the_host_is_left_as_it_was_by_refusals():
    with unchanged():
        with pytest.raises(DivergedError):
            fit(SirenNet(8, 2), X, steps=50, lr=100.0, progress=False, callbacks=[])
        with pytest.raises(ValueError):
            compress(X, "siren", bpp=-1.0)
        with pytest.raises(ValueError):
            encode_siren(X, Siren(hash=MultiHash()), 80)
        with pytest.raises(ValueError):
            compress(X, "latent:init=no", bpp=4.0, steps=2)
        with pytest.raises(ValueError):
            decompress(b"no file")


MEMORY = """
import numpy as np
from implicit_compress import compress

def resident(): return next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmRSS'))/1024

compress(np.zeros((16, 16, 3), np.uint8), bpp=4., steps=1, progress=False)
blocks = [np.ones(1 << 20) for _ in range(16)]   # 128 MB in blocks that glibc maps one by one
full = resident()
del blocks
print(full - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_memory_of_the_host_goes_back_to_the_system_after_a_fit(tmp_path):
    r = run_script(tmp_path, MEMORY)
    assert r.returncode == 0, r.stderr
    assert float(r.stdout) > 100  # MB


def test_an_interrupt_after_the_fit_does_not_lose_it(monkeypatch):
    from implicit_compress.siren import codec as network

    real, calls = network.render_integer, []

    def late(*args, **kw):
        calls.append(0)
        if len(calls) <= times:
            raise KeyboardInterrupt
        return real(*args, **kw)

    monkeypatch.setattr(network, "render_integer", late)
    times = 1
    f = encoded("network")
    assert len(calls) == 2 and decompress(f).shape == X.shape
    times, calls = 2, []
    with pytest.raises(KeyboardInterrupt):
        encoded("network")


# ---- checkpoints


class Breaks:
    """Takes the folder of the checkpoint away at a step."""

    def __init__(self, folder):
        self.folder = folder

    def after_step(self, s):
        if s.step == 2:
            for p in self.folder.iterdir():
                p.unlink()
            self.folder.rmdir()


def test_a_checkpoint_that_cannot_be_written_costs_one_warning(tmp_path):
    folder = tmp_path / "states"
    folder.mkdir()
    with pytest.warns(UserWarning, match="cannot be written") as seen:
        run = Run(
            steps=40,
            threads=1,
            checkpoint=folder / "x.fit",
            checkpoint_interval=1e-6,
            callbacks=(Breaks(folder),),
        )
        f = encode_siren(X, Siren(), 400, run)
    assert len(seen) == 1 and "the fit goes on" in str(seen[0].message)
    assert f.fit.stop == "steps" and decompress(f).shape == X.shape


def test_a_full_disk_costs_the_checkpoint_alone(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("implicit_compress.siren.checkpoint.atomic_write", full)
    with pytest.warns(UserWarning, match="No space left on device") as seen:
        f = compress(X, "siren", bpp=4.0, steps=4, checkpoint=tmp_path / "x.fit")
    assert (
        sum("No space left" in str(w.message) for w in seen) == 1
        and decompress(f).shape == X.shape
        and not list(tmp_path.iterdir())
    )


def test_a_checkpoint_without_a_folder_is_refused_before_the_fit(tmp_path):
    for path, why in ((tmp_path / "no" / "x.fit", "no folder"), (tmp_path, "is a folder")):
        with pytest.raises(ValueError, match=why):
            compress(X, "siren", bpp=4.0, seconds=1000.0, checkpoint=path)
