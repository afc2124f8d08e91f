"""Compress and decompress: every method behind two functions."""
