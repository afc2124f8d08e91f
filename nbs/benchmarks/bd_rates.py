"""BD-rates from the recorded tables: all values in the notebooks of this folder.

    python nbs/benchmarks/bd_rates.py      # no measurements, a few seconds

Every figure is the mean of the BD-rates of single images, with their standard deviation; negative
means fewer bits than the anchor. `*`: for some images the two curves share less than 1 dB, or
less than a quarter of the shorter range. The last column is the BD-rate of the mean curves.
"""

from pathlib import Path

from implicit_compress.bench.bd import bd_rates, bd_text
from implicit_compress.bench.rows import read_rows
from implicit_compress.view.points import bench_rows

RESULTS = Path(__file__).parent / "results"
SIX = tuple(f"kodim{i:02d}" for i in (1, 5, 8, 15, 20, 23))
NETWORKS, SPARSE = "dense networks", "`hybrid`"
OTHERS = ("JPEG 4:2:0", "JPEG 2000", "WebP", "AVIF")  # in the tables of the six images


def better_of(rows, ways):
    """The choice of the hybrid codec: of the files of an image and a target that with the highest PSNR."""
    best = {}
    for r in rows:
        key = r["image"], r["target"]
        if r["codec"] in ways and r["psnr_db"] > best.get(key, r)["psnr_db"] - 1e-9:
            best[key] = dict(r, codec=SPARSE)
    return list(best.values())


def six():
    """Rows of the six images: networks, networks with coefficients, and classical codecs."""
    dense = [dict(r, codec=NETWORKS) for r in bench_rows(RESULTS / "siren_six.tsv")[0]]
    combined, _ = bench_rows(RESULTS / "combined_six.tsv")
    classical = [r for r in bench_rows(RESULTS / "classical_kodak.tsv")[0] if r["image"] in SIX]
    return dense + combined + better_of(combined, {r["codec"] for r in combined}) + classical


def kodak():
    """Rows of the 24 Kodak images, measured by `bench`."""
    return [r for r in read_rows(RESULTS / "kodak.tsv") if not r["codec"].startswith("coin")]


def clic():
    """Rows of 12 images of the CLIC 2020 professional validation set, measured by `bench`."""
    return read_rows(RESULTS / "clic.tsv")


def camera():
    """Rows of six photographs of cameras, 6 to 13 megapixels each, measured by `bench`."""
    return read_rows(RESULTS / "camera.tsv")


def latents(init="pretrained"):
    """Rows of latents after 2,000 steps, of classical codecs, of coefficients and of Cool-chic 5.0.1."""

    def has_init(r):
        # below 0.004 a fit starts with random weights in any case
        return r["init"] == init or (init == "random" and r["lmbda"] < 4e-3)

    own = [
        dict(r, codec="latent", target=f"lmbda={r['lmbda']:g}", image=f"{r['image']}.png")
        for r in read_rows(RESULTS / "latent_kodak.tsv")
        if has_init(r)
    ]
    # requested and automatic random weights give the same file: one point of both
    points = {(r["image"], r["bpp"], r["psnr_db"]): r for r in own}
    own = [r for r in points.values() if sum(q["image"] == r["image"] for q in points.values()) > 2]
    others = [r for r in kodak() if r["codec"] != "siren"]
    others += [
        dict(r, codec="Cool-chic", target=f"lmbda={r['lmbda']:g}", image=f"{r['image']}.png")
        for r in read_rows(RESULTS / "coolchic_kodak.tsv")
    ]
    return own + others


def only(rows, images):
    """Rows of some images."""
    return [r for r in rows if r["image"].removesuffix(".png") in images]


def print_rates(title, rows, anchors, codecs):
    """Print a line for every codec and every anchor."""
    print(f"\n{title}")
    for r in bd_rates(rows, anchors):
        for a in anchors:
            if r["codec"] in codecs and r["codec"] != a and r[a] is not None:
                n, mean = r[f"{a}, images"], r[f"{a}, mean curves"]
                text = f"{r['codec']:24}against {a:16}{bd_text(r, a):>18}"
                print(f"  {text}  ({n} images; mean curves {mean:+.1f} %)")


if __name__ == "__main__":
    others = ["jpeg", "jpeg2000", "webp", "avif"]
    print_rates(
        "Six images (six.ipynb, combined.ipynb)",
        six(),
        [NETWORKS, SPARSE, *OTHERS],
        (NETWORKS, SPARSE, "network + coefficients", "coefficients alone"),
    )
    print_rates(
        "All 24 Kodak images (kodak.ipynb)",
        kodak(),
        others,
        ("siren", "wavelet"),
    )
    print_rates("CLIC, 12 images", clic(), others, ("wavelet",))
    print_rates("Cameras, six photographs", camera(), others, ("wavelet",))
    against = [*others, "wavelet", "Cool-chic"]
    print_rates("Latents, six images (latent.ipynb)", only(latents(), SIX), against, ("latent",))
    print_rates(
        "Latents, random weights, six images", only(latents("random"), SIX), against, ("latent",)
    )
    print_rates("Latents, 24 images", latents(), against, ("latent",))
