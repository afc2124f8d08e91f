"""The other coders of symbols: Huffman, LZMA2, deflate, Zstandard (section 3.5)."""

import lzma
import zlib
from itertools import accumulate

import numpy as np

from .fields import from_zigzag, read_varint, require

LONGEST = 40  # bits of a code word


def unlzma(data, limit):
    """Raw LZMA2 stream."""
    filters = [dict(id=lzma.FILTER_LZMA2, dict_size=1 << 20, lc=0, lp=0, pb=0)]
    stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    out = stream.decompress(data, limit + 1)
    require(len(out) <= limit and stream.eof and not stream.unused_data, "LZMA stream")
    return out


def undeflate(data, limit):
    """Raw deflate stream."""
    stream = zlib.decompressobj(-15)
    out = stream.decompress(data, limit + 1)
    require(len(out) <= limit and stream.eof and not stream.unused_data, "deflate stream")
    return out


def unzstd(data, limit):
    """Zstandard frame (RFC 8878); Python has a decoder from 3.14 on, before that a package."""
    try:
        from compression import zstd

        out = zstd.decompress(data)
    except ImportError:
        import zstandard

        out = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    require(len(out) <= limit, "Zstandard frame")
    return out


def bytes_to_segments(data, sizes):
    """Symbols that are zigzag varints."""
    out = []
    at = 0
    for n in sizes:
        symbols = []
        for _ in range(n):
            value, at = read_varint(data, at)
            require(value < 1 << 32, "payload: a symbol of more than 32 bits")
            symbols.append(from_zigzag(value))
        out.append(np.array(symbols, np.int64))
    require(at == len(data), "payload: bytes after the symbols")
    return out


def code_words(lengths):
    """Canonical code: (length, word) to index, in the order of length, then of index."""
    order = sorted((n, i) for i, n in enumerate(lengths) if n)
    if not order:
        return {}
    require(order[-1][0] <= LONGEST, "models: a code word is too long")
    spans = [1 << LONGEST - n for n, _ in order]
    complete = sum(spans) == 1 << LONGEST or order == [(1, order[0][1])]
    require(complete, "models: these are not the lengths of a code")
    starts = accumulate([0, *spans])
    return {(n, start >> LONGEST - n): i for (n, i), start in zip(order, starts)}


def read_huffman(models, payload, sizes):
    """Every segment by its own canonical Huffman code."""
    models = undeflate(models, 1 << 22)
    bits = np.unpackbits(np.frombuffer(payload, np.uint8)).tolist()
    at = 0
    position = 0
    out = []
    for n in sizes:
        low, at = read_varint(models, at)
        k, at = read_varint(models, at)
        require(at + k <= len(models), "models: truncated")
        code = code_words(models[at : at + k])
        at += k
        symbols = []
        for _ in range(n):
            length = word = 0
            while (length, word) not in code:
                require(position < len(bits) and length <= LONGEST, "payload: truncated")
                word = 2 * word + bits[position]
                length += 1
                position += 1
            symbols.append(from_zigzag(low) + code[length, word])
        out.append(np.array(symbols, np.int64))
    rest = bits[position:]
    require(at == len(models) and len(rest) < 8 and not any(rest), "payload: bits too many")
    return out


def read_coded(coder, models, payload, sizes):
    """Segments of any coder but the range coder: 1 Huffman, 2 LZMA2, 3 deflate, 4 Zstandard."""
    if coder == 1:
        return read_huffman(models, payload, sizes)
    require(not models, "models: this coder has none")
    unpack = {2: unlzma, 3: undeflate, 4: unzstd}[coder]
    return bytes_to_segments(unpack(payload, 5 * sum(sizes)), sizes)
