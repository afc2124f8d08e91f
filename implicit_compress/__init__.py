"""Compress images by overfitting: networks, wavelet coefficients and latents, fitted to one image.

Public names are imported from their modules when they are first used, so that `import implicit_compress` loads nothing else, and decoding
loads no torch.
"""

__version__ = "0.1.0"

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
    "image.metrics": ("mse", "psnr", "ms_ssim", "lpips", "bpp"),
    "image.rate_distortion": ("bd_rate", "bd_psnr"),
    "widgets.explorer": ("explore",),
    "widgets.browser": ("browse_results",),
    "widgets.inspector": ("inspect_file",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = list(_HOME)


def __getattr__(name):
    "A public name, imported from its module"
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
