"""Barretenberg's UltraHonk behind the `ProofSystem` interface."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zkdescent.circuits.barretenberg import acir, solidity, srs, toolchain
from zkdescent.circuits.barretenberg.children import prove_child
from zkdescent.circuits.barretenberg.circuits import (
    EMISSION,
    ROLES,
    EmittedCircuit,
    capacity_of,
    emit,
)
from zkdescent.circuits.barretenberg.commitment import commitment_bytes, tensor_digest
from zkdescent.circuits.barretenberg.cost import estimate
from zkdescent.circuits.barretenberg.model import LARGEST
from zkdescent.circuits.barretenberg.proofs import TARGETS
from zkdescent.circuits.barretenberg.recursion import Aggregate, ChildKey, ChildProof
from zkdescent.circuits.bounds import GadgetBound
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.inputs import STATE
from zkdescent.circuits.program import Program
from zkdescent.circuits.program_file import load_program, save_program
from zkdescent.circuits.proof_system import BuiltCircuit, CircuitRequest, Locate, Proof, ProofSystem
from zkdescent.core.errors import ProofRejected, ProverError
from zkdescent.core.records import FIELD_MODULUS, CircuitRecord
from zkdescent.verifier.twins.layout import honk_proof_bytes

_SETUP_TIMEOUT_S, _PROVE_TIMEOUT_S, _VERIFY_TIMEOUT_S = 900, 3600, 120
_PAIRING = "failed at pairing check"


class BarretenbergBackend(ProofSystem):
    """UltraHonk over BN254, by the native program bb.

    Commitments are salted hashes computed inside the circuit, so circuits of a project need not
    share a size, and step circuits bound their inputs themselves. Every circuit has a verifier
    contract of its own.

    Args:
        salt: asked for when something is committed to.
        zero_knowledge: whether proofs of circuits built here hide all but their public inputs.
    """

    name = "barretenberg"
    checks_ranges = True

    def __init__(self, salt: Callable[[], int], *, zero_knowledge: bool = True) -> None:
        self._salt = salt
        self._zero_knowledge = zero_knowledge

    def sizes(self) -> range:
        """Each circuit is as large as it needs to be."""
        return range(1)

    def cost(self, program: Program, size: int) -> float:
        """Gates."""
        return estimate(program)

    def capacity(self, size: int) -> float:
        """Gates of the largest circuit offered."""
        return float(1 << LARGEST)

    def gadget_bound(self, size: int) -> GadgetBound:
        """A number v with -2**c <= v < 2**c, for a capacity c."""
        return lambda capacity: (1 << capacity) + 1

    def fits(self, request: CircuitRequest, size: int) -> bool:
        """Whether a circuit of the largest size holds it."""
        return request.role == "range" or self.cost(request.program, size) < 1 << LARGEST

    def identify(self, request: CircuitRequest, size: int) -> bytes:
        """The program, from which the circuit follows."""
        return save_program(request.program, request.fixed)

    def fingerprint(self, size: int) -> str:
        """Versions of bb and of the emission, source of the reference string, what proofs hide."""
        source = srs.select(srs.points_for(1)).source
        hidden = "" if self._zero_knowledge else ", no zero knowledge"
        return f"{toolchain.PACKAGE} {toolchain.VERSION}, {EMISSION}, srs {source}{hidden}"

    def build(self, request: CircuitRequest, size: int, directory: Path) -> BuiltCircuit:
        """Emit, make the verifying key, write and compile the verifier; see the base class."""
        stored = save_program(request.program, request.fixed)
        emitted = _emitted(stored)
        files = {name: directory / f"{request.role}.{name}" for name in _OBJECTS}
        files["program"].write_bytes(stored)
        files["circuit"].write_bytes(emitted.system.bytecode())
        string = _write_keys(files, directory, self._zero_knowledge)
        record = self._record(request, emitted, files["vk"].read_bytes(), string)
        return BuiltCircuit(record, files)

    def build_aggregate(
        self, step: CircuitRecord, locate: Locate, blocks: int, directory: Path
    ) -> BuiltCircuit:
        """Recursion with the step circuit's key among the constants; see the base class."""
        circuit = Aggregate(ChildKey.of(locate(step.objects["vk"]).read_bytes()), blocks)
        files = {name: directory / f"aggregate.{name}" for name in _OBJECTS if name != "program"}
        files["circuit"].write_bytes(circuit.bytecode())
        string = _write_keys(files, directory, step.zero_knowledge)
        key = files["vk"].read_bytes()
        level = int.from_bytes(key[:32], "big")
        record = replace(
            step,
            role="aggregate",
            vk_sha256=hashlib.sha256(key).digest(),
            proof_length=32 * circuit.layout.slots + honk_proof_bytes(level, step.zero_knowledge),
            steps_per_proof=blocks * step.steps_per_proof,
            logrows=level,
            srs=string.source,
            blocks=blocks,
            child=step.vk_sha256,
            objects={},
        )
        return BuiltCircuit(record, files)

    def prove_aggregate(
        self,
        aggregate: CircuitRecord,
        step: CircuitRecord,
        locate: Locate,
        inputs: list[list[IntegerArray]],
    ) -> Proof:
        """Prove every block for recursion, and then that these proofs verify and chain."""
        started = time.monotonic()
        key = ChildKey.of(locate(step.objects["vk"]).read_bytes())
        circuit = Aggregate(key, aggregate.blocks)
        children = [self._prove_child(step, locate, key, block) for block in inputs]
        prepared = time.monotonic() - started
        words = circuit.words(children)
        proof = self._prove_file(aggregate, locate, circuit.witness(children))
        if list(proof.public_values) != words:
            raise ProverError(
                "an aggregate speaks of other public inputs than its block proofs",
                expected=words,
                got=proof.public_values,
                hint="please report this",
            )
        front = b"".join(word.to_bytes(32, "big") for word in words)
        return replace(
            proof, proof=front + proof.proof, public_values=(), seconds=prepared + proof.seconds
        )

    def _prove_child(
        self, step: CircuitRecord, locate: Locate, key: ChildKey, inputs: list[IntegerArray]
    ) -> ChildProof:
        emitted = _emitted(locate(step.objects["program"]).read_bytes())
        witness = emitted.witness(
            dict(zip(emitted.program.inputs, inputs, strict=True)), self._salt()
        )
        string = srs.select(1 << step.logrows)
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            path = Path(scratch) / "witness.gz"
            path.write_bytes(acir.witness_file(witness))
            program = locate(step.objects["circuit"])
            child = prove_child(program, path, key, string, timeout=_PROVE_TIMEOUT_S)
        if list(child.words) != witness[: emitted.words]:
            raise ProverError(
                "a block proof speaks of other public inputs than its witness",
                expected=witness[: emitted.words],
                got=child.words,
                hint="please report this",
            )
        return child

    def _record(
        self,
        request: CircuitRequest,
        emitted: EmittedCircuit,
        key: bytes,
        string: srs.ReferenceString,
    ) -> CircuitRecord:
        level = int.from_bytes(key[:32], "big")
        outputs = request.program.nodes[request.program.output].size if request.public_output else 0
        return CircuitRecord(
            role=request.role,
            backend=self.name,
            vk_sha256=hashlib.sha256(key).digest(),
            vka=(),
            vka_digest=b"",
            proof_length=32 * emitted.words + honk_proof_bytes(level, self._zero_knowledge),
            public_values=outputs,
            features=request.features,
            outputs=request.outputs,
            fraction_bits=request.fixed.fraction_bits,
            steps_per_proof=request.steps_per_proof,
            logrows=level,
            opening=(0, 0, 0, 0),
            srs=string.source,
            zero_knowledge=self._zero_knowledge,
        )

    def commit(
        self, circuit: CircuitRecord, locate: Locate, tensors: list[tuple[str, IntegerArray]]
    ) -> list[bytes]:
        """Salted Poseidon2 digests, 32 bytes big endian."""
        program, _ = load_program(locate(circuit.objects["program"]).read_bytes())
        salt = self._salt()
        return [
            commitment_bytes(
                tensor_digest(
                    ROLES[name], [int(v) for v in tensor], capacity_of(program, name), salt
                )
            )
            for name, tensor in tensors
        ]

    def prove(self, circuit: CircuitRecord, locate: Locate, inputs: list[IntegerArray]) -> Proof:
        """Compute the witness by the reference executor, prove and verify."""
        started = time.monotonic()
        emitted = _emitted(locate(circuit.objects["program"]).read_bytes())
        named = dict(zip(emitted.program.inputs, inputs, strict=True))
        witness = emitted.witness(named, self._salt())
        prepared = time.monotonic() - started
        proof = self.prove_witness(circuit, locate, witness)
        public = tuple(witness[: emitted.system.public])
        if proof.public_values != public:  # bb corrects some false witnesses on its own
            raise ProverError(
                f"a {circuit.role} proof speaks of other public inputs than its witness",
                expected=public,
                got=proof.public_values,
                hint="please report this",
            )
        words = public[: emitted.words]
        values = public[emitted.words :]
        output = values or [int(v) for v in emitted.output(named)]
        return Proof(
            proof=b"".join(word.to_bytes(32, "big") for word in words) + proof.proof,
            public_values=values,
            output=np.array([_signed(v) for v in output], dtype=object),
            seconds=prepared + proof.seconds,
            verify_seconds=proof.verify_seconds,
            peak_memory_mb=proof.peak_memory_mb,
        )

    def prove_witness(self, circuit: CircuitRecord, locate: Locate, witness: list[int]) -> Proof:
        """bb's own proof of a witness as given, and the public inputs that bb proved.

        Raises:
            ProverError: the proof does not verify: the witness does not satisfy the circuit.
        """
        return self._prove_file(circuit, locate, acir.witness_file(witness))

    def _prove_file(self, circuit: CircuitRecord, locate: Locate, witness: bytes) -> Proof:
        string = srs.select(1 << circuit.logrows)
        target = TARGETS[circuit.zero_knowledge]
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            folder = Path(scratch)
            (folder / "witness.gz").write_bytes(witness)
            arguments: list[str | Path] = [
                "prove", "-b", locate(circuit.objects["circuit"]), "-w", folder / "witness.gz",
                "-k", locate(circuit.objects["vk"]), "-o", folder, "-t", target,
                "-c", string.directory,
            ]  # fmt: skip
            run = toolchain.run(arguments, timeout=_PROVE_TIMEOUT_S)
            started = time.monotonic()
            key = locate(circuit.objects["vk"])
            reason = _refused(key, folder / "proof", folder / "public_inputs", target, string)
            if reason is not None:
                raise ProverError(
                    f"a {circuit.role} proof that was just made does not verify",
                    got=reason,
                    hint="the witness does not satisfy the circuit; please report this",
                )
            public = (folder / "public_inputs").read_bytes()
            return Proof(
                proof=(folder / "proof").read_bytes(),
                public_values=tuple(
                    int.from_bytes(public[i : i + 32], "big") for i in range(0, len(public), 32)
                ),
                output=np.zeros(0, dtype=object),
                seconds=run.seconds,
                verify_seconds=time.monotonic() - started,
                peak_memory_mb=run.peak_memory_mb,
            )

    def verify(
        self, circuit: CircuitRecord, locate: Locate, proof: bytes, public_values: tuple[int, ...]
    ) -> None:
        """Verify with bb, which knows the ceremony's string alone."""
        string = srs.select(1 << circuit.logrows)
        if string.source != "ceremony":
            raise ProverError(
                "bb verifies proofs under the ceremony's reference string only",
                got=string.source,
                hint="verify with the circuit's own contract: `zkdescent verify --engine evm`",
            )
        target = TARGETS[circuit.zero_knowledge]
        words = circuit.proof_length - honk_proof_bytes(circuit.logrows, circuit.zero_knowledge)
        if len(proof) != circuit.proof_length:
            raise ProofRejected(
                "the proof has the wrong length", expected=circuit.proof_length, got=len(proof)
            )
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            folder = Path(scratch)
            inputs = proof[:words] + b"".join(v.to_bytes(32, "big") for v in public_values)
            (folder / "proof").write_bytes(proof[words:])
            (folder / "public_inputs").write_bytes(inputs)
            key = locate(circuit.objects["vk"])
            reason = _refused(key, folder / "proof", folder / "public_inputs", target, string)
        if reason is not None:
            raise ProofRejected(f"the {circuit.role} proof does not verify", got=reason)

    def doctor(self) -> dict[str, Any]:
        """Version of bb, and where it is."""
        return {"barretenberg": toolchain.VERSION, "bb": str(toolchain.find())}


def _write_keys(
    files: dict[str, Path], directory: Path, zero_knowledge: bool
) -> srs.ReferenceString:
    """Make the verifying key of a circuit, and its verifier contract, compiled."""
    gates = toolchain.count_gates(files["circuit"], timeout=_SETUP_TIMEOUT_S)
    string = srs.select(srs.points_for(gates))
    keys = directory / f"{files['circuit'].name}-key"
    keys.mkdir()
    arguments: list[str | Path] = [
        "write_vk", "-b", files["circuit"], "-o", keys,
        "-t", TARGETS[zero_knowledge], "-c", string.directory,
    ]  # fmt: skip
    toolchain.run(arguments, timeout=_SETUP_TIMEOUT_S)
    files["vk"].write_bytes((keys / "vk").read_bytes())
    source = solidity.verifier_source(files["vk"], string, zero_knowledge=zero_knowledge)
    files["sol"].write_text(source)
    compiled = solidity.compile_verifier(source)
    code = {name: compiled[name] for name in ("bytecode", "deployedBytecode")}
    files["verifier"].write_text(json.dumps(code, sort_keys=True))
    return string


_OBJECTS = ("program", "circuit", "vk", "sol", "verifier")


@lru_cache(maxsize=4)
def _emitted(stored: bytes) -> EmittedCircuit:
    """The circuit of a stored program, with or without Freivalds' checks, whichever is smaller."""
    program, fixed = load_program(stored)
    public = STATE in program.inputs and "batch" not in program.inputs
    checked, plain = (estimate(program, fixed, freivalds=choice) for choice in (True, False))
    return emit(program, fixed, public_output=public, freivalds=checked < plain)


def _refused(
    key: Path, proof: Path, inputs: Path, target: str, string: srs.ReferenceString
) -> str | None:
    """Why bb does not accept a proof; None if it does.

    With the unsafe string bb, which has the ceremony's point built in, comes as far as the pairing
    with an honest proof and stops before it with any other; the pairing itself is left to the
    circuit's contract, which every proof meets again.
    """
    arguments: list[str | Path] = [
        "verify", "-p", proof, "-i", inputs, "-k", key, "-t", target, "-c", string.directory,
    ]  # fmt: skip
    try:
        toolchain.run(arguments, timeout=_VERIFY_TIMEOUT_S)
    except ProverError as error:
        text = f"{error.got}: {error.hint}"
        if string.source == "unsafe-local" and _PAIRING in text:
            return None
        return text
    return None


def _signed(value: int) -> int:
    return value - FIELD_MODULUS if value > FIELD_MODULUS // 2 else value
