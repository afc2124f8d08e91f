"""Integer arithmetic that networks share."""

from typing import NamedTuple

import numpy as np

# round(2**15 * 2**(-j/8)): the step of code k is MANTISSAS[k % 8] * 2**-(15 + k // 8)
MANTISSAS = np.array([32768, 30048, 27554, 25268, 23170, 21247, 19484, 17867])


class Matrix(NamedTuple):
    """Weights Q / 2**s."""

    Q: np.ndarray
    s: int


def shift_round(x, s):
    """X / 2**s, rounded half up."""
    if s < 0:
        return x << -s
    return (x + (1 << s >> 1)) >> s
