"""`estimate`, and the options of `compile` that choose and explain sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_an_estimate_in_json_and_in_words(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    project = write_project(tmp_path)
    answer = cli("estimate", "-C", project, "--json")
    assert answer.code == 0
    assert (answer.json["logrows"], answer.json["steps_per_proof"]) == (12, 2)
    assert answer.json["objective"] == "seconds"
    words = cli("estimate", "-C", project, "--objective", "gas")
    assert words.code == 0
    for text in ("Chosen for gas", "runners-up", "Refused", "Rows of one update step"):
        assert text in words.out
    assert "logrows = 12, steps_per_proof = 2" in words.out
    assert not (project / ".zkdescent").exists()


def test_circuits_as_large_as_they_need_to_be(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    extra = 'backend = "barretenberg"'
    project = write_project(tmp_path, logrows="auto", extra=extra)
    answer = cli("estimate", "-C", project, "--json")
    assert answer.code == 0
    assert answer.json["logrows"] >= 12
    assert answer.json["range_proofs"] == 0
    hiding = answer.json["gas_per_block_proof"], answer.json["proof_bytes"]
    words = cli("estimate", "-C", project)
    assert "[circuit] steps_per_proof =" in words.out
    assert "logrows = " not in words.out
    project = write_project(
        tmp_path / "open", logrows="auto", extra=f"{extra}\nzero_knowledge = false"
    )
    answer = cli("estimate", "-C", project, "--json")
    without = answer.json["gas_per_block_proof"], answer.json["proof_bytes"]
    assert without < hiding


def test_what_no_circuit_holds_ends_with_2_and_advice(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    project = write_project(tmp_path)
    file = project / "zkdescent.toml"
    file.write_text(file.read_text().replace("logrows = 12", "logrows = 26"))
    answer = cli("estimate", "-C", project, "--json")
    assert (answer.code, answer.json["error"]) == (2, "CircuitTooLarge")
    assert answer.json["expected"] == "logrows from 11 to 20"
    assert "auto" in answer.json["hint"]


@pytest.mark.parametrize("command", ["estimate", "compile"])
def test_an_unknown_objective_is_a_usage_error(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path], command: str
) -> None:
    project = write_project(tmp_path)
    answer = cli(command, "-C", project, "--objective", "fun")
    assert answer.code == 2
    assert "fun" in answer.err
    assert not (project / ".zkdescent").exists()


def test_compile_explains_before_it_builds(
    cli: Cli,
    tmp_path: Path,
    write_project: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The prover is replaced: what is looked at is which blueprint it is given."""
    from zkdescent.core.errors import ProverError

    given: list[Any] = []

    def build(*arguments: Any, blueprint: Any) -> None:
        given.append(blueprint)
        raise ProverError("not today")

    monkeypatch.setattr("zkdescent.pipeline.building.compile_project", build)
    project = write_project(tmp_path)
    file = project / "zkdescent.toml"
    sized = "steps_per_proof = 2\nlogrows = 12"
    file.write_text(file.read_text().replace(sized, "").replace("steps = 4", "steps = 40"))
    for objective in ("seconds", "memory"):
        answer = cli("compile", "-C", project, "--objective", objective, "--json")
        assert (answer.code, answer.json["error"]) == (1, "ProverError")
    cli("compile", "-C", project, "--json")
    assert [b.tuning.objective for b in given] == ["seconds", "memory", "seconds"]
    assert given[1].tuning.choice.memory_mb <= given[0].tuning.choice.memory_mb
