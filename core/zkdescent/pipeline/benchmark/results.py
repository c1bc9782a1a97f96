"""What a benchmark found: measurements, the ratios between them, and what to know about both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

FORMAT = "zkdescent.bench/1"
PEER, OURS = "ezkl as documented", "zkdescent"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One system on one case.

    Attributes:
        seconds_per_step: wall-clock time of witness and proof, the best of all repetitions,
            divided by `steps_per_proof`.
        cpu_seconds_per_step: processor time of the proving process, all threads, with its start and
            the proof's verification. Other load on the machine changes it less.
        gas_per_step: of a transaction that calls the reusable verifier, the one contract that
            serves both systems, divided by `steps_per_proof`.
        gas_per_step_dedicated: the same with the verifier that is generated for the circuit;
            None without a Solidity compiler, or if its code is over EIP-170's limit.
        gas_per_step_gateway: the same through the Circuits contract; None for the peer.
        key_mb: proving keys, megabytes (10**6 bytes).
        peak_memory_mb: resident memory of the proving process at its peak, mebibytes.
        proof_bytes: of one proof; with range proofs, of one of each.
        rows: rows that the circuit's columns are allocated for, over all blocks of columns.
        parameters: trained parameters.
        samples_per_second_x_parameters: training samples proven per second, times parameters.
        setup_seconds: settings, compilation, keys and verifier, without the reference string.
        worst_error: largest difference of a proven parameter from the float computation's after
            the proof's last step.
    """

    case: str
    system: str
    seconds_per_step: float
    cpu_seconds_per_step: float
    gas_per_step: float
    key_mb: float
    peak_memory_mb: float
    proof_bytes: int
    rows: int
    parameters: int
    samples_per_second_x_parameters: float
    setup_seconds: float
    steps_per_proof: int
    logrows: int
    verify_seconds: float
    worst_error: float
    gas_per_step_dedicated: float | None = None
    gas_per_step_gateway: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Proving time with one number of steps per proof."""

    case: str
    steps_per_proof: int
    logrows: int
    seconds_per_step: float
    cpu_seconds_per_step: float
    key_mb: float
    peak_memory_mb: float
    proof_bytes: int
    setup_seconds: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """Peer divided by zkdescent: above 1, zkdescent takes less."""

    case: str
    what: str
    ratio: float


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Everything one run measured.

    Attributes:
        range_proofs: range proofs alone, one batch block as one step.
        tried: other numbers of steps per proof, with the default for comparison.
        notes: what both systems prove, and under which assumptions.
    """

    measurements: tuple[Measurement, ...]
    ratios: tuple[Ratio, ...]
    range_proofs: tuple[Measurement, ...]
    tried: tuple[Trial, ...]
    machine: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "format": FORMAT,
            **{f.name: _plain(getattr(self, f.name)) for f in fields(self)},
        }


def ratios_of(peer: Measurement, ours: Measurement, detail: str = "") -> list[Ratio]:
    """Compare two systems on one case; `detail` says what `ours` includes."""
    pairs = [
        ("seconds per step", peer.seconds_per_step, ours.seconds_per_step),
        ("CPU seconds per step", peer.cpu_seconds_per_step, ours.cpu_seconds_per_step),
        ("gas per step", peer.gas_per_step, ours.gas_per_step),
    ]
    if peer.gas_per_step_dedicated and ours.gas_per_step_dedicated:
        pair = (peer.gas_per_step_dedicated, ours.gas_per_step_dedicated)
        pairs.append(("gas per step, dedicated verifiers", *pair))
    if not detail:
        pairs += [
            ("proving key", peer.key_mb, ours.key_mb),
            ("peak memory", peer.peak_memory_mb, ours.peak_memory_mb),
        ]
    return [Ratio(peer.case, f"{what}{detail}", a / b) for what, a, b in pairs]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return asdict(value) if isinstance(value, Measurement | Ratio | Trial) else value
