"""How well a trained autoencoder finds fraud: by its error of reconstruction."""

from collections.abc import Callable

import numpy as np


def scores(reconstruct: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each row (n, columns), all in standard units."""
    return ((reconstruct(rows) - rows) ** 2).mean(axis=1)


def area_under_curve(scores: np.ndarray, fraudulent: np.ndarray) -> float:
    """Return the area under the ROC curve: the chance that a fraud scores above a normal row.

    1 is perfect and 0.5 is guessing (Hanley and McNeil 1982).
    """
    fraud, normal = scores[fraudulent], scores[~fraudulent]
    above = (fraud[:, None] > normal[None, :]).mean()
    return float(above + (fraud[:, None] == normal[None, :]).mean() / 2)
