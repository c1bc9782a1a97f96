"""A whole run made of synthetic proofs, for the logic *around* the cryptography.

A synthetic proof has real commitments (points on the curve, contexts opened as circuits do) and a
marker where the argument would be: a proof "verifies" if its last word is MARKER. The stand-in
verifier contract applies the same rule. Whether real proofs verify is tested on real proofs.

A world of ezkl's has range proofs; one of barretenberg's has none, a verifier contract for each
circuit, and aggregates if it is asked for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from eth_utils.crypto import keccak
from py_ecc.optimized_bn128 import G1, multiply, normalize

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    DatasetRecord,
    InferenceRecord,
    Manifest,
    ProofRecord,
    Role,
)
from zkdescent.verifier import (
    RunPlan,
    TrainingClient,
    dedicated_spec,
    deploy_code,
    development_account,
    honk_specs,
    plan_run,
)
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier._pieces import Aggregates
from zkdescent.verifier.honk_code import _KEY_PLACES, CEREMONY_G2
from zkdescent.verifier.twins import (
    COMMITTED_SLOTS,
    POINT_BYTES,
    SCALAR_FIELD,
    context_slot,
    layout_of,
    leaf,
    merkle_root,
    open_context,
    tensor_hash,
    to_field,
)

MARKER = (42).to_bytes(32, "big")
# calldataload(0x44 + length of the proof) == 42, as one word
VERIFIER_CODE = bytes.fromhex("60443560440135602a145f5260205ff3")
VERIFIER_INIT = bytes.fromhex("6010600c60003960106000f3") + VERIFIER_CODE
PROOF_BYTES = {role: n * POINT_BYTES + len(MARKER) for role, n in COMMITTED_SLOTS.items()}
FEATURES, OUTPUTS, FRACTION_BITS, STEPS_PER_PROOF = 3, 1, 12, 4
ACCOUNT = development_account().address


@cache
def point(scalar: int) -> bytes:
    """Return the commitment (64 bytes) that stands for tensor number ``scalar``."""
    x, y = normalize(multiply(G1, scalar))
    return int(x.n).to_bytes(32, "big") + int(y.n).to_bytes(32, "big")


def _words(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")


OPENING = (*_words(point(7)), *_words(point(11)))


@cache
def _open(context: int) -> bytes:
    return open_context(OPENING, context)


def circuit(role: Role) -> CircuitRecord:
    """Return a circuit whose proofs are synthetic."""
    vka = (keccak(text=role), keccak(text="words"))
    inference = role == "inference"
    return CircuitRecord(
        role=role,
        backend="ezkl",
        vk_sha256=keccak(text=f"vk {role}"),
        vka=vka,
        vka_digest=keccak(b"".join(vka)),
        proof_length=PROOF_BYTES[role],
        public_values=FEATURES + OUTPUTS if inference else 0,
        features=FEATURES if inference else 0,
        outputs=OUTPUTS if inference else 0,
        fraction_bits=FRACTION_BITS,
        steps_per_proof=STEPS_PER_PROOF if role == "step" else 0,
        logrows=15,
        opening=(0, 0, 0, 0) if role == "range" else OPENING,
        srs="unsafe-local",
    )


def word(number: int) -> bytes:
    """Return the commitment (32 bytes) that stands for tensor number ``number``."""
    return (int.from_bytes(keccak(number.to_bytes(32, "big")), "big") >> 3).to_bytes(32, "big")


def _store(value: int, place: int) -> bytes:
    """PUSH32 value, PUSH2 place, MSTORE."""
    return b"\x7f" + value.to_bytes(32, "big") + b"\x61" + place.to_bytes(2, "big") + b"\x52"


def honk_key(role: Role, *, logrows: int, inputs: int, salt: str = "") -> bytes:
    """Return a made-up key file: header and 28 commitments, of which one is at infinity."""
    words = [int.from_bytes(keccak(text=f"{role}{salt}{i}"), "big") >> 3 for i in range(56)]
    words[20] = words[21] = 0
    return b"".join(v.to_bytes(32, "big") for v in (logrows, inputs + 8, 5, *words))


def honk_verifier(key: bytes, *, point: tuple[bytes, ...]) -> bytes:
    """Return the runtime code of a stand-in that stores what a generated verifier stores."""
    words = [int.from_bytes(key[i : i + 32], "big") for i in range(96, len(key), 32)]
    code = b""
    for number, place in enumerate(_KEY_PLACES):
        code += _store(words[2 * number], place) + _store(words[2 * number + 1], place + 32)
    code += _store(int.from_bytes(keccak(key), "big") % SCALAR_FIELD, 0)
    for place, value in zip((0x100, 0x120, 0x140, 0x160), point, strict=True):
        code += _store(int.from_bytes(value, "big"), place)
    return code + VERIFIER_CODE


def init_code(runtime: bytes) -> bytes:
    """Return creation code that leaves ``runtime``."""
    return b"\x61" + len(runtime).to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3") + runtime


def compiled(runtime: bytes) -> bytes:
    """Return a compiled verifier as the store keeps it."""
    codes = {"bytecode": init_code(runtime), "deployedBytecode": runtime}
    return json.dumps({name: "0x" + code.hex() for name, code in codes.items()}).encode()


UNSAFE_POINT = tuple(keccak(text=f"tau {i}") for i in range(4))


def verify_synthetic(circuit_: CircuitRecord, proof: ProofRecord) -> None:
    """Stand in for a proof verifier: the last word decides."""
    if proof.proof[-32:] != MARKER:
        raise ProofRejected("synthetic proof rejected", path=f"{circuit_.role} {proof.index}")


@dataclass
class World:
    """A finished run: manifest, plan and all proofs; tests change one thing and look.

    Tensors are numbered: 100 is the genesis, 100 + i the state after i block proofs, 200 + j
    batch block j, 300 and more the hints, which only the prover knows.

    Attributes:
        backend: ezkl or barretenberg.
        aggregate: block proofs of an aggregate; 0 for none.
        ceremony: whether barretenberg's verifiers hold the ceremony's point.
        argument: bytes of a proof after its commitments.
        genesis_number: the genesis tensor's number, higher for a run that continues another.
    """

    blocks: int = 3
    total: int = 5
    chain_id: int = 31337
    seed_delay: int = 0
    salt: bytes = bytes(32)
    nonce: int = 0
    sponsor: str = ACCOUNT
    payee: str = ACCOUNT
    backend: str = "ezkl"
    aggregate: int = 0
    ceremony: bool = False
    argument: int = len(MARKER)
    deadline: int = 0
    reward: int = 0
    genesis_number: int = 100
    parent: bytes = bytes(32)
    parent_epoch: int = 0
    hyperparameters: Mapping[str, Any] = field(default_factory=lambda: {"learning_rate": "1/16"})
    plan: RunPlan = field(init=False)
    proofs: dict[tuple[Role, int], ProofRecord] = field(init=False)
    range_circuit: CircuitRecord = field(init=False)
    range_spec: CircuitSpecRecord = field(init=False)

    def __post_init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.verifiers: dict[Role, bytes] = {}
        if self.backend == "ezkl":
            self._ezkl_circuits()
        else:
            self._honk_circuits()
        leaves = tuple(self.tensor(200 + index) for index in range(self.blocks))
        hashes = [leaf(index, tensor_hash(data)) for index, data in enumerate(leaves)]
        self.dataset = DatasetRecord(
            root=merkle_root(hashes),
            leaves=leaves,
            rows=96,
            features=FEATURES,
            targets=OUTPUTS,
            blocks_per_epoch=self.blocks,
        )
        self.genesis = self.tensor(self.genesis_number)
        self.plan = plan_run(
            self.specs,
            self.dataset,
            genesis=self.genesis,
            hyperparameters=self.hyperparameters,
            total_proofs=self.total,
            chain_id=self.chain_id,
            sponsor=self.sponsor,
            payee=self.payee,
            nonce=self.nonce,
            seed_delay=self.seed_delay,
            declared_seed=bytes(32) if self.seed_delay else keccak(text="a declared seed"),
            salt=self.salt,
            deadline=self.deadline,
            reward=self.reward,
            parent=self.parent,
            parent_epoch=self.parent_epoch,
        )
        checked = range(self.blocks if self.circuits.range else 0)
        self.proofs = {("range", i): self.range_proof(i) for i in checked}
        if self.plan.seed is not None:
            self.prove()

    @property
    def final(self) -> bytes:
        """Commitment of the final state."""
        return self.tensor(self.genesis_number + self.total)

    def tensor(self, number: int) -> bytes:
        """Commitment of tensor number ``number``."""
        return point(number) if self.backend == "ezkl" else word(number)

    def _ezkl_circuits(self) -> None:
        self.range_circuit = circuit("range")
        self.circuits = Circuits(
            step=circuit("step"), range=self.range_circuit, inference=circuit("inference")
        )
        address, code_hash = predict_address(VERIFIER_INIT), keccak(VERIFIER_CODE)
        self.range_spec = dedicated_spec(self.range_circuit, address, code_hash)
        self.specs = CircuitSpecs(
            step=dedicated_spec(self.circuits.step, address, code_hash),
            range=self.range_spec,
            inference=dedicated_spec(self.circuits.inference, address, code_hash),
        )

    def _honk_circuits(self) -> None:
        step = self.honk_circuit("step")
        self.circuits = Circuits(
            step=step,
            inference=self.honk_circuit("inference"),
            aggregate=self.honk_circuit("aggregate", step) if self.aggregate else None,
        )
        self.specs = honk_specs(
            self.circuits,
            {
                role: (predict_address(init_code(code)), keccak(code))
                for role, code in self.verifiers.items()
            },
        )

    def honk_circuit(self, role: Role, child: CircuitRecord | None = None) -> CircuitRecord:
        """Return a circuit of barretenberg's, with its key and verifier among the objects."""
        blocks = 0 if child is None else self.aggregate
        base = circuit("inference" if role == "inference" else "step")
        layout = layout_of("barretenberg", role, blocks)
        logrows = 20 if child else 14
        key = honk_key(role, logrows=logrows, inputs=layout.slots + base.public_values)
        safe = CEREMONY_G2 if self.ceremony else UNSAFE_POINT
        self.verifiers[role] = honk_verifier(key, point=safe)
        contents = {"vk": key, "verifier": compiled(self.verifiers[role])}
        names = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        self.objects |= {names[name]: content for name, content in contents.items()}
        return replace(
            base,
            role=role,
            backend="barretenberg",
            vk_sha256=hashlib.sha256(key).digest(),
            vka=(),
            vka_digest=b"",
            proof_length=layout.front + self.argument,
            steps_per_proof=STEPS_PER_PROOF * max(1, blocks) if role != "inference" else 0,
            logrows=logrows,
            opening=(0, 0, 0, 0),
            srs="ceremony" if self.ceremony else "unsafe-local",
            blocks=blocks,
            child=b"" if child is None else child.vk_sha256,
            objects=names,
        )

    def load_object(self, digest: str) -> bytes:
        """Return an object: the auditor's ``load_object``."""
        return self.objects[digest]

    def context_slot(self, context: int) -> bytes:
        """What stands for a context in a proof."""
        if self.backend == "ezkl":
            return _open(context)
        return context_slot((0, 0, 0, 0), context, 32)

    def prove(self, plan: RunPlan | None = None) -> None:
        """Make all block proofs for the plan's batch order."""
        self.plan = plan or self.plan
        for index, batch in enumerate(self.plan.order()):
            self.proofs["step", index] = self.block_proof(index, batch)

    def range_proof(self, index: int, *, genesis: bytes | None = None) -> ProofRecord:
        """Return the range proof of a batch block."""
        leaf_ = self.dataset.leaves[index]
        slots = [genesis or self.genesis, leaf_, point(300 + index), point(999)]
        return self.proof("range", index, 0, slots)

    def block_proof(self, index: int, batch: int, *, context: int | None = None) -> ProofRecord:
        """Return block proof ``index`` over batch block ``batch``."""
        bound = self.plan.context(index) if context is None else context
        hints = [point(400 + index)] if self.backend == "ezkl" else []
        slots = [
            self.context_slot(bound),
            self.tensor(self.genesis_number + index),
            self.dataset.leaves[batch],
            *hints,
            self.tensor(self.genesis_number + 1 + index),
        ]
        return self.proof("step", index, bound, slots)

    def aggregate_proof(
        self, first: int, *, contexts: Mapping[int, int] | None = None
    ) -> ProofRecord:
        """Return the aggregate of the block proofs from ``first``; some contexts may be others."""
        slots, order = [self.tensor(self.genesis_number + first)], self.plan.order()
        for index in range(first, first + self.aggregate):
            context = (contexts or {}).get(index, self.plan.context(index))
            slots += [
                self.context_slot(context),
                self.dataset.leaves[order[index]],
                self.tensor(self.genesis_number + 1 + index),
            ]
        return self.proof("aggregate", first, 0, slots)

    def combine(self, *firsts: int) -> None:
        """Put aggregates in the place of the block proofs that they cover."""
        for first in firsts:
            self.proofs["aggregate", first] = self.aggregate_proof(first)
            for index in range(first, first + self.aggregate):
                del self.proofs["step", index]

    def inference(
        self,
        nonce: int = 0,
        *,
        weights: bytes | None = None,
        inputs: tuple[int, ...] = (4096, -4096, 0),
        outputs: tuple[int, ...] = (-123,),
        requester: str = ACCOUNT,
    ) -> InferenceRecord:
        """Return an inference proven for the requester."""
        context = self.plan.inference_context(requester, nonce)
        unread = [point(500), point(501)] if self.backend == "ezkl" else []
        slots = [self.context_slot(context), weights or self.final, *unread]
        values = tuple(to_field(value) for value in (*inputs, *outputs))
        return InferenceRecord(
            chain_id=self.chain_id,
            registry=self.plan.addresses.registry,
            model_id=self.plan.model_id,
            requester=requester,
            nonce=nonce,
            proof=self.proof("inference", nonce, context, slots, values),
        )

    def proof(
        self,
        role: Role,
        index: int,
        context: int,
        slots: list[bytes],
        public_values: tuple[int, ...] = (),
    ) -> ProofRecord:
        """Return a synthetic proof over these commitments."""
        return ProofRecord(
            role=role,
            index=index,
            circuit=getattr(self.circuits, role).vk_sha256,
            context=context,
            proof=b"".join(slots) + MARKER.rjust(self.argument, b"\xa5"),
            public_values=public_values,
        )

    def load(self, role: Role, index: int) -> ProofRecord | None:
        """Return a proof, None if there is none: the auditor's ``load_proof``."""
        return self.proofs.get((role, index))

    @property
    def aggregates(self) -> Aggregates | None:
        """The aggregates: the ledger client's ``aggregates``."""
        several = self.circuits.aggregate
        if several is None:
            return None
        return Aggregates(several, lambda index: self.proofs.get(("aggregate", index)))

    def load_range(self, index: int) -> ProofRecord:
        """Return a range proof: the ledger client's ``load_proof``."""
        return self.proofs["range", index]

    def load_step(self, index: int) -> ProofRecord:
        """Return a block proof: the ledger client's ``load_proof``."""
        return self.proofs["step", index]

    def manifest(self, **changes: Any) -> Manifest:
        """Return the run's manifest with some fields changed."""
        manifest = Manifest(
            project="synthetic",
            config_sha256="00" * 32,
            circuits=self.circuits,
            dataset=self.dataset,
            genesis=self.genesis,
            final=self.final,
            total_proofs=self.total,
            hyperparameters=dict(self.hyperparameters),
            specs=self.specs,
            task=self.plan.task,
            run=self.plan.run_record(),
        )
        return replace(manifest, **changes)

    def change(self, role: Role, number: int, **changes: Any) -> None:
        """Change fields of one proof."""
        self.proofs[role, number] = replace(self.proofs[role, number], **changes)

    def set_slot(self, role: Role, index: int, slot: int, commitment: bytes) -> None:
        """Replace one commitment at the front of a proof."""
        old, size = self.proofs[role, index].proof, len(commitment)
        changed = old[: size * slot] + commitment + old[size * (slot + 1) :]
        self.change(role, index, proof=changed)


def lead(client: TrainingClient, world: World) -> RunPlan:
    """Register, create, admit, seal and open the world's run; return its plan with the seed."""
    for role, code in world.verifiers.items():
        deploy_code(client.chain, init_code(code), action=f"deploy {role} verifier")
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    if world.circuits.range is not None:
        client.admit(world.plan, world.circuits.range, world.dataset, world.load_range)
    plan, _ = client.seal(world.plan)
    if world.plan.seed is None:
        world.prove(plan)
    client.open_run(plan)
    return plan


def finish(client: TrainingClient, world: World) -> RunPlan:
    """Lead the world's run to a minted model."""
    plan = lead(client, world)
    client.submit(
        plan,
        world.circuits.step,
        world.dataset,
        world.load_step,
        aggregates=world.aggregates,
        per_transaction=5,
    )
    client.finalise(plan)
    client.mint(plan, uri="ipfs://model")
    return plan
