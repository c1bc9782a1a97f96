// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ParameterController} from "../../src/control/ParameterController.sol";
import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {IERC7992Registry} from "../../src/interfaces/IERC7992.sol";
import {ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {RunId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {Fixture} from "../utils/Fixture.sol";

/// @dev One parameter for the only output of the fixture's model; its inputs are the update's number and
/// the parameter.
contract PlainController is ParameterController {
    constructor(ModelPin memory pin, uint32 cooldown_, ParameterSpec[] memory specs)
        ParameterController(pin, cooldown_, specs)
    {}

    function _features(uint64 update) internal view override returns (int256[] memory inputs) {
        inputs = new int256[](2);
        (inputs[0], inputs[1]) = (int256(uint256(update)), _value(0));
    }
}

/// @dev A minted model, and what it takes to pin it and to prove for it.
abstract contract ControllerFixture is Fixture {
    address internal owner = address(0x0E12);
    address internal guardian = address(0x6A4D);
    uint256 internal model;

    function mintModel(bytes32 salt) internal returns (uint256) {
        TaskSpec memory spec = taskSpec();
        spec.salt = salt;
        RunId run = openRun(spec, 0);
        train(run);
        vm.prank(payee);
        return registry.mint(run, "");
    }

    function pinOf(uint256 model_) internal view returns (bytes32) {
        (IERC7992Registry.ModelCommitment memory commitment,,) = registry.getModel(model_);
        return keccak256(abi.encode(commitment));
    }

    function modelPin(uint256 model_) internal view returns (PinnedModel.ModelPin memory) {
        return PinnedModel.ModelPin(registry, model_, pinOf(model_), owner, guardian, 1 days, 1 hours);
    }

    /// 100 within 10 .. 1000, at most 25 at once; target = 16 * output + 1.
    function plainSpec() internal pure returns (ParameterSpec[] memory specs) {
        specs = new ParameterSpec[](1);
        specs[0] = ParameterSpec({
            initial: 100, min: 10, max: 1000, maxStep: 25, smoothing: 1, scale: 16, offset: 1
        });
    }

    function single(int256 value) internal pure returns (int256[] memory values) {
        values = new int256[](1);
        values[0] = value;
    }

    /// An integer as the circuit has it: negative ones count down from the field's modulus.
    function toField(int256 value) internal pure returns (uint256) {
        uint256 r = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
        return value < 0 ? r - uint256(-value) : uint256(value);
    }

    /// The proof that an honest prover makes for a controller's update.
    function proofFor(
        uint256 model_,
        address controller,
        uint64 update,
        int256[] memory inputs,
        int256[] memory outputs
    ) internal view returns (Evidence memory) {
        uint256[] memory values = new uint256[](inputs.length + outputs.length);
        for (uint256 k; k < inputs.length; ++k) {
            values[k] = toField(inputs[k]);
        }
        for (uint256 k; k < outputs.length; ++k) {
            values[inputs.length + k] = toField(outputs[k]);
        }
        return
            inferenceEvidence(registry.inferenceContextOf(model_, controller, update), state(TOTAL), values);
    }
}
