"""Encoder and decoder entry points, and what is in a file."""
