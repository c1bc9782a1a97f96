"""Front-running in a mempool: the copier's transaction is mined before the trainer's.

The attacker sees the trainer's ``submit`` pending, copies its call data and pays a higher tip, so
that his copy comes first in the same block. He wants the run, the reward, or at least that the
trainer pays for a proof that is verified and then thrown away.

He fails because the copy does the trainer's work: the run advances, the payee stays the trainer,
and the copier has paid. The trainer's own transaction finds another head and is refused before any
verification, for a fraction of the price. A node's real mempool and real proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from zkdescent.verifier import Chain, RunStatus, TrainingClient, development_account
from zkdescent.verifier.twins import tensor_hash

from .actors import REWARD, THIEF, VICTIM, PaidRun, acting_as, address, send

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.chain]
GAS_CAP = 16_777_216  # EIP-7825


@pytest.fixture
def sponsor(paid: PaidRun) -> Iterator[TrainingClient]:
    with Chain.anvil() as chain:
        yield paid.open_on(chain)


def post(client: TrainingClient, account: int, to: str, data: bytes, tip: int) -> Any:
    """Put a transaction into the mempool; returns its hash."""
    eth = client.chain._node.w3.eth
    key = development_account(account)
    transaction: dict[str, Any] = {
        "type": 2,
        "chainId": client.chain.chain_id,
        "to": to,
        "value": 0,
        "data": data,
        "gas": 4_000_000,
        "nonce": eth.get_transaction_count(key.address),
        "maxPriorityFeePerGas": tip,
        "maxFeePerGas": 10 * tip,  # anvil orders by it
    }
    return eth.send_raw_transaction(key.sign_transaction(transaction).raw_transaction)


def pending(client: TrainingClient, sender: str) -> bytes:
    """The call data of somebody's pending transaction, as anybody reads it."""
    node: Any = client.chain._node
    for who, transactions in node.rpc("txpool_content")["pending"].items():
        if who.lower() == sender.lower():
            (only,) = transactions.values()
            return bytes.fromhex(only["input"].removeprefix("0x"))
    raise AssertionError("nothing is pending")


def test_the_copy_that_comes_first_works_for_the_victim(
    paid: PaidRun, sponsor: TrainingClient
) -> None:
    node: Any = sponsor.chain._node
    ledger, plan = sponsor.addresses.ledger, paid.plan
    submit = sponsor.ledger.contract.functions.submit
    data = bytes.fromhex(
        submit(plan.run_id, [paid.block(0), paid.block(1)])._encode_transaction_data()[2:]
    )
    node.rpc("evm_setAutomine", False)
    try:
        honest = post(sponsor, VICTIM, ledger, data, tip=10**9)
        copied = pending(sponsor, address(VICTIM))
        assert copied == data
        copy = post(sponsor, THIEF, ledger, copied, tip=10**10)
        node.rpc("anvil_mine", "0x1")
    finally:
        node.rpc("evm_setAutomine", True)
    first, second = (node.w3.eth.wait_for_transaction_receipt(h) for h in (copy, honest))
    assert first["blockNumber"] == second["blockNumber"]
    assert first["transactionIndex"] < second["transactionIndex"]
    assert (first["status"], second["status"]) == (1, 0)
    # What is left is call data, at the floor of EIP-7623.
    assert second["gasUsed"] < first["gasUsed"] // 2, "a lost race is not verified"
    assert first["gasUsed"] < GAS_CAP

    run = sponsor.ledger.run(plan.run_id)
    assert run is not None
    assert (run.proofs, run.payee, run.head) == (
        2,
        address(VICTIM),
        tensor_hash(paid.honest.final),
    )
    assert send(acting_as(sponsor, THIEF), "finalise", plan.run_id) == "accepted"
    assert [sponsor.ledger.credit(address(n)) for n in (THIEF, VICTIM)] == [0, REWARD]


def test_a_reorganisation_takes_nothing_from_the_run(
    paid: PaidRun, sponsor: TrainingClient
) -> None:
    """The block with a proof is orphaned: the run stands where it stood, and goes on from there."""
    node: Any = sponsor.chain._node
    plan, victim = paid.plan, acting_as(sponsor, VICTIM)
    assert send(victim, "submit", plan.run_id, [paid.block(0)]) == "accepted"
    node.rpc("anvil_reorg", 1, [])
    run = sponsor.ledger.run(plan.run_id)
    assert run is not None
    assert (run.proofs, run.status) == (0, RunStatus.OPEN)
    # In the other branch somebody may send it again, once; order and payee are the same.
    thief = acting_as(sponsor, THIEF)
    assert send(thief, "submit", plan.run_id, [paid.block(1)]) == "StateInMismatch"
    assert send(thief, "submit", plan.run_id, [paid.block(0)]) == "accepted"
    assert send(victim, "submit", plan.run_id, [paid.block(0)]) == "StateInMismatch"
    assert send(victim, "submit", plan.run_id, [paid.block(1)]) == "accepted"
    assert send(victim, "finalise", plan.run_id) == "accepted"
    assert sponsor.ledger.credit(address(VICTIM)) == REWARD
