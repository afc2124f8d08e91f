"""Figures of images, files, curves and networks."""
