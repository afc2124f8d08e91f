"""Accuracy of every kind of target.

    python nbs/benchmarks/targets.py [--sets kodak clic] [--methods wavelet siren hybrid
        latent]

IMPLICIT_COMPRESS_DATA names the folder that holds kodak/ and clic/. `wavelet` (coefficients
alone) encodes all 24 Kodak images and the first six of clic at four qualities and three sizes;
networks alone (siren), networks and coefficients (hybrid) and latents encode six of each at one
size and one quality. Every file is written by one process and decoded by another; its warnings
are part of the row. Existing rows in results/targets.tsv are not measured again.
"""

import argparse
import json
import os
import tempfile
from datetime import date
from itertools import product
from pathlib import Path

from points import Table, decoded, fresh

from implicit_compress.bench.measure import machine

CODE = """import json, sys, time, warnings
from implicit_compress import compress
source, out, how = sys.argv[1:]
t = time.time()
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter('always')
    f = compress(source, **json.loads(how))
open(out, 'wb').write(f)
said = ' / '.join(str(w.message) for w in seen)
row = dict(seconds=round(time.time() - t, 1), said_db=float(f.psnr))
print(json.dumps(row | dict(warning=said, note=f.note)))"""
ALL = [("psnr", v) for v in (28, 32, 36, 40)] + [("bpp", v) for v in (0.1, 0.3, 1.0)]
METHODS = {  # name: (arguments of compress, seconds of fitting, targets)
    "wavelet": (dict(method="wavelet"), None, ALL),
    "siren": (dict(method="siren"), 60, [("bpp", 0.3), ("psnr", 22)]),
    "hybrid": (dict(method="hybrid"), 20, [("bpp", 0.3), ("psnr", 30)]),
    "latent": (dict(method="latent"), 20, [("bpp", 0.3), ("psnr", 30)]),
}
SIX = ("kodim01", "kodim05", "kodim08", "kodim15", "kodim20", "kodim23")


def images(name, method):
    """The images of a set for a method."""
    paths = sorted((Path(os.environ["IMPLICIT_COMPRESS_DATA"]) / name).glob("*.png"))
    if name != "kodak":
        return paths[:6]
    return paths if method == "wavelet" else [p for p in paths if p.stem in SIX]


def miss(kind, target, dec):
    """Deviation from the target: dB above the quality, or percent above the size."""
    return (
        round(dec["psnr_db"] - target, 3)
        if kind == "psnr"
        else round(100 * (dec["bpp"] / target - 1), 3)
    )


if __name__ == "__main__":
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("--sets", nargs="+", default=["kodak", "clic"])
    a.add_argument("--methods", nargs="+", default=list(METHODS))
    a.add_argument("--threads", type=int, default=1)
    a = a.parse_args()
    columns = "set image method kind target budget_s bytes bpp psnr_db miss seconds warning note machine date"
    table = Table(
        "targets.tsv",
        columns,
        5,
        "targets and reached values; miss: dB above the quality, or per cent above the rate; "
        "budget_s: requested seconds of fitting",
    )
    with tempfile.TemporaryDirectory() as d:
        for method, name in product(a.methods, a.sets):
            how, seconds, targets = METHODS[method]
            for source, (kind, target) in product(images(name, method), targets):
                if table.has(name, source.stem, method, kind, target):
                    continue
                out = Path(d) / "a.iic"
                budget = {} if seconds is None else dict(seconds=seconds)
                enc = fresh(
                    CODE,
                    source,
                    out,
                    json.dumps(how | budget | {kind: target, "threads": a.threads}),
                )
                dec = decoded(source, out, a.threads)
                if abs(enc["said_db"] - dec["psnr_db"]) > 1e-3:
                    raise SystemExit(
                        f"{source.stem}: encoder {enc['said_db']} dB, decoder {dec['psnr_db']} dB"
                    )
                table.add(
                    dict(
                        set=name,
                        image=source.stem,
                        method=method,
                        kind=kind,
                        target=target,
                        budget_s=seconds or "",
                        miss=miss(kind, target, dec),
                        machine=machine(),
                        date=date.today(),
                    )
                    | enc
                    | dec
                )
