"""Latents of Kodak images.

    python nbs/benchmarks/latent_points.py FOLDER [--images 15 5] [--lmbdas .004 .001] [--steps
        250] [--init pretrained random]
    python nbs/benchmarks/latent_points.py FOLDER --seconds 0 2 15 60 300 --threads 2 --out
        latent_times.tsv

With `--seconds`: a time budget instead of steps.

FOLDER holds kodim01.png ... Every file is written by one process and decoded by another; existing
rows are not measured again. Files in the folder of --keep, with the output of their encoder, are
decoded and not fitted again: one machine may fit, another decode. Times are wall time and CPU
time: on a shared machine the CPU time is an estimate of the wall time on one core alone.
"""

import argparse
import json
import tempfile
from itertools import product
from pathlib import Path

from points import ENCODE, Table, decoded, fresh

from implicit_compress.bench.measure import machine

CODE = ENCODE.replace("encode_s=", "cpu_s=round(time.process_time(), 1), encode_s=")


def encoder(device):
    """Short description of the encoder."""
    if device is None:
        return machine()
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def encoded_once(source, out, **how):
    """Write the file `out` and the output of its encoder, or read an existing one."""
    said = out.with_suffix(".json")
    if not said.exists():
        said.write_text(
            json.dumps(
                fresh(CODE, source, out, json.dumps(how)) | dict(encoder=encoder(how["device"]))
            )
        )
    return json.loads(said.read_text())


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("folder", type=Path)
    a.add_argument("--images", type=int, nargs="+", default=[15, 5])
    a.add_argument("--lmbdas", type=float, nargs="+", default=[4e-3, 1e-3])
    a.add_argument("--steps", type=int, nargs="+", default=[250])
    a.add_argument("--seconds", type=float, nargs="+")
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--init", nargs="+", default=["pretrained", "random"])
    a.add_argument("--out", default="latent.tsv")
    a.add_argument("--device", help="where to fit: cuda; default this processor")
    a.add_argument("--keep", type=Path, help="folder where the files stay")
    a = a.parse_args()
    unit, efforts = ("seconds", a.seconds) if a.seconds else ("steps", a.steps)
    table = Table(
        a.out,
        f"image lmbda {unit} init bytes bpp psnr_db rd_cost encode_s cpu_s encoder decode_s sha256",
        4,
        f"Latent codec on Kodak images, threads: {a.threads}; rd_cost is 1000*(mse + lmbda*bpp)",
    )
    with tempfile.TemporaryDirectory() as d:
        keep = a.keep or Path(d)
        keep.mkdir(parents=True, exist_ok=True)  # before hours of fitting
        for effort, n, lmbda, init in product(efforts, a.images, a.lmbdas, a.init):
            key = (f"kodim{n:02d}", lmbda, effort, init)
            if table.has(*key):
                continue
            source, out = (
                a.folder / f"{key[0]}.png",
                keep / f"{key[0]}_{lmbda:g}_{effort:g}_{init}.iic",
            )
            enc = encoded_once(
                source,
                out,
                method=f"latent:init={init}",
                lmbda=lmbda,
                threads=a.threads,
                device=a.device,
                **{unit: effort},
            )
            dec = decoded(source, out, threads=a.threads)
            if abs(enc["said_db"] - dec["psnr_db"]) > 1e-3:
                raise SystemExit(f"{key}: encoder {enc['said_db']} dB, decoder {dec['psnr_db']} dB")
            table.add(
                dict(zip(("image", "lmbda", unit, "init"), key))
                | enc
                | dec
                | dict(
                    rd_cost=round(1000 * (10 ** (-dec["psnr_db"] / 10) + lmbda * dec["bpp"]), 4),
                    sha256=dec["sha256"][:16],
                )
            )
