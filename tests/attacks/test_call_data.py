"""Call data that no library writes, at every entry point.

The attacker wants a contract to read one thing and check another: he spells a valid call in other
ways. Offsets that point backwards, into one another or past the end, lengths that wrap around,
gaps, tails in another order, bytes after the end, values with more bits than their type.

He fails because Solidity's decoder refuses what leaves the data or its type, everything that is
hashed or forwarded is encoded again from what was decoded, and what is left are other spellings of
a call: they do exactly what the canonical spelling does. Here "exactly" is all logs, the whole
state, the answer, and every byte that any verifier was asked. A spelling that says something else
(a shorter URI) does what the canonical spelling of that does, and only where the caller's words are
free.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from eth.vm.message import Message
from eth_abi.abi import encode
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from zkdescent.verifier import Chain, TrainingClient, deploy_code
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import circuit_id, circuit_tuple, input_commitment, merkle_proof
from zkdescent.verifier.twins.specs import task_tuple

from .abi_layout import Item, UnreadableError, canonical, combinations, read, variants
from .actors import FAR, REWARD, SPONSOR, address, blocks_of, leaves_of

GAS = 16_777_216
FREE = {"mint", "record", "inputCommitmentOf"}
"""Whose arguments the caller may choose: a changed length is another URI, or fewer headers."""


@dataclass(frozen=True)
class Effect:
    """All that a call did: None in ``state`` stands for nothing, a revert."""

    state: bytes | None
    logs: tuple[Any, ...] = ()
    output: bytes = b""
    asked: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A valid call to a function."""

    name: str
    to: bytes
    items: tuple[Item, ...]
    call: bytes
    value: int = 0


class Stage:
    """One chain on which every entry point has a call that it accepts."""

    def __init__(self, client: TrainingClient, synthetic: ModuleType) -> None:
        self.client, self.synthetic = client, synthetic
        self.entries: dict[str, Entry] = {}
        self.verifiers: set[bytes] = set()
        self._prepare()
        backend: Any = client.chain._node
        self._chain = backend.backend.chain
        self._head = self._chain.get_canonical_head()

    def _add(
        self, name: str, contract: Any, *arguments: Any, value: int = 0, key: str = ""
    ) -> None:
        (entry,) = (e for e in contract.abi if e.get("name") == name and e["type"] == "function")
        call = bytes.fromhex(contract.encode_abi(name, arguments)[2:])
        items = tuple(entry["inputs"])
        assert call[4:] == canonical(items, read(items, call)), "the twin of the libraries' encoder"
        self.entries[name] = Entry(name, to_canonical_address(contract.address), items, call, value)

    def _prepare(self) -> None:
        client, synthetic = self.client, self.synthetic
        world = synthetic.World()
        plan = synthetic.finish(client, world)
        consumer = client.consumer(plan.model_id)
        consumer.deploy()
        worlds = [synthetic.World(salt=bytes([i]) * 32) for i in range(1, 4)]
        synthetic.lead(client, worlds[0])
        client.create_task(worlds[1].plan)
        client.create_task(worlds[2].plan)
        ranges = world.circuits.range
        client.admit(worlds[2].plan, ranges, world.dataset, worlds[2].load_range)
        second = synthetic.World(nonce=1)
        client.open_run(second.plan)
        several = synthetic.World(backend="barretenberg", aggregate=2)
        synthetic.lead(client, several)
        step, inference = world.circuits.step, world.circuits.inference
        client.submit(second.plan, step, world.dataset, second.load_step, per_transaction=5)
        client.finalise(second.plan)
        sealed = synthetic.World(seed_delay=2)
        client.create_task(sealed.plan)
        state = client.ledger.task(sealed.plan.task_id)
        assert state is not None
        client.chain.wait_for_block(state.seed_block + 2)
        self.verifiers = {
            to_canonical_address(spec.verifier)
            for w in (world, several)
            for spec in w.specs.present()
        }

        ledger, registry = client.ledger.contract, client.registry.contract
        gateway = client.gateway.contract
        spec = list(circuit_tuple(world.specs.step))
        spec[5] = keccak(text="another key")
        self._add("register", gateway, tuple(spec))
        paid = synthetic.World(reward=REWARD, deadline=FAR).plan.task
        self._add("createTask", ledger, task_tuple(paid), value=REWARD)
        header = client.chain.header_rlp(state.seed_block)
        self._add("seal", ledger, sealed.plan.task_id, header)
        path = list(merkle_proof(leaves_of(world.dataset), 1))
        proven = evidence(ranges, worlds[1].load_range(1), reusable=False)
        self._add("admit", ledger, worlds[1].plan.task_id, 1, path, proven)
        self._add("openRun", ledger, worlds[2].plan.task_id, address(SPONSOR), 0)
        self._add("submit", ledger, worlds[0].plan.run_id, blocks_of(worlds[0], [0]))
        leaves, order = leaves_of(several.dataset), several.plan.order()
        paths = [list(merkle_proof(leaves, order[i])) for i in (0, 1)]
        both = several.aggregate_proof(0)
        proven = evidence(several.circuits.aggregate, both, reusable=False)
        self._add("submitAggregate", ledger, several.plan.run_id, paths, proven)
        self._add("mint", registry, second.plan.run_id, "ipfs://an-address-of-more-than-one-word")
        record = world.inference()
        inputs, outputs = split_values(inference, record)
        proven = evidence(inference, record.proof, reusable=False)
        self._add("check", gateway, circuit_id(world.specs.inference), record.proof.context, proven)
        first = evidence(step, world.load_step(0), reusable=False)
        context = world.plan.context(0)
        head = client.chain.call(gateway.functions.claimOf(circuit_id(world.specs.step), first[0]))
        self._add("checkBlock", gateway, circuit_id(world.specs.step), head[0], context, first)
        model = plan.model_id
        self._add("checkInference", registry, model, synthetic.ACCOUNT, 0, inputs, outputs, proven)
        commitment = input_commitment(
            31337, client.addresses.registry, model, synthetic.ACCOUNT, 0, inputs
        )
        answer = encode(["int256[]"], [outputs])
        blob = encode(["uint256", "int256[]", "(bytes,uint256[],bytes32[])"], [0, inputs, proven])
        for name in ("verifyInference", "verifyAndStoreInference"):
            self._add(name, registry, model, commitment, answer, blob)
        self._add("accept", consumer.contract, inputs, outputs, proven)
        self._prepare_more(several, plan, open_run=worlds[0].plan.run_id)

    def _prepare_more(self, several: Any, plan: Any, *, open_run: bytes) -> None:
        """Views, headers, and functions whose argument is one word."""
        client, synthetic = self.client, self.synthetic
        ledger, registry = client.ledger.contract, client.registry.contract
        gateway = client.gateway.contract
        aggregate, both = several.circuits.aggregate, several.aggregate_proof(0)
        name = circuit_id(several.specs.aggregate)
        said = client.chain.call(gateway.functions.claimsOf(name, both.proof))
        contexts = [several.plan.context(i) for i in (0, 1)]
        proven = evidence(aggregate, both, reusable=False)
        self._add("checkBlocks", gateway, name, said[0], contexts, proven)
        self._add("claimsOf", gateway, name, both.proof)
        world = synthetic.World()
        first = world.load_step(0)
        self._add("claimOf", gateway, circuit_id(world.specs.step), first.proof)
        self._add("circuitIdOf", gateway, circuit_tuple(world.specs.step))
        task = task_tuple(world.plan.task)
        self._add("taskIdOf", ledger, address(SPONSOR), task)
        inputs = [5, -7, 0]
        self._add("inputCommitmentOf", registry, plan.model_id, address(SPONSOR), 3, inputs)
        history = load_artifact("ChainHistory")
        code = history.creation_code + encode(["uint256"], [16])
        deploy_code(client.chain, code, action="deploy ChainHistory")
        recorder = client.chain.contract("ChainHistory", predict_address(code))
        number = client.chain.block_number
        headers = [client.chain.header_rlp(n) for n in (number - 2, number - 1)]
        self._add("record", recorder, headers)
        self._add("abort", ledger, open_run)
        whole = synthetic.World(nonce=2)
        client.open_run(whole.plan)
        step = whole.circuits.step
        client.submit(whole.plan, step, whole.dataset, whole.load_step, per_transaction=5)
        self._add("finalise", ledger, whole.plan.run_id)
        self._add("retire", gateway, circuit_id(world.specs.step))
        self._add("deprecateModel", registry, plan.model_id)

    def effect(self, entry: Entry, call: bytes) -> Effect:
        """Do it on the chain as it stands, and look at everything; nothing of it stays."""
        vm = self._chain.get_vm(at_header=self._head)
        sender = to_canonical_address(address(SPONSOR))
        message = Message(
            gas=GAS, to=entry.to, sender=sender, value=entry.value, data=call,
            code=vm.state.get_code(entry.to),
        )  # fmt: skip
        context = vm.state.get_transaction_context_class()(gas_price=0, origin=sender)
        done = vm.state.computation_class.apply_message(vm.state, message, context)
        if done.is_error:
            return Effect(None)
        logs = tuple(done.get_raw_log_entries())
        asked = tuple(self._asked(done))
        return Effect(bytes(vm.state.make_state_root()), logs, bytes(done.output), asked)

    def _asked(self, computation: Any) -> Iterator[bytes]:
        for child in computation.children:
            if child.msg.code_address in self.verifiers:
                yield bytes(child.msg.data)
            yield from self._asked(child)


@pytest.fixture(scope="module")
def stage(
    deployed: Path, synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    path = shutil.copy(deployed, tmp_path_factory.mktemp("spelt") / "chain")
    with Chain.tester(path) as chain:
        yield Stage(TrainingClient(chain), synthetic)


NAMES = ["register", "createTask", "seal", "admit", "openRun", "submit", "submitAggregate", "mint",
         "check", "checkBlock", "checkBlocks", "checkInference", "verifyInference",
         "verifyAndStoreInference", "accept", "claimOf", "claimsOf", "taskIdOf", "circuitIdOf",
         "inputCommitmentOf", "record", "finalise", "abort", "retire",
         "deprecateModel"]  # fmt: skip
"""Every function with arguments that writes, and every view that a contract may rely on, in
Circuits, TrainingLedger, ModelRegistry, ChainHistory and the consumer. Not here: rearm and
reclaim, of one word as finalise, and withdraw, of none."""
UNPROVEN = {
    "register", "createTask", "seal", "openRun", "mint", "claimOf", "claimsOf", "taskIdOf",
    "circuitIdOf", "inputCommitmentOf", "record", "finalise", "abort", "retire", "deprecateModel",
}  # fmt: skip
ONE_WORD = {"finalise", "abort", "retire", "deprecateModel"}
LEAST = {"register": 80, "createTask": 50, "openRun": 20, "seal": 100, "mint": 100, "taskIdOf": 50,
         "circuitIdOf": 80, "claimOf": 100, "claimsOf": 100, "inputCommitmentOf": 100,
         **dict.fromkeys(ONE_WORD, 10)}  # fmt: skip
EACH = 2_000


def judge(stage: Stage, name: str, tried: Iterable[bytes]) -> tuple[int, int]:
    """Send spellings of a call: how many did the same, and how many nothing; no other is."""
    entry = stage.entries[name]
    honest = stage.effect(entry, entry.call)
    assert honest.state is not None, "the canonical call is accepted"
    assert bool(honest.asked) == (name not in UNPROVEN)
    said = read(entry.items, entry.call)
    same = refused = 0
    for call in tried:
        got = stage.effect(entry, call)
        if got.state is None:
            refused += 1
        elif got == honest:
            same += 1
        else:
            assert name in FREE, f"{name} does something else: {call.hex()}"
            try:
                values = read(entry.items, call)
            except UnreadableError as error:
                raise AssertionError(f"{name} read what can't be read: {call.hex()}") from error
            assert values != said
            spelt = entry.call[:4] + canonical(entry.items, values)
            assert got == stage.effect(entry, spelt), call.hex()
    assert stage.effect(entry, entry.call) == honest
    return same, refused


@pytest.mark.parametrize("name", NAMES)
def test_another_spelling_does_the_same_or_nothing(stage: Stage, name: str) -> None:
    entry = stage.entries[name]
    tried = {call for call in variants(entry.items, entry.call) if call != entry.call}
    assert len(tried) >= LEAST.get(name, 200), len(tried)
    same, refused = judge(stage, name, tried)
    assert refused, name
    assert same, "bytes after the end are nobody's"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONE_WORD])
def test_two_thousand_spellings_of_each(stage: Stage, name: str) -> None:
    """The same with several words wrong at once; a call of one word has no other spellings."""
    entry = stage.entries[name]
    tried = {call for call in variants(entry.items, entry.call) if call != entry.call}
    for call in islice(combinations(entry.items, entry.call, seed=len(tried)), 100 * EACH):
        if len(tried) >= EACH:
            break
        if call != entry.call:
            tried.add(call)
    assert len(tried) >= EACH
    judge(stage, name, sorted(tried))


def test_there_are_two_thousand_of_them(stage: Stage) -> None:
    counts = {
        name: len({call for call in variants(entry.items, entry.call) if call != entry.call})
        for name, entry in stage.entries.items()
    }
    assert set(counts) == set(NAMES)
    assert sum(counts.values()) >= 2_000, counts


def test_the_nested_encoding_of_an_inference(stage: Stage) -> None:
    """ERC-7992 passes evidence as bytes within bytes: the inner call data is attacked the same."""
    abi: Any = stage.client.registry.contract.abi
    (checked,) = (e for e in abi if e.get("name") == "checkInference")
    inputs, outputs, proof = checked["inputs"][3], checked["inputs"][4], checked["inputs"][5]
    items = ({"type": "uint256"}, inputs, proof)
    for name, place, inner in (("verifyInference", 3, items), ("verifyInference", 2, (outputs,))):
        entry = stage.entries[name]
        honest = stage.effect(entry, entry.call)
        values = list(read(entry.items, entry.call))
        blob = b"\0\0\0\0" + values[place]
        same = 0
        for spelt in variants(inner, blob):
            values[place] = spelt[4:]
            call = entry.call[:4] + canonical(entry.items, values)
            got = stage.effect(entry, call)
            if got.state is None:
                continue
            same += 1
            if place == 2:  # the output is hashed into the inference's id: one spelling
                assert call == entry.call
            # The log says the output; the proof's spelling appears nowhere.
            assert got == honest, spelt.hex()
        assert same or place == 2
