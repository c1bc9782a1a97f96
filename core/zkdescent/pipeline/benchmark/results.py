"""What a benchmark found: measurements, the ratios between them, and what to know about both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkdescent.pipeline.benchmark.circom import CircomMeasurement

FORMAT = "zkdescent.bench/3"
PEER, OURS = "ezkl as documented", "zkdescent"

HEADLINE_EPOCHS = 5
"""Passes over the data in the headline: training visits a batch block several times, and the one
range proof of the block serves every visit."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One system on one case.

    Attributes:
        seconds_per_step: wall-clock time of witness and proof, the best of all repetitions,
            divided by `steps_per_proof`.
        cpu_seconds_per_step: processor time of the proving process, all threads, with its start and
            the proof's verification, and of this process meanwhile, which computes Barretenberg's
            witnesses. Other load on the machine changes it less.
        gas_per_step: of a transaction that calls the reusable verifier, the one contract that
            serves both systems on ezkl, divided by `steps_per_proof`; with Barretenberg of one that
            calls the circuit's own verifier, because there is no other.
        gas_per_step_dedicated: the same with the verifier that is generated for the circuit;
            None without a Solidity compiler, or if its code is over EIP-170's limit.
        gas_per_step_gateway: the same through the Circuits contract; None for the peer.
        key_mb: proving keys, megabytes (10**6 bytes); Barretenberg keeps none.
        peak_memory_mb: resident memory of the proving process at its peak, mebibytes.
        proof_bytes: of one proof; with range proofs, of one of each.
        rows_per_step: rows of two columns that one step takes: the peer's as ezkl counts and
            allocates them, copies included that cost nothing; zkdescent's by its cost model,
            which tests compare with circuits. With Barretenberg gates, as bb counts them.
        rows_per_parameter: the same for each trained parameter; a row of ezkl has two cells, a
            gate of Barretenberg four.
        parameters: trained parameters.
        samples_per_second_x_parameters: training samples proven per second, times parameters.
        setup_seconds: settings, compilation, keys and verifier, without the reference string.
        worst_error: largest difference of a proven parameter from the float computation's after
            the proof's last step.
        epochs: passes over the data that share a range proof; 0 if none is counted.
        backend: the prover.
        checks_ranges: the step proof itself bounds state and batch, so no range proof is missing.
        circuit_seconds: to trace, lower and emit one step as a circuit; None with ezkl, whose own
            compilation is part of `setup_seconds`.
    """

    case: str
    system: str
    seconds_per_step: float
    cpu_seconds_per_step: float
    gas_per_step: float
    key_mb: float
    peak_memory_mb: float
    proof_bytes: int
    rows_per_step: float
    rows_per_parameter: float
    cells_per_parameter: float
    parameters: int
    samples_per_second_x_parameters: float
    setup_seconds: float
    steps_per_proof: int
    logrows: int
    verify_seconds: float
    worst_error: float
    gas_per_step_dedicated: float | None = None
    gas_per_step_gateway: float | None = None
    epochs: int = 0
    backend: str = "ezkl"
    checks_ranges: bool = False
    circuit_seconds: float | None = None

    @property
    def complete(self) -> bool:
        """Whether all that the headline promises is in the figures."""
        return self.checks_ranges or self.epochs == HEADLINE_EPOCHS


@dataclass(frozen=True, slots=True)
class Ratio:
    """Another system divided by zkdescent: above 1, zkdescent takes less.

    Attributes:
        system: which of zkdescent's measurements.
        headline: range proofs over `HEADLINE_EPOCHS` where the prover needs them, and the
            configuration of this prover that was chosen for this quantity.
    """

    case: str
    against: str
    system: str
    what: str
    ratio: float
    headline: bool = False


@dataclass(frozen=True, slots=True)
class GrowthPoint:
    """One circuit of a family that grows in one respect.

    Attributes:
        family: what grows, and of which model.
        x: parameters, batch size or steps per proof.
        blocks: of two columns.
        seconds_per_step, gas_per_step: measured if `measured`, else of the cost model, whose
            seconds are scaled to this machine by the measured points.
        model_seconds_per_step, model_gas_per_step: of the cost model for this same circuit.
    """

    family: str
    x: int
    parameters: int
    batch_size: int
    logrows: int
    blocks: int
    steps_per_proof: int
    rows_per_step: float
    measured: bool
    seconds_per_step: float
    gas_per_step: float
    model_seconds_per_step: float
    model_gas_per_step: float
    key_mb: float
    peak_memory_mb: float


@dataclass(frozen=True, slots=True)
class HonkPoint:
    """One step as a circuit of Barretenberg, of a family that grows in one respect.

    Attributes:
        family: what grows, and whether products are checked by Freivalds' algorithm.
        x: parameters or batch size.
        level: log2 of the circuit's rows.
        gates: bb's count if `measured`, else the emitted circuit's.
        seconds_per_step: witness and proof; of the cost model, scaled, unless `measured`.
        peak_memory_mb: of the proving process; of the cost model unless `measured`.
        emission_seconds: to emit the circuit, always measured.
    """

    family: str
    x: int
    parameters: int
    batch_size: int
    freivalds: bool
    level: int
    gates: float
    measured: bool
    seconds_per_step: float
    model_seconds_per_step: float
    peak_memory_mb: float
    emission_seconds: float


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run of linear 8-1 with batches of 32 that one transaction verifies, on Barretenberg.

    Attributes:
        step_logrows, logrows: log2 of the rows of the step circuit and of the aggregate's.
        seconds: wall-clock time of all proofs: those of the blocks and the aggregate's.
        peak_memory_mb: of the proving processes.
        gas: of the transaction, by its receipt: verification and the ledger's work.
    """

    steps: int
    block_proofs: int
    step_logrows: int
    logrows: int
    seconds: float
    peak_memory_mb: float
    gas: int


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Everything one run measured.

    Attributes:
        range_proofs: range proofs alone, one batch block as one step.
        growth: with parameters, batch size and steps per proof, on ezkl; empty in a quick run.
        honk_growth: with parameters and batch size, on Barretenberg; the smallest points in a quick
            run, empty without that prover.
        whole_runs: aggregates on Barretenberg; empty in a quick run.
        circom: a circuit written by hand, without commitments; None if Node.js is missing.
        notes: what all systems prove, and under which assumptions.
    """

    measurements: tuple[Measurement, ...]
    ratios: tuple[Ratio, ...]
    range_proofs: tuple[Measurement, ...]
    growth: tuple[GrowthPoint, ...]
    honk_growth: tuple[HonkPoint, ...]
    whole_runs: tuple[WholeRun, ...]
    circom: CircomMeasurement | None
    machine: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "format": FORMAT,
            **{f.name: _plain(getattr(self, f.name)) for f in fields(self)},
        }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value
