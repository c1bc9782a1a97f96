"""Who acts on a chain, what a contract said to it, and a run that somebody pays for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from web3.contract import Contract

from zkdescent.core.errors import ContractRejected
from zkdescent.core.records import ProofRecord
from zkdescent.verifier import (
    Addresses,
    Chain,
    ContractRefused,
    RunPlan,
    TrainingClient,
    deploy_code,
    development_account,
)
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import leaf, merkle_proof, run_id, seed, task_id, tensor_hash

REWARD = 10**18
FAR = 1 << 40
SPONSOR, VICTIM, THIEF, STRANGER = 0, 1, 2, 3
"""Development accounts. The sponsor deploys and pays, the victim trains, the thief steals."""

BlockProof = tuple[list[bytes], tuple[bytes, list[int], list[bytes]]]


def address(account: int) -> str:
    """The address of a development account."""
    return str(development_account(account).address)


def acting_as(client: TrainingClient, account: int) -> TrainingClient:
    """The same chain and contracts, with another account's key."""
    node: Any = client.chain._node
    sender, key = client.chain._sender, development_account(account)
    chain = Chain(node, key) if sender is None else Chain._over(node, key, sender.policy)
    return TrainingClient(chain, client.addresses)


def verdict(action: Callable[..., object], *arguments: object, **options: object) -> str:
    """The name of the error that refused the action, or "accepted"."""
    try:
        action(*arguments, **options)
    except (ContractRejected, ContractRefused) as error:
        return error.error_name
    return "accepted"


def send(client: TrainingClient, name: str, *arguments: object, value: int = 0) -> str:
    """The verdict on a transaction to the ledger."""
    function = client.ledger.contract.functions[name](*arguments)
    return verdict(client.chain.send, function, value=value)


def call(client: TrainingClient, name: str, *arguments: object) -> str:
    """The verdict on the same without sending it."""
    return verdict(client.chain.call, client.ledger.contract.functions[name](*arguments))


def balance(client: TrainingClient, account: str) -> int:
    """Wei of an account."""
    return int(client.chain._node.w3.eth.get_balance(to_checksum_address(account)))


def travel(client: TrainingClient, timestamp: int) -> None:
    """Let the in-process chain's clock pass a moment."""
    provider: Any = client.chain._node.w3.provider
    provider.ethereum_tester.time_travel(timestamp)
    client.chain.mine()


def now(client: TrainingClient) -> int:
    """The newest block's timestamp."""
    return int(client.chain._node.w3.eth.get_block("latest")["timestamp"])


def leaves_of(dataset: Any) -> list[bytes]:
    """Leaves of the dataset's Merkle tree."""
    return [leaf(i, tensor_hash(commitment)) for i, commitment in enumerate(dataset.leaves)]


def block_of(dataset: Any, plan: RunPlan, circuit: Any, record: ProofRecord, i: int) -> BlockProof:
    """The struct BlockProof for place ``i`` of a run; no key words."""
    path = list(merkle_proof(leaves_of(dataset), plan.order()[i]))
    return path, evidence(circuit, record, reusable=False)


def blocks_of(world: Any, places: Sequence[int]) -> list[BlockProof]:
    """The synthetic world's block proofs at these places, each with the path that is due there."""
    step = world.circuits.step
    return [block_of(world.dataset, world.plan, step, world.load_step(i), i) for i in places]


def relocated(plan: RunPlan, *, ledger: str | None = None, chain_id: int | None = None) -> RunPlan:
    """The same task and run on another ledger or chain: other ids, seed and contexts."""
    addresses: Addresses = replace(plan.addresses, ledger=ledger or plan.addresses.ledger)
    chain = chain_id or plan.chain_id
    task = task_id(chain, addresses.ledger, plan.sponsor, plan.task)
    return replace(
        plan,
        chain_id=chain,
        addresses=addresses,
        task_id=task,
        run_id=run_id(chain, addresses.ledger, task, plan.payee, plan.nonce),
        seed=seed(chain, addresses.ledger, task, plan.task.declared_seed),
    )


def deploy(
    client: TrainingClient, compiled: dict[str, Any], types: Sequence[str] = (), *values: object
) -> Contract:
    """Deploy an attacker's contract; returns it."""
    code = bytes.fromhex(compiled["bytecode"].removeprefix("0x")) + encode(types, values)
    deploy_code(client.chain, code, action="deploy the attacker's contract")
    at = predict_address(code)
    return client.chain._node.w3.eth.contract(to_checksum_address(at), abi=compiled["abi"])


def deploy_runtime(client: TrainingClient, runtime: bytes) -> str:
    """Deploy this runtime code; returns its address."""
    code = b"\x61" + len(runtime).to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3") + runtime
    deploy_code(client.chain, code, action="deploy the attacker's code")
    return predict_address(code)


@dataclass(frozen=True)
class PaidRun:
    """A run with a reward whose payee is the victim, and its real block proofs."""

    honest: Any
    plan: RunPlan
    proofs: tuple[ProofRecord, ...]

    @classmethod
    def make(cls, honest: Any) -> PaidRun:
        """Prove the honest run again for a task with a reward that has the same batch order."""
        plans = (
            honest.replanned(
                payee=address(VICTIM), reward=REWARD, deadline=FAR, salt=bytes([i]) * 32
            )
            for i in range(256)
        )
        plan = next(p for p in plans if p.order() == honest.plan.order())
        blocks = honest.blueprint.fixed_blocks
        proofs = tuple(
            replace(
                honest.prove_block(plan.context(i), honest.states[i], blocks[due]),
                index=i,
                context=plan.context(i),
            )
            for i, due in enumerate(plan.order())
        )
        return cls(honest, plan, proofs)

    def open_on(self, chain: Chain) -> TrainingClient:
        """The sponsor's client; the task is created, and the victim has opened the run."""
        client = TrainingClient(chain)
        client.ensure_deployed()
        self.honest.verifiers.deploy(chain)
        client.register_circuits(self.honest.manifest.circuits, self.honest.verifiers.specs)
        client.create_task(self.plan)
        acting_as(client, VICTIM).open_run(self.plan)
        return client

    def block(self, i: int, *, context: int | None = None) -> BlockProof:
        """Block proof ``i``; with a context, the same with that word in the context's place."""
        record = self.proofs[i]
        if context is not None:
            record = replace(record, proof=context.to_bytes(32, "big") + record.proof[32:])
        manifest = self.honest.manifest
        return block_of(manifest.dataset, self.plan, manifest.circuits.step, record, i)
