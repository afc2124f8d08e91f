"""A low-pass band from networks, and a residual (section 6 of the specification)."""

import numpy as np

from .fields import parse, read_bytes, require
from .siren import decode_siren
from .wavelet import FILTERS, UNIT, decode_coefficients, inverse_transform


def halved(n, levels):
    """Side after so many halvings, rounded up."""
    return -(-n >> levels)


def decode_nested(data, h, w, channels, scale=1):
    """16-bit samples of a nested file of networks."""
    f = parse(data)
    fits = (f["height"], f["width"], f["channels"], f["depth"]) == (h, w, channels, 16)
    plain = f["method"] == 0 and "alpha" not in f and "extras" not in f
    require(fits and plain, "base, chroma or details: not such a file")
    return decode_siren(f, scale)


def low_values(samples):
    """Values of the low band, full scale is 2**20, from 16-bit samples."""
    return (samples * (5 * UNIT // 4) + 32767) // 65535 - UNIT // 8


def detail_values(samples, shift):
    """Values of detail bands from 16-bit samples; zero is mid-gray."""
    return ((2 * samples - 65535) * (UNIT << 4)) // (2 * 65535) >> shift + 4


def from_ycbcr(luma, chroma):
    """Red, green, blue."""
    y = luma[..., 0]
    b = chroma[..., 0] - UNIT // 2
    r = chroma[..., 1] - UNIT // 2
    red = y + (91881 * r + 32768 >> 16)
    green = y - (22554 * b + 46802 * r + 32768 >> 16)
    blue = y + (116130 * b + 32768 >> 16)
    return np.stack([red, green, blue], 2)


def detail_bands(f):
    """Detail bands of luma, (level, name) to values: one network for the three of each level."""
    data = f["details"]
    out = {}
    at = 0
    for level in range(f["levels"], 0, -1):
        require(at < len(data) and data[at] <= 16, "details: shift")
        shift = data[at] - 4
        file, at = read_bytes(data, at + 1)
        size = halved(f["height"], level), halved(f["width"], level)
        v = detail_values(decode_nested(file, *size, 3), shift)
        for i, name in enumerate(("lh", "hl", "hh")):
            out[level, name] = v[..., i]
    require(at == len(data), "details: bytes too many")
    return out


def low_band(f, scale):
    """Low-pass band from one network, or from one for luma and one for chroma."""
    h = halved(f["height"], f["levels"])
    w = halved(f["width"], f["levels"])
    if "chroma" not in f:
        return low_values(decode_nested(f["base"], h, w, f["planes"], scale))
    require(f["planes"] == 3, "chroma: the image has none")
    luma = low_values(decode_nested(f["base"], h, w, 1, scale))
    chroma = low_values(decode_nested(f["chroma"], h, w, 2, scale))
    return from_ycbcr(luma, chroma)


def smooth_part(f):
    """Values (h, w, planes) without the residual."""
    h, w, levels = f["height"], f["width"], f["levels"]
    wavelet = f["wavelet"].decode("ascii", "replace")
    require(wavelet in ("", "9/7") or wavelet in FILTERS, "wavelet: unknown")
    side = min(h, w) if wavelet else max(h, w)
    require(not levels or side >> levels - 1 >= 1, "levels: too many")
    if "base" not in f:
        require("chroma" not in f and "details" not in f, "there is no base")
        return np.full((h, w, f["planes"]), UNIT // 2)
    details = {}
    if "details" in f:
        require(wavelet not in ("", "9/7") and levels, "details: no wavelet or level for them")
        details = detail_bands(f)
    if not wavelet:
        return low_band(f, 1 << levels)[:h, :w]
    low = low_band(f, 1) << levels
    planes = [
        inverse_transform({**details, (levels, "ll"): low[..., p]}, h, w, wavelet, levels)
        for p in range(f["planes"])
    ]
    return np.stack(planes, 2)


def decode_hybrid(f):
    """Samples (h, w, planes)."""
    v = smooth_part(f)
    if "sparse" in f:
        v = v + decode_coefficients(f["sparse"], f["models"], f["payload"], *v.shape)
    else:
        require(not f["models"] and not f["payload"], "models or payload: no coefficients here")
    peak = (1 << f["depth"]) - 1
    return (np.clip(v, 0, UNIT) * peak + UNIT // 2) // UNIT
