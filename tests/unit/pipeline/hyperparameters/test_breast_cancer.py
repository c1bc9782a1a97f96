"""The search on breast cancer: what it chooses is proven, and compared with the default.

Minutes: every setting is traced and sized, and two whole runs are proven.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.core.config import load_project
from zkdescent.pipeline.artefacts import MEASUREMENTS
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.hyperparameters import apply_setting, tune_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.running import RunSummary, run_project

TWO_ROWS = 2 / 114 + 1e-4
"""Of accuracy, on 114 rows of validation; metrics are rounded to four digits."""

pytestmark = [pytest.mark.barretenberg, pytest.mark.slow]


def proven(directory: Path) -> tuple[RunSummary, float]:
    """Run a project; its summary, and the seconds of all its block proofs."""
    project = load_project(directory)
    summary = run_project(project, Reporter())
    measured = project.open_store().read_json(MEASUREMENTS)
    return summary, sum(proof["seconds"] for proof in measured.values())


def test_it_finds_a_setting_that_is_proven_as_good_at_half_the_cost(tmp_path: Path) -> None:
    for name in ("default", "tuned"):
        create_project(tmp_path / name, "breast-cancer", backend="barretenberg")
    project = load_project(tmp_path / "tuned")
    found = tune_project(project, Reporter(), trials=24)
    assert found.gain is not None
    assert found.chosen is not None
    assert found.gain >= 2
    chosen, own = found.settings[found.chosen], found.default
    assert chosen.number == found.chosen
    assert chosen.metric is not None
    assert own.metric is not None
    assert chosen.metric >= own.metric
    apply_setting(project, found, found.chosen)
    default, dear = proven(tmp_path / "default")
    tuned, cheap = proven(tmp_path / "tuned")
    assert default.steps == tuned.steps == 64
    # The order of batches is drawn for each run, and the search has seen another one.
    assert tuned.proven_metric >= default.proven_metric - TWO_ROWS
    assert cheap <= dear / 2
