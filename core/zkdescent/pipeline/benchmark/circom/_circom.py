"""Build the hand-written circuit, prove with it what the reference computes, and time that."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zkdescent.core.errors import ConfigError, ProofRejected, ProverError, ToolMissing
from zkdescent.pipeline.benchmark.circom._measurement import CircomMeasurement
from zkdescent.pipeline.benchmark.circom._reference import (
    LinearTraining,
    TrainingInputs,
    field,
    signed,
    train_integers,
)
from zkdescent.pipeline.benchmark.circom._toolchain import (
    HERE,
    Toolchain,
    install_toolchain,
    tool_versions,
)

PROOFS = 2
"""Proofs of which the best counts, as for the other systems of the benchmark."""

PROOF_BYTES = 256
"""A and C in G1, B in G2 of BN254, uncompressed: 64 + 64 + 128."""

SOURCE = "linear_step.circom"


@dataclass(frozen=True, slots=True)
class CircomProof:
    """A proof with its public signals: parameters after, then before, as field elements."""

    proof: dict[str, Any]
    public_signals: tuple[str, ...]
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float


@dataclass(frozen=True, slots=True)
class CircomCircuit:
    """A compiled circuit with keys, in a directory."""

    tools: Toolchain
    training: LinearTraining
    directory: Path
    constraints: int
    setup_seconds: float

    @property
    def key(self) -> Path:
        """The proving key."""
        return self.directory / "main.zkey"

    @property
    def witness(self) -> Path:
        """The witness of the latest proof."""
        return self.directory / "main.wtns"

    def prove(self, inputs: TrainingInputs) -> CircomProof:
        """Prove the steps; returns the proof of exactly the reference's parameters.

        Raises:
            RangeOverflow: a parameter leaves the circuit's range.
            ProverError: no witness satisfies the circuit, or it computes something else.
        """
        expected = [*train_integers(self.training, inputs), *inputs.parameters]
        signals = self.directory / "inputs.json"
        signals.write_text(json.dumps(inputs.to_json()))
        proof = self._prove("prove", inputs=signals, program=self.directory / "main_js/main.wasm")
        if list(proof.public_signals) != [field(v) for v in expected]:
            raise ProverError(
                "the circom circuit computes something else than the reference",
                expected=expected,
                got=[signed(v) for v in proof.public_signals],
            )
        return proof

    def prove_witness(self) -> CircomProof:
        """Prove whatever lies at `witness`, unchecked: what a cheating prover can do."""
        return self._prove("proveWitness")

    def verify(self, proof: CircomProof) -> float:
        """Verify off chain; returns the seconds that took.

        Raises:
            ProofRejected: the proof is not one of these public signals.
        """
        answer = self.tools.call(
            "verify",
            verifyingKey=self.directory / "verifying.json",
            publicSignals=proof.public_signals,
            proof=proof.proof,
        )
        if answer["accepted"] is not True:
            raise ProofRejected("snarkjs does not accept the proof", path=self.directory)
        return float(answer["seconds"])

    def _prove(self, operation: str, **arguments: Path) -> CircomProof:
        before = _children_seconds()
        answer = self.tools.call(operation, witness=self.witness, key=self.key, **arguments)
        return CircomProof(
            proof=answer["proof"],
            public_signals=tuple(answer["publicSignals"]),
            seconds=float(answer["seconds"]),
            cpu_seconds=_children_seconds() - before,
            peak_memory_mb=float(answer["peak_memory_mb"]),
        )


def circuit_source() -> str:
    """The templates, as shipped."""
    return (HERE / SOURCE).read_text()


def build_circuit(
    tools: Toolchain, training: LinearTraining, directory: Path, *, source: str | None = None
) -> CircomCircuit:
    """Compile the circuit and make its keys in an existing directory.

    Args:
        source: the templates, if not as shipped.

    Raises:
        ProverError: circom refused the source, or snarkjs failed.
    """
    (directory / SOURCE).write_text(circuit_source() if source is None else source)
    (directory / "main.circom").write_text(training.main())
    started = time.perf_counter()
    tools.compile(directory)
    seconds = time.perf_counter() - started
    r1cs = directory / "main.r1cs"
    size = tools.call("size", r1cs=r1cs)
    # Not counted in setup: users of any system download theirs.
    powers = tools.unsafe_powers(size["power"])
    started = time.perf_counter()
    tools.call(
        "setup",
        r1cs=r1cs,
        powers=powers,
        key=directory / "main.zkey",
        verifyingKey=directory / "verifying.json",
    )
    seconds += time.perf_counter() - started
    return CircomCircuit(tools, training, directory, size["constraints"], seconds)


def measure_circom(steps: int, *, proofs: int = PROOFS) -> CircomMeasurement:
    """Prove the benchmark's linear case with the hand-written circuit and verify the proofs.

    Args:
        steps: training steps per proof.
        proofs: how many to make; the fastest counts.

    Raises:
        ToolMissing: torch, Node.js or npm is missing, or npm could not install the packages.
        ConfigError: no steps or no proofs.
        ProverError, ProofRejected: the circuit or the prover failed; nothing is measured then.
    """
    # Here, so that results of a benchmark can be read without torch.
    try:
        from zkdescent.pipeline.benchmark.circom import _case
    except ImportError as error:
        raise ToolMissing(
            f"{error.name} is not installed", hint="pip install 'zkdescent[all]'"
        ) from error
    training = _case.benchmark_training(steps)
    if proofs < 1:
        raise ConfigError("a measurement needs a proof", expected="1 or more", got=proofs)
    tools, inputs = install_toolchain(), _case.benchmark_inputs(steps)
    with tempfile.TemporaryDirectory(prefix="zkdescent-circom-") as scratch:
        circuit = build_circuit(tools, training, Path(scratch))
        made = [circuit.prove(inputs) for _ in range(proofs)]
        verify_seconds = min(circuit.verify(proof) for proof in made)
        key_bytes = circuit.key.stat().st_size
    return CircomMeasurement(
        case=_case.CASE.name,
        steps_per_proof=steps,
        seconds_per_step=min(p.seconds for p in made) / steps,
        cpu_seconds_per_step=min(p.cpu_seconds for p in made) / steps,
        setup_seconds=circuit.setup_seconds,
        verify_seconds=verify_seconds,
        constraints=circuit.constraints,
        key_mb=key_bytes / 1e6,
        proof_bytes=PROOF_BYTES,
        peak_memory_mb=max(p.peak_memory_mb for p in made),
        worst_error=_case.worst_error(train_integers(training, inputs), steps),
        tools=tool_versions(),
    )


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
