"""Lossless coding by mixed predictions."""
