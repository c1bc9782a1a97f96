"""A project's task on the chain: publish it, draw its seed, and say how it stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zkdescent.core.config import Project
from zkdescent.core.errors import ChainError
from zkdescent.pipeline.deployments import check_deployment, record_deployment
from zkdescent.pipeline.gas import record_gas
from zkdescent.pipeline.onchain import ChainResult
from zkdescent.pipeline.planning import deploy_and_register, draft_plan, open_chain, plan_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled
from zkdescent.pipeline.verifiers import project_verifiers

if TYPE_CHECKING:
    from zkdescent.verifier import Chain, RunPlan, RunState, TaskState

_BLOCKHASH_WINDOW = 256


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """How the project's task, its run and its model stand on the chain.

    ``state``: ``not deployed``, ``not created``, ``waiting`` for the seed block, ``sealable``,
    ``expired`` (the seed block left the window: sealing arms another one) or ``sealed``.
    ``blocks_left`` counts blocks to the seed block while waiting, and blocks to its expiry while
    sealable. ``escrow_wei`` is what is left of the reward, ``credit_wei`` what the ledger owes the
    acting account, from any task. ``missing`` names recorded contracts that are gone.
    """

    chain: str
    chain_id: int
    block_number: int
    task_id: str
    run_id: str
    state: str
    sponsor: str | None = None
    seed_source: str = "declared"
    seed: str | None = None
    seed_block: int | None = None
    blocks_left: int | None = None
    rearms: int = 0
    admitted: int = 0
    to_admit: int = 0
    run: str = "none"
    payee: str | None = None
    proofs: int = 0
    total_proofs: int = 0
    head: str | None = None
    transcript: str | None = None
    minted: bool = False
    reward_wei: int = 0
    escrow_wei: int = 0
    credit_wei: int = 0
    deadline: str | None = None
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def create_task(project: Project, report: Reporter, *, chain: Chain | None = None) -> ChainResult:
    """Publish the task: deploy and register what is missing, then create it. Draws no seed.

    Raises:
        ArtefactError: not compiled yet.
        ChainError: the chain can't be reached, or holds other code than was deployed.
    """
    from zkdescent.verifier import TrainingClient

    store = project.open_store()
    manifest = store.read_manifest()  # before a chain is opened: that may make files
    if chain is None:
        with open_chain(project, report) as opened:
            return create_task(project, report, chain=opened)
    verifiers = project_verifiers(project, manifest.circuits)
    plan = draft_plan(project, manifest, verifiers, chain=chain)
    client = TrainingClient(chain)
    check_deployment(store, chain)
    actions = until_settled(
        chain,
        lambda: (*deploy_and_register(chain, manifest, verifiers), client.create_task(plan)),
    )
    record_deployment(store, chain, verifiers)
    record_gas(store, chain, actions)
    return ChainResult(chain.name, chain.chain_id, plan.addresses, actions)


def seal_task(project: Project, report: Reporter, *, chain: Chain | None = None) -> ChainResult:
    """Draw the seed of a beacon task from its seed block, waiting for it; keep the plan.

    A task with a declared seed is sealed when it is created: nothing is sent for it.

    Raises:
        ArtefactError: not compiled yet.
        ChainError: the task is not on the chain.
    """
    from zkdescent.verifier import TrainingClient

    store = project.open_store()
    manifest = store.read_manifest()
    if chain is None:
        with open_chain(project, report) as opened:
            return seal_task(project, report, chain=opened)
    verifiers = project_verifiers(project, manifest.circuits)
    plan = draft_plan(project, manifest, verifiers, chain=chain)
    client = TrainingClient(chain)
    state = _task(chain, plan)
    if state is None:
        raise ChainError(
            "the task is not on this chain",
            expected=plan.task_id,
            got=chain.name,
            hint="publish it first: zkdescent task create",
        )
    if state.seed is None:
        report.note(f"the seed is drawn from block {state.seed_block}")
    actions = until_settled(chain, lambda: client.seal(plan)[1])
    plan_project(project, manifest, chain=chain)
    record_gas(store, chain, actions)
    return ChainResult(chain.name, chain.chain_id, plan.addresses, actions)


def task_status(project: Project, *, chain: Chain | None = None) -> TaskStatus:
    """Read how the task stands; sends nothing and writes nothing.

    Raises:
        ArtefactError: not compiled yet.
        ChainError: there is other code than was deployed.
    """
    from zkdescent.verifier import LedgerReader

    store = project.open_store()
    manifest = store.read_manifest()
    if chain is None:
        with open_chain(project) as opened:
            return task_status(project, chain=opened)
    plan = draft_plan(project, manifest, project_verifiers(project, manifest.circuits), chain=chain)
    missing = tuple(contract.name for contract in check_deployment(store, chain))
    common: dict[str, Any] = {
        "chain": chain.name,
        "chain_id": chain.chain_id,
        "block_number": chain.block_number,
        "task_id": f"0x{plan.task_id.hex()}",
        "run_id": f"0x{plan.run_id.hex()}",
        "seed_source": "beacon" if plan.task.seed_delay else "declared",
        "to_admit": plan.task.blocks_per_epoch if manifest.circuits.range else 0,
        "total_proofs": plan.task.total_proofs,
        "reward_wei": plan.task.reward,
        "deadline": _moment(plan.task.deadline),
        "missing": missing,
    }
    if not chain.code(plan.addresses.ledger):
        return TaskStatus(state="not deployed", **common)
    common["credit_wei"] = LedgerReader(chain, plan.addresses).credit(chain.address)
    state = _task(chain, plan)
    if state is None:
        return TaskStatus(state="not created", **common)
    return TaskStatus(
        **common,
        **_seed(state, chain.block_number, beacon=bool(plan.task.seed_delay)),
        **_run(chain, plan),
        sponsor=state.sponsor,
        rearms=state.rearms,
        admitted=state.admitted,
        escrow_wei=state.escrow,
    )


def _moment(timestamp: int) -> str | None:
    return datetime.fromtimestamp(timestamp, UTC).isoformat() if timestamp else None


def _task(chain: Chain, plan: RunPlan) -> TaskState | None:
    from zkdescent.verifier import LedgerReader

    if not chain.code(plan.addresses.ledger):
        return None
    return LedgerReader(chain, plan.addresses).task(plan.task_id)


def _seed(task: TaskState, block_number: int, *, beacon: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"seed_block": task.seed_block if beacon else None}
    if task.seed is not None:
        return {**fields, "state": "sealed", "seed": f"0x{task.seed.hex()}"}
    if block_number < task.seed_block:
        return {**fields, "state": "waiting", "blocks_left": task.seed_block - block_number}
    left = task.seed_block + _BLOCKHASH_WINDOW - block_number
    if left <= 0:
        return {**fields, "state": "expired"}
    return {**fields, "state": "sealable", "blocks_left": left}


def _run(chain: Chain, plan: RunPlan) -> dict[str, Any]:
    from zkdescent.verifier import LedgerReader, RegistryClient

    run: RunState | None = LedgerReader(chain, plan.addresses).run(plan.run_id)
    if run is None:
        return {}
    minted = RegistryClient(chain, plan.addresses).model(plan.model_id) is not None
    return {
        "run": run.status.name.lower(),
        "payee": run.payee,
        "proofs": run.proofs,
        "head": f"0x{run.head.hex()}",
        "transcript": f"0x{run.transcript.hex()}",
        "minted": minted,
    }
