"""One case: build both systems, prove with them in turn, verify the proofs on a chain.

Proofs of the systems are interleaved and the best of equally many counts, so that other load on
the machine, which only ever adds time, falls on both alike.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.ezkl_backend.peer import PeerProof, PeerStep, build_peer_step, step_graph
from zkdescent.circuits.proof_system import Proof
from zkdescent.pipeline.benchmark._cases import BATCH_SIZE, LEARNING_RATE, LOSS, Case
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.benchmark._ours import (
    CONTEXT,
    OwnCircuit,
    TracedCase,
    build_range,
    build_step,
    real_parameters,
    trace_case,
)
from zkdescent.pipeline.benchmark.results import OURS, PEER, Measurement, Trial

PROOFS = 2
"""Proofs of each system, of which the best counts."""

STAGES = 5
"""How often `measure` reports progress."""

Progress = Callable[[str], None]
P = TypeVar("P", PeerProof, Proof)


@dataclass(frozen=True, slots=True)
class Timed(Generic[P]):
    """A proof, and the processor time of the process that made it (all threads, its start too)."""

    proof: P
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What one case gave.

    Attributes:
        ours: with the steps per proof that a project gets by default, without range proofs.
        range: the range proof of one batch block with the genesis, as if it were a step.
        tried: that number of steps per proof, and twice the columns.
    """

    peer: Measurement
    ours: Measurement
    range: Measurement
    tried: tuple[Trial, ...]


def measure(case: Case, meter: GasMeter, progress: Progress, *, quick: bool) -> Findings:
    """Measure both systems on a case.

    Args:
        progress: told what was finished, `STAGES` times.
        quick: one proof each, and no trial of another K.

    Raises:
        ProverError, ContractRejected: a proof could not be made or is not accepted.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        directory = Path(scratch)
        peer = _build_peer(case, directory / "peer")
        progress("keys of the peer")
        traced = trace_case(case, make_backend("ezkl"))
        steps = traced.steps()
        step = build_step(traced, steps, _made(directory / "step"))
        bound = build_range(traced, steps, _made(directory / "range"))
        progress("keys of zkdescent")
        peer_proofs, step_proofs = [_timed(peer.prove)], [_timed(step.prove)]
        while not quick and len(peer_proofs) < PROOFS:
            peer_proofs.append(_timed(peer.prove))
            step_proofs.append(_timed(step.prove))
        bound_proof = _timed(bound.prove)
        progress("proofs")
        tried = [_trial(case, step, step_proofs)]
        if not quick:
            double = build_step(traced, traced.steps(2), _made(directory / "double"))
            tried.append(_trial(case, double, [_timed(double.prove)]))
        progress("more steps per proof")
        found = Findings(
            peer=_measured_peer(case, peer, peer_proofs, meter),
            ours=_measured(traced, step, step_proofs, meter),
            range=_measured(traced, bound, [bound_proof], meter),
            tried=tuple(tried),
        )
        progress("gas")
    return found


def with_range_proof(ours: Measurement, bound: Measurement, epochs: int) -> Measurement:
    """Add to each step its share of the range proof of its batch block.

    A block's range proof is made once and serves all epochs in which the block is trained on.
    """
    steps = ours.steps_per_proof

    def share(whole: float) -> float:
        return whole / (steps * epochs)

    def sum_or_none(step: float | None, whole: float | None) -> float | None:
        return None if step is None or whole is None else step + share(whole)

    seconds = ours.seconds_per_step + share(bound.seconds_per_step)
    return replace(
        ours,
        system=f"{OURS} + range proof / {epochs} epoch{'s' if epochs > 1 else ''}",
        seconds_per_step=seconds,
        cpu_seconds_per_step=ours.cpu_seconds_per_step + share(bound.cpu_seconds_per_step),
        gas_per_step=ours.gas_per_step + share(bound.gas_per_step),
        gas_per_step_dedicated=sum_or_none(
            ours.gas_per_step_dedicated, bound.gas_per_step_dedicated
        ),
        gas_per_step_gateway=sum_or_none(ours.gas_per_step_gateway, bound.gas_per_step_gateway),
        key_mb=ours.key_mb + bound.key_mb,
        peak_memory_mb=max(ours.peak_memory_mb, bound.peak_memory_mb),
        proof_bytes=ours.proof_bytes + bound.proof_bytes,
        rows=ours.rows + bound.rows,
        setup_seconds=ours.setup_seconds + bound.setup_seconds,
        verify_seconds=ours.verify_seconds + bound.verify_seconds,
        samples_per_second_x_parameters=BATCH_SIZE / seconds * ours.parameters,
    )


def _timed(prove: Callable[[], P]) -> Timed[P]:
    before = _children_seconds()
    proof = prove()
    return Timed(proof, _children_seconds() - before)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _build_peer(case: Case, directory: Path) -> PeerStep:
    module = case.module()
    x, y = case.batches(1)[0]
    graph = step_graph(module, LOSS, LEARNING_RATE, x, y)
    return build_peer_step(graph, [x, y, *module.parameters()], _made(directory))


def _measured_peer(
    case: Case, peer: PeerStep, proofs: Sequence[Timed[PeerProof]], meter: GasMeter
) -> Measurement:
    best = min((t.proof for t in proofs), key=lambda p: p.seconds)
    expected = train_float(case.module(), case.batches(1))
    evm = EvmProof(best.proof, best.public_values, peer.vka, peer.verifier_source)
    return Measurement(
        case=case.name,
        system=PEER,
        seconds_per_step=best.seconds,
        cpu_seconds_per_step=min(t.cpu_seconds for t in proofs),
        gas_per_step=meter.reusable(evm),
        gas_per_step_dedicated=meter.dedicated(evm),
        key_mb=peer.key_bytes / 1e6,
        peak_memory_mb=max(t.proof.peak_memory_mb for t in proofs),
        proof_bytes=len(best.proof),
        rows=peer.rows,
        parameters=expected.size,
        samples_per_second_x_parameters=BATCH_SIZE / best.seconds * expected.size,
        setup_seconds=peer.setup_seconds,
        steps_per_proof=1,
        logrows=peer.logrows,
        verify_seconds=best.verify_seconds,
        worst_error=_worst(best.outputs, expected),
    )


def _measured(
    traced: TracedCase,
    circuit: OwnCircuit,
    proofs: Sequence[Timed[Proof]],
    meter: GasMeter,
) -> Measurement:
    """Measure a circuit of ours; a range proof counts as one step."""
    best = min((t.proof for t in proofs), key=lambda p: p.seconds)
    is_step = circuit.record.role == "step"
    steps = circuit.record.steps_per_proof if is_step else 1
    parameters, seconds = traced.layout.parameter_size, best.seconds / steps
    error = 0.0
    if is_step:
        expected = train_float(traced.case.module(), traced.case.batches(steps))
        error = _worst(real_parameters(traced, circuit), expected)
    evm = EvmProof(best.proof, best.public_values, circuit.record.vka, circuit.verifier_source)
    gas, dedicated = meter.reusable(evm), meter.dedicated(evm)
    gateway = meter.gateway(circuit.record, CONTEXT if is_step else 0, evm)
    return Measurement(
        case=traced.case.name,
        system=OURS if is_step else f"{OURS}, range proof of one batch block",
        seconds_per_step=seconds,
        cpu_seconds_per_step=min(t.cpu_seconds for t in proofs) / steps,
        gas_per_step=gas / steps,
        gas_per_step_dedicated=None if dedicated is None else dedicated / steps,
        gas_per_step_gateway=gateway / steps,
        key_mb=circuit.key_bytes / 1e6,
        peak_memory_mb=max(t.proof.peak_memory_mb for t in proofs),
        proof_bytes=len(best.proof),
        rows=circuit.rows,
        parameters=parameters,
        samples_per_second_x_parameters=BATCH_SIZE / seconds * parameters if is_step else 0.0,
        setup_seconds=circuit.setup_seconds,
        steps_per_proof=steps,
        logrows=circuit.record.logrows,
        verify_seconds=best.verify_seconds,
        worst_error=error,
    )


def _trial(case: Case, circuit: OwnCircuit, proofs: Sequence[Timed[Proof]]) -> Trial:
    proof, steps = (
        min((t.proof for t in proofs), key=lambda p: p.seconds),
        circuit.record.steps_per_proof,
    )
    return Trial(
        case=case.name,
        steps_per_proof=steps,
        logrows=circuit.record.logrows,
        seconds_per_step=proof.seconds / steps,
        cpu_seconds_per_step=min(t.cpu_seconds for t in proofs) / steps,
        key_mb=circuit.key_bytes / 1e6,
        peak_memory_mb=proof.peak_memory_mb,
        proof_bytes=len(proof.proof),
        setup_seconds=circuit.setup_seconds,
    )


def _worst(proven: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    return float(np.abs(proven - expected).max())


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
