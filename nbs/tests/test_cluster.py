"""Workers of dask do the bench: the same table, however many there are, and whatever happens to them."""

import json
import os
import signal
import threading
import time

import pytest

from implicit_compress.bench import sweep as bench
from implicit_compress.bench.measure import measure
from implicit_compress.bench.sweep import dask_executor, sweep
from implicit_compress.image.samples import demo_image
from implicit_compress.image.save import save_image

CODECS, POINTS = ["jpeg", "webp"], [dict(bpp=1.0), dict(bpp=1.6)]


def lasting(rows):
    """All of the rows but times, memory and machine."""
    return [
        {
            k: v
            for k, v in r.items()
            if not k.endswith(("_s", "_mb", "_at")) and k not in ("machine", "date")
        }
        for r in rows
    ]


@pytest.fixture
def pictures(tmp_path):
    """Two small pictures in files."""
    x = demo_image()
    for i in range(2):
        save_image(tmp_path / f"{i}.png", x[10 * i : 10 * i + 64, 30 * i : 30 * i + 96])
    return sorted(tmp_path.glob("*.png"))


def killer(client, folder, killed):
    """Kill the first worker that is busy, without a word."""
    while not killed and client.status == "running":
        busy = [w for w, names in client.processing().items() if names]
        if busy and len(list(folder.glob("points/*.json"))) >= 2:
            pids = client.run(os.getpid)
            os.kill(pids[busy[0]], signal.SIGKILL)
            killed.append(busy[0])
        time.sleep(0.01)


def test_workers_of_dask_and_one_that_is_killed(pictures, tmp_path):
    """Two processes give the table of one; a worker that dies costs its task a second try, and nothing else."""
    alone = sweep(pictures, CODECS, POINTS, tmp_path / "alone", threads=1, progress=False)
    assert len(alone) == 8 and not any("error" in r for r in alone)
    executor = dask_executor("local:2")
    client = executor._client
    try:
        pids = set(client.run(os.getpid).values())
        assert len(pids) == 2 and os.getpid() not in pids
        both = sweep(
            pictures, CODECS, POINTS, tmp_path / "both", executor, threads=1, progress=False
        )
        assert lasting(both) == lasting(alone)
        killed = []
        shot = threading.Thread(target=killer, args=(client, tmp_path / "shot", killed))
        shot.start()
        rows = sweep(
            pictures, CODECS, POINTS, tmp_path / "shot", executor, threads=1, progress=False
        )
        shot.join()
        assert killed, "no worker was killed"
        assert lasting(rows) == lasting(alone)
        assert len(list((tmp_path / "shot" / "points").iterdir())) == 8
    finally:
        executor.shutdown()
        client.close()


def test_a_broken_picture_leaves_the_others(pictures, tmp_path):
    """The row of a poisoned picture says what is wrong; the others are complete."""
    (tmp_path / "9.png").write_bytes(b"no picture")
    rows = sweep(
        [*pictures, tmp_path / "9.png"],
        ["jpeg"],
        [dict(bpp=1.0)],
        tmp_path / "r",
        threads=1,
        progress=False,
    )
    assert [("error" in r) for r in rows] == [False, False, True]
    assert "psnr_db" in rows[0] and rows[2]["image"] == "9.png"


def test_what_failed_is_tried_again_when_asked(pictures, tmp_path):
    """A recorded failure stays until `retry`."""
    task = dict(image=str(pictures[0]), codec="jpeg", threads=1, bpp=1.0)
    row = measure(task, tmp_path / "r")
    path = next((tmp_path / "r" / "points").iterdir())
    path.write_text(json.dumps(row | dict(error="the disk was full")))
    assert measure(task, tmp_path / "r")["error"] == "the disk was full"
    assert "error" not in measure(task, tmp_path / "r", retry=True)


def test_every_device_has_one_task_at_a_time(pictures, tmp_path, monkeypatch):
    """Tasks see one CUDA device each, and no two of them the same at once."""
    now, seen, lock = set(), [], threading.Lock()

    def pretend(task, folder, retry, timeout, CUDA_VISIBLE_DEVICES):
        with lock:
            assert CUDA_VISIBLE_DEVICES not in now
            now.add(CUDA_VISIBLE_DEVICES)
            seen.append(CUDA_VISIBLE_DEVICES)
        time.sleep(0.02)
        with lock:
            now.remove(CUDA_VISIBLE_DEVICES)
        return dict(task)

    monkeypatch.setattr(bench, "measure", pretend)
    rows = sweep(pictures, CODECS, POINTS, tmp_path, devices=[0, 3], progress=False)
    assert len(rows) == 8 and not any("error" in r for r in rows)
    assert set(seen) == {"0", "3"} and len(seen) == 8
