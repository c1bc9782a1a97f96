"""Choosing or grinding the batch order, which alone can slow, reset or backdoor training.

The attacker is the trainer or the sponsor. He wants an order that suits him. He seals with the
header of another block, with a header of the right height that no chain or another branch has, or
with the right one too early or late; he arms again to draw again; he declares a seed beside the
delay; he changes what the order works on once he knows the seed.

He fails because the seed is the mixHash of exactly one block, which was in the future when
everything that the order works on was fixed in the task's id: the header's hash must be that
block's (``WrongHeader``), once (``AlreadySealed``), within 256 blocks (``SeedBlockExpired``); a new
block is armed only when nobody can use the old one any more (``SeedBlockAvailable``), and counted.
What is left to him: a proposer's one bit a slot, and tasks that he throws away (docs/soundness.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak

from zkdescent.verifier import Chain, TrainingClient, deploy_code
from zkdescent.verifier.twins import mix_hash
from zkdescent.verifier.twins.specs import task_tuple

from .actors import SPONSOR, THIEF, acting_as, address, send, verdict

DELAY = 4
WINDOW = 256


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World(seed_delay=DELAY)


@pytest.fixture
def created(client: TrainingClient, world: Any) -> TrainingClient:
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    return client


def seed_block(client: TrainingClient, world: Any) -> int:
    state = client.ledger.task(world.plan.task_id)
    assert state is not None
    return state.seed_block


def seal(client: TrainingClient, world: Any, header: bytes) -> str:
    return send(client, "seal", world.plan.task_id, header)


def test_the_header_of_another_block(created: TrainingClient, world: Any) -> None:
    due, chain = seed_block(created, world), created.chain
    assert due == chain.block_number + DELAY
    assert seal(created, world, chain.header_rlp(chain.block_number)) == "SeedBlockPending"
    chain.wait_for_block(due)
    # The sender's transaction would be in the block due + 1; a node simulates on block due.
    chain.mine(2)
    for other in (0, due - DELAY, due - 1, due + 1, due + 2):
        assert seal(created, world, chain.header_rlp(other)) == "WrongHeader"
    assert seal(acting_as(created, THIEF), world, chain.header_rlp(due)) == "accepted"
    for header in (chain.header_rlp(due), chain.header_rlp(due + 1)):
        assert seal(created, world, header) == "AlreadySealed"
    assert send(created, "rearm", world.plan.task_id) == "AlreadySealed"
    drawn = world.plan.sealed(due, mix_hash(chain.header_rlp(due)))
    state = created.ledger.task(world.plan.task_id)
    assert state is not None
    assert (state.seed, state.rearms) == (drawn.seed, 0)


def test_a_header_of_the_same_height(
    created: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    """Ground in the attacker's own branch: right number, right parent, a mixHash of his choice."""
    due = seed_block(created, world)
    created.chain.wait_for_block(due + 2)
    real = created.chain.header_rlp(due)
    for guess in range(4):
        fields = rlp.decode(real)
        fields[13] = keccak(text=f"ground {guess}")
        assert seal(created, world, rlp.encode(fields)) == "WrongHeader"
    with Chain.tester() as branch:
        branch.mine(due)
        assert seal(created, world, branch.header_rlp(due)) == "WrongHeader"
    assert seal(created, world, real) == "accepted"


def test_sealing_late_and_drawing_again(created: TrainingClient, world: Any) -> None:
    task, chain, due = world.plan.task_id, created.chain, seed_block(created, world)
    assert send(created, "rearm", task) == "SeedBlockAvailable"
    chain.wait_for_block(due + WINDOW - 1)
    header = chain.header_rlp(due)
    # The last block in which the seed block can be used: drawing again is still refused.
    assert send(created, "rearm", task) == "SeedBlockAvailable"
    chain.mine()
    assert seal(created, world, header) == "SeedBlockExpired"
    chain.wait_for_block(due + WINDOW + 1)
    assert send(acting_as(created, THIEF), "rearm", task) == "accepted"
    assert send(created, "rearm", task) == "SeedBlockAvailable"
    again = seed_block(created, world)
    assert again == chain.block_number + DELAY
    chain.wait_for_block(again + 1)
    assert seal(created, world, header) == "WrongHeader"
    assert seal(created, world, chain.header_rlp(again)) == "accepted"
    state = created.ledger.task(task)
    assert state is not None
    assert state.rearms == 1, "whoever relies on the order sees that a draw was passed over"


def test_no_draw_before_the_seed_block_is_past(
    created: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    created.admit(world.plan, world.circuits.range, world.dataset, world.load_range)
    assert send(created, "openRun", world.plan.task_id, address(SPONSOR), 0) == "NotSealed"
    assert send(created, "expectedBlock", world.plan.run_id) == "RunUnknown"
    due = seed_block(created, world)
    created.chain.wait_for_block(due + 1)
    assert seal(created, world, created.chain.header_rlp(due)) == "accepted"
    assert send(created, "openRun", world.plan.task_id, address(SPONSOR), 0) == "accepted"


def test_a_declared_seed_beside_a_delay(client: TrainingClient, world: Any) -> None:
    client.register_circuits(world.circuits, world.specs)
    create, words = client.ledger.contract.functions.createTask, list(task_tuple(world.plan.task))
    words[13] = keccak(text="mine")
    assert verdict(client.chain.send, create(tuple(words))) == "SeedAmbiguous"
    words[13] = bytes(32)
    assert verdict(client.chain.send, create(tuple(words))) == "accepted"


def test_a_seed_that_the_proposer_of_the_task_knows(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """A block's mixHash is fixed by the block before it (EIP-4399): with a delay of one that is the
    task's own block, whose proposer would try salts until the order suits him."""
    world = synthetic.World(seed_delay=2)
    client.register_circuits(world.circuits, world.specs)
    create = client.ledger.contract.functions.createTask
    for salt in range(3):
        near = replace(world.plan.task, seed_delay=1, salt=salt.to_bytes(32, "big"))
        assert verdict(client.chain.send, create(task_tuple(near))) == "SeedTooNear"
    assert verdict(client.chain.send, create(task_tuple(world.plan.task))) == "accepted"


def test_whatever_the_order_works_on_is_the_tasks(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """Every other specification is another task, with another seed from the same block."""
    world = synthetic.World(seed_delay=DELAY)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    due = seed_block(client, world)
    client.chain.wait_for_block(due + 1)
    source = mix_hash(client.chain.header_rlp(due))
    assert seal(client, world, client.chain.header_rlp(due)) == "accepted"
    seed = world.plan.sealed(due, source).seed
    change: dict[str, Any] = {
        "dataset_root": keccak(text="other"),
        "genesis": keccak(text="other"),
        "hyperparameters": keccak(text="other"),
        "blocks_per_epoch": 4,
        "total_proofs": 6,
        "salt": b"\x01" * 32,
    }
    for name, value in change.items():
        task = replace(world.plan.task, **{name: value})
        create = client.ledger.contract.functions.createTask(task_tuple(task))
        assert verdict(client.chain.send, create) == "accepted", "a task, but another"
        other = client.ledger.contract.functions.taskIdOf(address(SPONSOR), task_tuple(task))
        task_id = client.chain.call(other)
        assert task_id != world.plan.task_id
        fresh = client.ledger.task(task_id)
        assert fresh is not None
        assert fresh.seed is None
        assert fresh.seed_block > due, "its seed block is in the future again"
        assert send(client, "seal", task_id, client.chain.header_rlp(due)) == "SeedBlockPending"
    state = client.ledger.task(world.plan.task_id)
    assert state is not None
    assert state.seed == seed


@pytest.fixture
def anvil(synthetic: ModuleType) -> Iterator[TrainingClient]:
    with Chain.anvil() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
        yield client


@pytest.mark.chain
def test_a_header_of_an_orphaned_branch(anvil: TrainingClient, world: Any) -> None:
    """The seed block is reorganised away before anybody has sealed: its header is no header."""
    node: Any = anvil.chain._node
    anvil.register_circuits(world.circuits, world.specs)
    anvil.create_task(world.plan)
    due = seed_block(anvil, world)
    anvil.chain.wait_for_block(due + 1)
    orphan = anvil.chain.header_rlp(due)
    node.rpc("anvil_rollback", 2)
    node.rpc("evm_increaseTime", 100)
    anvil.chain.wait_for_block(due + 2)
    standing = anvil.chain.header_rlp(due)
    assert standing != orphan
    assert seal(anvil, world, orphan) == "WrongHeader"
    assert seal(anvil, world, standing) == "accepted"
    state = anvil.ledger.task(world.plan.task_id)
    assert state is not None
    assert state.seed == world.plan.sealed(due, mix_hash(standing)).seed
