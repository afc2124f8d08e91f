"""Hunt for bytes that make the decoder do anything but give a picture or an `IicError`

    python nbs/tests/fuzz.py [SECONDS]     # by default one minute; guided by coverage if atheris is installed, else blind

Every input gets its magic bytes and a valid checksum, so that mutations reach the depths. Seeds are the golden files. An input that
fails is written to the folder fuzz-found; put it into test_robustness.py with the change that mends it.
"""
import random, sys, tempfile, time, warnings, zlib
from hashlib import sha256
from pathlib import Path
import numpy as np

HERE, FOUND = Path(__file__).parent, Path("fuzz-found")
SECONDS = float(sys.argv[1]) if sys.argv[1:] else 60.
SLOW = 5    # seconds that no input may need


def imported():
    "The decoder; instrumented when atheris is there"
    try: import atheris
    except ImportError: atheris = None
    if not atheris: from implicit_compress import bitstream, codec
    else:
        with atheris.instrument_imports(include=["implicit_compress"]): from implicit_compress import bitstream, codec
    return atheris, bitstream, codec


atheris, bitstream, codec = imported()
SMALL = bitstream.Limits(pixels=1 << 12, weights=1 << 12, operations=1 << 26)
count, kinds = 0, {}


def once(body):
    "One input: the bytes between magic and checksum"
    global count
    body = bitstream.MAGIC + bytes(body)
    data, t = body + zlib.crc32(body).to_bytes(4, "little"), time.perf_counter()
    try:
        y = codec.decompress(data, threads=1, limits=SMALL)
        h, kind = bitstream.peek(data), "picture"
        assert y.shape == (h.height, h.width, h.channels) and y.dtype == (np.uint8 if h.depth == 8 else np.uint16)
    except bitstream.IicError as e: kind = type(e).__name__
    except BaseException as e:
        keep(data, repr(e))
        raise
    if time.perf_counter() - t > SLOW: keep(data, f"{time.perf_counter() - t:.1f} s")
    count, kinds[kind] = count + 1, kinds.get(kind, 0) + 1


def keep(data, why):
    "Store an input that failed"
    FOUND.mkdir(exist_ok=True)
    path = FOUND/f"{sha256(data).hexdigest()[:12]}.iic"
    path.write_bytes(data)
    print(f"\n{path}: {why}\n{data!r}", flush=True)


def mutated(rng, b):
    "A few random edits"
    b = bytearray(b)
    for _ in range(rng.randint(1, 4)):
        i = rng.randrange(len(b) + 1)
        kind = rng.randrange(5)
        if kind == 0: b[i:i + 1] = [rng.randrange(256)]
        if kind == 1 and i < len(b): b[i] ^= 1 << rng.randrange(8)
        if kind == 2: del b[i:i + rng.randint(1, 4)]
        if kind == 3: b[i:i] = rng.randbytes(rng.randint(1, 4))
        if kind == 4: b[i:i + 1] = rng.choice([b"\0", b"\xff", b"\x80", b"\xff\xff\x03"])
    return bytes(b)


def blind(seeds):
    "Random edits of the seeds, without a guide"
    rng, end = random.Random(time.time_ns()), time.time() + SECONDS
    while time.time() < end: once(mutated(rng, rng.choice(seeds)))
    summary()


def summary(): print(f"\n{count:,} inputs: " + ", ".join(f"{n:,} {k}" for k, n in sorted(kinds.items(), key=lambda x: -x[1])), flush=True)


def guided(seeds):
    "Edits that reach new code are kept and edited further"
    folder = tempfile.mkdtemp()
    for i, s in enumerate(seeds): (Path(folder)/str(i)).write_bytes(s)
    next_line = time.time() + 10
    def loud(body):
        nonlocal next_line
        once(body)
        if time.time() > next_line: summary(); next_line += 10
    atheris.Setup([sys.argv[0], folder, f"-max_total_time={SECONDS:.0f}", "-max_len=1500", "-verbosity=0"], loud)
    atheris.Fuzz()


if __name__ == "__main__":
    warnings.simplefilter("error")
    seeds = [p.read_bytes()[4:-4] for p in sorted(HERE.glob("golden/v*/*.iic")) if p.stat().st_size < 500]
    (guided if atheris else blind)(seeds)
