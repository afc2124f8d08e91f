"""Entropy coding: integers, models, range coding, segments, and general-purpose coders."""
