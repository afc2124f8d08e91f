"""Files of rendered screens: symbol ranking and `auto` against the better mode of WebP.

    python nbs/benchmarks/screens.py

Desktop, terminal, table, charts, icons, a map, a gradient with text, a page with a photograph and
text with subpixel rendering are rendered here; pages come from `bench.synthetic`. Of every image:
lossless files of both, and lossy files at 40 dB, the smallest WebP of at least that quality against
`auto`. Every file is decoded. One row per file is written to results/screens.tsv; existing rows are
not measured again.
"""

import time
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw
from points import Table

from implicit_compress.bench import synthetic
from implicit_compress.bench.synthetic import LINES, font
from implicit_compress.codec.decode import decompress
from implicit_compress.codec.encode import compress
from implicit_compress.image.metrics import psnr
from implicit_compress.image.samples import demo_image

PAGES = ("text_page", "alphabets", "screenshot", "editor", "fax")
TARGET_DB = 40

SHAPE = (600, 800)  # height and width in pixels
WORDS = " ".join(LINES[:2] + LINES[4:]).split()
COLORS = ((52, 101, 164), (78, 154, 6), (204, 0, 0), (245, 121, 0), (117, 80, 123), (85, 87, 83))


def canvas(color, shape=SHAPE):
    """An image of one color and its drawing context."""
    image = Image.new("RGB", shape[::-1], color)
    return image, ImageDraw.Draw(image)


def sentence(r, n):
    """Some words in random order."""
    return " ".join(WORDS[i] for i in r.integers(0, len(WORDS), n))


def desktop(r):
    """A dialog over a window with a list, a tool bar and a text."""
    image, d = canvas((246, 245, 244))
    d.rectangle((0, 0, 800, 34), (53, 58, 66))
    d.text((12, 9), "Files - documents", (238, 238, 236), font(14))
    d.rectangle((0, 35, 180, 600), (235, 235, 233))
    for i in range(20):
        y = 44 + 26 * i
        d.rounded_rectangle((12, y, 28, y + 16), 3, COLORS[i % 6])
        d.text((38, y), sentence(r, 2)[:18], (46, 52, 54), font(12))
        d.text((200, y), sentence(r, 5)[:42], (46, 52, 54), font(12))
        d.text((560, y), f"{r.integers(1, 4000)} kB", (120, 120, 120), font(12))
        d.text(
            (660, y), f"2026-{r.integers(1, 13):02}-{r.integers(1, 29):02}", (120,) * 3, font(12)
        )
    d.rounded_rectangle((260, 190, 620, 400), 10, (255, 255, 255), (180, 180, 180))
    for i in range(5):
        d.text((284, 214 + 22 * i), sentence(r, 6)[:44], (30, 30, 30), font(14))
    for i, label in enumerate(("Cancel", "Discard", "Save")):
        d.rounded_rectangle((280 + 110 * i, 350, 380 + 110 * i, 382), 6, COLORS[i])
        d.text((304 + 110 * i, 358), label, "white", font(13))
    return np.array(image)


def terminal(r):
    """Lines of a terminal in six colors."""
    image, d = canvas((0, 0, 0))
    mono = font(13, "DejaVuSansMono")
    for i in range(37):
        words = sentence(r, 9).split()
        at = 6
        for word in words:
            d.text(
                (at, 4 + 16 * i),
                word,
                COLORS[r.integers(6)] if r.random() < 0.2 else (211, 215, 207),
                mono,
            )
            at += round(mono.getlength(word + " "))
    return np.array(image)


def table(r):
    """A spreadsheet with rules, a header and numbers."""
    image, d = canvas("white")
    for i in range(25):
        for j in range(8):
            box = (100 * j, 24 * i, 100 * j + 100, 24 * i + 24)
            fill = (225, 230, 240) if i == 0 or j == 0 else (250, 250, 250) if i % 2 else "white"
            d.rectangle(box, fill, (200, 200, 200))
            text = "ABCDEFGH"[j] if i == 0 else str(i) if j == 0 else f"{r.normal(0, 300):.2f}"
            d.text((100 * j + 90, 24 * i + 4), text, (20, 20, 20), font(12), anchor="ra")
    return np.array(image)


def chart(draw):
    """A figure of matplotlib, 800x600 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def lines_chart(r):
    """Six curves with a grid and a legend."""

    def draw(figure):
        ax = figure.subplots()
        for i in range(6):
            ax.plot(np.cumsum(r.normal(0, 1, 200)), label=f"series {i}")
        ax.grid()
        ax.legend()
        ax.set(xlabel="time in s", ylabel="value", title="Random walks")

    return chart(draw)


def bars_chart(r):
    """Bars, a scatter plot, a histogram and a colored map."""

    def draw(figure):
        ax = figure.subplots(2, 2).ravel()
        ax[0].bar(range(12), r.random(12))
        ax[1].scatter(r.normal(size=200), r.normal(size=200), c=r.random(200), s=20)
        ax[2].hist(r.normal(size=2000), 40, color="tab:orange")
        ax[3].imshow(r.random((12, 16)))
        for i, a in enumerate(ax):
            a.set_title(f"panel {i}")

    return chart(draw)


def icons(r):
    """Pixel icons of 16 colors, each four times enlarged, repeated in a grid."""
    palette = r.integers(0, 256, (16, 3))
    tiles = []
    for _ in range(24):
        half = np.repeat(r.integers(0, 16, (4, 2)), 2, 0).repeat(2, 1)
        half[r.random((8, 4)) < 0.3] = 0
        tiles.append(np.concatenate([half, half[:, ::-1]], 1))
    grid = np.array(tiles)[r.integers(0, 24, (18, 24))].transpose(0, 2, 1, 3).reshape(144, 192)
    return palette[np.kron(grid, np.ones((4, 4), int))].astype(np.uint8)


def city_map(r):
    """Streets with outlines, blocks, a river and labels, anti-aliased."""
    image, d = canvas((242, 239, 233), (1200, 1600))
    river = [(x, 700 + 240 * np.sin(x / 300) + 30 * np.sin(x / 71)) for x in range(-20, 1640, 20)]
    d.line(river, (170, 211, 223), 70, "curve")
    for _ in range(220):
        x, y, w, h = r.integers(0, (1600, 1200, 110, 90)) + np.array([0, 0, 20, 20])
        d.rectangle((x, y, x + w, y + h), (217, 208, 201), (190, 180, 172))
    ends = r.integers(-100, 1700, (40, 4))
    for width, color in ((18, (180, 180, 180)), (14, (255, 255, 255))):
        for i, (a, b, c, e) in enumerate(ends):
            fill = color if i % 5 or width > 14 else (252, 214, 164)
            d.line((a, b, c, e), fill, width)
    image = image.resize((800, 600), Image.Resampling.BOX)
    d = ImageDraw.Draw(image)
    for _ in range(50):
        x, y = r.integers(0, (760, 580)).tolist()
        d.text(
            (x, y), sentence(r, 2)[:16], (60, 60, 60), font(11), stroke_width=1, stroke_fill="white"
        )
    return np.array(image)


def gradient(r):
    """A slide: text on a diagonal gradient, and a box with a shadow of constant steps."""
    h, w = SHAPE
    t = (np.arange(h)[:, None] / h + np.arange(w) / w)[..., None] / 2
    back = (1 - t) * np.array([30, 60, 120]) + t * np.array([120, 190, 230])
    image = Image.fromarray(np.rint(back).astype(np.uint8))
    d = ImageDraw.Draw(image)
    d.text((60, 50), "Coordinate networks", "white", font(44))
    for i in range(8):
        d.ellipse((70, 158 + 48 * i, 82, 170 + 48 * i), (255, 210, 60))
        d.text((100, 150 + 48 * i), sentence(r, 7)[:52], "white", font(20))
    return np.array(image)


def page_with_photograph(r):
    """A page with a photograph, headings and columns of text."""
    image, d = canvas("white")
    image.paste(Image.fromarray(demo_image()), (40, 100))
    d.text((40, 30), "Two parrots in a tree", (20, 20, 20), font(34, "DejaVuSerif"))
    for i in range(26):
        if i > 11:
            d.text((40, 20 + 22 * i), sentence(r, 7)[:44], (40, 40, 40), font(13, "DejaVuSerif"))
        d.text((420, 90 + 19 * i), sentence(r, 7)[:46], (40, 40, 40), font(13, "DejaVuSerif"))
    return np.array(image)


def colored_text(r):
    """Text with anti-aliasing per color (subpixel rendering)."""
    image = Image.new("L", (SHAPE[1] * 3, SHAPE[0]), 255)
    ImageDraw.Draw(image)
    for i in range(30):
        wide = Image.new("L", (800, 20), 255)
        ImageDraw.Draw(wide).text((10, 2), sentence(r, 12), 20, font(13))
        image.paste(wide.resize((2400, 20), Image.Resampling.BICUBIC), (0, 20 * i))
    return np.array(image).reshape(*SHAPE, 3)


SCREENS = {
    f.__name__: f
    for f in (
        desktop,
        terminal,
        table,
        lines_chart,
        bars_chart,
        icons,
        city_map,
        gradient,
        page_with_photograph,
        colored_text,
    )
}


def images():
    """Name and samples of every image."""
    for name in PAGES:
        yield name, getattr(synthetic, name)()
    for name, render in SCREENS.items():
        yield name, render(np.random.default_rng(0))


def webp(x, **how):
    """Bytes and decoded samples."""
    f = BytesIO()
    Image.fromarray(x[..., 0] if x.shape[2] == 1 else x).save(f, "WEBP", method=6, **how)
    y = np.array(Image.open(f).convert("RGB"))
    return f.getvalue(), y[..., :1] if x.shape[2] == 1 else y


def lossy_webp(x):
    """The smallest file of at least `TARGET_DB`, or None."""
    low, high = 0, 101  # the quality is above low, at most high
    best = None
    while high - low > 1:
        quality = (low + high) // 2
        made = webp(x, quality=quality)
        if psnr(made[1], x) >= TARGET_DB:
            best, high = made, quality
        else:
            low = quality
    return best


def ours(x, how):
    """Bytes, decoded samples and note."""
    f = compress(x, threads=1, **how)
    return bytes(f), decompress(f), f.note or ""


CODECS = {
    "lossless": lambda x: ours(x, dict(method="lossless")),
    "WebP lossless": lambda x: webp(x, lossless=True, quality=100, exact=True),
    "auto, 40 dB": lambda x: ours(x, dict(psnr=TARGET_DB, seconds=3)),
    "WebP, 40 dB": lossy_webp,
}


if __name__ == "__main__":
    table = Table(
        "screens.tsv",
        "image codec shape bytes bpp psnr_db encode_s note",
        2,
        "rendered screens, each file decoded",
    )
    for codec, make in CODECS.items():
        for name, x in images():
            if table.has(name, codec):
                continue
            t = time.perf_counter()
            made = make(x)
            if made is None:
                continue
            seconds = time.perf_counter() - t
            table.add(
                dict(
                    image=name,
                    codec=codec,
                    shape="x".join(map(str, x.shape)),
                    bytes=len(made[0]),
                    bpp=round(8 * len(made[0]) / (x.shape[0] * x.shape[1]), 4),
                    psnr_db=round(float(psnr(made[1], x)), 2),
                    encode_s=round(seconds, 2),
                    note=made[2] if len(made) > 2 else "",
                )
            )
