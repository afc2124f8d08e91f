"""Compress images by overfitting: networks, wavelet coefficients and latents, fitted to one image.

Public names are imported from their modules when they are first used, so that
`import implicit_compress` loads nothing else, and decoding loads no torch.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from .bitstream.encoded import Encoded as Encoded
    from .bitstream.limits import Limits as Limits
    from .codec.decode import decompress as decompress
    from .codec.encode import compress as compress
    from .codec.info import file_info as file_info, format_info as format_info
    from .image.load import load_image as load_image
    from .image.metrics import (
        bpp as bpp,
        ms_ssim as ms_ssim,
        mse as mse,
        psnr as psnr,
    )
    from .image.perceptual import lpips as lpips
    from .image.rate_distortion import bd_psnr as bd_psnr, bd_rate as bd_rate
    from .image.samples import demo_image as demo_image
    from .image.save import save_image as save_image
    from .runtime.errors import (
        DamagedError as DamagedError,
        IicError as IicError,
        LimitError as LimitError,
        NotIicError as NotIicError,
        TruncatedError as TruncatedError,
        UnsupportedError as UnsupportedError,
    )
    from .settings.fields import SettingsError as SettingsError
    from .settings.methods import (
        Auto as Auto,
        Hybrid as Hybrid,
        Latent as Latent,
        Lossless as Lossless,
        Wavelet as Wavelet,
    )
    from .settings.siren import (
        ClippedUniform as ClippedUniform,
        Codebook as Codebook,
        Graded as Graded,
        Gradual as Gradual,
        HashTrick as HashTrick,
        MultiHash as MultiHash,
        RigL as RigL,
        SNFS as SNFS,
        Siren as Siren,
        SirenFit as SirenFit,
        Uniform as Uniform,
    )
    from .widgets.browser import browse_results as browse_results
    from .widgets.explorer import explore as explore
    from .widgets.inspector import inspect_file as inspect_file

_HOMES = {
    "codec.encode": ("compress",),
    "codec.decode": ("decompress",),
    "codec.info": ("file_info", "format_info"),
    "settings.fields": ("SettingsError",),
    "settings.methods": ("Auto", "Latent", "Wavelet", "Hybrid", "Lossless"),
    "settings.siren": (
        "Siren",
        "SirenFit",
        "Gradual",
        "RigL",
        "SNFS",
        "MultiHash",
        "HashTrick",
        "Graded",
        "Uniform",
        "ClippedUniform",
        "Codebook",
    ),
    "bitstream.encoded": ("Encoded",),
    "bitstream.limits": ("Limits",),
    "runtime.errors": (
        "IicError",
        "TruncatedError",
        "NotIicError",
        "UnsupportedError",
        "LimitError",
        "DamagedError",
    ),
    "image.samples": ("demo_image",),
    "image.load": ("load_image",),
    "image.save": ("save_image",),
    "image.metrics": ("mse", "psnr", "ms_ssim", "bpp"),
    "image.perceptual": ("lpips",),
    "image.rate_distortion": ("bd_rate", "bd_psnr"),
    "widgets.explorer": ("explore",),
    "widgets.browser": ("browse_results",),
    "widgets.inspector": ("inspect_file",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
