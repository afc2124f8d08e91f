"""Images: samples, files, color, metrics, tiles, alpha."""
