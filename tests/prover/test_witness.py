"""The circuit computes what the reference executor computes, and its key is reproducible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.executor import evaluate, execute
from zkdescent.circuits.ezkl_backend import gadgets, srs, worker
from zkdescent.circuits.ezkl_backend.backend import EzklBackend, felt
from zkdescent.circuits.ezkl_backend.codegen import emit_onnx
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, table_value
from zkdescent.circuits.program import TABLES, Builder, Op, Program
from zkdescent.core.errors import ProverError
from zkdescent.core.records import FIELD_MODULUS

pytestmark = pytest.mark.prover
FIXED = FixedPoint()


def compiled(program: Program, directory: Path, logrows: int) -> dict[str, Path]:
    """Emit and compile a program with a public output."""
    names = ("onnx", "settings", "compiled", "vk", "pk")
    files = {name: directory / name for name in names}
    directory.mkdir(exist_ok=True)
    files["onnx"].write_bytes(emit_onnx(program, Digits(logrows)))
    worker.call(
        "compile_circuit",
        onnx=str(files["onnx"]),
        settings=str(files["settings"]),
        compiled=str(files["compiled"]),
        logrows=logrows,
        public_output=True,
        assignments=None,
    )
    return files


def witness(
    program: Program,
    fixed: FixedPoint,
    inputs: dict[str, IntegerArray],
    directory: Path,
    logrows: int,
) -> list[int]:
    """Output of the circuit as ezkl's own witness generator computes it; no keys needed."""
    files = compiled(program, directory, logrows)
    data, out = directory / "input.json", directory / "witness.json"
    hints = gadgets.honest_hints(program, evaluate(program, inputs, fixed), Digits(logrows))
    tensors = [[felt(int(v)) for v in t] for t in (*(inputs[n] for n in program.inputs), hints)]
    data.write_text(json.dumps({"input_data": tensors}))
    code = "import sys, ezkl; ezkl.gen_witness(*sys.argv[1:4], None, None)"
    arguments = [str(data), str(files["compiled"]), str(out)]
    subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, timeout=120
    )
    values = [
        int.from_bytes(bytes.fromhex(v), "little")
        for v in json.loads(out.read_text())["outputs"][0]
    ]
    return [v - FIELD_MODULUS if v > FIELD_MODULUS // 2 else v for v in values]


@pytest.mark.parametrize("op", sorted(TABLES))
def test_the_tables_are_the_provers(tmp_path: Path, op: Op) -> None:
    """Every argument there is."""
    arguments = np.arange(-FIXED.table_limit, FIXED.table_limit + 1).astype(object)
    b = Builder()
    program = b.finish(b.table(op, b.input("x", len(arguments)), FIXED.table_bits))
    table = witness(program, FIXED, {"x": arguments}, tmp_path, 15)
    assert table == table_value(op, arguments, FIXED.table_bits).tolist()


def everything(size: int, fixed: FixedPoint) -> Program:
    """Every operation on one vector, in combinations that a lowered step has."""
    b = Builder()
    b.input("context", 1)
    x = b.input("x", size)
    matrix = b.reshape(x, (2, size // 2))
    product = b.matmul(matrix, b.transpose(matrix))
    small = b.rescale(b.shift_left(b.mul(matrix, b.constant(-5)), 2), 8, 19)
    table = b.rescale(matrix, 18 - fixed.table_bits - 3, fixed.table_bits + 3)
    narrow = b.rescale(matrix, 9, 9)
    square = b.add(b.mul(narrow, narrow), b.constant(1))
    mask = b.is_positive(small, 19)
    parts = [
        *(b.table(op, table, fixed.table_bits) for op in sorted(TABLES)),
        mask,
        b.mul(mask, small),
        b.range_check(matrix, 18),
        b.is_positive(b.neg(b.shift_left(matrix, 1)), 19),
        b.neg(b.sub(small, b.sum(matrix, (1,)))),
        b.sub(b.shift_left(matrix, 3), b.neg(small)),
        b.rescale(product, 12, 36),
        b.rescale(b.neg(product), 33, 14),
        b.rescale(b.shift_left(product, 70), 90, 30),
        b.rescale(b.shift_left(matrix, 4), 4, 18),
        b.rescale(b.shift_left(matrix, 4), 2, 20),
        b.divide(small, b.add(mask, b.constant(3)), 19, 3),
        b.divide(b.neg(b.shift_left(matrix, 9)), b.range_check(square, 19), 28, 19),
        b.sqrt(square, 17),
        b.take(small, [size - 1, -1, 0, 0, -1, 3], (6,)),
        b.mul(b.take(b.shift_left(matrix, 3), [2, -1], (2,)), b.constant(1 << 20)),
        b.add(matrix, b.constant(*range(-3, size // 2 - 3), shape=(1, size // 2))),
        b.add(small, b.constant(-(1 << 40) - 1)),
    ]
    flat = [b.reshape(p, (b.node(p).size,)) for p in parts]
    return b.finish(b.concat([b.slice(x, 1, 4), *flat]))


@pytest.mark.parametrize(
    ("logrows", "fixed"), [(11, FixedPoint(table_bits=7)), (15, FIXED)], ids=["11", "15"]
)
def test_every_operation_is_bit_exact(tmp_path: Path, logrows: int, fixed: FixedPoint) -> None:
    draw = np.random.default_rng(0)
    edges = [0, 1, -1, 2, -2, 8, -8, 24, -24, 40, -40, 8191, -8191, 8192, -8192]
    border = (1 << 17) - 100
    drawn = draw.integers(-border, border, 47).tolist()
    vector = np.array([*edges, border, -border, *drawn], dtype=object)
    program = everything(len(vector), fixed)
    assert {node.op for node in program.nodes} == set(Op)
    inputs = {"context": np.array([5], dtype=object), "x": vector}
    expected = execute(program, inputs, fixed).tolist()
    assert witness(program, fixed, inputs, tmp_path, logrows) == expected


def test_the_steps_of_the_project_are_bit_exact(proven: Any) -> None:
    """`prove` compares all of the state with the executor; here the comparison is made again."""
    for index, block in enumerate(proven.plan.order()):
        after = proven.blueprint.advance(proven.states[index], block)
        assert after.tolist() == proven.states[index + 1].tolist()


def test_the_verifying_key_is_reproducible_across_processes(proven: Any, tmp_path: Path) -> None:
    (request,) = (r for r in proven.blueprint.requests() if r.role == "step")
    circuit = proven.circuit("step")
    again = EzklBackend().build(request, circuit.logrows, tmp_path)
    stored = proven.store.get(circuit.objects["vk"])
    assert again.files["vk"].read_bytes() == stored
    assert again.record.vk_sha256 == circuit.vk_sha256
    assert again.record.vka_digest == circuit.vka_digest
    assert again.record.opening == circuit.opening


def _vk(program: Program, directory: Path) -> bytes:
    files = compiled(program, directory, 11)
    worker.call(
        "setup",
        srs=str(srs.unsafe_srs(11)),
        **{name: str(files[name]) for name in ("settings", "compiled", "vk", "pk")},
    )
    return files["vk"].read_bytes()


def after_matmul(factor: int) -> Program:
    b = Builder()
    x, w = b.reshape(b.input("x", 4), (1, 4)), b.reshape(b.input("w", 12), (4, 3))
    scaled = b.mul(b.matmul(x, w), b.constant(factor))
    return b.finish(b.reshape(scaled, (3,)))


def test_programs_that_differ_only_after_a_matrix_product_have_other_keys(tmp_path: Path) -> None:
    three, five = (_vk(after_matmul(f), tmp_path / str(f)) for f in (3, 5))
    assert three != five
    assert three == _vk(after_matmul(3), tmp_path / "again")


def test_a_circuit_with_freivalds_is_refused_at_setup_and_at_proving(
    proven: Any, tmp_path: Path
) -> None:
    circuit, store = proven.circuit("step"), proven.store
    settings = json.loads(store.get(circuit.objects["settings"]))
    settings["run_args"]["disable_freivalds"] = False
    unsafe = tmp_path / "settings.json"
    unsafe.write_text(json.dumps(settings))
    paths = {n: str(store.path_of(circuit.objects[n])) for n in ("compiled", "vk", "pk", "srs")}
    with pytest.raises(ProverError, match="setup") as caught:
        worker.call("setup", settings=str(unsafe), **{**paths, "vk": "/x", "pk": "/x"})
    assert "Freivalds" in str(caught.value.got)
    with pytest.raises(ProverError, match="prove") as caught:
        worker.call("prove", settings=str(unsafe), inputs=[], scratch=str(tmp_path), **paths)
    assert "Freivalds" in str(caught.value.got)
