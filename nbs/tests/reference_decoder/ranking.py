"""Symbol ranking (section 8.1 of the specification), one pixel after the other."""

import numpy as np

from .entropy import RangeDecoder, quantize
from .fields import require
from .generic import unlzma

TEMPLATE = [
    *((0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-1, -2), (-2, 1), (-2, -1), (0, -3)),
    *((-2, 2), (-2, -2), (-3, 0), (-1, -3), (-3, 1), (-3, -1), (0, -4), (-3, 2), (-2, 3)),
]  # (rows, columns) away
SIZES = (19, 10, 6, 4)  # pixels of the contexts
SOURCES = 7  # four contexts, then the left, upper and upper right pixel
BYTES = {1: [0], 2: [0, 1], 3: [1, 0, 2], 4: [1, 0, 2, 3]}  # byte of each channel


class Bits:
    """Counts of zeros and ones in contexts."""

    def __init__(self):
        self.counts = {}

    def of(self, context):
        """Counts of a context."""
        return self.counts.setdefault(context, [1, 1])

    def read(self, decoder, context):
        """A bit; the counts are updated later."""
        return decoder.symbol(quantize(np.array(self.of(context))))

    def learn(self, pairs):
        """Count all bits of a step, then halve what is full."""
        for context, bit in pairs:
            self.of(context)[bit] += 24
        for context in {context for context, _ in pairs}:
            a, b = self.counts[context]
            if a + b > 9600:
                self.counts[context] = [a + 1 >> 1, b + 1 >> 1]


class Palette:
    """New colors as indices."""

    def __init__(self, n):
        self.counts = np.ones(n, np.int64)

    def read(self, decoder, around):
        """The new colors of a diagonal."""
        table = quantize(self.counts)
        out = [decoder.symbol(table) for _ in around]
        for s in out:
            self.counts[s] += 2
        return out


class Residuals:
    """New colors as residuals of a prediction."""

    def __init__(self, channels):
        self.channels = channels
        own = [[1 + (64 << 2 * k) // ((1 << 2 * k) + min(r, 256 - r) ** 2) for r in range(256)]
               for k in range(8)]  # fmt: skip
        self.counts = np.array([own] * channels)

    def read(self, decoder, around):
        """The new colors of a diagonal, one channel after the other."""
        n = len(around)
        out = [0] * n
        shift = [0] * n
        spread = [0] * n
        for i in range(self.channels):
            coded = []
            for j, symbols in enumerate(around):
                w, up, right, left = (s >> 8 * i & 255 for s in symbols[:4])
                median = min(max(w + up - left, min(w, up)), max(w, up))
                p = min(max(median + shift[j], 0), 255) if i in (1, 2) else median
                magnitude = abs(w - left) + abs(up - left) + abs(up - right) >> 1
                context = min((magnitude + spread[j]).bit_length(), 7)
                r = decoder.symbol(quantize(self.counts[i, context]))
                coded.append((context, r))
                value = p + r & 255
                out[j] |= value << 8 * i
                if i == 0:
                    shift[j] = value - median if self.channels > 2 else 0
                    spread[j] = min(r, 256 - r)
            for context, r in coded:
                self.counts[i, context, r] += 32
            for context in range(8):
                if self.counts[i, context].sum() > 1 << 14:
                    self.counts[i, context] = self.counts[i, context] + 1 >> 1
        return out


class Ranking:
    """State of the decoder of one file."""

    def __init__(self, shape, payload, new):
        self.h, self.w = shape[:2]
        self.decoder = RangeDecoder(payload)
        self.new = new
        self.symbols = np.zeros((self.h + 4, self.w + 8), object)
        self.missed = np.zeros((self.h + 4, self.w + 8), int)
        self.tables = [{} for _ in SIZES]  # hash: (symbol, confidence)
        self.same = Bits()
        self.hits = Bits()

    def hashes(self, around):
        """Index into each table."""
        out = []
        s = 0
        for i, symbol in enumerate(around):
            s = ((s ^ symbol) + i) % 2**32 * 0x9E3779B1 % 2**32
            s ^= s >> 15
            if i + 1 in SIZES:
                out.insert(0, s % 2**18)
        return out

    def sources(self, y, x, around):
        """Indices, and (symbol, confidence, context without the rank) of every source."""
        at = self.hashes(around)
        found = [t.get(k, (0, 0)) for t, k in zip(self.tables, at)]
        found += [(s, 1) for s in around[:3]]
        missed = sum(int(self.missed[y + a, x + b]) for a, b in TEMPLATE[:4])
        out = []
        for k, (s, c) in enumerate(found):
            agree = sum(1 << j for j, other in enumerate(found) if other[1] and other[0] == s)
            out.append((s, c, (k, c, agree, min(missed, 2))))
        return at, out

    def rank(self, pixels):
        """Try three candidates for all pixels, in turn; returns what is to be learned."""
        learn = []
        for rank in range(3):
            trials = []
            for p in pixels:
                if p["s"] is not None:
                    continue
                valid = [q for q in p["sources"] if q[1] and q[0] not in p["tried"]]
                ones = [self.hits.of((rank, q[2])) for q in valid]
                learn += [(p, q[0], (rank, q[2])) for q in valid]
                if valid:
                    best = max(range(len(valid)), key=lambda k: ones[k][1] / sum(ones[k]))
                    trials.append((p, valid[best]))
            for p, (s, _, context) in trials:
                p["tried"].append(s)
                if self.hits.read(self.decoder, (rank, context)):
                    p["s"] = s
            by_rank = [(p, s, c) for p, s, c in learn if c[0] == rank]
            learn = [(p, s, c) for p, s, c in learn if c[0] != rank] + by_rank
        return learn

    def ranked(self, places):
        """Decode the pixels of a diagonal that do not continue a flat area."""
        pixels = []
        for y, x in places:
            around = self.around(y, x)
            at, sources = self.sources(y, x, around)
            pixels.append(dict(at=at, sources=sources, around=around, tried=[], s=None))
        learn = self.rank(pixels)
        left = [p for p in pixels if p["s"] is None]
        if left:
            for p, s in zip(left, self.new.read(self.decoder, [p["around"] for p in left])):
                p["s"] = s
        for rank in range(3):
            self.hits.learn([(c, int(p["s"] == s)) for p, s, c in learn if c[0] == rank])
        entries = [[t.get(k, (0, 0)) for t, k in zip(self.tables, p["at"])] for p in pixels]
        for (y, x), p, old in zip(places, pixels, entries):
            self.missed[y, x] = any(s != p["s"] for s, _ in old)
            for table, k, (s, c) in zip(self.tables, p["at"], old):
                right = s == p["s"]
                table[k] = (
                    s if right or c > 1 else p["s"],
                    min(c + 1, 15) if right else max(c >> 1, 1),
                )
        return [p["s"] for p in pixels]

    def around(self, y, x):
        """Symbols of the template."""
        return [int(self.symbols[y + a, x + b]) for a, b in TEMPLATE]

    def decode(self):
        """Symbols (h, w)."""
        for t in range(self.w + 2 * (self.h - 1)):
            rows = [y for y in range(self.h) if 0 <= t - 2 * y < self.w]
            places = [(y + 4, t - 2 * y + 4) for y in rows]
            flat = [p for p in places if len(set(self.around(*p))) == 1]
            bits = [self.same.read(self.decoder, 0) for _ in flat]
            self.same.learn([(0, b) for b in bits])
            done = {p: self.around(*p)[0] for p, b in zip(flat, bits) if b}
            rest = [p for p in places if p not in done]
            done |= dict(zip(rest, self.ranked(rest)))
            for p, s in done.items():
                self.symbols[p] = s
        self.decoder.finish()
        return self.symbols[4:, 4:-4].astype(np.int64)


def read_palette(models, channels):
    """Color codes in ascending order."""
    raw = unlzma(models, 8192 * channels)
    require(raw and len(raw) % channels == 0, "models: wrong length")
    planes = np.frombuffer(raw, np.uint8).reshape(channels, -1).astype(np.int64).cumsum(1) & 255
    palette = sum(planes[i] << 8 * i for i in range(channels))
    require((np.diff(palette) > 0).all(), "models: not in ascending order")
    return palette


def decode_ranking(models, payload, shape):
    """Samples (h, w, channels)."""
    channels = shape[2]
    palette = read_palette(models, channels) if models else None
    new = Residuals(channels) if palette is None else Palette(len(palette))
    s = Ranking(shape, payload, new).decode()
    codes = s if palette is None else palette[s]
    return np.stack([codes >> 8 * i & 255 for i in BYTES[channels]], 2)
