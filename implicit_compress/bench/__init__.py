"""Benchmarks: image sets, other codecs, sweeps, rate-distortion curves and reports."""
