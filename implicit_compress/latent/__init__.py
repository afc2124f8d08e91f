"""A pyramid of latents with a context model and a synthesis network, fitted to one image."""
