"""Plan a run offline: every id, context and place in the batch order, before anything is sent.

Contexts depend on the chain id, the predicted addresses, the task and the payee, not on the
seed; the order of batch blocks depends on the seed, which a task with a beacon has only after its
seed block. With a declared seed, all proofs can be made without a chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError
from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    DatasetRecord,
    Manifest,
    Role,
    RunRecord,
    TaskRecord,
    canonical_json,
)
from zkdescent.verifier.addresses import Addresses, predicted_addresses, runtime_code_hashes
from zkdescent.verifier.twins.commitment import tensor_hash
from zkdescent.verifier.twins.hashing import (
    circuit_id,
    inference_context,
    run_id,
    seed,
    step_context,
    task_id,
)
from zkdescent.verifier.twins.shuffle import block_index

ZERO_WORD = bytes(32)


def hyperparameters_hash(hyperparameters: Mapping[str, Any]) -> bytes:
    """Return keccak256 of the canonical JSON of the hyperparameters."""
    return keccak(canonical_json(dict(hyperparameters)))


def reusable_spec(circuit: CircuitRecord) -> CircuitSpecRecord:
    """Return the registration of a circuit with the reusable verifier that ships here."""
    return CircuitSpecRecord(
        prover="ezkl-reusable",
        role=circuit.role,
        verifier=predicted_addresses().verifier,
        verifier_code_hash=runtime_code_hashes()["verifier"],
        vka_digest=circuit.vka_digest,
        vk_hash=circuit.vk_sha256,
        proof_length=circuit.proof_length,
        public_values=circuit.public_values,
        features=circuit.features,
        outputs=circuit.outputs,
        fraction_bits=circuit.fraction_bits,
        steps_per_proof=circuit.steps_per_proof,
        opening=circuit.opening,
    )


def dedicated_spec(circuit: CircuitRecord, verifier: str, code_hash: bytes) -> CircuitSpecRecord:
    """Return the registration of a circuit with a verifier contract of its own.

    ``code_hash`` is keccak256 of the code deployed at ``verifier``.
    """
    return replace(
        reusable_spec(circuit),
        prover="ezkl-dedicated",
        verifier=verifier,
        verifier_code_hash=code_hash,
        vka_digest=ZERO_WORD,
    )


def honk_spec(
    circuit: CircuitRecord, verifier: str, code_hash: bytes, *, child: bytes = ZERO_WORD
) -> CircuitSpecRecord:
    """Return the registration of a barretenberg circuit with the verifier generated for it.

    A circuit under the ceremony's reference string is registered as one for production, which
    the gateway accepts if the verifier's code holds the ceremony's point.

    Args:
        circuit: the circuit, of any role but range.
        verifier: address of its verifier contract.
        code_hash: keccak256 of the code deployed there.
        child: id of the step circuit whose proofs an aggregate verifies.
    """
    return CircuitSpecRecord(
        prover="ultra-honk",
        role=circuit.role,
        verifier=verifier,
        verifier_code_hash=code_hash,
        vka_digest=ZERO_WORD,
        vk_hash=circuit.vk_sha256,
        proof_length=circuit.proof_length,
        public_values=circuit.public_values,
        features=circuit.features,
        outputs=circuit.outputs,
        fraction_bits=circuit.fraction_bits,
        steps_per_proof=circuit.steps_per_proof,
        blocks=circuit.blocks,
        production=circuit.srs == "ceremony",
        child=child,
        opening=circuit.opening,
    )


def honk_specs(circuits: Circuits, verifiers: Mapping[Role, tuple[str, bytes]]) -> CircuitSpecs:
    """Return the registrations of a project's barretenberg circuits.

    Args:
        verifiers: for each role that there is, the verifier's address and its code's keccak256.
    """
    step = honk_spec(circuits.step, *verifiers["step"])
    aggregate = circuits.aggregate
    return CircuitSpecs(
        step=step,
        inference=honk_spec(circuits.inference, *verifiers["inference"]),
        aggregate=None
        if aggregate is None
        else honk_spec(aggregate, *verifiers["aggregate"], child=circuit_id(step)),
    )


def reusable_specs(circuits: Circuits) -> CircuitSpecs:
    """Return the registrations of a project's circuits with the reusable verifier."""
    return CircuitSpecs(
        step=reusable_spec(circuits.step),
        range=None if circuits.range is None else reusable_spec(circuits.range),
        inference=reusable_spec(circuits.inference),
    )


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run that may not exist yet: who, where, and what each proof must hold.

    ``seed`` is None for a beacon task that has not been sealed; :meth:`sealed` adds it.
    """

    chain_id: int
    addresses: Addresses
    specs: CircuitSpecs
    task: TaskRecord
    sponsor: str
    payee: str
    nonce: int
    task_id: bytes
    run_id: bytes
    seed: bytes | None
    seed_block: int | None = None
    mix_hash: bytes | None = None

    @property
    def model_id(self) -> int:
        """The id of the model that this run can be minted to: the run id as a number."""
        return int.from_bytes(self.run_id, "big")

    def context(self, index: int) -> int:
        """Return the context that block proof ``index`` must hold."""
        return step_context(self.chain_id, self.addresses.ledger, self.run_id, index, self.payee)

    def contexts(self) -> tuple[int, ...]:
        """Return the contexts of all block proofs, in order."""
        return tuple(self.context(index) for index in range(self.task.total_proofs))

    def inference_context(self, requester: str, nonce: int) -> int:
        """Return the context of the requester's inference ``nonce`` with the run's model."""
        registry = self.addresses.registry
        return inference_context(self.chain_id, registry, self.model_id, requester, nonce)

    def order(self) -> tuple[int, ...]:
        """Return which batch block each block proof must consume, in order.

        Raises:
            ChainError: the seed is not known yet.
        """
        if self.seed is None:
            raise ChainError(
                "the batch order is not known before the task is sealed",
                expected=f"the header {self.task.seed_delay} blocks after the task's creation",
                hint="create the task on the chain and seal it first",
            )
        blocks = self.task.blocks_per_epoch
        return tuple(block_index(self.seed, i, blocks) for i in range(self.task.total_proofs))

    def sealed(self, seed_block: int, mix_hash: bytes) -> RunPlan:
        """Return the plan of a beacon task with the seed its seed block gives.

        Raises:
            ChainError: the task has a declared seed.
        """
        if self.task.seed_delay == 0:
            raise ChainError("the task's seed is declared, not drawn", got=self.task.declared_seed)
        drawn = seed(self.chain_id, self.addresses.ledger, self.task_id, mix_hash)
        return replace(self, seed=drawn, seed_block=seed_block, mix_hash=mix_hash)

    def run_record(self) -> RunRecord:
        """Return what the manifest keeps of the run.

        Raises:
            ChainError: the seed is not known yet.
        """
        if self.seed is None:
            self.order()  # raises, and says what to do
            raise AssertionError
        return RunRecord(
            chain_id=self.chain_id,
            ledger=self.addresses.ledger,
            sponsor=self.sponsor,
            payee=self.payee,
            nonce=self.nonce,
            task_id=self.task_id,
            run_id=self.run_id,
            seed=self.seed,
            seed_source="declared" if self.task.seed_delay == 0 else "beacon",
            seed_block=self.seed_block,
            mix_hash=self.mix_hash,
        )


def plan_run(
    specs: CircuitSpecs,
    dataset: DatasetRecord,
    *,
    genesis: bytes,
    hyperparameters: Mapping[str, Any],
    total_proofs: int,
    chain_id: int,
    sponsor: str,
    payee: str | None = None,
    nonce: int = 0,
    seed_delay: int = 0,
    declared_seed: bytes = ZERO_WORD,
    parent: bytes = ZERO_WORD,
    parent_epoch: int = 0,
    deadline: int = 0,
    reward: int = 0,
    salt: bytes = ZERO_WORD,
) -> RunPlan:
    """Plan a run; needs no chain.

    Args:
        specs: the circuits' registrations, for example :func:`reusable_specs`.
        dataset: the committed batch blocks.
        genesis: commitment (32 or 64 bytes) of the initial state.
        hyperparameters: as in the manifest; hashed into the task.
        total_proofs: block proofs of a complete run.
        chain_id, sponsor, payee: where and for whom; the payee defaults to the sponsor.
        nonce: number of the payee's run of this task.
        seed_delay: blocks until the seed block, 0 for ``declared_seed`` (32 bytes).
        parent, parent_epoch, deadline, reward (wei), salt: see the contracts' TaskSpec.
    """
    addresses = predicted_addresses()
    task = TaskRecord(
        step_circuit=circuit_id(specs.step),
        range_circuit=ZERO_WORD if specs.range is None else circuit_id(specs.range),
        inference_circuit=circuit_id(specs.inference),
        aggregate_circuit=ZERO_WORD if specs.aggregate is None else circuit_id(specs.aggregate),
        dataset_root=dataset.root,
        blocks_per_epoch=dataset.blocks_per_epoch,
        genesis=tensor_hash(genesis),
        hyperparameters=hyperparameters_hash(hyperparameters),
        total_proofs=total_proofs,
        seed_delay=seed_delay,
        declared_seed=declared_seed,
        parent=parent,
        parent_epoch=parent_epoch,
        deadline=deadline,
        reward=reward,
        salt=salt,
    )
    receiver = payee if payee is not None else sponsor
    task_name = task_id(chain_id, addresses.ledger, sponsor, task)
    declared = seed(chain_id, addresses.ledger, task_name, declared_seed)
    return RunPlan(
        chain_id=chain_id,
        addresses=addresses,
        specs=specs,
        task=task,
        sponsor=sponsor,
        payee=receiver,
        nonce=nonce,
        task_id=task_name,
        run_id=run_id(chain_id, addresses.ledger, task_name, receiver, nonce),
        seed=declared if seed_delay == 0 else None,
    )


def plan_from(manifest: Manifest) -> RunPlan:
    """Return the plan that a manifest records, to go on with it in another process.

    Raises:
        ChainError: the manifest has no run yet, or its run belongs to contracts of another
            version (another ledger address).
    """
    task, specs, run = manifest.task, manifest.specs, manifest.run
    if task is None or specs is None or run is None:
        raise ChainError("the manifest has no planned run", hint="plan and prove the run first")
    addresses = predicted_addresses()
    if run.ledger.lower() != addresses.ledger.lower():
        raise ChainError(
            "the run belongs to contracts of another version",
            expected=addresses.ledger,
            got=run.ledger,
            hint="use the version of zkdescent that planned it, or prove again",
        )
    return RunPlan(
        chain_id=run.chain_id,
        addresses=addresses,
        specs=specs,
        task=task,
        sponsor=run.sponsor,
        payee=run.payee,
        nonce=run.nonce,
        task_id=run.task_id,
        run_id=run.run_id,
        seed=run.seed,
        seed_block=run.seed_block,
        mix_hash=run.mix_hash,
    )
