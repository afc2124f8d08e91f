"""Pyramids of Kodak pictures: `python nbs/benchmarks/pyramid_points.py FOLDER [--pictures 15 5] [--lmbdas .004 .001] [--steps 250] [--start shipped none]`
and `python nbs/benchmarks/pyramid_points.py FOLDER --seconds 0 2 15 60 300 --threads 2 --out pyramid_times.tsv`: time instead of steps

FOLDER holds kodim01.png ... Every file is written by one process and decoded by another; a row that is there is not measured again.
Seconds are of the clock, and of the processor: on a machine that is shared the second tells what the first would be on one core alone.
"""
import argparse, json, tempfile
from pathlib import Path
from shutil import copy
from points import ENCODE, Table, decoded, fresh

CODE = ENCODE.replace("encode_s=", "cpu_s=round(time.process_time(), 1), encode_s=")

if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder", type=Path); a.add_argument("--pictures", type=int, nargs="+", default=[15, 5]); a.add_argument("--lmbdas", type=float, nargs="+", default=[4e-3, 1e-3])
    a.add_argument("--steps", type=int, nargs="+", default=[250]); a.add_argument("--seconds", type=float, nargs="+"); a.add_argument("--threads", type=int, default=1)
    a.add_argument("--start", nargs="+", default=["shipped", "none"]); a.add_argument("--out", default="pyramid.tsv")
    a.add_argument("--keep", type=Path, help="folder where the files stay")
    a = a.parse_args()
    if a.keep: a.keep.mkdir(parents=True, exist_ok=True)    # before hours of fitting
    unit, efforts = ("seconds", a.seconds) if a.seconds else ("steps", a.steps)
    table = Table(a.out, f"picture lmbda {unit} start bytes bpp psnr_db rd_cost encode_s cpu_s decode_s sha256", 4, f"Method pyramid on Kodak pictures, threads: {a.threads}; rd_cost is 1000*(mse + lmbda*bpp)")
    for effort in efforts:
        for n in a.pictures:
            for lmbda in a.lmbdas:
                for start in a.start:
                    key = (f"kodim{n:02d}", lmbda, effort, start)
                    if table.has(*key): continue
                    source = a.folder/f"{key[0]}.png"
                    with tempfile.TemporaryDirectory() as d:
                        out = Path(d)/"x.iic"
                        enc = fresh(CODE, source, out, json.dumps(dict(method="pyramid", lmbda=lmbda, start=start, threads=a.threads) | {unit: effort}))
                        dec = decoded(source, out, threads=a.threads)
                        if a.keep: copy(out, a.keep/f"{key[0]}_{lmbda:g}_{effort:g}_{start}.iic")
                    if abs(enc["said_db"] - dec["psnr_db"]) > 1e-3: raise SystemExit(f"{key}: the encoder said {enc['said_db']} dB, the decoder finds {dec['psnr_db']}")
                    table.add(dict(zip(("picture", "lmbda", unit, "start"), key)) | enc | dec | dict(rd_cost=round(1000*(10**(-dec["psnr_db"]/10) + lmbda*dec["bpp"]), 4), sha256=dec["sha256"][:16]))
