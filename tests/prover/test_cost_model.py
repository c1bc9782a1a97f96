"""The cost model against circuits that are really built, proven and verified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zkdescent.circuits.ezkl_backend.backend import EzklBackend
from zkdescent.circuits.ezkl_backend.model import EzklModel
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.proof_system import CircuitRequest
from zkdescent.verifier import Chain, ensure_deployed
from zkdescent.verifier.evm import encode_verify

pytestmark = pytest.mark.prover
SIZE, ELEMENTS = 11, 96


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Chain.tester() as opened:
        yield opened


def step(*, comparisons: bool, table: bool, additions: int) -> Program:
    """Products of state and batch, rescaled; then as many sums as are needed to fill the rows."""
    b = Builder()
    b.input("context", 1)
    state, batch = b.input("state", 16), b.input("batch", ELEMENTS)
    wide = b.take(state, [i % 16 for i in range(ELEMENTS)], (ELEMENTS,))
    total = b.rescale(b.mul(wide, batch), 12, 20)
    if comparisons:
        total = b.add(total, b.is_positive(batch, 17))
    if table:
        looked_up = b.table(Op.SIGMOID, state, 6)
        total = b.add(total, b.take(looked_up, [i % 16 for i in range(ELEMENTS)], (ELEMENTS,)))
    for _ in range(additions):
        total = b.add(total, batch)
    return b.finish(b.slice(total, 0, 16))


@pytest.mark.parametrize(
    ("comparisons", "table", "additions", "blocks", "tables", "public"),
    [
        pytest.param(False, False, 1, 1, 1, False, marks=pytest.mark.slow),
        (True, False, 1, 1, 2, True),
        (True, True, 40, 2, 3, False),
    ],
)
def test_a_circuit_costs_what_the_model_says(
    tmp_path: Path,
    chain: Chain,
    comparisons: bool,
    table: bool,
    additions: int,
    blocks: int,
    tables: int,
    public: bool,
) -> None:
    program = step(comparisons=comparisons, table=table, additions=additions)
    request = CircuitRequest("step", program, FixedPoint(), steps_per_proof=1)
    if public:
        request = CircuitRequest("inference", program, FixedPoint(), public_output=True, outputs=16)
    backend, model = EzklBackend(), EzklModel()
    demand = model.demand(program, SIZE, public_output=public)
    assert demand.tables == tables
    expected = model.cost(demand, SIZE)
    assert expected.blocks == blocks

    built = backend.build(request, SIZE, tmp_path)
    places = {format(i, "064x"): path for i, path in enumerate(built.files.values())}
    record = replace(built.record, objects=dict(zip(built.files, places, strict=True)))
    draw = np.random.default_rng(0)
    sizes = [program.nodes[i].size for i in program.inputs.values()]
    inputs = [draw.integers(-200, 200, size=n).astype(object) for n in sizes]
    proof = backend.prove(record, places.__getitem__, inputs)

    assert record.proof_length == len(proof.proof) == expected.proof_bytes
    key_mb = built.files["pk"].stat().st_size / 1e6
    assert key_mb == pytest.approx(expected.proving_key_mb, rel=0.005)
    assert proof.peak_memory_mb == pytest.approx(expected.peak_memory_mb, rel=0.15)

    verifier = ensure_deployed(chain).addresses.verifier
    contract = chain.contract("Halo2VerifierReusable", verifier)
    chain.send(contract.functions.registerVka(list(record.vka)), action="register key")
    data = encode_verify(proof.proof, proof.public_values, record.vka)
    assert int.from_bytes(chain.call_data(verifier, data, action="verify")[:32], "big") == 1
    gas = chain.send_data(verifier, data, action="verify").gas_used
    assert gas == pytest.approx(expected.gas, rel=0.01)


def test_a_model_of_another_circuit_does_not_fit(tmp_path: Path) -> None:
    """The twin: figures of one table more are beyond every tolerance above."""
    backend, model = EzklBackend(), EzklModel()
    program = step(comparisons=False, table=False, additions=1)
    demand = model.demand(program, SIZE)
    other = model.cost(replace(demand, tables=demand.tables + 1), SIZE)
    built = backend.build(CircuitRequest("step", program, FixedPoint()), SIZE, tmp_path)
    assert built.record.proof_length != other.proof_bytes
    key_mb = built.files["pk"].stat().st_size / 1e6
    assert key_mb != pytest.approx(other.proving_key_mb, rel=0.05)
