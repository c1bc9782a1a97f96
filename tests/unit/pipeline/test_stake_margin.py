"""The judgement of the margin: each claim holds where it is shown, and fails where it is not."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zkdescent.pipeline.staking.margin import Margin


def chain(cost: float, participation: float, pushing: float = -1.0) -> dict[str, Any]:
    """A chain that costs 100 and has 0.8 of the stake with fixed parameters."""
    arm = {"participation": 0.8, "cost": 100.0, "reward": 100.0}
    return {
        "seed": 1,
        "fixed": arm,
        "controlled": arm | {"cost": cost, "participation": participation},
        "pushed": copy.copy(arm),
        "earned": {"honest": 1.0, "pushing": pushing},
    }


def test_all_claims_hold_on_a_clear_margin() -> None:
    margin = Margin((chain(90, 0.85), chain(98, 0.81)))
    assert margin.holds
    assert margin.cost_gain == pytest.approx(0.06)
    assert margin.participation_gain == pytest.approx(0.03)
    assert margin.worst == pytest.approx(0.02)
    assert len(margin.rows()) == 2
    assert not any("NO" in line for line in margin.lines())
    assert margin.to_json()["claims"] == margin.claims()


@pytest.mark.parametrize(
    ("chains", "fails"),
    [
        ((chain(97, 0.85), chain(96.5, 0.85)), "cost"),
        ((chain(90, 0.81), chain(90, 0.81)), "participation"),
        ((chain(80, 0.85), chain(103, 0.85)), "no chain worse"),
        ((chain(90, 0.85), chain(90, 0.85, pushing=1.5)), "pushing loses"),
    ],
)
def test_each_claim_can_fail_alone(chains: tuple[dict[str, Any], ...], fails: str) -> None:
    margin = Margin(chains)
    assert [name for name, holds in margin.claims().items() if not holds] == [fails]
    assert not margin.holds
    assert any("NO" in line for line in margin.lines())


@pytest.mark.slow
def test_the_claim_holds_on_its_ten_seeds(tmp_path: Path) -> None:
    """As a user judges it, training included; the script's table is in docs/stake-oracle.md."""
    script = Path(__file__).resolve().parents[3] / "scripts" / "stake_margin.py"
    command = [sys.executable, str(script), "--directory", str(tmp_path / "margin"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [chain["seed"] for chain in said["chains"]] == list(range(2000, 2010))
    assert set(said["claims"].values()) == {True}
