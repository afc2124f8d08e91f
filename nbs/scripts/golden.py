"""Write the golden files, which every later version must decode to the same samples.

python nbs/scripts/golden.py            # missing files only; existing files are not changed
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np

from implicit_compress import (
    Codebook,
    HashTrick,
    Hybrid,
    Latent,
    MultiHash,
    Siren,
    Wavelet,
    compress,
    decompress,
)
from implicit_compress.bench.synthetic import text_page
from implicit_compress.bitstream.container import attach, pack, unpack
from implicit_compress.bitstream.fields import VERSION
from implicit_compress.bitstream.header import Header
from implicit_compress.image.samples import demo_image
from implicit_compress.lossless.codec import encode_lossless

FOLDER = Path(__file__).parent.parent / "tests" / "golden" / f"v{VERSION}"
MOST = 1500  # bytes a file


def images():
    """Name, samples and arguments of every golden file."""
    x = demo_image()
    gray, deep = (
        x[40:64, 80:112, 1:2],
        lambda h, w: np.linspace(0, 65535, h * w).astype(np.uint16).reshape(h, w, 1),
    )
    clear = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30, 1)
    return {
        "gray_24x32": (gray, dict(bpp=2)),
        "gray_alpha_24x32": (np.concatenate([gray, 255 - gray], 2), dict(bpp=9)),
        "rgb_37x53": (x[60:97, 90:143], dict(bpp=5)),
        "rgba_20x30": (np.concatenate([x[:20, :30], clear], 2), dict(bpp=6)),
        "gray16_9x15": (deep(9, 15), dict(bpp=6)),
        "rgb16_12x20": (
            np.concatenate([deep(12, 20), deep(20, 12).transpose(1, 0, 2), deep(12, 20)[::-1]], 2),
            dict(bpp=8),
        ),
        "rgb_1x1": (x[100:101, 100:101], dict(bpp=8)),
        "rgb_1x64": (x[100:101, 60:124], dict(bpp=8)),
        "profile_8x8": (x[50:58, 90:98], dict(bpp=8)),
        "tiles_64x97": (x[40:104, 90:187], dict(method=Siren(width=8, depth=3, tiles=5))),
        "lossless_20x24": (x[40:60, 90:114], dict(method="lossless")),
        "lossless_base_16x20": (
            x[40:56, 90:110],
            dict(method=Siren(width=6, depth=2)),
        ),
        "lossless_gray16_9x15": (deep(9, 15) + clear[:9, :15] % 7, dict(method="lossless")),
        "multihash_24x32": (gray, dict(method=Siren(width=8, depth=4, hash=MultiHash(ratio=0.5)))),
        "multihash_tiles_32x48": (
            x[40:72, 90:138],
            dict(method=Siren(width=7, depth=3, tiles=3, hash=MultiHash(ratio=0.4))),
        ),
        "codebook_24x32": (gray, dict(method=Siren(width=9, depth=4, quantizer=Codebook()))),
        "lossless_values_12x20": (deep(12, 20) // 4096 * 4096, dict(method="lossless")),
        "lossless_packed_24x24": (np.tile(x[60:68, 90:98], (3, 3, 1)), dict(method="lossless")),
        "lossless_ranking_40x60": (
            text_page(120, 160)[20:60, 10:70].repeat(3, 2) * np.uint8([1, 1, 0])
            + np.uint8([0, 0, 9]),
            dict(method="lossless"),
        ),
        "lossless_ranking_page_40x60": (
            np.pad(x[60:76, 90:114], ((8, 16), (8, 28), (0, 0)), constant_values=255),
            dict(method="lossless"),
        ),
        "skips_37x53": (
            x[60:97, 90:143],
            dict(method=Siren(width=8, depth=5, tiles=2, skip_connections=True)),
        ),
        "hash_codebook_24x32": (
            gray,
            dict(
                method=Siren(
                    width=9,
                    depth=4,
                    hash=HashTrick(ratio=0.5),
                    quantizer=Codebook(),
                    coder="huffman",
                )
            ),
        ),
        "hybrid_37x53": (
            x[60:97, 90:143],
            dict(method=Hybrid(levels=1, chroma=Siren(), base_share=0.5), bpp=4),
        ),
        "hybrid_haar_20x24": (
            x[40:60, 90:114],
            dict(method=Hybrid(levels=1, wavelet="haar", residual=Siren()), bpp=14),
        ),
        "wavelet_rgba_20x30": (
            np.concatenate([x[:20, :30], clear], 2),
            dict(method="wavelet", bpp=6),
        ),
        "wavelet_db3_37x53": (
            x[60:97, 90:143],
            dict(method=Wavelet(wavelet="db3"), bpp=4),
        ),
        "wavelet_gray16_9x15": (deep(9, 15), dict(method="wavelet", bpp=6)),
        "wavelet_predicted_64x96": (
            x[40:104, 60:156],
            dict(method=Wavelet(prediction="on"), bpp=1.5),
        ),
        "wavelet_precincts_16x1600": (
            np.tile(x[100:116, :200, 1:2], (1, 8, 1)),
            dict(method=Wavelet(prediction="on"), bpp=0.4),
        ),
        "opaque_24x32": (
            np.concatenate([x[40:64, 80:112], np.full((24, 32, 1), 255, np.uint8)], 2),
            dict(bpp=4),
        ),
        "metadata_24x32": (
            x[40:64, 80:112],
            dict(bpp=4, exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>"),
        ),
        "lossless_base_rgba_16x20": (
            np.concatenate([x[40:56, 90:110], clear[:16, :20]], 2),
            dict(method=Siren(width=6, depth=2)),
        ),
        "latent_rgb_37x53": (x[60:97, 90:143], dict(method=Latent(init="random"), lmbda=0.002)),
        "latent_low_64x97": (x[40:104, 90:187], dict(method=Latent(init="random"), lmbda=0.03)),
        "latent_rgba_20x30": (
            np.concatenate([x[:20, :30], clear], 2),
            dict(method=Latent(init="random"), lmbda=0.004),
        ),
        "latent_gray16_9x15": (deep(9, 15), dict(method=Latent(init="random"), lmbda=0.001)),
        **{
            f"latent_pretrained{k}_24x32": (x[40:64, 80:112], dict(method="latent", lmbda=v))
            for k, v in ((44, 1.6e-2), (52, 4e-3), (60, 1e-3), (68, 2.5e-4), (76, 6e-5))
        },
    }


def facts(data):
    """Expected result of decoding a file."""
    found = unpack(data)
    h, icc = found.header, found.icc
    y = decompress(data)
    args = {k: list(v) if isinstance(v, bytes) else v for k, v in h.args.items()}
    return dict(
        bytes=len(data),
        file_sha256=sha256(data).hexdigest(),
        shape=list(y.shape),
        dtype=str(y.dtype),
        samples_sha256=sha256(y.astype(f"<u{y.itemsize}").tobytes()).hexdigest(),
        header=dict(
            height=h.height,
            width=h.width,
            channels=h.channels,
            depth=h.depth,
            method=h.method,
            **args,
        ),
        **{
            f"{name}_sha256": sha256(v).hexdigest()
            for name in ("exif", "xmp")
            if (v := getattr(found, name))
        },
        icc_sha256=sha256(icc).hexdigest() if icc else None,
    )


def corrected(x, base):
    """A lossless file that uses `base`, even if it is not smaller."""
    predictors, *coded = encode_lossless(x, decompress(base))
    return pack(
        Header(
            *x.shape,
            8 * x.itemsize,
            "lossless",
            dict(color="ycocg", base=base, predictors=predictors),
        ),
        *coded,
    )


def write(folder):
    """Write the missing files, and the list of expected results."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "golden.json"
    found = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else {}
    for name, (x, how) in images().items():
        if name in found:
            continue
        method = how.get("method", "siren")
        fixed = str(method).partition(":")[0] in ("lossless", "wavelet")
        budget = {} if fixed else dict(steps=60)
        data = bytes(compress(x, **{"method": method, "threads": 1} | budget | how))
        if "base" in name:
            data = corrected(x, data)
        if name.startswith("profile"):
            data = attach(data, icc=bytes(range(200)))
        if len(data) > MOST:
            sys.exit(f"{name}: {len(data)} bytes, more than {MOST}")
        (folder / f"{name}.iic").write_bytes(data)
        found[name] = facts(data)
        print(f"{name:18}{len(data):6} bytes  {found[name]['samples_sha256'][:16]}")
    listed.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
