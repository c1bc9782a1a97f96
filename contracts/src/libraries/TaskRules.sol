// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    CircuitId,
    CircuitSpec,
    CircuitStatus,
    ICircuits,
    Prover,
    Role
} from "../interfaces/ICircuits.sol";
import {ITrainingLedger, TaskSpec} from "../interfaces/ITrainingLedger.sol";

/// @title What every task must satisfy, whatever the ledger holds
library TaskRules {
    /// @dev A block's mixHash is the beacon's state after the block before it (EIP-4399). That block must come
    /// after the task's own, whose proposer would know the seed while he can still change the task.
    uint32 private constant LEAST_SEED_DELAY = 2;

    /// @notice Numbers that make sense together; the parent is for the ledger.
    function requireSound(TaskSpec calldata spec) internal view {
        if (spec.datasetRoot == 0) revert ITrainingLedger.FieldIsZero("datasetRoot");
        if (spec.genesis == 0) revert ITrainingLedger.FieldIsZero("genesis");
        if (spec.blocksPerEpoch == 0) revert ITrainingLedger.FieldIsZero("blocksPerEpoch");
        if (spec.totalProofs == 0) revert ITrainingLedger.FieldIsZero("totalProofs");
        if (spec.parent == 0 && spec.parentEpoch != 0) revert ITrainingLedger.FieldIsZero("parent");
        if (spec.seedDelay > 0 && spec.declaredSeed != 0) {
            revert ITrainingLedger.SeedAmbiguous(spec.seedDelay, spec.declaredSeed);
        }
        if (spec.seedDelay > 0 && spec.seedDelay < LEAST_SEED_DELAY) {
            revert ITrainingLedger.SeedTooNear(spec.seedDelay, LEAST_SEED_DELAY);
        }
        if (spec.deadline != 0 && block.timestamp > spec.deadline) {
            revert ITrainingLedger.DeadlinePassed(spec.deadline, block.timestamp);
        }
        // Without one the sponsor could never have it back.
        if (spec.reward != 0 && spec.deadline == 0) revert ITrainingLedger.RewardNeedsDeadline(spec.reward);
    }

    /// @notice Live circuits that fit each other.
    function requireCircuits(ICircuits circuits, TaskSpec calldata spec) internal view {
        CircuitSpec memory step = _circuit(circuits, spec.stepCircuit, Role.Step);
        // The admission of blocks stands for checks that UltraHonk's step circuits make themselves.
        if (step.prover == Prover.UltraHonk) {
            if (!isNone(spec.rangeCircuit)) {
                revert ITrainingLedger.CircuitsIncompatible(
                    "rangeCircuit", spec.stepCircuit, spec.rangeCircuit
                );
            }
        } else {
            if (isNone(spec.rangeCircuit)) revert ITrainingLedger.FieldIsZero("rangeCircuit");
            _companion(circuits, spec.stepCircuit, step, spec.rangeCircuit, Role.Range);
        }
        CircuitSpec memory inference =
            _companion(circuits, spec.stepCircuit, step, spec.inferenceCircuit, Role.Inference);
        // One SRS and one logrows: else equal tensors have different commitments and the chain of
        // states would end at the model.
        if (keccak256(abi.encode(step.opening)) != keccak256(abi.encode(inference.opening))) {
            revert ITrainingLedger.CircuitsIncompatible("opening", spec.stepCircuit, spec.inferenceCircuit);
        }
        if (isNone(spec.aggregateCircuit)) return;
        CircuitSpec memory several =
            _companion(circuits, spec.stepCircuit, step, spec.aggregateCircuit, Role.Aggregate);
        if (several.child != spec.stepCircuit) {
            revert ITrainingLedger.CircuitsIncompatible("child", spec.stepCircuit, spec.aggregateCircuit);
        }
        if (several.stepsPerProof != uint256(several.blocks) * step.stepsPerProof) {
            revert ITrainingLedger.CircuitsIncompatible(
                "stepsPerProof", spec.stepCircuit, spec.aggregateCircuit
            );
        }
    }

    function isNone(CircuitId id) internal pure returns (bool) {
        return CircuitId.unwrap(id) == 0;
    }

    /// @dev A circuit of the task besides the step circuit; what both must have in common.
    function _companion(
        ICircuits circuits,
        CircuitId stepId,
        CircuitSpec memory step,
        CircuitId id,
        Role role
    ) private view returns (CircuitSpec memory circuit) {
        circuit = _circuit(circuits, id, role);
        if ((step.prover == Prover.UltraHonk) != (circuit.prover == Prover.UltraHonk)) {
            revert ITrainingLedger.CircuitsIncompatible("prover", stepId, id);
        }
        if (step.fractionBits != circuit.fractionBits) {
            revert ITrainingLedger.CircuitsIncompatible("fractionBits", stepId, id);
        }
        if (step.production != circuit.production) {
            revert ITrainingLedger.CircuitsIncompatible("production", stepId, id);
        }
    }

    function _circuit(ICircuits circuits, CircuitId id, Role role)
        private
        view
        returns (CircuitSpec memory circuit)
    {
        if (circuits.statusOf(id) != CircuitStatus.Live) revert ITrainingLedger.CircuitNotLive(id);
        circuit = circuits.spec(id);
        if (circuit.role != role) {
            revert ITrainingLedger.WrongRole(id, uint8(role), uint8(circuit.role));
        }
    }
}
