"""The table of methods and the rate-distortion figure of README.md, from the recorded tables.

    python nbs/benchmarks/methods.py                       # the rows of the table; no measurements
    python nbs/benchmarks/methods.py --figure FILE         # the figure, too

Rates against JPEG and AVIF are means of the BD-rates of single images with their standard deviation.
VTM is the curve that CompressAI published, means over the 24 images: it is compared by mean curves.
Curves of classical codecs are averaged over images at equal quality settings.
"""

import argparse
from pathlib import Path
from statistics import median

from bd_rates import RESULTS, SPARSE, kodak, latents, six

from implicit_compress.bench.bd import bd_rates, bd_text
from implicit_compress.bench.curves import curves
from implicit_compress.bench.plots import plot_curves, published
from implicit_compress.bench.rows import read_rows
from implicit_compress.image.rate_distortion import bd_rate

NETWORK = "network + coefficients"  # in the recorded table of the hybrid method
METHODS = ("latent", "wavelet", "siren")
ANCHORS = ("jpeg", "avif")
USES = dict(
    latent="the smallest files; small decoder",
    wavelet="any size of image, within seconds",
    siren="study, decoding at any scale, derivatives of the image",
)
NAMES = dict(jpeg="JPEG 4:2:0", webp="WebP", avif="AVIF")  # in the figure
MACHINE = "2 x AMD EPYC"  # the one of all recorded times
ORDER = ("Cool-chic", "VTM", "latent", "AVIF", "wavelet", "WebP", "siren", "JPEG 4:2:0")
FIGURE_RATES = (0.04, 1.6)  # bits per pixel
FIGURE_PSNR = (21, 40)  # dB


def all_rows() -> list[dict]:
    """Rows of all methods and of other codecs, 24 images."""
    own = latents()
    return own + [r for r in kodak() if r["codec"] == "siren"]


def seconds(name: str) -> str:
    """Median seconds to encode and to decode, from the recorded table of a method."""
    if name == "latent":
        rows = read_rows(RESULTS / "latent_kodak.tsv")
        rows = [r for r in rows if r["encoder"].startswith(MACHINE)]
        encode = median(r["cpu_s"] for r in rows)
    else:
        rows = [r for r in kodak() if r["codec"] == name]
        encode = median(r["encode_s"] for r in rows)
    return f"{encode:.0f} s, {median(r['decode_s'] for r in rows):.1f} s"


def table() -> list[str]:
    """The rows of the table in README.md."""
    rows = all_rows()
    mean = {c: [(p["bpp"], p["psnr_db"]) for p in ps] for c, ps in curves(rows).items()}
    vtm = published()["VTM"]
    vtm_curve = list(zip(vtm["bpp"], vtm["psnr_db"], strict=True))
    found = {r["codec"]: r for r in bd_rates(rows, list(ANCHORS))}
    lines = []
    for name in METHODS:
        cells = [f"`{name}`", *(bd_text(found[name], a) for a in ANCHORS)]
        cells += [f"{bd_rate(vtm_curve, mean[name]):+.0f} %", seconds(name), USES[name]]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, hybrid_row()]


def hybrid_row() -> str:
    """The row of the hybrid method, which was measured on six of the images."""
    found = next(r for r in bd_rates(six(), ["JPEG 4:2:0", "AVIF"]) if r["codec"] == SPARSE)
    rows = [r for r in six() if r["codec"] == NETWORK]
    encode = median(r["encode_s"] for r in rows)  # nearly all of it is the fit of the network
    decode = median(r["decode_s"] for r in rows)
    cells = ["`hybrid`, six images", bd_text(found, "JPEG 4:2:0"), bd_text(found, "AVIF"), ""]
    cells += [f"{encode:.0f} s, {decode:.1f} s", "study of decompositions"]
    return "| " + " | ".join(cells) + " |"


def figure(path: Path) -> None:
    """Mean curves of the methods, of JPEG, WebP, AVIF and Cool-chic, and the published one of VTM."""
    import matplotlib.pyplot as plt

    means = {NAMES.get(c, c): points for c, points in curves(all_rows()).items()}
    vtm = published()["VTM"]
    means["VTM"] = [
        dict(bpp=rate, psnr_db=quality)
        for rate, quality in zip(vtm["bpp"], vtm["psnr_db"], strict=True)
    ]
    ax = plt.subplots(figsize=(7.2, 4.6))[1]
    plot_curves({c: means[c] for c in ORDER}, ours=METHODS, ax=ax)
    ax.set(xlim=FIGURE_RATES, ylim=FIGURE_PSNR, title="24 Kodak images, 768x512")
    ax.legend(fontsize=9)
    ax.figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, help="PNG file to write the figure to")
    arguments = parser.parse_args()
    print("\n".join(table()))
    if arguments.figure:
        figure(arguments.figure)
