"""What is left to do about a task that ends otherwise: abort, take a reward back, be paid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkdescent.core.config import Project
from zkdescent.core.errors import ChainError
from zkdescent.pipeline.deployments import check_deployment
from zkdescent.pipeline.gas import record_gas
from zkdescent.pipeline.onchain import ChainResult
from zkdescent.pipeline.planning import draft_plan, open_chain
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled
from zkdescent.pipeline.verifiers import project_verifiers

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain, LedgerClient, RunPlan


@dataclass(frozen=True, slots=True)
class Payment:
    """What was sent, and the wei that it moved: into the credit of ``account``, or out of it."""

    result: ChainResult
    account: str
    amount_wei: int

    def to_json(self) -> dict[str, Any]:
        """The amounts as a JSON object; what was sent is in ``result``."""
        return {"account": self.account, "amount_wei": self.amount_wei}


def abort_run(project: Project, report: Reporter, *, chain: Chain | None = None) -> ChainResult:
    """Close the project's open run for good; sends nothing if it is aborted already.

    Raises:
        ChainError: the run is not on the chain.
        ContractRefused: not the payee, and not the sponsor after the deadline; or the run is
            finalised.
    """
    if chain is None:
        with open_chain(project, report) as opened:
            return abort_run(project, report, chain=opened)
    client, plan = _ledger(project, chain)
    if client.run(plan.run_id) is None:
        raise ChainError(
            "the run is not on this chain",
            expected=plan.run_id,
            got=chain.name,
            hint="there is nothing to abort: zkdescent task status",
        )
    return _send(project, chain, plan, lambda: client.abort(plan))


def reclaim_reward(project: Project, report: Reporter, *, chain: Chain | None = None) -> Payment:
    """Credit the task's sponsor with a reward that nobody earned; `withdraw_credit` pays it.

    Raises:
        ChainError: the task is not on the chain, or has no reward left.
        ContractRefused: before the deadline, or while a complete run waits to be finalised.
    """
    if chain is None:
        with open_chain(project, report) as opened:
            return reclaim_reward(project, report, chain=opened)
    client, plan = _ledger(project, chain)
    task = client.task(plan.task_id)
    amount = 0 if task is None else task.escrow
    if task is None or amount == 0:
        raise ChainError(
            "the task is not on this chain" if task is None else "no reward is left in the task",
            expected=plan.task_id if task is None else f"{plan.task.reward} wei",
            got=chain.name if task is None else 0,
            hint="what it was created with and who has earned it: zkdescent task status",
        )

    def reclaim() -> Action:
        return client.reclaim(plan)

    return Payment(_send(project, chain, plan, reclaim), task.sponsor, amount)


def withdraw_credit(project: Project, report: Reporter, *, chain: Chain | None = None) -> Payment:
    """Pay the acting account all that the ledger owes it; sends nothing if that is nothing.

    Raises:
        ChainError: the ledger is not on the chain.
        ContractRefused: the account is a contract that takes no ether.
    """
    if chain is None:
        with open_chain(project, report) as opened:
            return withdraw_credit(project, report, chain=opened)
    client, plan = _ledger(project, chain)
    amount = client.credit(chain.address)
    return Payment(_send(project, chain, plan, client.withdraw), chain.address, amount)


def _ledger(project: Project, chain: Chain) -> tuple[LedgerClient, RunPlan]:
    from zkdescent.verifier import LedgerClient

    store = project.open_store()
    manifest = store.read_manifest()
    plan = draft_plan(project, manifest, project_verifiers(project, manifest.circuits), chain=chain)
    check_deployment(store, chain)
    if not chain.code(plan.addresses.ledger):
        raise ChainError(
            "the contracts are not on this chain",
            expected=plan.addresses.ledger,
            got=chain.name,
            hint="bring them there first: zkdescent deploy",
        )
    return LedgerClient(chain, plan.addresses), plan


def _send(project: Project, chain: Chain, plan: RunPlan, act: Callable[[], Action]) -> ChainResult:
    actions = until_settled(chain, lambda: (act(),))
    record_gas(project.open_store(), chain, actions)
    return ChainResult(chain.name, chain.chain_id, plan.addresses, actions)
