"""Daily ETH prices: volatility can be foretold in part, direction hardly at all.

Trained on the first 70 % of 1,447 days (August 2017 to August 2021), judged on the rest. Answers
are the circuit's integers. `pytest -m realdata -s` prints the figures of docs/defi.md.
"""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import IntegerArray, dequantize, quantize
from zkdescent.core.config import load_callable, load_project
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "price-volatility"
DATA = Path(os.environ.get("ZKDESCENT_DATA") or ROOT.parent / "shared" / "data") / "price"
WEEK = 5
SHARE = 0.7
LOGIT = "from torch import nn\n\n\ndef build():\n    return nn.Linear(6, 1)\n"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="needs price/*.csv of the real data, in $ZKDESCENT_DATA"
    ),
]


def closes() -> list[int]:
    """Closing prices, oldest first, eight decimals; the newest row of the day that is there twice.

    The file's times are seconds in some rows and milliseconds in others; its dates agree.
    """
    with (DATA / "ethusdt_daily_2017_2021.csv").open(newline="") as stream:
        days: dict[date, float] = {}
        for row in csv.DictReader(stream):  # newest first
            days.setdefault(date.fromisoformat(row["date"][:10]), float(row["close"]))
    ordered = sorted(days)
    assert ordered[-1] - ordered[0] == timedelta(len(ordered) - 1), "no day is missing"
    return [round(days[day] * 10**8) for day in ordered]


@dataclass(frozen=True)
class Trained:
    """A project, trained in the circuit's arithmetic, and its answers."""

    blueprint: Blueprint
    state: IntegerArray

    def predict(self, rows: Any) -> Any:
        """Outputs (n,) of the inference circuit for rows in raw units (n, d)."""
        standard = self.blueprint.data.standardizer.transform_features(rows)
        bits = self.blueprint.fixed.fraction_bits
        return np.array([self._one(row) for row in quantize(standard, bits, what="the rows")])

    def _one(self, row: IntegerArray) -> float:
        inputs = {"context": np.zeros(1, dtype=object), "state": self.state, "x": row}
        outputs = execute(self.blueprint.inference, inputs, self.blueprint.fixed)[len(row) :]
        return float(dequantize(outputs, self.blueprint.fixed.fraction_bits)[0])


def train(
    folder: Path,
    features: Any,
    targets: Any,
    *,
    model: str | None = None,
    changes: dict[str, str] | None = None,
) -> Trained:
    """Train the example on other rows, with another model or other lines of its project file."""
    shutil.copytree(EXAMPLE, folder)
    if model is not None:
        (folder / "model.py").write_text(model)
    np.savez(folder / "rows.npz", features=features, targets=targets)
    file = folder / "zkdescent.toml"
    text = file.read_text()
    made_up = 'source = "factory"\nfactory = "data.py:rows"'
    for old, new in {made_up: 'source = "npz"\npath = "rows.npz"', **(changes or {})}.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    blueprint = make_blueprint(load_project(folder))
    state = blueprint.genesis
    for index in range(blueprint.total_proofs):
        state = blueprint.advance(state, index % len(blueprint.fixed_blocks))
    return Trained(blueprint, state)


def test_volatility_of_later_days_is_foretold_better_than_by_either_mean(tmp_path: Path) -> None:
    rows_of = load_callable("data.py:rows_of", EXAMPLE)
    features, targets = rows_of(closes())
    cut = int(SHARE * len(features))
    # The last targets before the cut would reach into the days that are judged.
    trained = train(tmp_path / "real", features[: cut - WEEK], targets[: cut - WEEK])
    made_up = train(tmp_path / "made-up", *rows_of(load_callable("data.py:prices", EXAMPLE)()))
    later, truth = features[cut:], targets[cut:, 0]
    answers = {
        "model": trained.predict(later),
        "model of made-up prices": made_up.predict(later),
        "last month's mean": later[:, 2],
        "last week's mean": later[:, 1],
        "mean of the training days": np.full(len(later), targets[:cut].mean()),
    }
    squared = {name: float(((a - truth) ** 2).mean()) for name, a in answers.items()}
    print(f"\nvolatility, {len(truth)} weeks that overlap:")
    for name, answer in answers.items():
        print(
            f"  {name}: mean absolute error {np.abs(answer - truth).mean():.3f} points, "
            f"R2 {1 - squared[name] / truth.var():+.3f}"
        )
    baselines = ("last month's mean", "last week's mean", "mean of the training days")
    assert squared["model"] < 0.95 * min(squared[name] for name in baselines)


def test_direction_is_close_to_a_coin_flip(tmp_path: Path) -> None:
    """A logistic regression on six returns; what is asserted is that nobody should bet on it."""
    daily = np.array(closes(), dtype=float)
    returns = 100 * np.diff(np.log(daily))
    rows = np.lib.stride_tricks.sliding_window_view(returns, 7)
    features, targets = rows[:, :6].copy(), (rows[:, 6:] > 0).astype(float)
    cut = int(SHARE * len(rows))
    changes = {
        'loss = "mse" ': 'loss = "bce" ',
        "standardize = false ": "standardize = true ",
    }
    trained = train(
        tmp_path / "direction", features[:cut], targets[:cut], model=LOGIT, changes=changes
    )
    up = trained.predict(features[cut:]) > 0
    truth = targets[cut:, 0] > 0.5
    hits, always = float((up == truth).mean()), float(truth.mean())
    deviation = 0.5 / np.sqrt(len(truth))
    print(
        f"\ndirection: {hits:.1%} right of {len(truth)} days; always up {always:.1%}; one standard "
        f"deviation of a coin {deviation:.1%}"
    )
    assert abs(hits - 0.5) < 4 * deviation
    assert hits < always + 3 * deviation
