"""One case: build all systems, prove with them in turn, verify the proofs on a chain.

Proofs of the systems are interleaved and the best of equally many counts, so that other load on
the machine, which only ever adds time, falls on both alike. Our other configurations prove once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.proof_system import Proof
from zkdescent.pipeline.benchmark._cases import Case, Configuration
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.benchmark._honk import BACKEND as HONK
from zkdescent.pipeline.benchmark._honk import HonkCircuit, build_honk, measured_honk
from zkdescent.pipeline.benchmark._ours import (
    CONTEXT,
    OwnCircuit,
    TracedCase,
    build_range,
    build_step,
    real_parameters,
    trace_case,
)
from zkdescent.pipeline.benchmark._peer import COLUMNS, build_peer, measured_peer
from zkdescent.pipeline.benchmark._timing import Timed, timed, worst
from zkdescent.pipeline.benchmark.results import OURS, Measurement

PROOFS = 2
"""Proofs of the peer and of our fastest configurations, of which the best counts."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """One configuration: its step proofs, and the range proof of one batch block as if a step."""

    step: Measurement
    range: Measurement


@dataclass(frozen=True, slots=True)
class Findings:
    """What one case gave: the peer, and zkdescent's configurations, the fastest first.

    Attributes:
        peer: None if it was not attempted.
        ours: on ezkl; empty if it was not asked for.
        honk: on Barretenberg; empty if it was not asked for.
    """

    peer: Measurement | None
    ours: tuple[Pair, ...]
    honk: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True)
class _Built:
    """Circuits of one configuration with keys."""

    label: str
    traced: TracedCase
    step: OwnCircuit
    bound: OwnCircuit


def stages(case: Case, quick: bool, backends: Sequence[str]) -> int:
    """How often `measure` reports progress."""
    ezkl = (1 if quick else len(case.configurations)) if "ezkl" in backends else 0
    return 3 + ezkl + (HONK in backends)


def measure(
    case: Case, meter: GasMeter, progress: Progress, *, quick: bool, backends: Sequence[str]
) -> Findings:
    """Measure the peer and zkdescent on a case.

    Args:
        progress: told what was finished, `stages` times.
        quick: the first configurations only, and one proof each.
        backends: provers of zkdescent's side.

    Raises:
        ProverError, ContractRejected: a proof could not be made or is not accepted.
    """
    chosen = case.configurations[: 1 if quick else None] if "ezkl" in backends else ()
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        directory = Path(scratch)
        peer = build_peer(case, _made(directory / "peer"))
        progress("keys of the peer")
        built: list[_Built] = []
        for number, configuration in enumerate(chosen):
            built.append(_build(case, configuration, _made(directory / str(number))))
            progress(f"keys of {built[-1].label}")
        honk: list[HonkCircuit] = []
        if HONK in backends:
            honk = build_honk(case, _made(directory / HONK), quick=quick)
            progress(f"circuits of {HONK}")
        peer_proofs = []
        step_proofs: list[list[Timed[Proof]]] = [[] for _ in built]
        honk_proofs: list[list[Timed[Proof]]] = [[] for _ in honk]
        for number in range(1 if quick else PROOFS):
            # All configurations once, and then again only the fastest.
            most = 1 if number else None
            peer_proofs.append(timed(peer.prove))
            for proofs, one in list(zip(step_proofs, built, strict=True))[:most]:
                proofs.append(timed(one.step.prove))
            for proofs, other in list(zip(honk_proofs, honk, strict=True))[:most]:
                proofs.append(timed(other.circuit.prove))
        bound_proofs = [timed(one.bound.prove) for one in built]
        progress("proofs")
        found = Findings(
            peer=measured_peer(case, peer, peer_proofs, meter),
            ours=tuple(
                Pair(
                    _measured(one, one.step, proofs, meter),
                    _measured(one, one.bound, [bound], meter),
                )
                for one, proofs, bound in zip(built, step_proofs, bound_proofs, strict=True)
            ),
            honk=_measured_honk(honk, honk_proofs, meter),
        )
        progress("gas")
    return found


def measure_large(case: Case, meter: GasMeter, progress: Progress) -> Findings:
    """Measure a case on Barretenberg alone, in its fastest configuration, a proof of each kind.

    Args:
        progress: told what was finished, three times.

    Raises:
        ProverError, ContractRejected: a proof could not be made or is not accepted.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        honk: list[HonkCircuit] = []
        for kind in (True, False):
            folder = _made(Path(scratch) / str(kind))
            honk += build_honk(case, folder, quick=True, zero_knowledge=kind)
            progress(f"circuits of {honk[-1].label}")
        proofs = [[timed(one.circuit.prove)] for one in honk]
        found = Findings(peer=None, ours=(), honk=_measured_honk(honk, proofs, meter))
        progress("proofs and gas")
    return found


def _measured_honk(
    built: Sequence[HonkCircuit], proofs: Sequence[Sequence[Timed[Proof]]], meter: GasMeter
) -> tuple[Measurement, ...]:
    return tuple(measured_honk(one, made, meter) for one, made in zip(built, proofs, strict=True))


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
    rows = ours.rows_per_step + share(bound.rows_per_step)
    return replace(
        ours,
        system=f"{ours.system} + range proof / {epochs} epoch{'s' if epochs > 1 else ''}",
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
        rows_per_step=rows,
        rows_per_parameter=rows / ours.parameters,
        cells_per_parameter=COLUMNS * rows / ours.parameters,
        setup_seconds=ours.setup_seconds + bound.setup_seconds,
        verify_seconds=ours.verify_seconds + bound.verify_seconds,
        samples_per_second_x_parameters=(
            ours.samples_per_second_x_parameters * ours.seconds_per_step / seconds
        ),
        epochs=epochs,
    )


def _build(case: Case, configuration: Configuration, directory: Path) -> _Built:
    traced = trace_case(case, make_backend("ezkl"), configuration.logrows)
    steps = traced.steps(configuration.blocks, range_blocks=configuration.range_blocks)
    return _Built(
        label=f"{OURS} on ezkl, {configuration.name}" if configuration.name else f"{OURS} on ezkl",
        traced=traced,
        step=build_step(traced, steps, _made(directory / "step")),
        bound=build_range(traced, steps, _made(directory / "range")),
    )


def _measured(
    built: _Built, circuit: OwnCircuit, proofs: Sequence[Timed[Proof]], meter: GasMeter
) -> Measurement:
    """Measure a circuit of ours; a range proof counts as one step."""
    best = min((t.proof for t in proofs), key=lambda p: p.seconds)
    case, is_step = built.traced.case, circuit.record.role == "step"
    steps = circuit.record.steps_per_proof if is_step else 1
    parameters, seconds = built.traced.layout.parameter_size, best.seconds / steps
    error = 0.0
    if is_step:
        expected = train_float(case.module(), case.batches(steps))
        error = worst(real_parameters(circuit), expected)
    evm = EvmProof(best.proof, best.public_values, circuit.record.vka, circuit.verifier_source)
    gas, dedicated = meter.reusable(evm), meter.dedicated(evm)
    gateway = meter.gateway(circuit.record, CONTEXT if is_step else 0, evm)
    rows = circuit.rows / steps
    return Measurement(
        case=case.name,
        system=built.label if is_step else f"{built.label}, range proof of one batch block",
        seconds_per_step=seconds,
        cpu_seconds_per_step=min(t.cpu_seconds for t in proofs) / steps,
        gas_per_step=gas / steps,
        gas_per_step_dedicated=None if dedicated is None else dedicated / steps,
        gas_per_step_gateway=gateway / steps,
        key_mb=circuit.key_bytes / 1e6,
        peak_memory_mb=max(t.proof.peak_memory_mb for t in proofs),
        proof_bytes=len(best.proof),
        rows_per_step=rows,
        rows_per_parameter=rows / parameters,
        cells_per_parameter=COLUMNS * rows / parameters,
        parameters=parameters,
        samples_per_second_x_parameters=case.batch_size / seconds * parameters if is_step else 0.0,
        setup_seconds=circuit.setup_seconds,
        steps_per_proof=steps,
        logrows=circuit.record.logrows,
        verify_seconds=best.verify_seconds,
        worst_error=error,
    )


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
