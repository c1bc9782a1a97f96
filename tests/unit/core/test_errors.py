"""The error tree: exit codes, messages, and the trip out of a worker process."""

from __future__ import annotations

import json
import pickle

import pytest

from zkdescent.core import errors
from zkdescent.core.errors import (
    ArtefactError,
    ChainError,
    ChainOfProofsBroken,
    ConfigError,
    ContractRejected,
    DataError,
    ModelError,
    ProofRejected,
    ProverError,
    ToolMissing,
    UnsupportedOperator,
    ZkDescentError,
    nearest,
    suggestion,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (ZkDescentError, 1),
        (ArtefactError, 1),
        (ProverError, 1),
        (ChainError, 1),
        (ToolMissing, 1),
        (ConfigError, 2),
        (DataError, 2),
        (ModelError, 2),
        (UnsupportedOperator, 2),
        (ProofRejected, 3),
        (ChainOfProofsBroken, 3),
        (ContractRejected, 3),
    ],
)
def test_exit_codes(kind: type[ZkDescentError], exit_code: int) -> None:
    assert kind("x").exit_code == exit_code
    assert issubclass(kind, ZkDescentError)


def test_every_public_error_is_in_the_tree() -> None:
    classes = [
        v for v in vars(errors).values() if isinstance(v, type) and v.__module__ == errors.__name__
    ]
    assert all(issubclass(kind, ZkDescentError) for kind in classes)


def test_diagnostics_say_what_was_expected_and_what_to_do() -> None:
    error = DataError(
        "a value is wrong", expected="0 or 1", got=2, path="rows.csv:3", hint="fix it"
    )
    text = error.diagnostics()
    for part in ("a value is wrong", "0 or 1", "2", "rows.csv:3", "fix it"):
        assert part in text
    assert "rows.csv:3: a value is wrong" in str(error)


def test_diagnostics_leave_out_what_is_not_known() -> None:
    assert ConfigError("plain").diagnostics() == "plain"
    assert str(ConfigError("plain")) == "plain"


def test_bytes_are_shown_as_hex_and_long_values_are_cut() -> None:
    assert "0x0102" in str(ArtefactError("m", got=b"\x01\x02"))
    assert len(str(ArtefactError("m", got="a" * 10_000))) < 1_000


def test_errors_survive_pickling() -> None:
    error = ContractRejected(
        "m", error_name="StateInMismatch", values={"got": b"\x01"}, hint="h", path="p"
    )
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ContractRejected)
    assert copy.to_json() == error.to_json()
    assert copy.diagnostics() == error.diagnostics()


def test_to_json_is_json() -> None:
    record = ContractRejected(
        "m", error_name="E", values={"a": b"\x02"}, expected=1, got=("x", 2)
    ).to_json()
    assert json.loads(json.dumps(record))["values"] == {"a": "0x02"}
    assert record["error"] == "ContractRejected"
    assert record["exit_code"] == 3


def test_nearest_finds_a_misspelling_but_not_a_stranger() -> None:
    assert nearest("stpes", ["steps", "seed"]) == "steps"
    assert nearest("zzz", ["steps", "seed"]) is None
    assert suggestion("stpes", ["steps"]) == "did you mean 'steps'?"
    assert "steps, seed" in suggestion("zzz", ["steps", "seed"])
    assert suggestion("zzz", []) == "known names: none"
