"""Coordinate networks with sine activations: fit, pruning, hashing, quantization, coding."""
