// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitSpec, Evidence, Role} from "../../src/interfaces/ICircuits.sol";
import {RunId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {ControllerFixture} from "../control/ControllerFixture.sol";

/// @dev A minted model of any shape, and proofs of it for whoever asks.
abstract contract ConsumerFixture is ControllerFixture {
    int256 internal constant ONE = 1 << 12;

    function mintShaped(uint16 features, uint16 outputs) internal returns (uint256) {
        CircuitSpec memory shaped = baseSpec(Role.Inference);
        (shaped.features, shaped.outputs, shaped.publicValues) = (features, outputs, features + outputs);
        shaped.vkHash = keccak256(abi.encode("vk", features, outputs));
        TaskSpec memory spec = taskSpec();
        spec.inferenceCircuit = circuits.register(shaped);
        RunId run = openRun(spec, 0);
        train(run);
        vm.prank(payee);
        return registry.mint(run, "");
    }

    function proof(address requester, uint64 nonce, int256[] memory inputs, int256[] memory outputs)
        internal
        view
        returns (Evidence memory)
    {
        return proofFor(model, requester, nonce, inputs, outputs);
    }

    function contextFor(address requester, uint256 nonce) internal view returns (uint256) {
        return registry.inferenceContextOf(model, requester, nonce);
    }
}
