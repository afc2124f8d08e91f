"""Other activations than the sine.

    python nbs/benchmarks/variants.py

At equal shapes, steps and pixels: ten layers of width 20 (ReLU with Fourier features: the same
number of weights), 500 steps of Muon over 8,192 pixels, one thread, on kodim05, kodim15 and
kodim23 reduced to 192x128 and on a page of text, every variant at three learning rates and at its
two or three frequencies. PSNR of the floating-point network on the whole image, without files, as
only sines have an exact decoder. One row per fit is written to results/variants.tsv; existing
rows are not measured again. IMPLICIT_COMPRESS_DATA names the folder that holds kodak/. Recorded
rows of rendered pages are from before the change to the basic font layout (`bench.datasets`):
some letters are shifted by a pixel since then.
"""

import time

import numpy as np
import torch
from capacity import reduced
from PIL import Image
from points import Table

from implicit_compress.bench.synthetic import text_page
from implicit_compress.siren.fit import DivergedError, fit
from implicit_compress.siren.network import CoordNet, SirenNet
from implicit_compress.siren.relu_networks import FourierNet, ReluNet


class Plain(SirenNet):
    """A `SirenNet` by ordinary autograd with any activation: the base of the variants."""

    activation = staticmethod(torch.sin)

    def forward(self, coords):
        h = coords
        for W, b in self.layers()[:-1]:
            h = self.activation(h @ W.mT + b)
        return h @ self.W[-1].mT + self.b[-1]


class Skip(Plain):
    """Skip connections: the sum of input and output of every layer, times sqrt(1/2)."""

    def forward(self, coords):
        (W, b), *rest = self.layers()[:-1]
        h = torch.sin(coords @ W.mT + b)
        for W, b in rest:
            h = (h + torch.sin(h @ W.mT + b)) * 0.5**0.5
        return h @ self.W[-1].mT + self.b[-1]


class Finer(Plain):
    """FINER (Liu et al. 2024): sin((|z| + 1) z), with a wide initialization of the first biases."""

    def __init__(self, *a, **kw):
        super().__init__(*a, **kw)
        with torch.no_grad():
            self.b[0].mul_(2.0)

    @staticmethod
    def activation(z):
        return torch.sin((z.abs() / 30 + 1) * z)


class Wire(Plain):
    """A real Gabor wavelet (Saragadam et al. 2023): cosine times Gaussian."""

    @staticmethod
    def activation(z):
        return torch.cos(z) * torch.exp(-((z / 6) ** 2))


class Gauss(Plain):
    """A Gaussian (Ramasinghe and Lucey 2022)."""

    @staticmethod
    def activation(z):
        return torch.exp(-(z**2) / 2)


SHAPE = dict(width=20, depth=10)
VARIANTS = {
    "sine": (lambda c, m, f: SirenNet(**SHAPE, channels=c, mean=m, w0=f), (15.0, 20.0, 30.0)),
    "sine with skips": (
        lambda c, m, f: Skip(**SHAPE, channels=c, mean=m, w0=f),
        (15.0, 20.0, 30.0),
    ),
    "FINER": (lambda c, m, f: Finer(**SHAPE, channels=c, mean=m, w0=f), (10.0, 20.0, 30.0)),
    "WIRE": (lambda c, m, f: Wire(**SHAPE, channels=c, mean=m, w0=f), (10.0, 20.0)),
    "Gaussian": (lambda c, m, f: Gauss(**SHAPE, channels=c, mean=m, w0=f), (5.0, 15.0)),
    "ReLU": (lambda c, m, f: ReluNet(**SHAPE, channels=c, mean=m), (1.0,)),
    "ReLU, 32 Fourier features": (lambda c, m, f: FourierNet(19, 10, c, 32, f, mean=m), (4.0, 8.0)),
}

if __name__ == "__main__":
    table = Table(
        "variants.tsv",
        "image variant frequency lr weights psnr_db seconds",
        4,
        "activations and skips at equal shapes, 500 steps, floating point",
    )
    shown = {f"kodim{i:02d}": reduced(i, (192, 128)) for i in (5, 15, 23)} | {
        "text page": np.array(
            Image.fromarray(text_page()[..., 0]).resize((240, 180), Image.Resampling.BOX)
        )[..., None]
    }
    for name, x in shown.items():
        for variant, (make, frequencies) in VARIANTS.items():
            for f in frequencies:
                for lr in (
                    (5e-3, 1e-2, 2e-2) if "ReLU" in variant else (5e-4, 1e-3, 2e-3)
                ):  # those of sines are times their frequency
                    if table.has(name, variant, f, lr):
                        continue
                    torch.manual_seed(0)
                    net, t = make(x.shape[2], x.mean((0, 1)) / 255, f), time.perf_counter()
                    try:
                        db = fit(
                            net, x, steps=500, batch=8192, threads=1, progress=False, lr=lr
                        ).psnr
                    except DivergedError:
                        db = float("nan")
                    table.add(
                        dict(
                            image=name,
                            variant=variant,
                            frequency=f,
                            lr=lr,
                            weights=sum(p.numel() for p in net.free_parameters()),
                            psnr_db=round(float(db), 3),
                            seconds=round(time.perf_counter() - t, 1),
                        )
                    )
    assert all(issubclass(c, CoordNet) for c in (Skip, Finer, Wire, Gauss))
