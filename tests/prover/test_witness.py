"""The circuit computes what the reference executor computes, and its key is reproducible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.executor import execute
from zkdescent.circuits.ezkl_backend import srs, worker
from zkdescent.circuits.ezkl_backend.backend import EzklBackend, felt
from zkdescent.circuits.ezkl_backend.codegen import emit_onnx
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, sigmoid_table
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.core.errors import ProverError, RangeOverflow
from zkdescent.core.records import FIELD_MODULUS

pytestmark = pytest.mark.prover
FIXED = FixedPoint()
THREE_LEGS = FixedPoint(decomposition_base=1 << 10, decomposition_legs=3)


def compiled(program: Program, fixed: FixedPoint, directory: Path, logrows: int) -> dict[str, Path]:
    """Emit and compile a program with a public output."""
    names = ("onnx", "settings", "compiled", "vk", "pk")
    files = {name: directory / name for name in names}
    directory.mkdir(exist_ok=True)
    files["onnx"].write_bytes(emit_onnx(program, fixed))
    worker.call(
        "compile_circuit",
        onnx=str(files["onnx"]),
        settings=str(files["settings"]),
        compiled=str(files["compiled"]),
        logrows=logrows,
        fixed=fixed.to_json(),
        public_output=True,
        assignments=None,
    )
    return files


def witness(
    program: Program, fixed: FixedPoint, inputs: dict[str, IntegerArray], directory: Path
) -> list[int]:
    """Output of the circuit as ezkl's own witness generator computes it; no keys needed."""
    files = compiled(program, fixed, directory, 15)
    data, out = directory / "input.json", directory / "witness.json"
    tensors = [[felt(int(v)) for v in inputs[name]] for name in program.inputs]
    data.write_text(json.dumps({"input_data": tensors}))
    code = "import sys, ezkl; ezkl.gen_witness(*sys.argv[1:4], None, None)"
    arguments = [str(data), str(files["compiled"]), str(out)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    values = [
        int.from_bytes(bytes.fromhex(v), "little")
        for v in json.loads(out.read_text())["outputs"][0]
    ]
    return [v - FIELD_MODULUS if v > FIELD_MODULUS // 2 else v for v in values]


def test_the_logistic_table_is_the_provers(tmp_path: Path) -> None:
    arguments = np.arange(-FIXED.clamp, FIXED.clamp + 1).astype(object)
    b = Builder()
    x = b.input("x", len(arguments))
    program = b.finish(b.unary(Op.SIGMOID, x, (FIXED.sigmoid_bits,)))
    table = witness(program, FIXED, {"x": arguments}, tmp_path)
    assert table == sigmoid_table(arguments, FIXED.sigmoid_bits).tolist()


def everything(size: int) -> Program:
    """Every operation on one vector, in combinations that a lowered step has."""
    b = Builder()
    x = b.input("x", size)
    matrix = b.reshape(x, (2, size // 2))
    product = b.matmul(matrix, b.transpose(matrix))
    scaled = b.mul(matrix, b.constant(-5))
    small = b.rescale(b.shift_left(scaled, 2), 6)
    clamped = b.unary(Op.CLAMP, small, (FIXED.clamp,))
    mask = b.unary(Op.IS_POSITIVE, small)
    parts = [
        b.unary(Op.SIGMOID, clamped, (FIXED.sigmoid_bits,)),
        b.unary(Op.RELU, small),
        mask,
        b.mul(mask, small),
        b.unary(Op.ABS, small),
        b.unary(Op.RANGE_CHECK, matrix),
        b.neg(b.sub(small, b.sum(matrix, (1,)))),
        b.sub(b.shift_left(matrix, 3), b.neg(small)),
        b.rescale(product, 12),
        b.rescale(b.neg(product), 13),
        b.rescale(b.shift_left(matrix, 4), 4),
        b.rescale(b.shift_left(matrix, 4), 2),
        b.rescale(b.add(b.shift_left(small, 4), matrix), 7),
        b.add(small, b.constant(-1)),
        clamped,
    ]
    flat = [b.reshape(p, (b.node(p).size,)) for p in parts]
    return b.finish(b.concat([b.slice(x, 1, 4), *flat]))


@pytest.mark.parametrize("fixed", [FIXED, THREE_LEGS], ids=["two legs", "three legs"])
def test_every_operation_is_bit_exact(tmp_path: Path, fixed: FixedPoint) -> None:
    draw = np.random.default_rng(0)
    edges = [
        0,
        1,
        -1,
        2,
        -2,
        8,
        -8,
        24,
        -24,
        40,
        -40,
        8191,
        -8191,
        8192,
        -8192,
        1 << 17,
        -(1 << 17),
    ]
    vector = np.array([*edges, *draw.integers(-(1 << 17), 1 << 17, 47).tolist()], dtype=object)
    program = everything(len(vector))
    expected = execute(program, {"x": vector}, fixed).tolist()
    got = witness(program, fixed, {"x": vector}, tmp_path)
    assert got == expected


@pytest.mark.parametrize("op", [Op.RESCALE, Op.RELU, Op.IS_POSITIVE, Op.ABS, Op.RANGE_CHECK])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_executor_refuses_the_circuit_refuses_too(
    tmp_path: Path, op: Op, sign: int
) -> None:
    b = Builder()
    x = b.input("x", 1)
    program = b.finish(b.rescale(x, 4) if op is Op.RESCALE else b.unary(op, x))
    unit = 16 if op is Op.RESCALE else 1
    inside = {"x": np.array([sign * (FIXED.decomposition_bound - 1) * unit], dtype=object)}
    beyond = {"x": np.array([sign * FIXED.decomposition_bound * unit], dtype=object)}
    assert witness(program, FIXED, inside, tmp_path) == execute(program, inside, FIXED).tolist()
    with pytest.raises(RangeOverflow):
        execute(program, beyond, FIXED)
    with pytest.raises(subprocess.CalledProcessError):
        witness(program, FIXED, beyond, tmp_path)


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
    files = compiled(program, FIXED, directory, 9)
    worker.call(
        "setup",
        srs=str(srs.unsafe_srs(9)),
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
