"""Benchmarks: image sets, other codecs, measured points, curves and reports."""
