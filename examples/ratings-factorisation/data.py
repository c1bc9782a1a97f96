"""A made-up table of ratings: who rated what how well, as one-hot columns.

Tastes of users and traits of items have three dimensions; 70 % of all pairs are rated, from 1 to 5
in halves.
"""

import numpy as np

USERS = 20
ITEMS = 16
TASTES = 3


def ratings(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, USERS + ITEMS), two ones in a row, and ratings less 3, (n, 1)."""
    generator = np.random.RandomState(seed)  # this class's streams never change (NEP 19)
    tastes = generator.normal(size=(USERS, TASTES))
    traits = generator.normal(size=(ITEMS, TASTES))
    liked = generator.normal(scale=0.5, size=ITEMS)
    opinion = 0.6 * tastes @ traits.T + liked + 0.2 * generator.normal(size=(USERS, ITEMS))
    halves = np.clip(np.round(2 * opinion) / 2, -2, 2)
    user, item = np.nonzero(generator.uniform(size=(USERS, ITEMS)) < 0.7)
    one_hot = np.concatenate([np.eye(USERS)[user], np.eye(ITEMS)[item]], axis=1)
    return one_hot, halves[user, item][:, None]
