"""Print the SHA-256 of encoded files, to check that a refactoring changes no byte.

    python nbs/scripts/encoder_snapshot.py > before.txt      # before a refactoring
    python nbs/scripts/encoder_snapshot.py > after.txt       # after it, on the same machine
    diff before.txt after.txt

Every row of nbs/benchmarks/stages.py, latent files at several rates, lossless files and other
kinds of images are encoded with a fixed number of steps and one thread. Fits run in floating
point, so hashes of different machines need not agree: compare only on one machine, with the same
versions of the libraries. `--check FILE` compares with a saved list and exits with code 1 on any
difference.
"""

import argparse
import os
import sys
import warnings
from hashlib import sha256
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is imported

import numpy as np

from implicit_compress.codec.encode import compress
from implicit_compress.image.samples import demo_image

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from stages import STAGES

STEPS = 12  # of every fit: enough to reach the quantizer and every optimizer state
LATENT_RATES = (0.03, 4e-3, 5e-4)  # lmbda: one latent plan of each kind


def images():
    """Crops of the demo image in every sample format that the encoder supports."""
    rgb = demo_image()[40:104, 80:176]
    alpha = np.zeros((*rgb.shape[:2], 1), np.uint8)
    alpha[8:40, 16:80] = 255
    return {
        "rgb": rgb,
        "gray": rgb[..., 1:2],
        "rgba": np.concatenate([rgb, alpha], 2),
        "gray_alpha": np.concatenate([rgb[..., 1:2], alpha], 2),
        "rgb16": rgb.astype(np.uint16) * 257,
        "odd_size": rgb[:37, :53],
    }


def rows():
    """Name, image and arguments of `compress` of every file."""
    kinds = images()
    for name, arguments in STAGES.items():
        fitted = arguments["method"] not in ("lossless", "wavelet")
        fixed = dict(steps=STEPS) if fitted else {}
        fixed_rate = arguments["method"] == "lossless" or "width" in arguments["method"]
        rate = {} if fixed_rate else dict(bpp=0.8)
        yield f"stage: {name}", kinds["rgb"], rate | fixed | arguments
    for method in ("latent:init=random", "latent"):
        for lmbda in LATENT_RATES:
            arguments = dict(method=method, lmbda=lmbda, steps=STEPS)
            yield f"{method}, lmbda {lmbda}", kinds["rgb"], arguments
    for kind, image in kinds.items():
        yield f"{kind}: siren", image, dict(method="siren", bpp=2.0, steps=STEPS)
        yield f"{kind}: wavelet", image, dict(method="wavelet", bpp=1.0)
        yield f"{kind}: latent", image, dict(method="latent", bpp=1.0, steps=STEPS)
        yield f"{kind}: lossless", image, dict(method="lossless")
    yield "target: 30 dB, wavelet", kinds["rgb"], dict(method="wavelet", psnr=30.0)
    yield "target: lmbda, wavelet", kinds["rgb"], dict(method="wavelet", lmbda=0.001)


def snapshot():
    """Yield lines of name, bytes and hash."""
    for name, image, arguments in rows():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = bytes(compress(image, threads=1, **arguments))
        yield f"{name}\t{len(data)}\t{sha256(data).hexdigest()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="FILE", help="Saved output to compare with.")
    saved = parser.parse_args().check
    lines = []
    for line in snapshot():
        print(line, flush=True)
        lines.append(line)
    if saved is None:
        return
    expected = Path(saved).read_text(encoding="utf-8").splitlines()
    different = sorted(set(lines) ^ set(expected))
    if different:
        sys.exit("files differ:\n" + "\n".join(different))
    print(f"all {len(lines)} files are as in {saved}", file=sys.stderr)


if __name__ == "__main__":
    main()
