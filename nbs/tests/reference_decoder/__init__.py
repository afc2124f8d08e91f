"""An independent decoder, which follows the specification (nbs/explanations/file_format.ipynb).

It shares no code with the package. It is slow, checks what the specification asks a decoder to
check except the limits on resources, and reads as data: tables.json (wavelet filters) and the
trained weights of the package.
"""

import numpy as np

from .fields import FormatError, metadata, parse, require
from .hybrid import decode_hybrid
from .latent import decode_latent
from .lossless import decode_lossless
from .siren import decode_siren

__all__ = ["FormatError", "decode", "metadata", "parse"]


def decode_alpha(f):
    """Alpha plane (h, w)."""
    data = f["alpha"]
    size = 1 if f["depth"] == 8 else 2
    shape = f["height"], f["width"]
    if len(data) == size:
        value = int.from_bytes(data, "little")
        require(value < 1 << f["depth"], "alpha: out of range")
        return np.full(shape, value)
    a = parse(data)
    require(a["method"] == 1 and "base" not in a and "extras" not in a, "alpha: not lossless")
    fits = (a["height"], a["width"], a["channels"], a["depth"]) == (*shape, 1, f["depth"])
    require(fits, "alpha: another size")
    return decode_lossless(a)[..., 0]


def decode_base(f):
    """Samples of the nested file of a lossless file, or None."""
    if "base" not in f:
        return None
    b = parse(f["base"])
    names = ("height", "width", "channels", "depth")
    require(b["method"] != 1 and all(b[n] == f[n] for n in names), "base: another image")
    return decode_fields(b)


def decode_fields(f):
    """Samples (h, w, channels) of the fields of a file."""
    if f["method"] == 1:
        return decode_lossless(f, decode_base(f))
    require(f["planes"] in (1, 3), "channels: this method codes 1 or 3")
    x = (decode_siren, None, decode_hybrid, decode_latent)[f["method"]](f)
    if "alpha" not in f:
        return x
    return np.concatenate([x, decode_alpha(f)[..., None]], 2)


def decode(data):
    """Samples (h, w, channels), uint8 or uint16."""
    f = parse(bytes(data))
    return decode_fields(f).astype(np.uint8 if f["depth"] == 8 else np.uint16)
