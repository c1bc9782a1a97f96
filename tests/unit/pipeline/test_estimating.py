"""Estimates of whole projects: what they say, what they leave alone, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import CircuitTooLarge
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.estimating import blueprint_to_compile, estimate, estimate_project
from zkdescent.pipeline.sizing import remembered_objective

Write = Callable[..., Path]

MLP = (
    "from torch import nn\n\n\ndef build(n=3):\n"
    "    return nn.Sequential(nn.Linear(n, 6), nn.ReLU(), nn.Linear(6, 1))\n"
)


def open_sized(project: Path, circuit: str, *, steps: int = 4) -> Project:
    """The project with another [circuit] table and number of steps."""
    file = project / "zkdescent.toml"
    text = file.read_text().replace("steps = 4", f"steps = {steps}")
    file.write_text(text.replace("steps_per_proof = 2\nlogrows = 12", circuit))
    return load_project(project)


@pytest.fixture
def project(tmp_path: Path, write_project: Write) -> Project:
    return open_sized(write_project(tmp_path, model=MLP), "", steps=40)


def test_an_estimate_says_what_a_run_costs_and_writes_nothing(project: Project) -> None:
    found = estimate_project(project)
    answer = found.to_json()
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert answer["block_proofs"] * answer["steps_per_proof"] == 40
    assert 0 < answer["proving_seconds"] < answer["seconds"]
    assert answer["peak_memory_mb"] < answer["memory_limit_mb"]
    assert answer["proving_keys_mb"] > 1
    assert answer["gas"] > answer["block_proofs"] * answer["gas_per_block_proof"]
    assert set(answer["circuits"]) == {"step", "range", "inference"}
    assert answer["runners_up"]
    assert not project.store_directory.exists()


def test_the_estimate_is_of_the_programs_that_are_built(project: Project) -> None:
    blueprint = make_blueprint(project)
    choice = blueprint.tuning.choice
    assert blueprint.backend.cost(blueprint.step, choice.size) == choice.rows
    assert (blueprint.size, blueprint.steps_per_proof) == (choice.size, choice.steps_per_proof)
    assert blueprint.total_proofs == choice.block_proofs
    assert all(blueprint.backend.fits(r, blueprint.size) for r in blueprint.requests())


def test_the_passes_are_told_from_the_naive_program_to_the_proven_one(project: Project) -> None:
    blueprint = make_blueprint(project)
    explanation = estimate(blueprint).explanation
    assert explanation is not None
    one_step = blueprint.programs.step(blueprint.size, 1)
    assert explanation.rows <= explanation.rows_naive
    assert explanation.rows == blueprint.backend.cost(one_step, blueprint.size)
    names = [stage["name"] for stage in estimate(blueprint).to_json()["passes"]]
    assert names[:2] == ["coefficient_folding", "rescale_placement"]


def test_objectives_choose_different_circuits(project: Project) -> None:
    seconds, gas = (estimate_project(project, objective=o) for o in ("seconds", "gas"))
    assert gas.choice.gas < seconds.choice.gas
    assert seconds.choice.seconds <= gas.choice.seconds
    declared = open_sized(project.directory, "")
    text = declared.file.read_text().replace("[circuit]", '[circuit]\nobjective = "gas"')
    declared.file.write_text(text)
    assert estimate_project(load_project(project.directory)).choice == gas.choice


def test_refusals_keep_their_reasons(project: Project) -> None:
    refused = estimate_project(project).refused
    assert len({(r.logrows, r.reason) for r in refused}) == len(refused)
    data = [r for r in refused if r.reason == "the data is too small"]
    assert data
    assert {r.steps_per_proof for r in data} == {(5, 40)}
    assert all("16 rows fill 4 batches of 4" in r.detail for r in data)


def test_later_stages_find_the_circuits_that_were_compiled(project: Project) -> None:
    assert remembered_objective(project) == "seconds"
    compiled = blueprint_to_compile(project, "memory")
    assert remembered_objective(project) == "memory"
    assert make_blueprint(project).tuning.choice == compiled.tuning.choice
    changed = open_sized(project.directory, "")
    changed.file.write_text(changed.file.read_text().replace("seed", "seed").replace("0.1", "0.2"))
    assert remembered_objective(load_project(project.directory)) == "seconds"


def test_compiling_without_an_objective_forgets_the_one_before(project: Project) -> None:
    blueprint_to_compile(project, "memory")
    plain = blueprint_to_compile(project, None)
    assert remembered_objective(project) == "seconds"
    assert make_blueprint(project).tuning.choice == plain.tuning.choice


def test_sizes_that_are_asked_for_are_obeyed_or_refused(
    tmp_path: Path, write_project: Write
) -> None:
    asked = open_sized(write_project(tmp_path / "a"), "steps_per_proof = 2\nlogrows = 13")
    choice = estimate_project(asked).choice
    assert (choice.size, choice.steps_per_proof) == (13, 2)
    bce = write_project(tmp_path / "b", loss="bce", rows="a,b,c,y\n" + "1,2,3,0\n2,1,0,1\n" * 8)
    with pytest.raises(CircuitTooLarge, match="logrows = 12") as refusal:
        estimate_project(load_project(bce))
    assert "a table" in str(refusal.value.got)
    assert refusal.value.exit_code == 2


def test_headroom_bits_are_the_arithmetics(tmp_path: Path, write_project: Write) -> None:
    plain = load_project(write_project(tmp_path / "a"))
    wide = write_project(tmp_path / "b")
    file = wide / "zkdescent.toml"
    file.write_text(file.read_text().replace("[circuit]", "[circuit]\nheadroom_bits = 12"))
    fixed = [make_blueprint(p).fixed for p in (plain, load_project(wide))]
    assert [f.headroom_bits for f in fixed] == [8, 12]
    assert [f.data_capacity for f in fixed] == [20, 24]


def test_a_number_of_steps_without_divisors_is_advised_against(
    tmp_path: Path, write_project: Write
) -> None:
    rows = "a,b,c,y\n" + "0.1,0.2,0.3,0.4\n0.4,0.3,0.2,0.1\n" * 60
    prime = open_sized(write_project(tmp_path / "a", rows=rows), "", steps=61)
    found = estimate_project(prime)
    better = found.tuning.better
    assert better is not None
    assert better.steps != 61
    assert f"steps = {better.steps} would need {better.block_proofs} proofs" in found.notes[0]
    assert make_blueprint(prime).advice == found.notes[0]
    round_number = open_sized(write_project(tmp_path / "b", rows=rows), "", steps=60)
    assert estimate_project(round_number).notes == ()


def test_a_proof_too_long_for_its_own_verifier_is_told(
    tmp_path: Path, write_project: Write
) -> None:
    circuit = 'steps_per_proof = 2\nlogrows = 11\n[chain]\nverifier = "{}"'
    model = MLP.replace("6", "16")
    dedicated = write_project(tmp_path / "a", model=model)
    found = estimate_project(open_sized(dedicated, circuit.format("dedicated")))
    assert found.choice.step.proof_bytes > 6_700
    assert any("reusable" in note for note in found.notes)
    reusable = write_project(tmp_path / "b", model=model)
    assert estimate_project(open_sized(reusable, circuit.format("reusable"))).notes == ()
