"""Bytes to fields: integers, header, metadata, checksum (sections 1 and 2 of the specification)."""

import zlib
from typing import NamedTuple

MAGIC = b"\x89IIC"
ALPHA = 128  # flag: the last channel is in a field of its own


class FormatError(ValueError):
    """The bytes are not a valid file."""


def require(condition, message):
    """Raise a `FormatError` unless the condition holds."""
    if not condition:
        raise FormatError(message)


def read_varint(data, at):
    """Unsigned integer of seven bits per byte, least significant first; (value, next offset)."""
    value = 0
    shift = 0
    while True:
        require(at < len(data) and shift < 70, "varint: truncated or too long")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    require(shift == 7 or byte, "varint: not in its shortest form")
    return value, at


def from_zigzag(n):
    """0, 1, 2, 3, 4 ... to 0, -1, 1, -2, 2 ..."""
    return n >> 1 if n % 2 == 0 else -(n >> 1) - 1


def read_bytes(data, at):
    """A varint length and that many bytes; (bytes, next offset)."""
    n, at = read_varint(data, at)
    require(at + n <= len(data), "bytes: truncated")
    return bytes(data[at : at + n]), at + n


def read_byte(data, at):
    """One byte; (value, next offset)."""
    require(at < len(data), "byte: truncated")
    return data[at], at + 1


class Field(NamedTuple):
    """A field: name, reader, allowed values or lengths, bit of the flags (0: always present)."""

    name: str
    read: object
    allowed: object
    flag: int = 0


SMALL = range(256)
HEAD = (
    Field("version", read_byte, (1,)),
    Field("method", read_byte, range(4)),
    Field("flags", read_byte, SMALL),
    Field("format", read_byte, tuple(c + 16 * d for c in range(1, 5) for d in range(3))),
    Field("height", read_varint, range(1, (1 << 20) + 1)),
    Field("width", read_varint, range(1, (1 << 20) + 1)),
)
FILE = range(1, (1 << 31) + 1)
METHOD_FIELDS = (
    (  # 0: siren
        Field("hidden", read_varint, range(1, 1025)),
        Field("layers", read_byte, range(1, 65)),
        Field("steps", read_bytes, range(0, 4097)),
        Field("tiles", read_bytes, range(1, 4096), 2),
        Field("coder", read_byte, range(1, 5), 8),
        Field("hashing", read_byte, range(2), 16),
        Field("pool", read_varint, range(1, (1 << 22) + 1), 16),
        Field("codebook", read_bytes, range(1, (1 << 16) + 1), 32),
        Field("skips", read_byte, (1,), 64),
    ),
    (  # 1: lossless
        Field("color", read_byte, range(2)),
        Field("base", read_bytes, FILE, 4),
        Field("predictors", read_bytes, range(0, (1 << 20) + 1)),
        Field("coder", read_byte, (2, 5), 8),
        Field("values", read_bytes, range(1, (1 << 14) + 1), 16),
    ),
    (  # 2: hybrid
        Field("wavelet", read_bytes, range(0, 17)),
        Field("levels", read_byte, range(13)),
        Field("base", read_bytes, FILE, 4),
        Field("chroma", read_bytes, FILE, 8),
        Field("details", read_bytes, FILE, 16),
        Field("sparse", read_bytes, range(1, 2049), 32),
    ),
    (  # 3: latent
        Field("levels", read_byte, range(1, 13)),
        Field("first", read_byte, range(7)),
        Field("step", read_byte, SMALL),
        Field("context", read_byte, range(1, 65)),
        Field("hidden", read_byte, range(1, 65)),
        Field("convs", read_byte, range(3)),
        Field("start", read_byte, SMALL),
        Field("steps", read_bytes, range(11, 14)),
    ),
)
TAIL = (
    Field("extras", read_bytes, range(1, (1 << 24) + 1), 1),
    Field("alpha", read_bytes, FILE, ALPHA),
    Field("models", read_bytes, range(0, (1 << 20) + 1)),
    Field("payload", read_bytes, range(0, (1 << 31) + 1)),
)


def read_field(field, data, at, out):
    """Read one field into the dictionary `out`; the next offset."""
    value, at = field.read(data, at)
    size = len(value) if isinstance(value, bytes) else value
    require(size in field.allowed, f"{field.name}: {size} is out of range")
    out[field.name] = value
    return at


def parse(data):
    """All fields of a file by name, with `channels`, `depth` and `planes`; verifies the checksum."""
    require(data[:4] == MAGIC, "magic")
    out = {}
    at = 4
    for field in HEAD:
        at = read_field(field, data, at, out)
    rest = METHOD_FIELDS[out["method"]] + TAIL
    known = 0
    for field in rest:
        known |= field.flag
    require(out["flags"] & ~known == 0, "flags: an unknown bit")
    for field in rest:
        if field.flag & out["flags"] == field.flag:
            at = read_field(field, data, at, out)
    require(at + 4 == len(data), "length")
    require(zlib.crc32(data[:at]) == int.from_bytes(data[at:], "little"), "checksum")
    out["channels"] = out["format"] & 15
    out["depth"] = (8, 16, 12)[out["format"] >> 4]
    separate = out["flags"] & ALPHA
    out["planes"] = out["channels"] - bool(separate)
    if separate:
        require(out["method"] != 1 and out["channels"] in (2, 4), "alpha: not here")
    return out


def inflate(data, limit):
    """Decompress one whole zlib stream."""
    stream = zlib.decompressobj()
    out = stream.decompress(data, limit + 1)
    require(len(out) <= limit and stream.eof and not stream.unused_data, "zlib stream")
    return out


def metadata(fields):
    """Metadata of a file: type to bytes."""
    data = fields.get("extras", b"")
    out = {}
    at = 0
    last = -1
    while at < len(data):
        kind = data[at]
        require(last < kind < 128, "extras: types must rise, unknown critical ones are refused")
        body, at = read_bytes(data, at + 1)
        out[kind] = inflate(body, 1 << 22)
        last = kind
    return out
