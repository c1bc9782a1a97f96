"""A whole run made of synthetic proofs, for the logic *around* the cryptography.

A synthetic proof has real commitments (points on the curve, contexts opened as circuits do) and a
marker where the argument would be: a proof "verifies" if its last word is MARKER. The stand-in
verifier contract applies the same rule. Whether real proofs verify is tested on real proofs.
"""

from __future__ import annotations

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
    development_account,
    plan_run,
)
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.twins import (
    COMMITTED_SLOTS,
    POINT_BYTES,
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


def verify_synthetic(circuit_: CircuitRecord, proof: ProofRecord) -> None:
    """Stand in for a proof verifier: the last word decides."""
    if proof.proof[-32:] != MARKER:
        raise ProofRejected("synthetic proof rejected", path=f"{circuit_.role} {proof.index}")


@dataclass
class World:
    """A finished run: manifest, plan and all proofs; tests change one thing and look.

    Tensors are numbered: 100 is the genesis, 100 + i the state after block proof i - 1, 200 + j
    batch block j, 300 and more the hints, which only the prover knows.
    """

    blocks: int = 3
    total: int = 5
    chain_id: int = 31337
    seed_delay: int = 0
    salt: bytes = bytes(32)
    nonce: int = 0
    sponsor: str = ACCOUNT
    payee: str = ACCOUNT
    hyperparameters: Mapping[str, Any] = field(default_factory=lambda: {"learning_rate": "1/16"})
    plan: RunPlan = field(init=False)
    proofs: dict[tuple[Role, int], ProofRecord] = field(init=False)

    def __post_init__(self) -> None:
        self.circuits = Circuits(
            step=circuit("step"), range=circuit("range"), inference=circuit("inference")
        )
        address, code_hash = predict_address(VERIFIER_INIT), keccak(VERIFIER_CODE)
        self.specs = CircuitSpecs(
            step=dedicated_spec(self.circuits.step, address, code_hash),
            range=dedicated_spec(self.circuits.range, address, code_hash),
            inference=dedicated_spec(self.circuits.inference, address, code_hash),
        )
        leaves = tuple(point(200 + index) for index in range(self.blocks))
        hashes = [leaf(index, tensor_hash(data)) for index, data in enumerate(leaves)]
        self.dataset = DatasetRecord(
            root=merkle_root(hashes),
            leaves=leaves,
            rows=96,
            features=FEATURES,
            targets=OUTPUTS,
            blocks_per_epoch=self.blocks,
        )
        self.genesis = point(100)
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
        )
        self.proofs = {("range", i): self.range_proof(i) for i in range(self.blocks)}
        if self.plan.seed is not None:
            self.prove()

    @property
    def final(self) -> bytes:
        """Commitment of the final state."""
        return point(100 + self.total)

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
        slots = [
            _open(bound),
            point(100 + index),
            self.dataset.leaves[batch],
            point(400 + index),
            point(101 + index),
        ]
        return self.proof("step", index, bound, slots)

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
        slots = [_open(context), weights or self.final, point(500), point(501)]
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
            proof=b"".join(slots) + MARKER,
            public_values=public_values,
        )

    def load(self, role: Role, index: int) -> ProofRecord | None:
        """Return a proof, None if there is none: the auditor's ``load_proof``."""
        return self.proofs.get((role, index))

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
        old = self.proofs[role, index].proof
        self.change(role, index, proof=old[: 64 * slot] + commitment + old[64 * slot + 64 :])


def lead(client: TrainingClient, world: World) -> RunPlan:
    """Register, create, admit, seal and open the world's run; return its plan with the seed."""
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    client.admit(world.plan, world.circuits.range, world.dataset, world.load_range)
    plan, _ = client.seal(world.plan)
    if world.plan.seed is None:
        world.prove(plan)
    client.open_run(plan)
    return plan


def finish(client: TrainingClient, world: World) -> RunPlan:
    """Lead the world's run to a minted model."""
    plan = lead(client, world)
    client.submit(plan, world.circuits.step, world.dataset, world.load_step, per_transaction=5)
    client.finalise(plan)
    client.mint(plan, uri="ipfs://model")
    return plan
