"""BD-rates from the recorded tables: all values in README.md and in the notebooks of this folder.

    python nbs/benchmarks/bd_rates.py      # no measurements, a few seconds

Every figure is the mean of the BD-rates of single images, with their standard deviation; negative means fewer bits than the
anchor. `*`: for some images the two curves share less than 1 dB, or less than a quarter of the shorter
range. The last column is the BD-rate of the mean curves.
"""

from pathlib import Path
from implicit_compress.bench.bd import bd_rates, bd_text
from implicit_compress.bench.rows import read_rows
from implicit_compress.view.points import bench_rows

RESULTS = Path(__file__).parent / "results"
SIX = tuple(f"kodim{i:02d}" for i in (1, 5, 8, 15, 20, 23))
NETWORKS, SPARSE = "dense networks", "--details sparse"
README = (SPARSE, "JPEG 4:2:0", "JPEG 2000", "WebP", "AVIF")  # columns of the table in README.md


def better_of(rows, ways):
    "The choice of `details='sparse'`: the file with the highest PSNR, of several of one image and one target"
    best = {}
    for r in rows:
        key = r["image"], r["asked"]
        if r["codec"] in ways and r["psnr_db"] > best.get(key, r)["psnr_db"] - 1e-9:
            best[key] = dict(r, codec=SPARSE)
    return list(best.values())


def six():
    "Rows of the six images of README.md: networks, networks with coefficients, and classical codecs"
    dense = [dict(r, codec=NETWORKS) for r in bench_rows(RESULTS / "siren_six.tsv")[0]]
    combined, _ = bench_rows(RESULTS / "combined_six.tsv")
    classical = [r for r in bench_rows(RESULTS / "classical_kodak.tsv")[0] if r["image"] in SIX]
    return dense + combined + better_of(combined, {r["codec"] for r in combined}) + classical


def kodak():
    "Rows of the 24 Kodak images, measured by `bench`"
    return [r for r in read_rows(RESULTS / "kodak.tsv") if not r["codec"].startswith("coin")]


def pyramids(start="shipped"):
    "Rows of pyramids after 2,000 steps, of the classical codecs, of coefficients and of Cool-chic 5.0.1"

    def begins(r):
        return (
            r["start"] == start or start == "none" and r["lmbda"] < 4e-3
        )  # below 0.004 a fit begins with nothing anyway

    own = [
        dict(r, codec="pyramid", asked=f"lmbda={r['lmbda']:g}", image=f"{r['image']}.png")
        for r in read_rows(RESULTS / "pyramid_kodak.tsv")
        if begins(r)
    ]
    points = {
        (r["image"], r["bpp"], r["psnr_db"]): r for r in own
    }  # asked for, and by itself, are the same file
    own = [r for r in points.values() if sum(q["image"] == r["image"] for q in points.values()) > 2]
    others = [r for r in kodak() if r["codec"] != "siren"]
    others += [
        dict(r, codec="Cool-chic", asked=f"lmbda={r['lmbda']:g}", image=f"{r['image']}.png")
        for r in read_rows(RESULTS / "coolchic_kodak.tsv")
    ]
    return own + others


def only(rows, pictures):
    return [r for r in rows if r["image"].removesuffix(".png") in pictures]


def shown(title, rows, anchors, codecs):
    "Print a line for every codec and every anchor"
    print(f"\n{title}")
    for r in bd_rates(rows, anchors):
        for a in anchors:
            if r["codec"] in codecs and r["codec"] != a and r[a] is not None:
                print(
                    f"  {r['codec']:24}against {a:16}{bd_text(r, a):>18}  ({r[f'{a}, images']} images; mean curves {r[f'{a}, mean curves']:+.1f} %)"
                )


def readme_row():
    "The row of BD-rates in README.md"
    found = next(r for r in bd_rates(six(), list(README)) if r["codec"] == NETWORKS)
    return (
        "| BD-rate of networks against it | | "
        + " | ".join(bd_text(found, a) for a in README)
        + " |"
    )


if __name__ == "__main__":
    print(readme_row())
    shown(
        "Six images (six.ipynb, combined.ipynb)",
        six(),
        [NETWORKS, *README],
        (NETWORKS, SPARSE, "network + coefficients", "coefficients alone"),
    )
    shown(
        "All 24 Kodak images (kodak.ipynb)",
        kodak(),
        ["jpeg", "jpeg2000", "webp", "avif"],
        ("siren", "instant"),
    )
    against = ["jpeg", "jpeg2000", "webp", "avif", "instant", "Cool-chic"]
    shown("Pyramids, six images (latent.ipynb)", only(pyramids(), SIX), against, ("pyramid",))
    shown("Pyramids from nothing, six images", only(pyramids("none"), SIX), against, ("pyramid",))
    shown("Pyramids, 24 images", pyramids(), against, ("pyramid",))
