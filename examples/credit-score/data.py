"""Made-up applicants for credit: what a bureau knows of them, and whether they paid back."""

import numpy as np

COLUMNS = ("income", "debt_ratio", "utilisation", "late_payments", "account_years", "inquiries")


def _draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Applicants (count, 6) and whether they paid (count,): by chance, at their own odds."""
    generator = np.random.RandomState(seed)  # this class's streams never change (NEP 19)
    care = generator.normal(size=count)  # nobody sees it; everything else follows from it in part
    income = np.exp(0.4 * generator.normal(size=count) + 0.15 * care + 3.6)
    debt = np.clip(0.35 - 0.08 * care + 0.12 * generator.normal(size=count), 0, 1)
    utilisation = np.clip(0.45 - 0.15 * care + 0.2 * generator.normal(size=count), 0, 1)
    late = generator.poisson(np.exp(-0.3 - 0.6 * care))
    years = np.clip(8 + 2.5 * care + 4 * generator.normal(size=count), 0, 40)
    inquiries = generator.poisson(np.exp(0.4 - 0.3 * care))
    odds = 1.4 + 1.3 * care + 0.5 * (np.log(income) - 3.6) - 2.0 * (debt - 0.35)
    paid = generator.uniform(size=count) < 1 / (1 + np.exp(-odds))
    columns = (
        income.round(1),
        debt.round(3),
        utilisation.round(3),
        late,
        years.round(1),
        inquiries,
    )
    return np.stack(columns, axis=1).astype(float), paid


def applicants(count: int = 1200, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 6) and targets (n, 1): 1 who paid back, 0 who did not."""
    rows, paid = _draw(count, seed)
    return rows, paid[:, None].astype(float)


def judged(count: int = 400, seed: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return applicants (n, 6) that no model was trained on, and whether they paid (n,)."""
    return _draw(count, seed)
