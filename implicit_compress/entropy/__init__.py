"""Entropy coding of integers: models, range coder, Huffman and general packers."""
