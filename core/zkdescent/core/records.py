"""What crosses a border, as frozen dataclasses with a canonical JSON form.

Sizes: a *commitment* is what a proof system names a tensor by, one G1 point of BN254 (ezkl:
64 bytes ``x || y`` big endian) or one element of its scalar field (barretenberg: 32 bytes big
endian); all of a manifest have one size. A *tensor hash* is ``keccak256(commitment)``, 32 bytes;
ids, seeds, roots and hashes are 32 bytes. An address is
a string ``0x`` + 40 hex digits in any case. Object names are the sha256 of an object's bytes as
64 hex digits (see :mod:`zkdescent.core.store`); ``vk_sha256`` is the same digest as 32 bytes,
because contracts compare it.

Example:
    >>> proof = ProofRecord(
    ...     role="step", index=0, circuit=bytes(32), context=7, proof=b"\\x01", public_values=()
    ... )
    >>> ProofRecord.from_json(proof.to_json()) == proof
    True
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from zkdescent.core._codec import Record, SparseRecord, canonical_json, parse_json, shallow_json
from zkdescent.core._record_checks import (
    impossible,
    require_address,
    require_natural,
    require_sha256,
    require_size,
)

__all__ = [
    "ArtefactEntry",
    "CircuitRecord",
    "CircuitSpecRecord",
    "CircuitSpecs",
    "Circuits",
    "DatasetRecord",
    "InferenceRecord",
    "Manifest",
    "ProofRecord",
    "ProverName",
    "Record",
    "Role",
    "RunRecord",
    "SeedSource",
    "TaskRecord",
    "canonical_json",
    "parse_json",
    "shallow_json",
]

Role = Literal["step", "range", "inference", "aggregate"]
SeedSource = Literal["beacon", "declared"]
ProverName = Literal["ezkl-reusable", "ezkl-dedicated", "ultra-honk"]
SrsSource = Literal["unsafe-local", "ceremony"]

FIELD_MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order of BN254's scalar field (EIP-196): proofs and public values are elements of it."""

CONTEXT_BITS = 248
COMMITMENT_SIZES = (32, 64)
ZERO_WORD = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord(Record):
    """One proof as it is published.

    ``index`` is the proof's number within its role, for an aggregate that of the first block proof
    it covers. ``circuit`` is the sha256 of the verifying key it verifies against; ``context`` is
    the field element below 2^248 that binds the proof to its use (0 for range proofs, and for
    aggregates, which hold one for each block proof); ``public_values`` are field elements. The
    committed tensors stand at the front of ``proof``
    (:func:`zkdescent.verifier.twins.layout.layout_of`).
    """

    FORMAT: ClassVar[str | None] = "zkdescent.proof/1"

    role: Role
    index: int
    circuit: bytes
    context: int
    proof: bytes
    public_values: tuple[int, ...]

    def __post_init__(self) -> None:
        require_size(self, "circuit", 32)
        require_natural(self, "index")
        require_natural(self, "context", below=1 << CONTEXT_BITS)
        for value in self.public_values:
            if not 0 <= value < FIELD_MODULUS:
                raise impossible(self, "public_values", "elements of BN254's scalar field", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRecord(SparseRecord):
    """A compiled circuit with its keys, as the prover made it (independent of any chain).

    ``vka`` are the 32-byte words of the verifying-key artefact of ezkl's reusable verifier,
    ``vka_digest`` the keccak256 of their concatenation (both empty for other backends). ``opening``
    is (L0.x, L0.y, U.x, U.y), zeros for range circuits and for other backends. ``logrows`` is the
    log2 of the rows (of the dyadic size). ``blocks`` is how many block proofs an aggregate covers,
    ``child`` the ``vk_sha256`` of the step circuit that they are of; 0 and empty elsewhere. Without
    ``zero_knowledge`` its proofs are shorter, and tell something of what was proven.

    ``objects`` maps names to object names. ezkl: vk, settings, pk, compiled, sol; barretenberg:
    program, circuit (the ACIR file), vk, sol, verifier (its verifier contract compiled, JSON with
    ``bytecode`` and ``deployedBytecode``). An auditor's copy of the store may lack what only a
    prover reads; of a barretenberg circuit it needs vk and verifier.
    """

    SPARSE: ClassVar[tuple[str, ...]] = ("blocks", "child", "zero_knowledge")

    role: Role
    backend: str
    vk_sha256: bytes
    vka: tuple[bytes, ...]
    vka_digest: bytes
    proof_length: int
    public_values: int
    features: int
    outputs: int
    fraction_bits: int
    steps_per_proof: int
    logrows: int
    opening: tuple[int, int, int, int]
    srs: SrsSource
    blocks: int = 0
    child: bytes = b""
    zero_knowledge: bool = True
    objects: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_size(self, "vk_sha256", 32)
        if self.vka:
            require_size(self, "vka_digest", 32)
        for word in self.vka:
            if len(word) != 32:
                raise impossible(self, "vka", "words of 32 bytes", len(word))
        for name in ("proof_length", "public_values", "features", "outputs", "fraction_bits"):
            require_natural(self, name)
        for name in ("steps_per_proof", "logrows"):
            require_natural(self, name)
        require_natural(self, "blocks", below=1 << 16)
        if (self.blocks > 0) != (self.role == "aggregate"):
            raise impossible(self, "blocks", "1 or more in an aggregate, 0 elsewhere", self.blocks)
        if len(self.child) != (32 if self.role == "aggregate" else 0):
            raise impossible(self, "child", "32 bytes in an aggregate, none elsewhere", self.child)
        if self.role == "inference" and self.public_values != self.features + self.outputs:
            raise impossible(
                self, "public_values", self.features + self.outputs, self.public_values
            )
        for digest in self.objects.values():
            require_sha256(self, "objects", digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSpecRecord(Record):
    """A circuit as registered on chain: the fields of the contracts' ``CircuitSpec``, in order.

    ``production`` says that the verifier's code holds the ceremony's point. ``blocks`` and
    ``child``, the id of the step circuit, are those of aggregates, zero elsewhere.
    """

    prover: ProverName
    role: Role
    verifier: str
    verifier_code_hash: bytes
    vka_digest: bytes
    vk_hash: bytes
    proof_length: int
    public_values: int
    features: int
    outputs: int
    fraction_bits: int
    steps_per_proof: int
    blocks: int = 0
    production: bool = False
    child: bytes = ZERO_WORD
    opening: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        require_address(self, "verifier")
        for name in ("verifier_code_hash", "vka_digest", "vk_hash", "child"):
            require_size(self, name, 32)
        for name in ("proof_length", "public_values", "features", "outputs", "steps_per_proof"):
            require_natural(self, name)
        require_natural(self, "blocks", below=1 << 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuits(SparseRecord):
    """The circuits of a project.

    There is no range circuit where step circuits check the ranges themselves, and an aggregate
    only where block proofs are to be verified several at once.
    """

    SPARSE: ClassVar[tuple[str, ...]] = ("range", "aggregate")

    step: CircuitRecord
    range: CircuitRecord | None = None
    inference: CircuitRecord
    aggregate: CircuitRecord | None = None

    def present(self) -> tuple[CircuitRecord, ...]:
        """Return the circuits that there are: step, range, inference, aggregate."""
        every = (self.step, self.range, self.inference, self.aggregate)
        return tuple(circuit for circuit in every if circuit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSpecs(SparseRecord):
    """The circuits of a project as registered on chain."""

    SPARSE: ClassVar[tuple[str, ...]] = ("range", "aggregate")

    step: CircuitSpecRecord
    range: CircuitSpecRecord | None = None
    inference: CircuitSpecRecord
    aggregate: CircuitSpecRecord | None = None

    def present(self) -> tuple[CircuitSpecRecord, ...]:
        """Return the registrations that there are: step, range, inference, aggregate."""
        every = (self.step, self.range, self.inference, self.aggregate)
        return tuple(spec for spec in every if spec is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord(Record):
    """The committed training data: one commitment per batch block, in block order.

    ``root`` is the Merkle root over the leaves; ``rows`` counts the training rows before the last
    block is filled up; ``features`` and ``targets`` are columns.
    """

    root: bytes
    leaves: tuple[bytes, ...]
    rows: int
    features: int
    targets: int
    blocks_per_epoch: int

    def __post_init__(self) -> None:
        require_size(self, "root", 32)
        if len({len(leaf) for leaf in self.leaves}) > 1:
            raise impossible(
                self, "leaves", "commitments of one size", [len(x) for x in self.leaves]
            )
        for leaf in self.leaves:
            if len(leaf) not in COMMITMENT_SIZES:
                raise impossible(self, "leaves", "commitments of 32 or 64 bytes", len(leaf))
        for name in ("rows", "features", "targets"):
            require_natural(self, name)
        if self.blocks_per_epoch != len(self.leaves) or not self.leaves:
            raise impossible(self, "blocks_per_epoch", len(self.leaves) or 1, self.blocks_per_epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord(Record):
    """A training task: the fields of the contracts' ``TaskSpec``, in order.

    ``range_circuit`` and ``aggregate_circuit`` are zero where there is none. ``parent_epoch`` is 0
    for the parent's final state, else the epoch of the parent's checkpoint; ``reward`` is in wei.
    """

    step_circuit: bytes
    range_circuit: bytes
    inference_circuit: bytes
    aggregate_circuit: bytes = ZERO_WORD
    dataset_root: bytes
    genesis: bytes
    hyperparameters: bytes
    blocks_per_epoch: int
    total_proofs: int
    seed_delay: int
    deadline: int
    parent_epoch: int = 0
    reward: int = 0
    declared_seed: bytes
    parent: bytes
    salt: bytes

    def __post_init__(self) -> None:
        for name in ("step_circuit", "range_circuit", "inference_circuit", "dataset_root"):
            require_size(self, name, 32)
        for name in ("aggregate_circuit", "genesis", "hyperparameters", "declared_seed"):
            require_size(self, name, 32)
        for name in ("parent", "salt"):
            require_size(self, name, 32)
        for name in ("blocks_per_epoch", "total_proofs", "seed_delay", "parent_epoch"):
            require_natural(self, name, below=1 << 32)
        require_natural(self, "deadline", below=1 << 64)
        require_natural(self, "reward", below=1 << 128)
        if self.reward > 0 and self.deadline == 0:
            raise impossible(self, "deadline", "a timestamp: a reward needs one", self.deadline)
        if self.parent_epoch > 0 and not any(self.parent):
            raise impossible(self, "parent_epoch", "0 without a parent", self.parent_epoch)
        if self.seed_delay > 0 and any(self.declared_seed):
            raise impossible(
                self, "declared_seed", "32 zero bytes with a beacon", self.declared_seed
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(Record):
    """One run of a task: who, where, and the seed that ordered the blocks.

    ``seed_block`` and ``mix_hash`` are there for beacon seeds only.
    """

    chain_id: int
    ledger: str
    sponsor: str
    payee: str
    nonce: int
    task_id: bytes
    run_id: bytes
    seed: bytes
    seed_source: SeedSource
    seed_block: int | None = None
    mix_hash: bytes | None = None

    def __post_init__(self) -> None:
        for name in ("ledger", "sponsor", "payee"):
            require_address(self, name)
        for name in ("task_id", "run_id", "seed"):
            require_size(self, name, 32)
        require_natural(self, "chain_id")
        require_natural(self, "nonce", below=1 << 256)
        if self.mix_hash is not None:
            require_size(self, "mix_hash", 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRecord(Record):
    """A proven inference and whom it was made for.

    The proof's public values are the inputs and then the outputs, fixed point, as field elements.
    """

    FORMAT: ClassVar[str | None] = "zkdescent.inference/1"

    chain_id: int
    registry: str
    model_id: int
    requester: str
    nonce: int
    proof: ProofRecord

    def __post_init__(self) -> None:
        for name in ("registry", "requester"):
            require_address(self, name)
        for name in ("chain_id", "model_id", "nonce"):
            require_natural(self, name, below=1 << 256)
        if self.proof.role != "inference":
            raise impossible(self, "proof", "the role inference", self.proof.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactEntry(Record):
    """What the manifest knows of one stored file: sha256 of its content, and its size in bytes."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        require_sha256(self, "sha256", self.sha256)
        require_natural(self, "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Record):
    """All an auditor starts from. ``genesis`` and ``final`` are commitments of the state, of the
    size that the data set's leaves have.

    ``final`` is None until the last step is proven; ``task``, ``specs`` and ``run`` are None until
    the run is planned on a chain. ``hyperparameters`` is free JSON; its canonical bytes are hashed
    into the task.
    """

    FORMAT: ClassVar[str | None] = "zkdescent.manifest/1"

    project: str
    config_sha256: str
    circuits: Circuits
    dataset: DatasetRecord
    genesis: bytes
    final: bytes | None
    total_proofs: int
    hyperparameters: dict[str, Any]
    specs: CircuitSpecs | None = None
    task: TaskRecord | None = None
    run: RunRecord | None = None
    artefacts: dict[str, ArtefactEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_sha256(self, "config_sha256", self.config_sha256)
        size = len(self.dataset.leaves[0])
        require_size(self, "genesis", size)
        if self.final is not None:
            require_size(self, "final", size)
        require_natural(self, "total_proofs")
