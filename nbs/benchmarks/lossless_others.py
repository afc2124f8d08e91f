"""Lossless files of text, screenshots, scientific images, 16-bit images and Kodak.

    python nbs/benchmarks/lossless_others.py

This codec against PNG, TIFF, WebP, JPEG 2000 and, if its plugin for Pillow is installed
(pillow-jxl-plugin), JPEG XL. Every file is decoded and compared sample by sample. One row per
file is written to results/lossless_others.tsv; existing rows are not measured again.
IMPLICIT_COMPRESS_DATA names the folder that holds kodak/ and deep/. Recorded rows of rendered
pages are from before the change to the basic font layout (`bench.datasets`): some letters are
shifted by a pixel since then.
"""

import os
import time
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from points import Table

from implicit_compress.bench.datasets import image_set
from implicit_compress.bench.synthetic import screenshot, text_page
from implicit_compress.codec.decode import decompress
from implicit_compress.codec.encode import compress
from implicit_compress.image.load import load_image

CODECS = {
    "implicit_compress": None,
    "PNG": dict(format="PNG", optimize=True),
    "TIFF, LZW": dict(format="TIFF", compression="tiff_lzw"),
    "TIFF, deflate": dict(format="TIFF", compression="tiff_adobe_deflate"),
    "JPEG 2000": dict(format="JPEG2000", irreversible=False, no_jp2=True),
    "WebP": dict(format="WEBP", lossless=True, quality=100, method=6, exact=True),
    "JPEG XL": dict(format="JXL", lossless=True, effort=7),
}
try:
    import_module("pillow_jxl")  # it tells Pillow of the format
except ImportError:
    del CODECS["JPEG XL"]


def shown():
    """Set, name and samples."""
    data = Path(os.environ["IMPLICIT_COMPRESS_DATA"])
    yield "text", "page, rendered", text_page()
    yield "text", "screenshot", screenshot()
    for group, names in {
        "text": ("page",),
        "scientific": ("cell", "moon", "microaneurysms", "ihc", "hubble", "retina"),
    }.items():
        for name in names:
            yield group, name, load_image(image_set(group)[name])
    for f in sorted((data / "deep").iterdir()):
        yield "deep", f.name, load_image(f)
    for f in sorted((data / "kodak").glob("*.png")):
        yield "kodak", f.stem, load_image(f)


def made(x, how):
    """The file, or None if the format or Pillow does not support the samples."""
    if how is None:
        return bytes(compress(x, "lossless"))
    if x.dtype == np.uint16 and (x.shape[2] > 1 or how["format"] in ("WEBP", "JXL", "JPEG2000")):
        return None
    if how["format"] == "JPEG2000" and x.shape[2] == 3:
        how = dict(how, mct=1)
    f = BytesIO()
    Image.fromarray(x[..., 0] if x.shape[2] == 1 else x).save(f, **how)
    return f.getvalue()


def undone(data, x):
    if data[1:4] == b"IIC":
        return decompress(data)
    im = Image.open(BytesIO(data))
    return np.array(
        im
        if x.dtype == np.uint16
        else im.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[x.shape[2]])
    ).reshape(x.shape)


if __name__ == "__main__":
    table = Table(
        "lossless_others.tsv",
        "set image codec shape bytes bpp encode_s decode_s",
        3,
        "lossless files, each decoded and compared",
    )
    for group, name, x in shown():
        for codec, how in CODECS.items():
            if table.has(group, name, codec) or (
                group == "kodak" and how and how["format"] not in ("TIFF", "JXL")
            ):
                continue
            t = time.perf_counter()
            data = made(x, how)
            enc = time.perf_counter() - t
            if data is None:
                continue
            t = time.perf_counter()
            y = undone(data, x)
            dec = time.perf_counter() - t
            if not np.array_equal(x, y):
                raise SystemExit(f"{codec} lost something of {name}")
            table.add(
                dict(
                    set=group,
                    image=name,
                    codec=codec,
                    shape="x".join(map(str, x.shape)),
                    bytes=len(data),
                    bpp=round(8 * len(data) / (x.shape[0] * x.shape[1]), 4),
                    encode_s=round(enc, 2),
                    decode_s=round(dec, 2),
                )
            )
