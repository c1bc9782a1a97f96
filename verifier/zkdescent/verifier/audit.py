"""Re-check a whole training run from its public artefacts: no data, no weights, no proving key.

:func:`audit_run` is the one entry. It raises on the first break and names it; what it returns is
what it verified. It trusts nothing in the manifest that it can recompute. What it cannot know
offline is said in the report: that a beacon's header is really a block of that chain, and that the
genesis is a state of the run that the task continues, if it names a ``parent`` (compare with the
chain; how the parent was trained is for an audit of its own); and that the circuits are those one
has in mind (compile them and compare ``circuits``: the key's hash alone is not enough, proofs are
checked against the vka words).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zkdescent.core.errors import ChainOfProofsBroken
from zkdescent.core.records import (
    CircuitRecord,
    CircuitSpecs,
    InferenceRecord,
    Manifest,
    ProofRecord,
    ProverName,
    Record,
    Role,
)
from zkdescent.verifier._audit_proofs import (
    CheckedInference,
    Progressed,
    check_inference,
    check_piece,
    check_range_proof,
)
from zkdescent.verifier._audit_statement import (
    check_circuits,
    check_codes,
    check_complete,
    check_dataset,
    check_names,
)
from zkdescent.verifier._pieces import LoadProof, pieces
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.deploy import check_deployed
from zkdescent.verifier.honk_code import LoadObject, hides
from zkdescent.verifier.ledger import LedgerClient
from zkdescent.verifier.twins.commitment import tensor_hash
from zkdescent.verifier.twins.hashing import circuit_id
from zkdescent.verifier.twins.layout import layout_of

_STEPPING: tuple[Role, ...] = ("step", "aggregate")

VerifyProof = Callable[[CircuitRecord, ProofRecord], None]
"""Raises ProofRejected unless the proof verifies, for example :class:`~.evm.EvmProofVerifier`."""

Progress = Callable[[Role, int, int], None]
"""Told (role, proofs checked, proofs in all) after each proof."""


Entered = Callable[[int], None]
"""Told the number of each step of the procedure as it begins."""

PROCEDURE = (
    "The manifest is complete: task, registrations, run and final state are there",
    "The circuits belong together, and each verifier checks against its circuit's key",
    "The dataset root is the Merkle root of the listed batch commitments",
    "Task, run and seed are those of the manifest's own fields, at the known ledger",
    "Initial state and data are small numbers: one range proof per batch block, or in every step",
    "Every block proof, in order: its context, the state before it, the batch due, its validity",
    "There are exactly as many block proofs as the task says",
    "The last state is the manifest's final state",
    "Every inference was made for this model and its requester, with these weights",
    "The chain's task, seed, run, head and transcript are these",
)
"""The steps of :func:`audit_run` in a line each, 1 to 10."""


@dataclass(frozen=True, slots=True)
class CheckedCircuit(Record):
    """What the proofs of one role were checked against: compare it with a compilation of one's own.

    ``vka_digest`` pins the words of ezkl's verifier, which decide what a proof proves (empty for
    ultra-honk, whose verifier's code decides). ``vk_sha256`` is a name that the manifest gives
    them, and ``circuit_id`` the chain's, which covers the numbers of the registration as well.
    ``verifier_code_hash`` is this release's for a reusable verifier; that of a dedicated one has
    not been checked by anybody; ultra-honk's code was found to hold the key of this name.
    ``zero_knowledge`` says that proofs are of the length of those that hide everything but their
    public inputs; it is never said of ezkl.
    """

    role: Role
    circuit_id: bytes
    vka_digest: bytes
    vk_sha256: bytes
    prover: ProverName
    verifier_code_hash: bytes
    zero_knowledge: bool


@dataclass(frozen=True, slots=True)
class AuditReport(Record):
    """What was verified: that ``final`` results from ``genesis`` (commitments, 32 or 64 bytes).

    ``parent`` is the run that the genesis is said to be a state of, zeros if there is none.
    ``block_proofs`` counts the blocks of steps that were proven, ``aggregates`` the proofs that
    stood for several of them. ``seed_source`` says where the batch order comes from; a beacon's
    seed has been compared with the chain only if ``compared_with_chain``, and that an aggregate
    verifies proofs of the step circuit has been seen only if ``rebuilt_aggregate``.
    ``unsafe_srs``: whoever made the reference string can forge every proof in this report. It is
    false only if the code of every verifier pairs with the point of Aztec's ceremony; what a
    manifest says of its own string is no evidence, and ezkl's verifiers are compared with no
    ceremony's.
    """

    project: str
    chain_id: int
    task_id: bytes
    run_id: bytes
    seed: bytes
    seed_source: str
    range_proofs: int
    block_proofs: int
    aggregates: int
    steps: int
    order: tuple[int, ...]
    genesis: bytes
    parent: bytes
    final: bytes
    transcript: bytes
    inferences: tuple[CheckedInference, ...]
    circuits: tuple[CheckedCircuit, ...]
    unsafe_srs: bool
    compared_with_chain: bool
    rebuilt_aggregate: bool = False


def audit_run(
    manifest: Manifest,
    load_proof: LoadProof,
    verify_proof: VerifyProof,
    *,
    inferences: Iterable[InferenceRecord] = (),
    load_object: LoadObject | None = None,
    chain: Chain | None = None,
    addresses: Addresses | None = None,
    progress: Progress | None = None,
    entered: Entered = lambda number: None,
) -> AuditReport:
    """Verify that the manifest's final state is what its training run led to.

    The procedure, in order:

    1. The manifest is complete: task, circuits' registrations, run and final state are there.
    2. The circuits belong together: roles, fraction bits and context openings agree, each
       verifying-key digest is that of its words, and each registration repeats its circuit. An
       UltraHonk verifier's code is the registered one and holds the circuit's verifying key.
    3. The dataset root is the Merkle root of the listed batch commitments.
    4. Task id, run id and seed are those of the manifest's own fields, at the known ledger.
    5. For each batch block a range proof: it is about the genesis state and that block, and it
       verifies. (Where step circuits check ranges themselves, there is none.)
    6. For each block proof in order: the step circuit; the context of this run and position;
       in-slice equal to the out-slice before (the genesis first); batch slice equal to the leaf
       that the seed fixes; and the proof verifies. An aggregate stands for the block proofs it
       covers, and says all of this of each.
    7. There are exactly as many block proofs as the task says.
    8. The last out-slice is the manifest's final state.
    9. Each inference proof: made for this model and its requester, with the final state's
       weights, and it verifies.
    10. If a chain is given: its contracts are those of this version, and its task, seed, run, head
        and transcript are these.

    Args:
        manifest: the public summary of the run.
        load_proof: gives proof records one at a time.
        verify_proof: checks one proof cryptographically.
        inferences: published inference proofs, if any.
        load_object: gives the objects that circuits name; needed for UltraHonk circuits, of
            which it must have the verifying keys and verifiers.
        chain: a chain to compare with; None for an offline audit.
        addresses: the contracts' addresses; default those of this version.
        progress: told after each proof.
        entered: told the number of each step as it begins; 10 only if a chain is given.

    Raises:
        ChainOfProofsBroken: a link is wrong, missing or too many; ``path`` names the proof.
        ProofRejected: a single proof does not verify, or its context is another.
        ArtefactError: a proof could not be read (from ``load_proof``).
        ChainError: the chain does not hold the contracts of this version, or does not answer.
    """
    where = addresses or predicted_addresses()

    # 1.-4. Everything that needs no proof.
    entered(1)
    task, specs, run, final = check_complete(manifest)
    entered(2)
    circuits = manifest.circuits
    check_circuits(circuits, specs)
    ceremony = check_codes(circuits, specs, load_object)
    size = layout_of(circuits.step.backend, "step").size
    entered(3)
    leaves = check_dataset(manifest.dataset, task, size)
    entered(4)
    check_names(manifest, task, specs, run, where)

    # 5. Every number that enters the first step is a small integer. Batches are re-used in every
    #    epoch, so one proof per block of the data set is enough.
    entered(5)
    total_range = 0 if circuits.range is None else len(leaves)
    if circuits.range is not None:
        for index, leaf in enumerate(leaves):
            record = _load(load_proof, "range", index)
            check_range_proof(circuits.range, record, index, manifest.genesis, leaf)
            verify_proof(circuits.range, record)
            _tell(progress, "range", index + 1, total_range)

    # 6. The chain of steps. The cheap checks go first, so that a break is named within
    #    milliseconds of reading the proof and a verification is never wasted on it.
    entered(6)
    reached, aggregates = Progressed(manifest.genesis, run.run_id), 0
    for piece in pieces(circuits.step, circuits.aggregate, load_proof, task.total_proofs):
        reached = check_piece(piece, run, leaves, reached)
        verify_proof(piece.circuit, piece.proof)
        aggregates += piece.circuit.role == "aggregate"
        _tell(progress, piece.circuit.role, piece.stop, task.total_proofs)

    # 7. A proof beyond the last would be a fork or a continuation nobody declared.
    entered(7)
    beyond = [load_proof(role, task.total_proofs) for role in _STEPPING]
    if beyond != [None, None]:
        raise ChainOfProofsBroken(
            "there are more block proofs than the task allows",
            expected=task.total_proofs,
            got=f"at least {task.total_proofs + 1}",
            path=f"block proof {task.total_proofs}",
        )

    # 8. The published model is the one that was trained.
    entered(8)
    if reached.head != final:
        raise ChainOfProofsBroken(
            "the final state is not the one the last block proof leads to",
            expected=reached.head,
            got=final,
            path="manifest.final",
        )

    # 9. Uses of the model.
    entered(9)
    checked = []
    for inference in inferences:
        checked.append(check_inference(circuits.inference, inference, run, final, where))
        verify_proof(circuits.inference, inference.proof)

    # 10. The chain's own view, if one is in reach.
    if chain is not None:
        entered(10)
        if addresses is None:  # others' code is for whoever names their addresses
            check_deployed(chain)
        LedgerClient(chain, where).compare(task, run, tensor_hash(final), reached.transcript)

    return AuditReport(
        project=manifest.project,
        chain_id=run.chain_id,
        task_id=run.task_id,
        run_id=run.run_id,
        seed=run.seed,
        seed_source=run.seed_source,
        range_proofs=total_range,
        block_proofs=task.total_proofs,
        aggregates=aggregates,
        steps=task.total_proofs * circuits.step.steps_per_proof,
        order=reached.order,
        genesis=manifest.genesis,
        parent=task.parent,
        final=final,
        transcript=reached.transcript,
        inferences=tuple(checked),
        circuits=_checked_circuits(manifest, specs),
        unsafe_srs=not ceremony,
        compared_with_chain=chain is not None,
    )


def _checked_circuits(manifest: Manifest, specs: CircuitSpecs) -> tuple[CheckedCircuit, ...]:
    pairs = zip(manifest.circuits.present(), specs.present(), strict=True)
    return tuple(
        CheckedCircuit(
            role=circuit.role,
            circuit_id=circuit_id(spec),
            vka_digest=circuit.vka_digest,
            vk_sha256=circuit.vk_sha256,
            prover=spec.prover,
            verifier_code_hash=spec.verifier_code_hash,
            zero_knowledge=spec.prover == "ultra-honk" and hides(circuit),
        )
        for circuit, spec in pairs
    )


def _load(load_proof: LoadProof, role: Role, index: int) -> ProofRecord:
    record = load_proof(role, index)
    if record is None:
        raise ChainOfProofsBroken(
            "a proof is missing",
            path=f"{role} proof {index}",
            hint="publish the whole run, or prove the missing part",
        )
    return record


def _tell(progress: Progress | None, role: Role, done: int, total: int) -> None:
    if progress is not None:
        progress(role, done, total)
