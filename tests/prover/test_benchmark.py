"""The benchmark measures what it says: both systems on the same step, and range proofs apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from zkdescent.circuits.proof_system import Proof, ProofSystem
from zkdescent.core.errors import ContractRejected, ProofRejected, ProverError
from zkdescent.core.records import CircuitRecord
from zkdescent.pipeline.benchmark import run_benchmark
from zkdescent.pipeline.benchmark._cases import linear_case
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.benchmark._growth import STEPS, Planned, measure_growth
from zkdescent.pipeline.benchmark._honk import build_honk, measured_honk
from zkdescent.pipeline.benchmark._honk_growth import (
    PARAMETERS,
    measure_honk_growth,
    planned_honk,
)
from zkdescent.pipeline.benchmark._ours import CONTEXT, OwnCircuit
from zkdescent.pipeline.benchmark._timing import timed
from zkdescent.pipeline.benchmark.results import OURS, PEER
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain


@pytest.mark.prover
@pytest.mark.barretenberg
@pytest.mark.slow
def test_quick_benchmark_proves_and_verifies_all_systems(tmp_path: Path) -> None:
    result = run_benchmark(Reporter(), quick=True, out=tmp_path)
    peer, ours, shared, alone, honk = result.measurements
    assert (peer.system, peer.steps_per_proof, peer.gas_per_step_gateway) == (PEER, 1, None)
    assert ours.system.startswith(OURS)
    assert ours.steps_per_proof > 64
    # Both proved the step that torch computes; the peer rounds at 13 bits, zkdescent at 12.
    assert 0 < peer.worst_error < 1e-3
    assert 0 < ours.worst_error < 5e-3
    # Machines differ in speed, not in the order of magnitude between the systems.
    headline = [r for r in result.ratios if r.headline]
    (seconds, cpu, gas), on_honk = headline[:3], headline[3:]
    assert seconds.ratio > 10
    assert cpu.ratio > 20
    assert gas.ratio > 60
    assert ours.seconds_per_step < shared.seconds_per_step < alone.seconds_per_step
    assert ours.gas_per_step_gateway is not None
    assert ours.gas_per_step < ours.gas_per_step_gateway < 1.2 * ours.gas_per_step
    assert [r.ratio > least for r, least in zip(on_honk, (10, 20, 100), strict=True)] == [True] * 3
    assert (honk.backend, honk.checks_ranges, honk.key_mb) == ("barretenberg", True, 0.0)
    assert honk.gas_per_step_gateway is not None
    assert honk.gas_per_step < honk.gas_per_step_gateway < 1.2 * honk.gas_per_step
    assert 0.9 * (1 << honk.logrows) < honk.rows_per_step * honk.steps_per_proof < 1 << honk.logrows
    assert 0 < honk.worst_error < 5e-3
    assert honk.peak_memory_mb > 100
    if result.circom is None:
        assert any("circom was not measured" in note for note in result.notes)
    else:
        assert any(r.against == result.circom.system for r in result.ratios)
    assert result.growth == ()
    assert len(result.honk_growth) == 4
    assert all(p.measured for p in result.honk_growth)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written == json.loads(json.dumps(result.to_json()))
    for picture in ("bench.png", "growth-barretenberg.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.prover
def test_gas_is_measured_of_accepted_proofs_only(proven: Any) -> None:
    circuit, record = proven.circuit("step"), proven.proof("step")
    source = proven.store.path_of(circuit.objects["sol"]).read_text()
    good = EvmProof(record.proof, record.public_values, circuit.vka, source)
    context = proven.plan.context(0)
    changed = bytearray(record.proof)
    changed[-1] ^= 1
    bad = replace(good, proof=bytes(changed))
    with Chain.tester() as chain:
        meter = GasMeter(chain)
        gas = meter.reusable(good)
        assert 400_000 < gas < 1_500_000
        assert gas < meter.gateway(circuit, context, good) < 1.2 * gas
        with pytest.raises((ContractRejected, ProofRejected)):
            meter.reusable(bad)
        with pytest.raises(ContractRejected):
            meter.gateway(circuit, context, bad)
        with pytest.raises(ContractRejected):
            meter.gateway(circuit, context + 1, good)
        if meter.has_compiler:
            dedicated = meter.dedicated(good)
            assert dedicated is not None
            assert dedicated < gas
            with pytest.raises((ContractRejected, ProofRejected)):
                meter.dedicated(bad)


@pytest.mark.prover
@pytest.mark.barretenberg
def test_a_filled_circuit_of_barretenberg_is_proven_and_metered(tmp_path: Path) -> None:
    case = replace(linear_case(8, 4), levels=range(14, 15))
    (built,) = build_honk(case, tmp_path, quick=False)
    record, locate = built.circuit.record, built.circuit.locate
    assert (record.logrows, built.circuit.key_bytes) == (14, 0)
    assert 0.85 * (1 << 14) < built.gates < 1 << 14
    made = timed(built.circuit.prove)
    proof, other = made.proof, replace(made.proof, proof=_flipped(made.proof.proof))
    with Chain.tester() as chain:
        meter = GasMeter(chain)
        found = measured_honk(built, [made], meter)
        with pytest.raises((ContractRejected, ProofRejected)):
            meter.generated(record, locate, CONTEXT, other)
        with pytest.raises(ContractRejected):
            meter.generated(record, locate, CONTEXT + 1, proof)
        gas = meter.generated(record, locate, CONTEXT, proof)
    assert found.gas_per_step == gas.verifier / record.steps_per_proof
    assert found.gas_per_step_gateway == gas.gateway / record.steps_per_proof
    assert 700_000 < gas.verifier < gas.gateway < 1.2 * gas.verifier
    assert 0 < found.worst_error < 5e-3
    assert made.cpu_seconds > 0.1


@pytest.mark.prover
@pytest.mark.barretenberg
@pytest.mark.slow
def test_a_point_of_growth_on_barretenberg_is_proven() -> None:
    told: list[str] = []
    points = [p for p in planned_honk(quick=True) if p.axis == PARAMETERS]
    with_check, without = measure_honk_growth(told.append, points)
    assert with_check.measured
    assert without.measured
    # The emission's gates are near bb's.
    unproven = measure_honk_growth(told.append, points, largest_proven=0)
    for proven, emitted in zip((with_check, without), unproven, strict=True):
        assert emitted.gates == pytest.approx(proven.gates, rel=0.05)
        assert proven.seconds_per_step > 0
        assert proven.peak_memory_mb > 10


def _flipped(proof: bytes) -> bytes:
    return proof[:-1] + bytes([proof[-1] ^ 1])


@pytest.mark.prover
def test_a_proven_point_of_growth_is_near_the_model() -> None:
    told: list[str] = []
    points = [
        Planned("linear", STEPS, linear_case(8, 4), size=11, steps=2, proven=proven)
        for proven in (True, False)
    ]
    with Chain.tester() as chain:
        measured, estimated = measure_growth(GasMeter(chain), told.append, points)
    assert (measured.measured, estimated.measured) == (True, False)
    assert measured.gas_per_step == pytest.approx(measured.model_gas_per_step, rel=0.1)
    assert estimated.gas_per_step == measured.model_gas_per_step
    # One proof alone scales the model to itself.
    assert estimated.seconds_per_step == pytest.approx(measured.seconds_per_step)
    assert len(told) == 2


@pytest.mark.parametrize("output", [[3, 4], [3, 5]])
def test_a_proof_of_another_result_is_not_measured(output: list[int]) -> None:
    expected = np.array([3, 4], dtype=object)
    proven = Proof(b"", (), np.array(output, dtype=object), 1.0, 0.1, 100.0)
    circuit = _circuit(_Returns(proven), expected)
    if output == [3, 4]:
        assert circuit.prove() is proven
        return
    with pytest.raises(ProverError, match="something else than the executor"):
        circuit.prove()


class _Returns:
    """A prover whose proof is made already."""

    def __init__(self, proof: Proof) -> None:
        self._proof = proof

    def prove(self, *_: object) -> Proof:
        return self._proof


def _circuit(backend: _Returns, expected: np.ndarray) -> OwnCircuit:
    record = CircuitRecord(
        role="step",
        backend="none",
        vk_sha256=bytes(32),
        vka=(),
        vka_digest=b"",
        proof_length=0,
        public_values=0,
        features=0,
        outputs=0,
        fraction_bits=12,
        steps_per_proof=1,
        logrows=15,
        opening=(0, 0, 0, 0),
        srs="unsafe-local",
    )
    files: Mapping[str, Path] = {}
    return OwnCircuit(
        backend=cast(ProofSystem, backend),
        record=record,
        locate=files.__getitem__,
        inputs=[],
        expected=expected,
        rows=0.0,
        key_bytes=0,
        verifier_source="",
        setup_seconds=0.0,
    )
