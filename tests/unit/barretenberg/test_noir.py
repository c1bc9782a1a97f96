"""The rendering as Noir compiles, runs, and means what the circuit means."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.assemble import BATCH, CONTEXT, ROW, STATE
from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.barretenberg.noir import render
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.npm import locate_node
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.core.config import load_project
from zkdescent.core.errors import ConfigError
from zkdescent.core.records import FIELD_MODULUS
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.rendering import write_noir

NOIR = Path(__file__).resolve().parents[2] / "noir"
SALT = 0xB0B << 230 | 99
CONTEXT_VALUE = FIELD_MODULUS - 5
SMALL = FixedPoint(table_bits=4)
CAPACITY = 12

MLP = """from torch import nn


def build():
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
"""
BINARY = "a,b,c,y\n" + "".join(f"{i % 5 - 2},{i % 3 - 1},{i % 7 / 4},{i % 2}\n" for i in range(16))


@dataclass(frozen=True)
class Case:
    """A program with honest inputs."""

    program: Program
    fixed: FixedPoint
    inputs: dict[str, IntegerArray]

    @property
    def public_output(self) -> bool:
        return ROW in self.inputs

    def public(self) -> list[int]:
        """The public inputs of the circuit that is proven."""
        emitted = emit(self.program, self.fixed, public_output=self.public_output)
        return emitted.witness(self.inputs, SALT)[: emitted.system.public]

    def arguments(self, public: list[int]) -> dict[str, Any]:
        """Arguments of the rendering for given public inputs."""
        words: dict[str, Any] = {"context": _hex(public[0]), "state_digest": _hex(public[1])}
        if self.public_output:
            words["outputs"] = [_hex(v) for v in public[2:]]
        else:
            words |= {"batch_digest": _hex(public[2]), "new_digest": _hex(public[3])}
        private = {n: [_hex(int(v)) for v in a] for n, a in self.inputs.items() if n != CONTEXT}
        return words | private | {"salt": _hex(SALT)}


def _hex(value: int) -> str:
    return hex(value % FIELD_MODULUS)


def _integers(values: Any) -> IntegerArray:
    return np.array([int(v) for v in values], dtype=object)


def _with_context(**inputs: Any) -> dict[str, IntegerArray]:
    return {CONTEXT: _integers([CONTEXT_VALUE])} | {n: _integers(v) for n, v in inputs.items()}


def _every_operation() -> Case:
    b = Builder()
    b.input(CONTEXT, 1)
    state = b.input(STATE, 6, CAPACITY)
    batch = b.input(BATCH, 6, CAPACITY)
    matrix = b.reshape(state, (2, 3))
    row = b.reshape(b.slice(batch, 1, 4), (3,))
    column = b.reshape(b.slice(batch, 4, 6), (2, 1))
    square = b.add(b.mul(column, column), b.constant(1))
    places = b.rescale(matrix, 6, 6, "places\n} assert(false); // {")
    cube = b.take(state, [0, 5, -1, 3, 3, 1, 2, 4], (2, 2, 2))
    parts = [
        b.rescale(b.mul(matrix, row), 7, CAPACITY),
        b.divide(matrix, square, CAPACITY, 2 * CAPACITY + 1),
        b.divide(column, b.add(b.mul(row, row), b.constant(1)), CAPACITY, 2 * CAPACITY + 1),
        b.sqrt(square, CAPACITY + 1),
        b.is_positive(b.sub(matrix, b.constant(-3, 2, 0, 5, 1, 1 << 10, shape=(2, 3))), 13),
        b.range_check(b.add(places, b.constant(3)), 7),
        b.matmul(b.transpose(places), b.is_positive(column, 13)),
        b.rescale(b.sum(cube, (0, 2)), 1, CAPACITY),
        b.rescale(b.add(cube, b.sum(cube, (1,))), 2, CAPACITY),
        b.shift_left(b.neg(places), 2),
        *(b.table(op, places, SMALL.table_bits) for op in (Op.SIGMOID, Op.TANH, Op.EXP)),
    ]
    flat = [b.reshape(p, (b.node(p).size,)) for p in parts]
    inputs = _with_context(state=[4000, -4000, 0, 1, -1, 700], batch=[1, 60, 0, -70, -1, 13])
    return Case(b.finish(b.concat(flat)), SMALL, inputs)


def _step(blueprint: Blueprint) -> Case:
    inputs = _with_context(state=blueprint.genesis, batch=blueprint.fixed_blocks[0])
    return Case(blueprint.step, blueprint.fixed, inputs)


def _inference(blueprint: Blueprint) -> Case:
    inputs = _with_context(state=blueprint.genesis, x=[4096, -5000, 17])
    return Case(blueprint.inference, blueprint.fixed, inputs)


Write = Callable[..., Path]


def _blueprint(directory: Path, write: Write, **options: Any) -> Blueprint:
    extra = 'backend = "barretenberg"'
    written = write(directory, logrows="auto", extra=extra, **options)
    return make_blueprint(load_project(written))


@dataclass(frozen=True)
class Answers:
    """What Noir says about each case: with the right public inputs, then with each one changed."""

    case: Case
    source: str
    public: list[int]
    results: list[dict[str, Any]]


NAMES = ("operations", "linear", "mlp", "sigmoid", "inference")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, write_project: Write) -> dict[str, Answers]:
    """All cases, compiled and executed by one process: starting the compiler takes seconds."""
    folder = tmp_path_factory.mktemp("noir")
    mlp = _blueprint(folder / "mlp", write_project, model=MLP)
    cases = {
        "operations": _every_operation(),
        "linear": _step(_blueprint(folder / "linear", write_project)),
        "mlp": _step(mlp),
        "sigmoid": _step(_blueprint(folder / "bce", write_project, rows=BINARY, loss="bce")),
        "inference": _inference(mlp),
    }
    jobs, asked = [], {}
    for name, case in cases.items():
        source = render(case.program, case.fixed, public_output=case.public_output)
        path = folder / f"{name}.nr"
        path.write_text(source, encoding="utf-8")
        public = case.public()
        changed = [[v + (i == j) for j, v in enumerate(public)] for i in range(1, len(public))]
        maps = [case.arguments(words) for words in (public, *changed)]
        jobs.append({"program": str(path), "inputs": maps})
        asked[name] = (case, source, public)
    results = _execute(jobs)
    return {name: Answers(*asked[name], r) for name, r in zip(asked, results, strict=True)}


def _execute(jobs: list[dict[str, Any]]) -> Any:
    node = locate_node()
    assert node is not None, "these tests need Node.js"
    assert (NOIR / "node_modules").is_dir(), f"run: npm ci --prefix {NOIR}"
    done = subprocess.run(
        [node, NOIR / "run.mjs"],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.barretenberg
@pytest.mark.parametrize("name", NAMES)
def test_public_inputs_are_those_of_the_proven_circuit(
    answers: dict[str, Answers], name: str
) -> None:
    accepted = answers[name].results[0]
    assert "refused" not in accepted, accepted
    assert [int(v, 16) for v in accepted["public"]] == answers[name].public


@pytest.mark.barretenberg
@pytest.mark.parametrize("name", NAMES)
def test_any_other_digest_or_output_is_refused(answers: dict[str, Answers], name: str) -> None:
    refused = answers[name].results[1:]
    assert len(refused) == len(answers[name].public) - 1
    assert all("Cannot satisfy constraint" in r["refused"] for r in refused)


def test_a_name_cannot_leave_its_comment() -> None:
    case = _every_operation()
    source = render(case.program, case.fixed, public_output=False)
    lines = [line for line in source.splitlines() if "assert(false)" in line]
    assert lines
    assert all(line.startswith("    // ") for line in lines)


def test_every_node_has_a_line_with_its_name(tmp_path: Path, write_project: Write) -> None:
    program = _blueprint(tmp_path, write_project, model=MLP).step
    source = render(program, FixedPoint(), public_output=False)
    named = [n for n in program.nodes if n.name and n.op is not Op.INPUT]
    assert len(named) > 20
    assert all(re.search(rf"^    // {n.op.value} .*: {n.name}$", source, re.M) for n in named)
    defined = re.findall(r"^    let (?:mut )?v(\d+)\b", source, re.M)
    inputs = set(program.inputs.values())
    assert [int(v) for v in defined] == [i for i in range(len(program.nodes)) if i not in inputs]


def test_only_steps_and_inferences_are_rendered() -> None:
    b = Builder()
    state = b.input(STATE, 2, CAPACITY)
    with pytest.raises(ConfigError, match="only steps and inferences"):
        render(b.finish(state), SMALL, public_output=False)


def test_a_project_of_barretenberg_is_written_to_files(
    tmp_path: Path, write_project: Write
) -> None:
    blueprint = _blueprint(tmp_path / "project", write_project)
    step, inference = write_noir(blueprint, tmp_path / "new" / "folder")
    assert (step.name, inference.name) == ("step.nr", "inference.nr")
    expected = render(blueprint.step, blueprint.fixed, public_output=False)
    assert step.read_text(encoding="utf-8") == expected
    assert "outputs: pub [Field; 4]" in inference.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, write_project: Write) -> None:
    blueprint = _blueprint(tmp_path / "project", write_project)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"):
        write_noir(blueprint, tmp_path / "file")


def test_a_project_of_another_prover_is_refused(
    tmp_path: Path, write_project: Write, cli: Callable[..., Any]
) -> None:
    answer = cli("compile", "--emit", "noir", "-C", write_project(tmp_path), "--json")
    assert answer.code == 2
    assert "barretenberg" in answer.json["expected"]
    assert not list(tmp_path.glob("*.nr"))


def test_a_folder_without_a_language_is_refused(
    tmp_path: Path, write_project: Write, cli: Callable[..., Any]
) -> None:
    answer = cli("compile", "--out", tmp_path, "-C", write_project(tmp_path), "--json")
    assert answer.code == 2
    assert "--emit" in answer.json["message"]
