"""The other side: one step in ezkl as its documentation runs it, built and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zkdescent.circuits.ezkl_backend.peer import PeerProof, PeerStep, build_peer_step, step_graph
from zkdescent.pipeline.benchmark._cases import LEARNING_RATE, LOSS, Case
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.benchmark._timing import Timed, worst
from zkdescent.pipeline.benchmark.results import PEER, Measurement

COLUMNS = 2
"""Inner columns of ezkl's default run arguments: cells of one row."""


def build_peer(case: Case, directory: Path) -> PeerStep:
    """Export and set up one step of a case in an empty directory."""
    module = case.module()
    x, y = case.batches(1)[0]
    graph = step_graph(module, LOSS, LEARNING_RATE, x, y)
    return build_peer_step(graph, [x, y, *module.parameters()], directory)


def measured_peer(
    case: Case, peer: PeerStep, proofs: Sequence[Timed[PeerProof]], meter: GasMeter
) -> Measurement:
    """Figures of proofs that were made, the best of which is verified on the chain."""
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
        rows_per_step=peer.rows,
        rows_per_parameter=peer.rows / expected.size,
        cells_per_parameter=COLUMNS * peer.rows / expected.size,
        parameters=expected.size,
        samples_per_second_x_parameters=case.batch_size / best.seconds * expected.size,
        setup_seconds=peer.setup_seconds,
        steps_per_proof=1,
        logrows=peer.logrows,
        verify_seconds=best.verify_seconds,
        worst_error=worst(best.outputs, expected),
    )
