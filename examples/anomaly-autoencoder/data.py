"""A made-up table of card transactions: normal rows to train on, and a mixture to judge by.

Normal transactions follow three habits of their customer, which eight columns show with noise.
Fraudulent ones have columns that are each as usual, but do not belong together: a limit on one
column finds none of them.
"""

import numpy as np

COLUMNS = 8
HABITS = 3


def _mixing() -> np.ndarray:
    """How each column follows the habits, (HABITS, COLUMNS), each column of length 1."""
    generator = np.random.RandomState(11)  # this class's streams never change (NEP 19)
    mixing = generator.normal(size=(HABITS, COLUMNS))
    return mixing / np.linalg.norm(mixing, axis=0)


def _normal(generator: np.random.RandomState, count: int) -> np.ndarray:
    habits = generator.normal(size=(count, HABITS))
    return habits @ _mixing() + 0.2 * generator.normal(size=(count, COLUMNS))


def transactions(count: int = 640, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return normal rows (count, COLUMNS) twice: an autoencoder's targets are its features."""
    rows = _normal(np.random.RandomState(seed), count).round(4)
    return rows, rows


def judged(count: int = 400, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return new rows (count, COLUMNS) and whether each is fraudulent (count,); a fifth is."""
    generator = np.random.RandomState(seed)
    fraudulent = np.arange(count) % 5 == 0
    rows = _normal(generator, count)
    for column in range(COLUMNS):
        # Each column of another customer: usual by itself, unusual together.
        others = _normal(generator, count)
        rows[fraudulent, column] = others[fraudulent, column]
    return rows.round(4), fraudulent
