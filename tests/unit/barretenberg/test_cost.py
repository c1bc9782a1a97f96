"""Estimated gates are the emission's, and those are bb's."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import acir, toolchain
from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.barretenberg.cost import FIXED_GATES, estimate
from zkdescent.circuits.barretenberg.expression import limb_widths, list_gates, range_gates

from .models import FIXED, Model
from .samples import NARROW, Sample, gadgets, inference, layers, products

MODELS = {
    "linear": Model(features=10, batch_size=4, steps=2),
    "momentum": Model(features=10, batch_size=4, optimizer="momentum", steps=3),
    "mlp": Model(features=8, hidden=6, function="relu", batch_size=8),
    "mlp, unrounded": Model(features=8, hidden=6, function="relu", rounds_products=False),
    "freivalds": Model(features=12, hidden=12, function="relu", batch_size=12),
    "tanh": Model(function="tanh", loss="bce", batch_size=4),
    "classes": Model(features=6, outputs=4, loss="cross_entropy", batch_size=4),
    "adam": Model(features=10, optimizer="adam", batch_size=4),
    "norm": Model(function="norm", hidden=6, batch_size=4),
}


@pytest.mark.parametrize("name", MODELS)
def test_estimate_is_the_emission_of_models(name: str) -> None:
    program, _ = MODELS[name].lowered()
    found = emit(program, FIXED, public_output=False).system.gates
    estimated = estimate(program, FIXED) - FIXED_GATES
    assert estimated == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("sample", [gadgets(), inference(), layers(), products()])
def test_estimate_is_the_emission_of_gadgets(sample: Sample) -> None:
    found = sample.emit().system.gates
    estimated = estimate(sample.program, NARROW) - FIXED_GATES
    assert estimated == pytest.approx(found, rel=0.05)


def test_a_product_more_costs_more() -> None:
    smaller, larger = (Model(features=n, batch_size=4).lowered()[0] for n in (8, 16))
    assert estimate(larger, FIXED) > 1.05 * estimate(smaller, FIXED)


@pytest.mark.prover
@pytest.mark.barretenberg
@pytest.mark.parametrize("name", ["linear", "mlp", "tanh", "freivalds", "adam"])
def test_estimate_is_the_count_of_bb(tmp_path: Path, name: str) -> None:
    program, _ = MODELS[name].lowered()
    path = tmp_path / "program.json"
    path.write_bytes(emit(program, FIXED, public_output=False).program_file())
    found = toolchain.count_gates(path, timeout=60)
    assert estimate(program, FIXED) == pytest.approx(found, abs=FIXED_GATES + 0.02 * found)


@pytest.mark.prover
@pytest.mark.barretenberg
@pytest.mark.parametrize("bits", [1, 2, 8, 13, 14, 20, 25, 43])
def test_range_checks_cost_what_bb_counts(tmp_path: Path, bits: int) -> None:
    """A list for every width of a limb, and then so much for each number."""
    few, many = tmp_path / "few.json", tmp_path / "many.json"
    few.write_bytes(acir.program_file([acir.range_check(1, bits)], 2, 1))
    numbers = range(1, 401)
    many.write_bytes(acir.program_file([acir.range_check(i, bits) for i in numbers], 401, 1))
    one, all_of_them = (toolchain.count_gates(path, timeout=60) for path in (few, many))
    assert (all_of_them - one) / 399 == pytest.approx(range_gates(bits), abs=0.3)
    lists = sum(map(list_gates, limb_widths(bits)))
    assert one == pytest.approx(lists, abs=FIXED_GATES)
