"""Stealing a reward with proofs that somebody else made.

The attacker reads the trainer's block proofs in the mempool or on the chain, and he can send before
the trainer does. He wants the task's reward. He sends the same proofs himself, finalises first and
asks for the money; he opens a run of his own and fills it with the copies; he opens a run in which
the victim is the payee, to have it filled and aborted as he likes.

He fails because the payee stands in the run's id, and the run's id and the payee stand in every
proof's context. Whoever sends, the credit is the payee's (``NothingToWithdraw`` for others); copies
do not fit another run (``ContextMismatch``, ``ProofRejected``); and only the payee and the sponsor
open runs (``NotAllowed``).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from zkdescent.verifier import Chain, TrainingClient

from .actors import (
    REWARD,
    SPONSOR,
    THIEF,
    VICTIM,
    PaidRun,
    acting_as,
    address,
    balance,
    call,
    send,
    verdict,
)

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]


@pytest.fixture(scope="module")
def opened(paid: PaidRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paid") / "chain"
    with Chain.tester(path) as chain:
        paid.open_on(chain)
    return path


@pytest.fixture
def sponsor(opened: Path, tmp_path: Path) -> Iterator[TrainingClient]:
    with Chain.tester(shutil.copy(opened, tmp_path / "chain")) as chain:
        yield TrainingClient(chain)


def test_whoever_submits_and_finalises_the_payee_is_paid(
    paid: PaidRun, sponsor: TrainingClient
) -> None:
    thief, victim = acting_as(sponsor, THIEF), acting_as(sponsor, VICTIM)
    plan = paid.plan
    assert send(thief, "submit", plan.run_id, [paid.block(0), paid.block(1)]) == "accepted"
    assert call(victim, "submit", plan.run_id, [paid.block(0)]) == "TooManyProofs"
    assert send(thief, "finalise", plan.run_id) == "accepted"
    ledger = sponsor.ledger
    assert [ledger.credit(address(n)) for n in (SPONSOR, VICTIM, THIEF)] == [0, REWARD, 0]
    assert send(thief, "withdraw") == "NothingToWithdraw"
    assert send(thief, "reclaim", plan.task_id) == "NothingEscrowed"
    mint = thief.registry.contract.functions.mint(plan.run_id, "ipfs://stolen")
    assert verdict(thief.chain.send, mint) == "NotPayeeOrSponsor"
    before = balance(sponsor, address(VICTIM))
    assert send(victim, "withdraw") == "accepted"
    assert REWARD * 99 // 100 < balance(sponsor, address(VICTIM)) - before <= REWARD
    assert balance(sponsor, ledger.addresses.ledger) == 0
    victim.mint(plan)
    model = victim.registry.model(plan.model_id)
    assert model is not None
    assert model.owner == address(VICTIM)


def test_copies_fill_no_run_of_the_thiefs_own(paid: PaidRun, sponsor: TrainingClient) -> None:
    thief = acting_as(sponsor, THIEF)
    own = paid.honest.replanned(
        payee=address(THIEF),
        reward=REWARD,
        deadline=paid.plan.task.deadline,
        salt=paid.plan.task.salt,
    )
    assert (own.task_id, own.order()) == (paid.plan.task_id, paid.plan.order())
    assert send(thief, "openRun", own.task_id, address(THIEF), 0) == "accepted"
    assert call(thief, "submit", own.run_id, [paid.block(0)]) == "ContextMismatch"
    spelt = paid.block(0, context=own.context(0))
    assert call(thief, "submit", own.run_id, [spelt]) == "ProofRejected"
    assert send(thief, "finalise", own.run_id) == "RunIncomplete"
    # The copies are good where they belong, even from the thief's hand.
    assert call(thief, "submit", paid.plan.run_id, [paid.block(0)]) == "accepted"


def test_nobody_else_opens_a_run_for_the_victim(paid: PaidRun, sponsor: TrainingClient) -> None:
    thief, plan = acting_as(sponsor, THIEF), paid.plan
    assert send(thief, "openRun", plan.task_id, address(VICTIM), 1) == "NotAllowed"
    assert send(thief, "openRun", plan.task_id, address(VICTIM), 0) == "NotAllowed"
    assert send(thief, "abort", plan.run_id) == "NotAllowed"
    assert send(sponsor, "openRun", plan.task_id, address(VICTIM), 0) == "RunExists"
    # The sponsor may, but that is another run: proofs in flight for the first don't land in it.
    assert send(sponsor, "openRun", plan.task_id, address(VICTIM), 1) == "accepted"
    decoy = paid.honest.replanned(
        payee=address(VICTIM),
        nonce=1,
        reward=REWARD,
        deadline=plan.task.deadline,
        salt=plan.task.salt,
    )
    assert call(sponsor, "submit", decoy.run_id, [paid.block(0)]) == "ContextMismatch"
    assert call(sponsor, "submit", plan.run_id, [paid.block(0)]) == "accepted"
