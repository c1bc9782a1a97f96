"""The ezkl prover behind the `ProofSystem` interface."""

from __future__ import annotations

import hashlib
import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from eth_utils.crypto import keccak
from py_ecc.optimized_bn128 import FQ, add, neg, normalize

from zkdescent.circuits.bounds import GadgetBound
from zkdescent.circuits.executor import evaluate
from zkdescent.circuits.ezkl_backend import codegen, cost, gadgets, settings, srs, worker
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import Program
from zkdescent.circuits.program_file import load_program, save_program
from zkdescent.circuits.proof_system import BuiltCircuit, CircuitRequest, Locate, Proof, ProofSystem
from zkdescent.core.errors import ProofRejected, ProverError
from zkdescent.core.records import FIELD_MODULUS, CircuitRecord

_SMALLEST, _LARGEST = 11, 20
# A block of columns is filled to this share by the steps of one proof.
_FILL = 0.97


class EzklBackend(ProofSystem):
    """halo2 over KZG, through ezkl 23.0.5 in worker processes.

    All circuits of a project share one reference string and one logrows: commitments are KZG
    points of whole columns and only then equal for equal tensors.

    Args:
        threads: how many a proof may use; None: as many as there are cores.
    """

    name = "ezkl"

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads

    def sizes(self) -> range:
        """logrows from 11 to 20."""
        return range(_SMALLEST, _LARGEST + 1)

    def cost(self, program: Program, size: int) -> float:
        """Rows of a block of two columns."""
        return cost.rows(program, Digits(size))

    def capacity(self, size: int) -> float:
        """Rows of one block that steps may fill."""
        return _FILL * ((1 << size) - settings.RESERVED_ROWS)

    def gadget_bound(self, size: int) -> GadgetBound:
        """What signed digits hold."""
        return Digits(size).bound

    def fits(self, request: CircuitRequest, size: int) -> bool:
        """Whether every committed tensor fits a column, and everything the digits."""
        rows = (1 << size) - settings.RESERVED_ROWS
        program = request.program
        if self.cost(program, size) == float("inf"):
            return False
        tensors = [program.nodes[i].size for i in (*program.inputs.values(), program.output)]
        return max(*tensors, gadgets.plan(program, Digits(size)).size) <= rows

    def build(self, request: CircuitRequest, size: int, directory: Path) -> BuiltCircuit:
        """Emit, compile, set up; see the base class.

        ezkl's own count of cells includes copies that the circuit does not make. Columns are
        allocated by our estimate instead, and one block more whenever setup says it is too few.
        """
        files = {
            name: directory / f"{request.role}.{name}"
            for name in ("onnx", "program", "settings", "compiled", "vk", "pk", "vka", "sol")
        }
        files["srs"] = srs.select(size)[0]
        files["onnx"].write_bytes(codegen.emit_onnx(request.program, Digits(size)))
        files["program"].write_bytes(save_program(request.program, request.fixed))
        rows = self.cost(request.program, size)
        blocks = max(1, -(-int(rows) // ((1 << size) - settings.RESERVED_ROWS)))
        while True:
            count = self._compile(request, size, files, blocks)
            try:
                self._setup(files)
                break
            except ProverError:
                if settings.capacity(size, blocks) >= count:
                    raise
                blocks += 1
        exported = worker.call(
            "export_verifier",
            settings=str(files["settings"]),
            vk=str(files["vk"]),
            srs=str(files["srs"]),
            vka=str(files["vka"]),
            source=str(files["sol"]),
        )
        record = self._record(request, size, files, exported["proof_length"])
        kept = ("program", "settings", "compiled", "vk", "pk", "srs", "sol")
        return BuiltCircuit(record, {name: files[name] for name in kept})

    def _compile(
        self, request: CircuitRequest, size: int, files: dict[str, Path], blocks: int
    ) -> int:
        answer = worker.call(
            "compile_circuit",
            onnx=str(files["onnx"]),
            settings=str(files["settings"]),
            compiled=str(files["compiled"]),
            logrows=size,
            public_output=request.public_output,
            assignments=settings.capacity(size, blocks),
        )
        return int(answer["total_assignments"])

    def _setup(self, files: dict[str, Path]) -> None:
        names = ("settings", "compiled", "vk", "pk", "srs")
        worker.call("setup", **{name: str(files[name]) for name in names})

    def _record(
        self, request: CircuitRequest, size: int, files: dict[str, Path], proof_length: int
    ) -> CircuitRecord:
        vk = files["vk"].read_bytes()
        words = vka_words(files["vka"].read_bytes())
        outputs = request.program.nodes[request.program.output].size if request.public_output else 0
        opening = (0, 0, 0, 0)
        if request.role != "range":
            zero, one = self._commit(files, [[0], [1]])
            opening = _opening(zero, one)
        return CircuitRecord(
            role=request.role,
            backend=self.name,
            vk_sha256=hashlib.sha256(vk).digest(),
            vka=words,
            vka_digest=keccak(b"".join(words)),
            proof_length=proof_length,
            public_values=outputs,
            features=request.features,
            outputs=request.outputs,
            fraction_bits=request.fixed.fraction_bits,
            steps_per_proof=request.steps_per_proof,
            logrows=size,
            opening=opening,
            srs=srs.select(size)[1],
            objects={},
        )

    def _commit(self, files: dict[str, Path], tensors: list[list[int]]) -> list[bytes]:
        answer = worker.call(
            "commit",
            settings=str(files["settings"]),
            vk=str(files["vk"]),
            srs=str(files["srs"]),
            tensors=[[felt(v) for v in tensor] for tensor in tensors],
        )
        return [bytes.fromhex(c) for c in answer["commitments"]]

    def commit(
        self, circuit: CircuitRecord, locate: Locate, tensors: list[tuple[str, IntegerArray]]
    ) -> list[bytes]:
        """KZG points of the tensors' columns, x || y big endian."""
        files = {name: locate(circuit.objects[name]) for name in ("settings", "vk", "srs")}
        return self._commit(files, [[int(v) for v in t] for _, t in tensors])

    def fingerprint(self, size: int) -> str:
        """Version of ezkl and the reference string's sha256."""
        digest = hashlib.sha256(srs.select(size)[0].read_bytes()).hexdigest()
        return f"ezkl {importlib.metadata.version('ezkl')}, srs {digest}"

    def identify(self, request: CircuitRequest, size: int) -> bytes:
        """The graph that ezkl compiles."""
        return codegen.emit_onnx(request.program, Digits(size))

    def witness(
        self, circuit: CircuitRecord, locate: Locate, inputs: list[IntegerArray]
    ) -> list[IntegerArray]:
        """The inputs, and then the hints of an honest prover."""
        program, fixed = load_program(locate(circuit.objects["program"]).read_bytes())
        values = evaluate(program, dict(zip(program.inputs, inputs, strict=True)), fixed)
        return [*inputs, gadgets.honest_hints(program, values, Digits(circuit.logrows))]

    def prove(self, circuit: CircuitRecord, locate: Locate, inputs: list[IntegerArray]) -> Proof:
        """Compute the hints, prove in a worker and verify there; see the base class."""
        return self.prove_witness(circuit, locate, self.witness(circuit, locate, inputs))

    def check_witnesses(
        self, circuit: CircuitRecord, locate: Locate, witnesses: list[list[IntegerArray]]
    ) -> list[IntegerArray | None]:
        """Outputs of inputs and hints that satisfy the circuit's constraints; None of others.

        Nothing is proven. ezkl's prover never returns from a witness with a number outside a
        table; this does.
        """
        files = _files(circuit, locate)
        names = ("settings", "compiled", "vk", "srs")
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            answer = worker.call(
                "check_witnesses",
                **{name: str(files[name]) for name in names},
                witnesses=[[[felt(int(v)) for v in t] for t in w] for w in witnesses],
                scratch=scratch,
            )
        return [None if o is None else _integers(o) for o in answer["outputs"]]

    def prove_witness(
        self, circuit: CircuitRecord, locate: Locate, inputs: list[IntegerArray]
    ) -> Proof:
        """Prove with hints as given. With wrong ones ezkl may never return."""
        files = _files(circuit, locate)
        names = ("settings", "compiled", "vk", "pk", "srs")
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            answer = worker.call(
                "prove",
                self._threads,
                **{name: str(files[name]) for name in names},
                inputs=[[felt(int(v)) for v in tensor] for tensor in inputs],
                scratch=scratch,
            )
        verify_seconds = float(answer["verify_seconds"])
        return Proof(
            proof=bytes.fromhex(answer["proof"]),
            public_values=tuple(_integer(v) for v in answer["public_values"]),
            output=_integers(answer["outputs"]),
            seconds=float(answer["seconds"]) - verify_seconds,
            verify_seconds=verify_seconds,
            peak_memory_mb=float(answer["peak_memory_mb"]),
        )

    def verify(
        self, circuit: CircuitRecord, locate: Locate, proof: bytes, public_values: tuple[int, ...]
    ) -> None:
        """Verify with ezkl's own verifier."""
        if len(proof) != circuit.proof_length:
            raise ProofRejected(
                "the proof has the wrong length", expected=circuit.proof_length, got=len(proof)
            )
        if circuit.objects.get("vk") != circuit.vk_sha256.hex():
            raise ProofRejected(
                "the stored verifying key is not the one the circuit names",
                expected=circuit.vk_sha256,
                got=circuit.objects.get("vk"),
            )
        # An auditor's copy of the store has no proving key.
        files = {name: locate(circuit.objects[name]) for name in ("settings", "vk", "srs")}
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            answer = worker.call(
                "verify",
                settings=str(files["settings"]),
                vk=str(files["vk"]),
                srs=str(files["srs"]),
                proof=proof.hex(),
                public_values=[felt(v) for v in public_values],
                scratch=scratch,
            )
        if not answer["accepted"]:
            raise ProofRejected(
                f"the {circuit.role} proof does not verify", got=answer.get("reason")
            )

    def doctor(self) -> dict[str, Any]:
        """Version of ezkl in a fresh process."""
        return {"ezkl": worker.call("version")["version"]}


def felt(value: int) -> str:
    """Integer to ezkl's felt string: 64 hex digits, little endian, canonical."""
    return (value % FIELD_MODULUS).to_bytes(32, "little").hex()


def _integer(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


def _integers(felts: list[str]) -> IntegerArray:
    return np.array([_signed(_integer(v)) for v in felts], dtype=object)


def _signed(value: int) -> int:
    return value - FIELD_MODULUS if value > FIELD_MODULUS // 2 else value


def vka_words(raw: bytes) -> tuple[bytes, ...]:
    """Words of a .vka file as the contract takes them.

    The file is a little-endian count and then 32-byte words in the byte order of calldata.
    """
    count = int.from_bytes(raw[:8], "little")
    if len(raw) != 8 + 32 * count:
        raise ProverError(
            "the verifier artefact has an unknown form", expected=8 + 32 * count, got=len(raw)
        )
    return tuple(raw[8 + 32 * i : 40 + 32 * i] for i in range(count))


def _opening(zero: bytes, one: bytes) -> tuple[int, int, int, int]:
    """(L0.x, L0.y, U.x, U.y) from the commitments of [0] and [1]: U = C(0), L0 = C(1) - C(0)."""
    points = [
        (FQ(int.from_bytes(p[:32], "big")), FQ(int.from_bytes(p[32:], "big")), FQ(1))
        for p in (zero, one)
    ]
    u, (x, y) = points[0], normalize(add(points[1], neg(points[0])))
    return int(x.n), int(y.n), int(u[0].n), int(u[1].n)


def _files(circuit: CircuitRecord, locate: Locate) -> dict[str, Path]:
    names = ("settings", "compiled", "vk", "pk", "srs")
    return {name: locate(circuit.objects[name]) for name in names}
