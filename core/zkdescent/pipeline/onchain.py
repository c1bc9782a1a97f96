"""Stages `deploy` and `submit`: the run on chain, up to the minted model.

Each is idempotent: the chain is read first and only what is missing is sent, until it is deep
enough to stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ChainOfProofsBroken
from zkdescent.core.records import Manifest, ProofRecord, Role
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import load_proof
from zkdescent.pipeline.deployments import check_deployment, record_deployment
from zkdescent.pipeline.gas import record_gas
from zkdescent.pipeline.planning import deploy_and_register, open_chain, plan_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled
from zkdescent.pipeline.verifiers import project_verifiers
from zkdescent.verifier._pieces import pieces

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Addresses, Aggregates, Chain, RunPlan


@dataclass(frozen=True, slots=True)
class ChainResult:
    """What a stage did on chain: addresses, every action with its gas, and the model's id."""

    chain: str
    chain_id: int
    addresses: Addresses
    actions: tuple[Action, ...]
    model_id: int | None = None

    @property
    def gas(self) -> int:
        """Gas of what was sent now."""
        return sum(action.gas for action in self.actions)


def deploy_project(
    project: Project, report: Reporter, *, chain: Chain | None = None
) -> ChainResult:
    """Deploy the contracts, register the circuits, create the task.

    Raises:
        ArtefactError: not compiled yet.
        ChainError: the chain can't be reached, or holds other code at the contracts' addresses.
    """
    from zkdescent.verifier import TrainingClient

    store = project.open_store()
    manifest = store.read_manifest()  # before a chain is opened: that may make files
    if chain is None:
        with open_chain(project, report) as opened:
            return deploy_project(project, report, chain=opened)
    client = TrainingClient(chain)
    verifiers = project_verifiers(project, manifest.circuits)
    check_deployment(store, chain)
    actions = list(until_settled(chain, lambda: deploy_and_register(chain, manifest, verifiers)))
    record_deployment(store, chain, verifiers)
    plan, planning = plan_project(project, manifest, chain=chain)
    actions += [action for action in planning if action.sent]
    (creation,) = until_settled(chain, lambda: [client.create_task(plan)])
    if creation.sent or not plan.task.seed_delay:  # with a beacon, planning has created it
        actions.append(creation)
    result = ChainResult(chain.name, chain.chain_id, client.addresses, tuple(actions))
    record_gas(store, chain, result.actions)
    return result


def submit_project(
    project: Project, report: Reporter, *, chain: Chain | None = None
) -> ChainResult:
    """Admit the data, open the run, submit every block proof, finalise, mint.

    Raises:
        ContractRejected: the ledger refuses a proof or a link, by its custom error.
        ArtefactError: not all proofs are made yet.
        ChainOfProofsBroken: a proof belongs to another run.
    """
    store = project.open_store()
    manifest = store.read_manifest()  # before a chain is opened: that may make files
    _require_proofs(store, manifest)
    if chain is None:
        with open_chain(project, report) as opened:
            return submit_project(project, report, chain=opened)
    actions = until_settled(chain, lambda: _send_run(project, manifest, report, chain))
    record_gas(store, chain, actions)
    plan, _ = plan_project(project, manifest, chain=chain)
    return ChainResult(chain.name, chain.chain_id, plan.addresses, actions, plan.model_id)


def _send_run(
    project: Project, manifest: Manifest, report: Reporter, chain: Chain
) -> Iterator[Action]:
    """One pass over the run: everything that the chain lacks, in order."""
    from zkdescent.verifier import TrainingClient

    client, store = TrainingClient(chain), project.open_store()
    yield from deploy_project(project, report, chain=chain).actions
    plan, _ = plan_project(project, manifest, chain=chain)
    report.start("admit", plan.task.blocks_per_epoch)
    report.start("submit", plan.task.total_proofs)

    def progress(action: str, done: int, total: int) -> None:
        report.advance(action, done)

    _check_contexts(plan, manifest, store)
    if manifest.circuits.range is not None:
        yield from client.admit(
            plan,
            manifest.circuits.range,
            manifest.dataset,
            proof_loader(store, "range"),
            progress=progress,
        )
    yield client.open_run(plan)
    yield from client.submit(
        plan,
        manifest.circuits.step,
        manifest.dataset,
        proof_loader(store, "step"),
        progress=progress,
        aggregates=project_aggregates(store, manifest),
    )
    yield client.finalise(plan)
    yield client.mint(plan)


def have_proofs(store: ArtefactStore, manifest: Manifest) -> bool:
    """Whether every proof that the run needs is made."""
    return all(have >= count for _, count, have in _proofs(store, manifest))


def _require_proofs(store: ArtefactStore, manifest: Manifest) -> None:
    """Nothing is sent for a run that can't be finished."""
    for role, count, have in _proofs(store, manifest):
        if have < count:
            raise ArtefactError(
                f"the run is not proven yet: {role} proofs are missing",
                expected=count,
                got=have,
                path=store.root,
                hint="run `zkdescent prove` first",
            )


def _proofs(store: ArtefactStore, manifest: Manifest) -> tuple[tuple[Role, int, int], ...]:
    """By role: proofs that the run needs, and how many of them there are."""
    aggregate = manifest.circuits.aggregate
    covered: set[int] = set()
    for index in range(manifest.total_proofs):
        if load_proof(store, "step", index) is not None:
            covered.add(index)
        if aggregate is not None and load_proof(store, "aggregate", index) is not None:
            covered.update(range(index, index + aggregate.blocks))
    blocks = manifest.dataset.blocks_per_epoch if manifest.circuits.range else 0
    ranges = sum(load_proof(store, "range", index) is not None for index in range(blocks))
    return ("range", blocks, ranges), ("step", manifest.total_proofs, len(covered))


def project_aggregates(store: ArtefactStore, manifest: Manifest) -> Aggregates | None:
    """Return the project's aggregates, None if its circuits have none."""
    from zkdescent.verifier import Aggregates

    circuit = manifest.circuits.aggregate
    if circuit is None:
        return None
    return Aggregates(circuit, lambda index: load_proof(store, "aggregate", index))


def _check_contexts(plan: RunPlan, manifest: Manifest, store: ArtefactStore) -> None:
    """Refuse proofs of another run before gas is spent on them."""
    circuits = manifest.circuits
    run = pieces(
        circuits.step,
        circuits.aggregate,
        lambda role, index: load_proof(store, role, index),
        plan.task.total_proofs,
    )
    for piece in run:
        if piece.circuit.role == "step":
            contexts = [piece.proof.context]
        else:
            contexts = [int.from_bytes(claim.context, "big") for claim in piece.claims()[1]]
        for index, context in enumerate(contexts, start=piece.first):
            if context != plan.context(index):
                raise ChainOfProofsBroken(
                    f"{piece.name} was made for another run, payee, ledger or chain",
                    expected=plan.context(index),
                    got=context,
                    hint="run `zkdescent prove` again for this chain",
                )


def proof_loader(store: ArtefactStore, role: Role) -> Callable[[int], ProofRecord]:
    """Return what reads the proofs of a role by index."""

    def load(index: int) -> ProofRecord:
        record = load_proof(store, role, index)
        if record is None:
            raise ArtefactError(f"{role} proof {index} is missing", path=store.root)
        return record

    return load
