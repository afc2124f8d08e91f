"""Wavelet transforms and the Laplacian pyramid."""
