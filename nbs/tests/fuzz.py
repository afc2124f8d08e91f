"""Fuzzing: look for bytes that make a reader do anything but give its result or its documented error.

    python nbs/tests/fuzz.py [TARGET ...] [--seconds S] [--inputs N] [--seed K] [--guided] [--found FOLDER]

Targets are decode, partial, scale, box, info, plugin, load_image, checkpoint and method; all of them by default, each with its share of
the time. Inputs are edits of the golden files, of the files in the folder bad, and of small images made here. Magic bytes and
checksums, those of nested files too, are made valid again, so that edits reach what lies behind them. Without --guided the
edits are random; with it they are guided by coverage, one target at a time, through atheris (libFuzzer), which must be installed.

The exit code is 1 if an input failed. Such inputs are written to the folder of --found; put them into the folder bad, or into
test_robustness.py, with the change that mends them.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import time
import warnings
import zlib
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

HERE = Path(__file__).parent
SLOW = 10  # seconds that no input may need, on a loaded machine too
LARGEST = 4000  # bytes of a seed


def load_modules(instrument):
    """The readers; instrumented for coverage if `instrument` is atheris."""
    global \
        Limits, \
        MAGIC, \
        UNNAMED_ERROR, \
        IicError, \
        LoadError, \
        bitstream, \
        decompress, \
        file_info, \
        format_info, \
        load_image, \
        icc_profile

    def imported():
        global \
            Limits, \
            MAGIC, \
            UNNAMED_ERROR, \
            IicError, \
            LoadError, \
            spans, \
            detail_files, \
            peek, \
            pack, \
            cost_of, \
            decompress, \
            file_info, \
            format_info, \
            load_image, \
            icc_profile
        from implicit_compress.bitstream.container import pack
        from implicit_compress.bitstream.fields import MAGIC
        from implicit_compress.bitstream.header import peek, spans
        from implicit_compress.bitstream.limits import Limits, cost_of, detail_files
        from implicit_compress.codec.decode import UNNAMED_ERROR, decompress
        from implicit_compress.codec.info import file_info, format_info
        from implicit_compress.image.load import icc_profile, load_image
        from implicit_compress.pillow import LoadError
        from implicit_compress.runtime.errors import IicError

    if not instrument:
        return imported()
    with instrument.instrument_imports(include=["implicit_compress"]):
        imported()


def limits():
    return Limits(
        pixels=1 << 12, weights=1 << 12, operations=3 * 10**8, memory=1 << 28
    )  # pyramids of three scales, not of seven


# ------------------------------------------------------------------------------------------------- edits


def sealed(data):
    """A copy whose magic bytes and checksums are valid, those of nested files too, as far as the fields can be found."""
    b = bytearray(MAGIC + bytes(data[4:-4]) + bytes(4))
    try:
        found = spans(bytes(b))
    except IicError:
        found = []
    for f, value, _, end in found:
        at = end - len(value) if f.kind == "bytes" else end
        if f.name in ("base", "chroma", "alpha") and len(value) > 8:
            b[at:end] = sealed(value)
        if f.name == "details":
            try:
                parts = detail_files(value, dict((g.name, v) for g, v, *_ in found)["levels"])
            except IicError:
                continue
            for _, part in parts:
                if len(part) > 8 and (k := bytes(b).find(part, at, end)) >= 0:
                    b[k : k + len(part)] = sealed(part)
    b[-4:] = zlib.crc32(b[:-4]).to_bytes(4, "little")
    return bytes(b)


def edited(rng, b):
    """A few random edits of bytes."""
    b = bytearray(b)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        i = rng.randrange(len(b) + 1)
        kind = rng.randrange(7)
        if kind == 0:
            b[i : i + 1] = [rng.randrange(256)]
        if kind == 1 and i < len(b):
            b[i] ^= 1 << rng.randrange(8)
        if kind == 2:
            del b[i : i + rng.randint(1, 4)]
        if kind == 3:
            b[i:i] = rng.randbytes(rng.randint(1, 4))
        if kind == 4:
            b[i : i + 1] = rng.choice([b"\0", b"\xff", b"\x80", b"\xff\xff\x03"])
        if kind == 5:
            b[i:i] = b[i : i + rng.randint(1, 16)]
        if kind == 6:
            b[i : i + 4] = rng.randbytes(4)
    return bytes(b)


def refielded(rng, data):
    """Another value in one field of a file, within its range, and the lengths that belong to it."""
    try:
        found = spans(data)
    except IicError:
        return edited(rng, data)
    f, value, a, b = rng.choice(found)
    try:
        if f.kind == "choice":
            new = f.write(rng.choice(list(f.codes)))
        elif f.kind == "bytes":
            new = f.write(
                edited(rng, value)
                if value and rng.random() < 0.8
                else rng.randbytes(rng.randint(f.lo, f.lo + 12))
            )
        else:
            new = f.write(
                rng.choice(
                    [
                        f.lo,
                        f.lo + 1,
                        min(f.hi, 255),
                        f.hi,
                        rng.randint(f.lo, min(f.hi, 64)),
                        value + 1,
                        max(f.lo, value - 1),
                    ]
                )
            )
    except (IicError, ValueError):
        return edited(rng, data)
    return data[:a] + new + data[b:]


def mutated(rng, seeds):
    """An input for the readers of `.iic` files."""
    data = rng.choice(seeds)
    kind = rng.random()
    if kind < 0.35:
        data = refielded(rng, data)
    elif kind < 0.9:
        data = data[:4] + edited(rng, data[4:-4]) + data[-4:]
    else:
        other = rng.choice(seeds)
        i, j = rng.randrange(len(data)), rng.randrange(len(other))
        data = data[:i] + other[j:]
    return sealed(data.ljust(9, b"\0"))


# ----------------------------------------------------------------------------------------------- targets


def image_checked(y, h):
    """An image must fit its header."""
    assert y.shape == (h.height, h.width, h.channels) and y.dtype == (
        np.uint8 if h.depth == 8 else np.uint16
    ), (y.shape, y.dtype)
    assert y.max() < 1 << h.depth, f"a sample of {y.max()} at {h.depth} bits"


def decode(data, rng):
    image_checked(decompress(data, threads=1, limits=limits()), peek(data))
    return "image"


def partial(data, rng):
    data = data[: rng.randint(4, len(data))]
    y = decompress(data, threads=1, limits=limits(), allow_truncated=True)
    assert y.ndim == 3 and y.size
    return "image"


def scale(data, rng):
    s = rng.choice([0.5, 0.25, 2, 3, 1.5, 0.1, 1 / 64])
    y = decompress(data, scale=s, threads=1, limits=limits())
    assert y.ndim == 3 and y.size <= 4 * limits().pixels
    return "image"


def box(data, rng):
    h = peek(data)
    top, bottom = sorted(rng.randint(0, min(h.height, 99)) for _ in "ab")
    left, right = sorted(rng.randint(0, min(h.width, 99)) for _ in "ab")
    y = decompress(data, box=(top, left, bottom, right), threads=1, limits=limits())
    assert np.array_equal(y, decompress(data, threads=1, limits=limits())[top:bottom, left:right])
    return "image"


def info(data, rng):
    f = file_info(data, rng.random() < 0.3, limits())
    text = format_info(f, "a file")
    assert all(c.isprintable() or c == "\n" for c in text + json.dumps(f))
    return "facts"


def plugin(data, rng):
    from implicit_compress.pillow import IicImageFile

    IicImageFile.limits, IicImageFile.threads = limits(), 1
    im = Image.open(
        io.BytesIO(data), formats=["IIC"]
    )  # Pillow would offer refused bytes to readers of other formats
    if rng.random() < 0.5:
        im.verify()
    else:
        im.load()
    return "image"


def load(data, rng):
    x = load_image(io.BytesIO(data))
    assert x.ndim == 3 and x.dtype in (np.uint8, np.uint16) and x.size
    icc_profile(io.BytesIO(data))
    return "image"


def checkpoint(data, rng):
    from implicit_compress.siren.checkpoint import CHECKPOINT_MAGIC, read_checkpoint

    body = data[len(CHECKPOINT_MAGIC) + 32 :]
    path = Path(tempfile.gettempdir()) / f"fuzz-{sha256(str(id(rng)).encode()).hexdigest()[:8]}.fit"
    path.write_bytes(CHECKPOINT_MAGIC + sha256(body).digest() + body)
    try:
        return type(read_checkpoint(path)).__name__
    finally:
        path.unlink()


def method(data, rng):
    from implicit_compress.settings.methods import METHODS, as_method

    text = data.decode("latin-1")
    found = as_method(f"{rng.choice([*METHODS])}:{text}" if rng.random() < 0.5 else text)
    assert as_method(str(found)) == found
    return type(found).__name__


def allowed(name):
    """The documented errors of a target; one that the last guard of `decompress` made of another counts as a failure."""
    if name in ("load_image", "checkpoint"):
        return (ValueError, OSError)
    if name == "method":
        from implicit_compress.settings.fields import SettingsError

        return (SettingsError,)
    if name == "plugin":
        return (LoadError, UnidentifiedImageError, Image.DecompressionBombError)
    return (IicError, ValueError) if name in ("scale", "box") else (IicError,)


TARGETS = {
    "decode": decode,
    "partial": partial,
    "scale": scale,
    "box": box,
    "info": info,
    "plugin": plugin,
    "load_image": load,
    "checkpoint": checkpoint,
    "method": method,
}


# ----------------------------------------------------------------------------------------------- corpora


def iic_seeds():
    """Golden and bad files, and pyramids of few scales, which take little time."""
    seeds = [
        p.read_bytes()
        for folder in ("golden/v*", "bad")
        for p in sorted(HERE.glob(f"{folder}/*.iic"))
        if p.stat().st_size < LARGEST
    ]
    costs = [cost_of(peek(d)).operations for d in seeds if readable(d)]
    assert max(costs) > limits().operations, "some seeds are meant to be refused"
    return seeds + [
        small_pyramid(*a)
        for a in ((9, 11, 3, 2, 0), (6, 7, 1, 3, 1), (12, 5, 4, 1, 0), (8, 8, 2, 3, 0))
    ]


def readable(data):
    """Can the cost of a seed be computed?"""
    try:
        return cost_of(peek(data))
    except IicError:
        return None


def small_pyramid(h, w, channels, levels, first):
    """A pyramid with random latents and networks that nobody has fitted."""
    from implicit_compress.latent.context_model import Matrix
    from implicit_compress.latent.format import header_from_spec, write_latents
    from implicit_compress.latent.synthesis import SynthesisSpec
    from implicit_compress.latent.weights import LatentSpec, initial_weights, round_to_bits

    rng = np.random.default_rng(h * w)
    plan = LatentSpec(SynthesisSpec(h, w, channels, levels, first, 40), 4, 4, 1, 0)
    latents = [
        np.rint(rng.laplace(0, 1.5, (g.h, g.w))).astype(np.int64) for g in plan.synthesis.grids
    ]
    steps, *coded = write_latents(
        plan, [Matrix(round_to_bits(v, 6), 6) for v in initial_weights(plan)], latents
    )
    return pack(header_from_spec(plan, 8, steps), *coded)


def image_seeds():
    """Small images of all formats and modes that Pillow writes."""
    rng, out = np.random.default_rng(0), []
    rgba = Image.fromarray(rng.integers(0, 256, (9, 11, 4), dtype=np.uint8), "RGBA")
    for fmt in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "ICO", "PCX"):
        for mode in ("RGB", "L", "RGBA", "P", "1", "I;16", "CMYK"):
            f = io.BytesIO()
            im = (
                rgba.convert("L").convert("I").point(lambda v: v * 257).convert("I;16")
                if mode == "I;16"
                else rgba.convert("RGB").convert(mode)
                if mode in ("CMYK", "P", "1")
                else rgba.convert(mode)
            )
            try:
                im.save(
                    f,
                    fmt,
                    **(
                        {"save_all": True, "append_images": [im, im]}
                        if fmt in ("GIF", "TIFF", "WEBP") and mode == "RGB"
                        else {}
                    ),
                )
            except (OSError, KeyError, ValueError):
                continue
            out.append(f.getvalue())
    from implicit_compress.image.save import encode_image_file

    out += [
        encode_image_file(rng.integers(0, 65536, (5, 7, c), dtype=np.uint16), ".png", None)
        for c in (1, 2, 3, 4)
    ]
    return [
        *out,
        b"P5 4 3 255\n" + bytes(12),
        b"Pf\n4 3\n-1.0\n" + rng.random(12, dtype=np.float32).tobytes(),
    ]


def checkpoint_seeds():
    """A checkpoint like those of `fit`."""
    import torch

    from implicit_compress.siren.checkpoint import CHECKPOINT_MAGIC

    f = io.BytesIO()
    torch.save(
        dict(
            key="k",
            latest=dict(step=3, seconds=1.0, progress=0.1, net=[torch.zeros(3)], budget=[5, None]),
        ),
        f,
    )
    return [CHECKPOINT_MAGIC + bytes(32) + f.getvalue()]


def method_seeds():
    """Text forms of methods."""
    return [
        b"siren:prune=gradual,prune.sparsity=0.3",
        b"prune.sparsity=0.5,prune=rigl,coder=zstd,fit.lr=0.001",
        b"width=5,depth=2,tiles=3,skip_connections=true,quantizer=codebook,quantizer.noise=0.1",
        b"hybrid:wavelet=haar,levels=1,residual=siren,residual.coder=lzma,chroma=siren",
        b"lossless:base=hybrid,base.base.prune=snfs",
        b"auto:latent.init=random,wavelet.rdo_lambda=0.2",
    ]


def input_of(name, rng, seeds):
    """A random input of a target."""
    if name == "method":
        return edited(rng, rng.choice(seeds))
    if name not in ("load_image", "checkpoint"):
        return mutated(rng, seeds)
    data = rng.choice(seeds)
    if name == "checkpoint":
        return data[:64] + edited(rng, data[64:])
    return png_sealed(edited(rng, data))


def png_sealed(data):
    """A PNG file whose chunks have valid checksums, as far as they can be found; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        n = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + n > len(out):
            break
        out[at + 8 + n : at + 12 + n] = zlib.crc32(out[at + 4 : at + 8 + n]).to_bytes(4, "big")
        at += 12 + n
    return bytes(out)


# --------------------------------------------------------------------------------------------------- run


class Run:
    """Counts outcomes of one target, keeps inputs that fail."""

    def __init__(self, name, folder):
        self.name, self.folder, self.count, self.kinds, self.found = name, folder, 0, {}, 0

    def once(self, data, rng):
        """One input."""
        start = time.process_time()  # not the clock: others may use the machine
        try:
            kind = TARGETS[self.name](data, rng)
        except allowed(self.name) as e:
            kind = type(e).__name__
            if UNNAMED_ERROR in str(e):
                self.keep(data, f"the last guard was needed: {e!r} from {e.__cause__!r}")
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            kind = "FAILED"
            self.keep(data, repr(e)[:500])
        if (spent := time.process_time() - start) > SLOW:
            self.keep(data, f"{spent:.1f} s of a processor")
        self.count, self.kinds[kind] = self.count + 1, self.kinds.get(kind, 0) + 1

    def keep(self, data, why):
        """Store an input that failed."""
        self.found += 1
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{self.name}-{sha256(data).hexdigest()[:12]}.bin"
        path.write_bytes(data)
        print(f"{path}: {why}", flush=True)

    def __str__(self):
        return f"{self.name}: {self.count:,} inputs, {self.found} failed; " + ", ".join(
            f"{n:,} {k}" for k, n in sorted(self.kinds.items(), key=lambda x: -x[1])
        )


def seeds_of(name):
    if name == "method":
        return method_seeds()
    return (
        image_seeds()
        if name == "load_image"
        else checkpoint_seeds()
        if name == "checkpoint"
        else iic_seeds()
    )


def blind(name, seconds, inputs, seed, folder):
    """Random edits."""
    rng, run, seeds, end = (
        random.Random(f"{seed} {name}"),
        Run(name, folder),
        seeds_of(name),
        time.time() + seconds,
    )
    while time.time() < end and run.count < inputs:
        run.once(input_of(name, rng, seeds), rng)
    print(run, flush=True)
    return run.found


def guided(atheris, name, seconds, inputs, found):
    """Edits that reach new code are kept and edited further; ends the process."""
    folder, run = tempfile.mkdtemp(), Run(name, found)
    for i, s in enumerate(seeds_of(name)):
        Path(folder, str(i)).write_bytes(s)

    def once(data):
        if len(data) < 9:
            return
        run.once(
            data if name in ("load_image", "checkpoint") else sealed(data),
            random.Random(zlib.crc32(data)),
        )
        if run.found:
            print(run, flush=True)
            raise AssertionError("an input failed")

    atheris.Setup(
        [
            sys.argv[0],
            folder,
            f"-max_total_time={seconds:.0f}",
            f"-runs={inputs}",
            f"-max_len={LARGEST}",
            "-print_final_stats=1",
        ],
        once,
    )
    atheris.Fuzz()


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    p.add_argument("--seconds", type=float, default=60.0, help="in all [60]")
    p.add_argument("--inputs", type=int, default=1 << 60, help="of each target, at most")
    p.add_argument("--seed", type=int, default=None, help="of the random edits [the time]")
    p.add_argument(
        "--found",
        type=Path,
        default=Path("fuzz-found"),
        help="folder for inputs that fail [fuzz-found]",
    )
    p.add_argument("--guided", action="store_true", help="by coverage, with atheris; one target")
    a = p.parse_args()
    names, seed = a.targets or list(TARGETS), time.time_ns() if a.seed is None else a.seed
    atheris = None
    if a.guided:
        import atheris
    if a.guided and len(names) > 1:
        p.error("--guided takes one target")
    load_modules(atheris)
    if "checkpoint" in names:
        import implicit_compress.siren.fit  # noqa: F401  # before warnings are errors, and outside the clock
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", module="PIL")
    warnings.filterwarnings(
        "ignore", category=UserWarning
    )  # documented: frames left out and the like
    if a.guided:
        return guided(atheris, names[0], a.seconds, a.inputs if a.inputs < 1 << 60 else -1, a.found)
    return bool(sum([blind(n, a.seconds / len(names), a.inputs, seed, a.found) for n in names]))


if __name__ == "__main__":
    sys.exit(main())
