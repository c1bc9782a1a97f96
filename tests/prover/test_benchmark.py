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
from zkdescent.pipeline.benchmark._ours import OwnCircuit
from zkdescent.pipeline.benchmark.results import OURS, PEER
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain


@pytest.mark.prover
@pytest.mark.slow
def test_quick_benchmark_proves_and_verifies_both_systems(tmp_path: Path) -> None:
    result = run_benchmark(Reporter(), quick=True, out=tmp_path)
    peer, ours, shared, alone = result.measurements
    assert (peer.system, peer.steps_per_proof, peer.gas_per_step_gateway) == (PEER, 1, None)
    assert ours.system.startswith(OURS)
    assert ours.steps_per_proof > 64
    # Both proved the step that torch computes; the peer rounds at 13 bits, zkdescent at 12.
    assert 0 < peer.worst_error < 1e-3
    assert 0 < ours.worst_error < 5e-3
    # Machines differ in speed, not in the order of magnitude between the systems.
    seconds, cpu, gas = (r for r in result.ratios if r.headline)
    assert seconds.ratio > 10
    assert cpu.ratio > 20
    assert gas.ratio > 60
    assert ours.seconds_per_step < shared.seconds_per_step < alone.seconds_per_step
    assert ours.gas_per_step_gateway is not None
    assert ours.gas_per_step < ours.gas_per_step_gateway < 1.2 * ours.gas_per_step
    if result.circom is None:
        assert any("circom was not measured" in note for note in result.notes)
    else:
        assert any(r.against == result.circom.system for r in result.ratios)
    assert result.growth == ()
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written == json.loads(json.dumps(result.to_json()))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


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
