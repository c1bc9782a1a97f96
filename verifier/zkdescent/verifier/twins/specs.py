"""The two structs whose hashes name things on chain, as ABI tuples of the core records.

Field order and widths are those of ICircuits.sol (CircuitSpec) and ITrainingLedger.sol
(TaskSpec); a test compares the type strings below with the compiled ABI. All fields are static,
so ``abi.encode`` of a struct is its fields, one 32-byte word each.
"""

from __future__ import annotations

from enum import IntEnum

from zkdescent.core.records import CircuitSpecRecord, ProverName, TaskRecord
from zkdescent.core.records import Role as RoleName
from zkdescent.verifier.twins.layout import InferenceSlot, RangeSlot, StepSlot

CIRCUIT_SPEC_ABI = (
    "(uint8,uint8,address,bytes32,bytes32,bytes32,"
    "uint32,uint16,uint16,uint16,uint8,uint32,uint16,bool,bytes32,uint256[4])"
)
TASK_SPEC_ABI = (
    "(bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,"
    "uint32,uint32,uint32,uint64,uint32,uint128,bytes32,bytes32,bytes32)"
)


class Prover(IntEnum):
    """Which kind of verifier contract a circuit's proofs go to (enum Prover)."""

    EZKL_REUSABLE = 0
    EZKL_DEDICATED = 1
    ULTRA_HONK = 2

    @classmethod
    def of(cls, name: ProverName) -> Prover:
        """Return the prover that records call ``ezkl-reusable``, ... or ``ultra-honk``."""
        return cls[name.upper().replace("-", "_")]


class Role(IntEnum):
    """What a circuit proves (enum Role)."""

    STEP = 0
    RANGE = 1
    INFERENCE = 2
    AGGREGATE = 3

    @classmethod
    def of(cls, name: RoleName) -> Role:
        """Return the role that records call ``step``, ``range``, ``inference``, ``aggregate``."""
        return cls[name.upper()]


COMMITTED_SLOTS: dict[RoleName, int] = {
    "step": len(StepSlot),
    "range": len(RangeSlot),
    "inference": len(InferenceSlot),
}
"""How many commitments a proof of ezkl's begins with; `layout_of` knows all provers' proofs."""


def circuit_tuple(spec: CircuitSpecRecord) -> tuple[object, ...]:
    """Return the struct CircuitSpec in ABI order, as web3 and eth_abi take it."""
    return (
        int(Prover.of(spec.prover)), int(Role.of(spec.role)), spec.verifier,
        spec.verifier_code_hash, spec.vka_digest, spec.vk_hash, spec.proof_length,
        spec.public_values, spec.features, spec.outputs, spec.fraction_bits,
        spec.steps_per_proof, spec.blocks, spec.production, spec.child, list(spec.opening),
    )  # fmt: skip


def task_tuple(task: TaskRecord) -> tuple[object, ...]:
    """Return the struct TaskSpec in ABI order, as web3 and eth_abi take it."""
    return (
        task.step_circuit, task.range_circuit, task.inference_circuit, task.aggregate_circuit,
        task.dataset_root, task.genesis, task.hyperparameters, task.blocks_per_epoch,
        task.total_proofs, task.seed_delay, task.deadline, task.parent_epoch, task.reward,
        task.declared_seed, task.parent, task.salt,
    )  # fmt: skip
