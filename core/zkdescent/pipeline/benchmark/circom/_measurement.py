"""What measuring the circom circuit gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SYSTEM = "circom by hand, Groth16 (snarkjs), no commitments"


@dataclass(frozen=True, slots=True)
class CircomMeasurement:
    """Figures of one circuit, in the units of the benchmark's `Measurement`.

    Attributes:
        case: the benchmark's case, whose data, parameters and learning rate were proven.
        seconds_per_step: wall-clock time of witness and proof after the libraries were loaded, the
            best of all repetitions, divided by `steps_per_proof`.
        cpu_seconds_per_step: processor time of the proving process, all threads, with its start.
        setup_seconds: compilation and keys, without the powers of tau.
        verify_seconds: of one proof, off chain.
        constraints: rank-1 constraints of the circuit, all steps.
        key_mb: proving key, megabytes (10**6 bytes).
        proof_bytes: of one proof as a contract takes it: A, B, C on BN254, uncompressed.
        peak_memory_mb: resident memory of the proving process at its peak, mebibytes.
        worst_error: largest difference of a proven parameter from the float computation's after
            the proof's last step.
        tools: exact versions of compiler and prover.
    """

    case: str
    steps_per_proof: int
    seconds_per_step: float
    cpu_seconds_per_step: float
    setup_seconds: float
    verify_seconds: float
    constraints: int
    key_mb: float
    proof_bytes: int
    peak_memory_mb: float
    worst_error: float
    tools: str
    system: str = SYSTEM

    def to_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return asdict(self)
