"""Scikit-learn's 8x8 digits: 1,797 images, pixels in [0, 1], targets one-hot."""

import numpy as np
from sklearn.datasets import load_digits


def images() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (1797, 64) and one-hot classes (1797, 10), as "cross_entropy" wants."""
    digits = load_digits()
    return digits.data / 16, np.eye(10)[digits.target]
