"""A made-up price: a geometric random walk whose drift has a season of twelve days.

Rows are windows of log returns, oldest first; the target is the return that follows. Windows
overlap, so rows that are held back share returns with rows that are trained on.
"""

import numpy as np

WINDOW = 6
SEASON = 12


def prices(days: int = 420, seed: int = 8) -> np.ndarray:
    """Return daily prices (days,), the first 100."""
    generator = np.random.RandomState(seed)  # this class's streams never change (NEP 19)
    season = 0.012 * np.sin(2 * np.pi * np.arange(1, days) / SEASON)
    returns = season + 0.006 * generator.normal(size=days - 1)
    return 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))


def windows() -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, WINDOW) and targets (n, 1) of the made-up price."""
    return windows_of(prices())


def windows_of(daily: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, WINDOW) and targets (n, 1), in percent a day, of any daily price."""
    returns = (100 * np.diff(np.log(daily))).round(4)
    rows = np.lib.stride_tricks.sliding_window_view(returns, WINDOW + 1)
    return rows[:, :WINDOW].copy(), rows[:, WINDOW:].copy()
