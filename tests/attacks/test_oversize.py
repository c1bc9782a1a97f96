"""Too much of everything: call data, block proofs in a transaction, Merkle paths, values, words.

The attacker wants the ledger to run out of gas where an honest call would not, to count more than
it checks, or to take a path that is longer than the tree is high. He sends as much as a transaction
may hold: thousands of path elements, nine block proofs where eight are allowed, a megabyte of
header, proof, key words or URI.

He fails at the lengths, which are compared before anything is done with the contents
(``BlockProofCount``, ``ProofLength``, ``PublicValueCount``, ``ContextCount``, ``WrongHeader``), at
the tree, for which a path has one length (``BlockNotInDataset``), and pays for every byte himself.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.verifier import Chain, TrainingClient, deploy_code
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import circuit_id, merkle_proof

from .actors import blocks_of, call, leaves_of, send, verdict

HUGE = 100_000
GAS_CAP = 16_777_216  # EIP-7825


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World(total=16, backend="barretenberg", aggregate=2)


@pytest.fixture
def opened(client: TrainingClient, synthetic: ModuleType, world: Any) -> TrainingClient:
    synthetic.lead(client, world)
    return client


def test_more_block_proofs_than_a_transaction_may_hold(opened: TrainingClient, world: Any) -> None:
    run = world.plan.run_id
    for count in (9, 16, 100):
        blocks = blocks_of(world, [i % 16 for i in range(count)])
        assert send(opened, "submit", run, blocks) == "BlockProofCount"
    assert send(opened, "submit", run, blocks_of(world, range(8))) == "accepted"
    assert send(opened, "submit", run, blocks_of(world, range(8, 16))) == "accepted"


def test_paths_longer_and_shorter_than_the_tree_is_high(opened: TrainingClient, world: Any) -> None:
    run, ((path, proof),) = world.plan.run_id, blocks_of(world, [0])
    for wrong in (
        [],
        path[:-1],
        [*path, bytes(32)],
        [*path, path[-1]],
        [bytes(32), *path],
        [bytes(32)] * 3_000,
    ):
        assert call(opened, "submit", run, [(wrong, proof)]) == "BlockNotInDataset"
    assert call(opened, "submit", run, [(path, proof)]) == "accepted"


def test_an_aggregate_with_thousands_of_paths(opened: TrainingClient, world: Any) -> None:
    run, leaves, order = world.plan.run_id, leaves_of(world.dataset), world.plan.order()
    proof = evidence(world.circuits.aggregate, world.aggregate_proof(0), reusable=False)
    paths = [list(merkle_proof(leaves, order[i])) for i in (0, 1)]
    assert call(opened, "submitAggregate", run, paths * 1_000, proof) == "TooManyProofs"
    assert call(opened, "submitAggregate", run, paths * 4, proof) == "ContextCount"
    long = [paths[0], [bytes(32)] * 3_000]
    assert call(opened, "submitAggregate", run, long, proof) == "BlockNotInDataset"
    assert call(opened, "submitAggregate", run, paths, proof) == "accepted"


def test_proofs_values_and_words_of_any_size(opened: TrainingClient, world: Any) -> None:
    run, ((path, (proof, _, _)),) = world.plan.run_id, blocks_of(world, [0])
    for evidence_, error in (
        ((bytes(HUGE), [], []), "ProofLength"),
        ((proof + bytes(32), [], []), "ProofLength"),
        ((proof[:-1], [], []), "ProofLength"),
        ((b"", [], []), "ProofLength"),
        ((proof, [0] * 3_000, []), "PublicValueCount"),
        ((proof, [], [bytes(32)] * 3_000), "VkaMismatch"),
    ):
        assert call(opened, "submit", run, [(path, evidence_)]) == error
    functions = opened.gateway.contract.functions
    step = circuit_id(world.specs.step)
    many = [world.plan.context(0)] * 3_000
    head = opened.ledger.run(run)
    assert head is not None
    for contexts in (many, [], many[:1]):
        function = functions.checkBlocks(step, head.head, contexts, (proof, [], []))
        assert verdict(opened.chain.call, function) == "RoleMismatch"
    single = functions.checkBlock(step, head.head, many[0], (proof, [], []))
    assert verdict(opened.chain.call, single) == "accepted"


def test_a_header_of_any_size(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World(seed_delay=2)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    state = client.ledger.task(world.plan.task_id)
    assert state is not None
    client.chain.wait_for_block(state.seed_block + 1)
    real = client.chain.header_rlp(state.seed_block)
    for header in (bytes(HUGE), real + bytes(HUGE), real * 100):
        assert send(client, "seal", world.plan.task_id, header) == "WrongHeader"
    assert send(client, "seal", world.plan.task_id, real) == "accepted"


@pytest.mark.chain
def test_eight_synthetic_blocks_and_a_full_block_on_a_node(
    synthetic: ModuleType, world: Any
) -> None:
    """The cap on a transaction holds on the node: nobody can send what would exceed it."""
    with Chain.anvil() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
        plan = synthetic.lead(client, world)
        submit = client.ledger.contract.functions.submit
        padded = replace(world.load_step(0), proof=bytes(HUGE))
        proof = evidence(world.circuits.step, padded, reusable=False)
        assert verdict(chain.call, submit(plan.run_id, [([], proof)])) == "ProofLength"
        assert verdict(chain.send, submit(plan.run_id, blocks_of(world, [0] * 9))) == (
            "BlockProofCount"
        )
        receipt = chain.send(submit(plan.run_id, blocks_of(world, range(8))))
        assert receipt.gas_used < GAS_CAP
