"""Make the small images on the page of modules, from one real file: nbs/images/map/*.png.

python nbs/scripts/map_images.py      # a minute on one core
"""

from io import BytesIO

import numpy as np
from nbdev.config import get_config
from PIL import Image

from implicit_compress import compress, decompress
from implicit_compress.image.samples import demo_image, to_samples
from implicit_compress.image.tiling import plan_tiles, tile_boxes
from implicit_compress.runtime.fixed_point import STEP_SIZES
from implicit_compress.siren.callbacks import Callback
from implicit_compress.siren.network import render_network
from implicit_compress.view.activations import activations, contact_sheet
from implicit_compress.view.figures import figure_bytes, new_figure
from implicit_compress.view.inspect import (
    float_network,
    initial_probabilities,
    unpack_network,
)

WIDE, HIGH = 216, 144  # pixels


class Early(Callback):
    """Keep the output of the network after some steps."""

    def __init__(self, step):
        self.step, self.seen = step, None

    def after_step(self, s):
        if s.step == self.step:
            self.seen = to_samples(render_network(s.net, *s.pixels.shape[:2]))


def bordered(x, boxes):
    """An image with the borders of its tiles."""
    out = x.copy()
    for top, left, bottom, right in boxes:
        out[top : top + 2, left:right] = out[top:bottom, left : left + 2] = 255
    return out


def plot(draw_into):
    """A small plot without tick labels."""
    fig = new_figure(WIDE / 96, HIGH / 96, 96)
    ax = fig.subplots()
    draw_into(ax)
    ax.set_yticks([])
    ax.set_xticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)
    return np.array(Image.open(BytesIO(figure_bytes(fig))).convert("RGB"))


def weights(o, layer=1):
    """Histogram of the weights of a layer."""
    k = o.layers[layer].k
    return plot(
        lambda ax: ax.hist((o.layers[layer].Q * STEP_SIZES[k]).ravel(), bins=61, color="#1f77b4")
    )


def symbols(o, k=1):
    """Histogram of the symbols, and the probabilities of the model."""
    q, m = o.segments[k], next(m for a, b, m, *_ in o.runs if a <= k < b)
    v = np.arange(q.min(), q.max() + 1)

    def both(ax):
        ax.bar(v, [(q == i).sum() for i in v], color="#2ca02c", width=0.8)
        ax.plot(v, len(q) * initial_probabilities(m, v[0], v[-1]), color="#ff7f0e", lw=2)

    return plot(both)


def dots(data, wide=54):
    """Bytes as gray pixels."""
    v = np.frombuffer(data, np.uint8)[: wide * 36].reshape(-1, wide)
    return np.repeat(v[..., None], 3, 2).repeat(4, 0).repeat(4, 1)


def images():
    """Chapter name -> image."""
    x, early = demo_image(), Early(40)
    data = compress(x, "siren", bpp=0.4, steps=1500, callbacks=[early], threads=1)
    o, (h, w) = unpack_network(data), x.shape[:2]
    seen = activations(float_network(o), h, w, 1, 72)
    return dict(
        image=x,
        tiles=bordered(x, tile_boxes(plan_tiles(x, 12), h, w)),
        siren=contact_sheet(seen, 9, 3),
        fit=early.seen,
        quantize=weights(o),
        entropy=symbols(o),
        bitstream=dots(data),
        exact=decompress(data),
    )


if __name__ == "__main__":
    home = get_config().nbs_path / "images" / "map"
    home.mkdir(exist_ok=True)
    for name, y in images().items():
        Image.fromarray(y).resize((WIDE, HIGH), Image.Resampling.LANCZOS).save(
            home / f"{name}.jpg", quality=82
        )
