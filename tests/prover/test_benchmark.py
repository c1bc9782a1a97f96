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
from zkdescent.pipeline.benchmark import Measurement, run_benchmark
from zkdescent.pipeline.benchmark._cases import CASES
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.benchmark._measure import with_range_proof
from zkdescent.pipeline.benchmark._ours import OwnCircuit
from zkdescent.pipeline.benchmark.results import OURS, PEER, ratios_of
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain

STEP = Measurement(
    case="c",
    system=OURS,
    seconds_per_step=0.5,
    cpu_seconds_per_step=0.8,
    gas_per_step=100_000.0,
    key_mb=160.0,
    peak_memory_mb=400.0,
    proof_bytes=3_000,
    rows=30_000,
    parameters=9,
    samples_per_second_x_parameters=32 / 0.5 * 9,
    setup_seconds=5.0,
    steps_per_proof=10,
    logrows=15,
    verify_seconds=0.1,
    worst_error=1e-4,
    gas_per_step_dedicated=80_000.0,
    gas_per_step_gateway=110_000.0,
)
RANGE = replace(
    STEP,
    seconds_per_step=20.0,
    cpu_seconds_per_step=30.0,
    gas_per_step=1_000_000.0,
    gas_per_step_dedicated=None,
    peak_memory_mb=800.0,
    steps_per_proof=1,
)


@pytest.mark.prover
@pytest.mark.slow
def test_quick_benchmark_proves_and_verifies_both_systems(tmp_path: Path) -> None:
    result = run_benchmark(Reporter(), quick=True, out=tmp_path)
    peer, ours, shared, alone = result.measurements
    assert (peer.system, peer.steps_per_proof, peer.gas_per_step_gateway) == (PEER, 1, None)
    assert ours.system == OURS
    assert ours.steps_per_proof > 16
    # Both proved the step that torch computes; the peer rounds at 13 bits, zkdescent at 12.
    assert 0 < peer.worst_error < 1e-3
    assert 0 < ours.worst_error < 5e-3
    # Machines differ in speed, not in the order of magnitude between the systems.
    ratios = {r.what: r.ratio for r in result.ratios}
    assert ratios["seconds per step"] > 4
    assert ratios["CPU seconds per step"] > 10
    assert ratios["gas per step"] > 30
    assert ours.seconds_per_step < shared.seconds_per_step < alone.seconds_per_step
    assert ours.gas_per_step_gateway is not None
    assert ours.gas_per_step < ours.gas_per_step_gateway < 1.2 * ours.gas_per_step
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


def test_range_proof_is_shared_by_steps_and_epochs() -> None:
    shared = with_range_proof(STEP, RANGE, 5)
    assert shared.seconds_per_step == pytest.approx(0.5 + 20 / (10 * 5))
    assert shared.cpu_seconds_per_step == pytest.approx(0.8 + 30 / (10 * 5))
    assert shared.gas_per_step == pytest.approx(100_000 + 1_000_000 / (10 * 5))
    assert shared.samples_per_second_x_parameters == pytest.approx(32 / 0.9 * 9)
    assert (shared.peak_memory_mb, shared.key_mb) == (800.0, 320.0)
    assert shared.system == "zkdescent + range proof / 5 epochs"


def test_unmeasured_gas_is_not_counted_as_free() -> None:
    shared = with_range_proof(STEP, RANGE, 1)
    assert shared.gas_per_step_dedicated is None
    assert "gas per step, dedicated verifiers" in {r.what for r in ratios_of(STEP, STEP)}
    assert not any("dedicated" in r.what for r in ratios_of(STEP, shared))


def test_ratio_is_peer_over_zkdescent() -> None:
    slower = replace(STEP, system=PEER, seconds_per_step=5.0)
    assert ratios_of(slower, STEP)[0].ratio == pytest.approx(10)


def test_both_systems_see_the_same_data_and_model() -> None:
    case = CASES[0]
    (x, y), *_ = case.batches(3)
    assert case.batches(1)[0][0].equal(x)
    assert case.batches(1)[0][1].equal(y)
    once, twice = (train_float(case.module(), case.batches(1)) for _ in range(2))
    assert np.array_equal(once, twice)


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
        rows=0,
        key_bytes=0,
        verifier_source="",
        setup_seconds=0.0,
    )
