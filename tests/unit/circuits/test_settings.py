"""Settings: Freivalds refused, random order and timestamps removed, sizes allocated."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from zkdescent.circuits.ezkl_backend.codegen import REBASE_LABEL
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.settings import (
    RunArguments,
    canonical_settings,
    capacity,
    refuse_unsafe_settings,
)
from zkdescent.core.errors import ProverError


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "run_args": {"disable_freivalds": True},
        "einsum_params": {"equations": [["b", 1], ["a", 2]], "total_einsum_col_size": 0},
        "required_range_checks": [[-1, 1], [0, 1023], [-5, 5]],
        "required_lookups": [{"Sigmoid": {"scale": 1.0}}, {"Abs": {}}],
        "timestamp": 1700000000,
        "total_assignments": 5000,
        "num_rows": 2500,
        **changes,
    }


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_order_and_time_do_not_matter() -> None:
    one = settings()
    other = settings(timestamp=7)
    other["required_range_checks"].reverse()
    other["required_lookups"].reverse()
    other["einsum_params"]["equations"].reverse()
    assert canonical_settings(encoded(one)) == canonical_settings(encoded(other))
    parsed = json.loads(canonical_settings(encoded(one)))
    assert parsed["timestamp"] == 0
    assert sorted(map(json.dumps, parsed["required_lookups"])) == sorted(
        map(json.dumps, one["required_lookups"])
    )


def test_other_content_stays_other() -> None:
    changed = settings(required_range_checks=[[-1, 1], [0, 1023]])
    assert canonical_settings(encoded(settings())) != canonical_settings(encoded(changed))


def test_canonical_settings_are_a_fixed_point() -> None:
    once = canonical_settings(encoded(settings()))
    assert canonical_settings(once) == once


def test_fewer_cells_are_allocated_and_never_more() -> None:
    parsed = json.loads(canonical_settings(encoded(settings()), assignments=3000))
    assert (parsed["total_assignments"], parsed["num_rows"]) == (3000, 1500)
    parsed = json.loads(canonical_settings(encoded(settings()), assignments=9000))
    assert parsed["total_assignments"] == 5000


@pytest.mark.parametrize(
    "changes",
    [
        {"run_args": {"disable_freivalds": False}},
        {"run_args": {}},
        {"einsum_params": {"equations": [], "total_einsum_col_size": 64}},
        {"einsum_params": {"equations": []}},
        {"run_args": {"disable_freivalds": 1}},
    ],
)
def test_freivalds_is_refused(changes: dict[str, Any]) -> None:
    unsafe = encoded(settings(**changes))
    with pytest.raises(ProverError, match="Freivalds"):
        refuse_unsafe_settings(unsafe)
    with pytest.raises(ProverError, match="Freivalds"):
        canonical_settings(unsafe)
    assert refuse_unsafe_settings(encoded(settings()))["timestamp"] == 1700000000


@pytest.mark.parametrize("raw", [b"not json", b"[]", b"{}", b'{"einsum_params": 3}'])
def test_settings_of_another_form(raw: bytes) -> None:
    with pytest.raises(ProverError, match="not of the known form"):
        canonical_settings(raw)


@pytest.mark.parametrize("raw", [b"not json", b"[]", b"3"])
def test_unreadable_settings_are_refused_too(raw: bytes) -> None:
    with pytest.raises(ProverError):
        refuse_unsafe_settings(raw)


def test_the_run_arguments_are_the_safe_ones() -> None:
    arguments = RunArguments(15, public_output=True).apply(SimpleNamespace())
    assert arguments.disable_freivalds is True
    assert arguments.output_visibility == "public"
    assert arguments.input_visibility == "polycommit"
    assert arguments.num_inner_cols == 2
    hidden = RunArguments(15, public_output=False).apply(SimpleNamespace())
    assert hidden.output_visibility == "polycommit"


def test_ezkl_is_told_to_round_nothing() -> None:
    arguments = RunArguments(15, public_output=True).apply(SimpleNamespace())
    assert arguments.input_scale == arguments.param_scale == REBASE_LABEL


@pytest.mark.parametrize("logrows", [11, 15, 20])
def test_tables_hold_the_digits_of_the_size(logrows: int) -> None:
    arguments = RunArguments(logrows, public_output=True).apply(SimpleNamespace())
    first, last = arguments.lookup_range
    assert (first, last) == Digits(logrows).lookup_range
    assert first == -(1 << (logrows - 1))
    # One column of 2**logrows rows must hold the table, beside what halo2 and ezkl reserve.
    assert last - first + 1 == (1 << logrows) - 32


def test_capacity_counts_usable_rows_of_two_columns() -> None:
    assert capacity(10, 1) == 2 * (1024 - 16)
    assert capacity(10, 3) == 3 * capacity(10, 1)
