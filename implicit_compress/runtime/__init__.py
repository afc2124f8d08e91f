"""Errors, files, threads, memory, and fixed-point numbers."""
