"""Images: samples, files, geometry, color, metrics, tiles, alpha."""
