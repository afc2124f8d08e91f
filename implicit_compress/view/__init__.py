"""Figures of images, files, networks and benchmark points."""
