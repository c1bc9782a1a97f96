"""Skipping, repeating and reordering blocks, finishing early, aggregates over other blocks.

The attacker is the trainer. He wants a finished run for less work, or for other work than the task
asks for: without the blocks he does not like, with one block twice, in another order, with fewer
proofs, with proofs that are valid by themselves.

He fails at the head, which each proof must start from (``StateInMismatch``); at the context, which
names the place in the run (``ContextMismatch``); at the dataset, of which the seed names one leaf
for each place (``BlockNotInDataset``); and at the count (``RunIncomplete``, ``TooManyProofs``).
A transaction is accepted whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.verifier import TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import merkle_proof, tensor_hash

from .actors import blocks_of, call, leaves_of, send, verdict


@pytest.fixture(params=["ezkl", "barretenberg"])
def world(request: pytest.FixtureRequest, synthetic: ModuleType) -> Any:
    return synthetic.World(backend=request.param)


@pytest.fixture
def opened(client: TrainingClient, synthetic: ModuleType, world: Any) -> TrainingClient:
    synthetic.lead(client, world)
    return client


def with_parts(world: Any, i: int, **parts: Any) -> Any:
    """A valid block proof ``i`` whose state in, batch, state out or context is another."""
    names = {"state": 0, "batch": 1, "out": 2}
    batch = parts.get("leaf", world.dataset.leaves[world.plan.order()[i]])
    assert not set(parts) - {"leaf", "context", *names}
    hints = [world.tensor(900)] if world.backend == "ezkl" else []
    bound = parts.get("context", world.plan.context(i))
    state = parts.get("state", world.tensor(100 + i))
    out = parts.get("out", world.tensor(101 + i))
    slots = [world.context_slot(bound), state, batch, *hints, out]
    return world.proof("step", i, bound, slots)


@pytest.mark.parametrize(
    ("places", "error"),
    [
        ([1], "StateInMismatch"),
        ([0, 2], "StateInMismatch"),
        ([0, 0], "StateInMismatch"),
        ([1, 0], "StateInMismatch"),
        ([0, 2, 1, 3, 4], "StateInMismatch"),
        ([4, 3, 2, 1, 0], "StateInMismatch"),
        ([0, 1, 2, 3, 4, 4], "TooManyProofs"),
        ([], "BlockProofCount"),
        ([0] * 9, "BlockProofCount"),
    ],
)
def test_other_sequences(opened: TrainingClient, world: Any, places: list[int], error: str) -> None:
    run = world.plan.run_id
    assert send(opened, "submit", run, blocks_of(world, places)) == error
    state = opened.ledger.run(run)
    assert state is not None
    assert (state.proofs, state.head, state.transcript) == (0, tensor_hash(world.genesis), run)
    assert send(opened, "submit", run, blocks_of(world, range(5))) == "accepted"


def test_valid_proofs_of_other_steps(opened: TrainingClient, world: Any) -> None:
    """What a trainer can really make: valid proofs about the wrong state, block or place."""
    order, leaves, good = world.plan.order(), world.dataset.leaves, world.proofs["step", 1]
    run = world.plan.run_id
    assert send(opened, "submit", run, blocks_of(world, [0])) == "accepted"
    wrong = [leaves[i] for i in range(world.blocks) if i != order[1]]
    lies: list[tuple[Any, str]] = [
        (with_parts(world, 1, state=world.tensor(100)), "StateInMismatch"),
        (with_parts(world, 1, state=world.tensor(777)), "StateInMismatch"),
        (with_parts(world, 1, context=world.plan.context(0)), "ContextMismatch"),
        (with_parts(world, 1, context=world.plan.context(2)), "ContextMismatch"),
        (with_parts(world, 1, leaf=world.tensor(888)), "BlockNotInDataset"),
        *((with_parts(world, 1, leaf=other), "BlockNotInDataset") for other in wrong),
    ]
    for lie, error in lies:
        world.proofs["step", 1] = lie
        assert call(opened, "submit", run, blocks_of(world, [1])) == error
    # The path of the block that it is about does not help: the index is the seed's.
    world.proofs["step", 1] = with_parts(world, 1, leaf=wrong[0])
    path = list(merkle_proof(leaves_of(world.dataset), leaves.index(wrong[0])))
    block = (path, evidence(world.circuits.step, world.load_step(1), reusable=False))
    assert call(opened, "submit", run, [block]) == "BlockNotInDataset"
    world.proofs["step", 1] = good
    assert call(opened, "submit", run, blocks_of(world, [1])) == "accepted"


def test_finishing_early(opened: TrainingClient, world: Any) -> None:
    run, mint = world.plan.run_id, opened.registry.contract.functions.mint
    for done in range(world.total):
        assert send(opened, "finalise", run) == "RunIncomplete"
        assert verdict(opened.chain.send, mint(run, "")) == "RunNotFinalised"
        assert call(opened, "finalState", run) == "RunNotFinalised"
        assert send(opened, "submit", run, blocks_of(world, [done])) == "accepted"
    assert send(opened, "finalise", run) == "accepted"
    assert send(opened, "finalise", run) == "RunNotOpen"
    assert verdict(opened.chain.send, mint(run, "")) == "accepted"


def test_a_bad_proof_takes_the_good_ones_of_its_transaction_along(
    opened: TrainingClient, world: Any
) -> None:
    run, good = world.plan.run_id, world.proofs["step", 2]
    world.proofs["step", 2] = replace(good, proof=good.proof[:-1] + b"\x00")
    assert send(opened, "submit", run, blocks_of(world, [0, 1, 2])) == "ProofRejected"
    state = opened.ledger.run(run)
    assert state is not None
    assert (state.proofs, state.transcript) == (0, run)
    assert send(opened, "submit", run, blocks_of(world, [0, 1])) == "accepted"


# --- aggregates ---


@pytest.fixture
def several(synthetic: ModuleType) -> Any:
    return synthetic.World(backend="barretenberg", aggregate=2)


Submit = Callable[..., str]


@pytest.fixture
def aggregate(client: TrainingClient, synthetic: ModuleType, several: Any) -> Submit:
    """Submit an aggregate with the paths of some places."""
    synthetic.lead(client, several)

    def submit(record: Any, places: Any, *, sending: bool = False) -> str:
        leaves, order = leaves_of(several.dataset), several.plan.order()
        paths = [list(merkle_proof(leaves, order[i])) for i in places]
        proof = evidence(several.circuits.aggregate, record, reusable=False)
        do = send if sending else call
        return do(client, "submitAggregate", several.plan.run_id, paths, proof)

    return submit


def test_aggregates_of_other_blocks(several: Any, aggregate: Submit) -> None:
    order, leaves = several.plan.order(), several.dataset.leaves
    layout = [several.tensor(100)]
    due = [(several.plan.context(i), leaves[order[i]], several.tensor(101 + i)) for i in (0, 1)]

    def made(*blocks: tuple[int, bytes, bytes]) -> Any:
        slots = list(layout)
        for context, batch, out in blocks:
            slots += [several.context_slot(context), batch, out]
        return several.proof("aggregate", 0, 0, slots)

    other = next(leaf for leaf in leaves if leaf != due[1][1])
    assert aggregate(made(due[0], (due[1][0], other, due[1][2])), (0, 1)) == "BlockNotInDataset"
    assert aggregate(made(due[1], due[0]), (1, 0)) == "ContextMismatch"
    assert aggregate(made(due[0], due[0]), (0, 0)) == "ContextMismatch"
    assert aggregate(made(due[0], (several.plan.context(2), *due[1][1:])), (0, 1)) == (
        "ContextMismatch"
    )
    assert aggregate(several.aggregate_proof(1), (1, 2)) == "StateInMismatch"
    assert aggregate(made(*due), (1, 0)) == "BlockNotInDataset"
    assert aggregate(made(*due), (0,)) == "ContextCount"
    assert aggregate(made(*due), (0, 1, 2)) == "ContextCount"
    assert aggregate(made(*due), ()) == "ContextCount"
    assert aggregate(made(*due), (0, 1)) == "accepted"


def test_an_aggregate_twice_across_and_past_the_end(several: Any, aggregate: Submit) -> None:
    assert aggregate(several.aggregate_proof(0), (0, 1), sending=True) == "accepted"
    assert aggregate(several.aggregate_proof(0), (0, 1)) == "StateInMismatch"
    assert aggregate(several.aggregate_proof(1), (1, 2)) == "StateInMismatch"
    assert aggregate(several.aggregate_proof(2), (2, 3), sending=True) == "accepted"
    last = several.aggregate_proof(2)
    assert aggregate(replace(last, index=4), (4, 4)) == "TooManyProofs"


def test_proofs_of_one_circuit_at_the_other_door(
    client: TrainingClient, several: Any, aggregate: Submit
) -> None:
    step = several.load_step(0)
    assert aggregate(step, (0, 1)) == "ProofLength"
    several.proofs["step", 0] = several.aggregate_proof(0)
    assert call(client, "submit", several.plan.run_id, blocks_of(several, [0])) == "ProofLength"
    several.proofs["step", 0] = step
    assert call(client, "submit", several.plan.run_id, blocks_of(several, [0])) == "accepted"
