"""Write the golden files: pictures that every later version must decode to the same samples.

    python nbs/scripts/golden.py            # those that are not there yet; what is there stays as it is
"""
import json, sys
from hashlib import sha256
from pathlib import Path
import numpy as np
from implicit_compress.bitstream import VERSION, pack, peek, unpack
from implicit_compress.codec import compress, decompress
from implicit_compress.image import demo_image

FOLDER = Path(__file__).parent.parent/"tests"/"golden"/f"v{VERSION}"
MOST = 1500    # bytes a file


def pictures():
    "Name, samples, and bits per pixel or a shape of every golden file"
    x = demo_image()
    gray, deep = x[40:64, 80:112, 1:2], lambda h, w: np.linspace(0, 65535, h*w).astype(np.uint16).reshape(h, w, 1)
    clear = np.arange(20*30, dtype=np.uint8).reshape(20, 30, 1)
    return {
        "gray_24x32": (gray, 2), "gray_alpha_24x32": (np.concatenate([gray, 255 - gray], 2), 3),
        "rgb_37x53": (x[60:97, 90:143], 5), "rgba_20x30": (np.concatenate([x[:20, :30], clear], 2), 6),
        "gray16_9x15": (deep(9, 15), 6), "rgb16_12x20": (np.concatenate([deep(12, 20), deep(20, 12).transpose(1, 0, 2), deep(12, 20)[::-1]], 2), 8),
        "rgb_1x1": (x[100:101, 100:101], 8), "rgb_1x64": (x[100:101, 60:124], 8), "profile_8x8": (x[50:58, 90:98], 8),
        "tiles_64x97": (x[40:104, 90:187], (8, 3, 5)),
    }


def facts(data):
    "What a decoder must find in a file"
    h, _, _, icc = unpack(data)
    y = decompress(data)
    args = {k: list(v) if isinstance(v, bytes) else v for k, v in h.args.items()}
    return dict(bytes=len(data), file_sha256=sha256(data).hexdigest(), shape=list(y.shape), dtype=str(y.dtype),
                samples_sha256=sha256(y.astype(f"<u{y.itemsize}").tobytes()).hexdigest(),
                header=dict(height=h.height, width=h.width, channels=h.channels, depth=h.depth, method=h.method, **args),
                icc_sha256=sha256(icc).hexdigest() if icc else None)


def write(folder):
    "The files that are missing, and the list of what is in all of them"
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder/"golden.json"
    found = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else {}
    for name, (x, how) in pictures().items():
        if name in found: continue
        data = bytes(compress(x, **(dict(shape=how) if isinstance(how, tuple) else dict(bpp=how)), steps=60, threads=1, progress=False))
        if name.startswith("profile"): data = pack(peek(data), *unpack(data)[1:3], icc=bytes(range(200)))
        if len(data) > MOST: sys.exit(f"{name}: {len(data)} bytes, more than {MOST}")
        (folder/f"{name}.iic").write_bytes(data)
        found[name] = facts(data)
        print(f"{name:18}{len(data):6} bytes  {found[name]['samples_sha256'][:16]}")
    listed.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__": write(FOLDER)
