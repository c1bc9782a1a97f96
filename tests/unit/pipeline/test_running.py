"""Figures of the closing table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from zkdescent.pipeline.running import _gas_per_proof

AGGREGATE = {"submit aggregate 0": 900}


@pytest.mark.parametrize(
    ("blocks", "gas", "mean"),
    [
        (0, {"submit block proof 0": 100, "submit block proof 1": 110, "open run": 7}, 105),
        (0, {"submit block proof 1": 110}, 110),
        (3, {**AGGREGATE, "submit block proof 3": 500}, 350),
        (3, AGGREGATE, 300),
        (0, {"open run": 7}, 0),
    ],
)
def test_gas_per_proof_is_the_mean_of_what_is_recorded(
    blocks: int, gas: dict[str, int], mean: int
) -> None:
    several = SimpleNamespace(blocks=blocks) if blocks else None
    manifest: Any = SimpleNamespace(circuits=SimpleNamespace(aggregate=several))
    assert _gas_per_proof(gas, manifest) == mean
