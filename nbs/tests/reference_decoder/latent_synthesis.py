"""From latents to samples (section 7 of the specification)."""

import numpy as np

from .fixed_point import MANTISSAS, shift_round

SEPARATE = 7  # scales with a channel of their own
FEATURE_LIMIT = 1 << 30
INPUT_LIMIT = 1 << 25


def upsample(x, n, taps, s):
    """Upsample the first axis by two, to `n` rows."""
    at = np.arange(n)
    side = 2 * (at & 1) - 1
    total = 0
    for k, t in zip((0, 1, -1, 2), taps.tolist()):
        total = total + t * x[np.clip((at >> 1) + k * side, 0, len(x) - 1)]
    return np.clip(shift_round(total, s), -FEATURE_LIMIT, FEATURE_LIMIT)


def smooth(x, taps, s):
    """Symmetric filter of seven taps along the first axis; zeros outside."""
    p = np.pad(x, [(3, 3), (0, 0)])
    n = len(x)
    total = int(taps[0]) * x
    for k in (1, 2, 3):
        total = total + int(taps[k]) * (p[3 - k : 3 - k + n] + p[3 + k : 3 + k + n])
    return np.clip(shift_round(total, s), -FEATURE_LIMIT, FEATURE_LIMIT)


def pixel_features(f, latents, taps):
    """Features of every pixel, a list of (h, w), coarse to fine, 20 fractional bits."""
    k = f["step"]
    unit = max(1, round(int(MANTISSAS[k % 8]) * 2.0 ** (5 - k // 8)))
    out = []
    for level in range(f["levels"] - 1, -1, -1):
        h, w = -(-f["height"] >> level), -(-f["width"] >> level)
        t = taps.Q[min(level, SEPARATE - 2)]
        out = [upsample(upsample(x, h, t, taps.s).T, w, t, taps.s).T for x in out]
        if level not in latents:
            continue
        v = np.clip(latents[level] * unit, -FEATURE_LIMIT, FEATURE_LIMIT)
        if level < SEPARATE:
            t = taps.Q[SEPARATE - 1 + level]
            v = smooth(smooth(v, t, taps.s).T, t, taps.s).T
        if out and level >= SEPARATE - 1:
            out[0] = out[0] + v
        else:
            out.append(v)
    return out


def convolve(y, m):
    """Input plus its 3x3 convolution, edges repeated, 16 fractional bits."""
    y = np.clip(y, -1 << 20, 1 << 20)
    n, h, w = y.shape
    p = np.pad(y, [(0, 0), (1, 1), (1, 1)], mode="edge")
    windows = [p[:, a : a + h, b : b + w] for a in range(3) for b in range(3)]
    x = np.stack(windows, 1).reshape(9 * n, -1)
    return y + shift_round(m.Q @ x, m.s).reshape(y.shape)


def synthesize(f, mats, latents):
    """Samples (h, w, planes); `mats` are those of the synthesis network."""
    taps, hidden, output, skip, *convs = mats
    features = np.stack(pixel_features(f, latents, taps))
    x = np.clip(features.reshape(len(features), -1), -INPUT_LIMIT, INPUT_LIMIT)
    x = np.concatenate([x, np.full((1, x.shape[1]), 1 << 20)])
    h = np.clip(shift_round(hidden.Q @ x, hidden.s + 8), 0, 1 << 22)
    y = shift_round(output.Q @ h, output.s - 4)
    y = y + shift_round(skip.Q @ x, skip.s + 4)
    y = y.reshape(-1, f["height"], f["width"])
    for i, m in enumerate(convs):
        y = convolve(np.maximum(y, 0) if i else y, m)
    peak = (1 << f["depth"]) - 1
    return np.moveaxis(np.clip(y, 0, 1 << 16) * peak + (1 << 15) >> 16, 0, 2)
