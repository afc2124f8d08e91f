"""Wavelet coefficients under adaptive contexts."""
