"""The border between the compiler and a prover.

A `ProofSystem` turns integer programs into circuits, keys and proofs. Nothing above this interface
knows which prover it is: how a tensor is committed to (a KZG point in ezkl, a hash in a later
backend), whether there is a proving key, whether circuits must share a size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zkdescent.circuits.bounds import GadgetBound
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Program
from zkdescent.core.errors import ConfigError
from zkdescent.core.records import CircuitRecord, Role

ROLES: tuple[Role, ...] = ("step", "range", "inference")


@dataclass(frozen=True, slots=True)
class CircuitRequest:
    """One circuit to build.

    Attributes:
        public_output: the output is public values (inference) instead of a committed tensor.
        features, outputs, steps_per_proof: recorded for the contracts; see `CircuitRecord`.
    """

    role: Role
    program: Program
    fixed: FixedPoint
    public_output: bool = False
    features: int = 0
    outputs: int = 0
    steps_per_proof: int = 0


@dataclass(frozen=True, slots=True)
class BuiltCircuit:
    """A circuit with its keys: the record, and its objects' content by object name."""

    record: CircuitRecord
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a prover returns, already verified by it.

    Attributes:
        proof: the bytes a contract takes.
        public_values: field elements.
        output: the circuit's output as the witness has it, signed integers.
        seconds: wall-clock time of witness and proof; `verify_seconds` of the check after it.
        peak_memory_mb: peak resident memory of the proving process.
    """

    proof: bytes
    public_values: tuple[int, ...]
    output: IntegerArray
    seconds: float
    verify_seconds: float
    peak_memory_mb: float


Locate = Callable[[str], Path]
"""Path of an object by its sha256 (see `zkdescent.core.store.ArtefactStore.path_of`)."""


class ProofSystem(ABC):
    """A prover with its circuits. Methods raise `ProverError` when the prover fails or panics."""

    name: str
    checks_ranges: bool = False
    """Whether its step circuits bound state and batch themselves; else a range circuit does."""

    @abstractmethod
    def sizes(self) -> range:
        """Sizes that circuits of this prover may have (log2 of rows), ascending.

        All circuits of a project share one size. A prover whose circuits are each as large as they
        need to be has one size, 0.
        """

    @abstractmethod
    def cost(self, program: Program, size: int) -> float:
        """Estimated cost of a program in the prover's own unit (rows, gates).

        Infinite if a circuit of this size can't hold some operation of it at all.
        """

    @abstractmethod
    def capacity(self, size: int) -> float:
        """Cost that the steps of one proof may reach before it takes markedly longer."""

    @abstractmethod
    def fits(self, request: CircuitRequest, size: int) -> bool:
        """Whether a circuit of this size can hold the request, whatever it costs."""

    @abstractmethod
    def gadget_bound(self, size: int) -> GadgetBound:
        """Exclusive bound on what the digits of a capacity hold, whoever chooses them."""

    @abstractmethod
    def identify(self, request: CircuitRequest, size: int) -> bytes:
        """Bytes that decide the circuit: equal bytes, equal circuit."""

    @abstractmethod
    def build(self, request: CircuitRequest, size: int, directory: Path) -> BuiltCircuit:
        """Compile, set up keys, and export what the on-chain verifier needs.

        Files are written to `directory`; the caller moves them into the artefact store.
        """

    @abstractmethod
    def commit(
        self, circuit: CircuitRecord, locate: Locate, tensors: list[tuple[str, IntegerArray]]
    ) -> list[bytes]:
        """Commitments to flat tensors, as they stand in proofs of this circuit.

        Args:
            tensors: each with the name of the input whose place it takes.
        """

    @abstractmethod
    def fingerprint(self, size: int) -> str:
        """What decides keys besides the program: version of the prover, reference string."""

    @abstractmethod
    def prove(self, circuit: CircuitRecord, locate: Locate, inputs: list[IntegerArray]) -> Proof:
        """Prove the circuit on its inputs, in the program's order, and verify the proof."""

    @abstractmethod
    def verify(
        self, circuit: CircuitRecord, locate: Locate, proof: bytes, public_values: tuple[int, ...]
    ) -> None:
        """Verify off-chain; raises ProofRejected."""

    def build_aggregate(
        self, step: CircuitRecord, locate: Locate, blocks: int, directory: Path
    ) -> BuiltCircuit:
        """Build the circuit that verifies so many proofs of a step circuit, one after another.

        Raises:
            ConfigError: this prover makes none.
        """
        raise ConfigError(
            f"{self.name} does not aggregate proofs",
            expected="blocks_per_aggregate = 0",
            got=blocks,
            hint='use backend = "barretenberg", or leave blocks_per_aggregate out',
        )

    def prove_aggregate(
        self,
        aggregate: CircuitRecord,
        step: CircuitRecord,
        locate: Locate,
        inputs: list[list[IntegerArray]],
    ) -> Proof:
        """Prove blocks of steps in a row as one; `inputs` are those of each block's step circuit.

        Raises:
            ConfigError: this prover makes no aggregates.
        """
        raise ConfigError(f"{self.name} does not aggregate proofs", got=aggregate.blocks)

    @abstractmethod
    def doctor(self) -> dict[str, Any]:
        """What is installed of this prover, for `zkdescent doctor`."""
