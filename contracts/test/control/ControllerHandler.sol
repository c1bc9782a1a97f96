// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {ControllerFixture, PlainController} from "./ControllerFixture.sol";

/// @dev Several actors with honest, spoiled, copied, early and stale proposals, pauses, and model changes
/// between two models. It keeps its own books of what may have moved.
contract ControllerHandler is ControllerFixture {
    uint32 public constant COOLDOWN = 5;

    PlainController public immutable controller;
    PlainController private immutable _twin;
    uint256[2] private _models;

    int64 public value = 100;
    uint64 public updates;
    uint256 public movedAt;
    uint256 public wronglyAccepted;
    uint256 public wronglyRefused;
    uint256 public largestMove;
    uint256 public changes;

    constructor() {
        _models = [mintModel("a"), mintModel("b")];
        model = _models[0];
        ParameterSpec[] memory specs = plainSpec();
        specs[0].smoothing = 2;
        controller = new PlainController(modelPin(model), COOLDOWN, specs);
        _twin = new PlainController(modelPin(model), COOLDOWN, specs);
        movedAt = block.number;
    }

    function pass(uint8 blocks, uint16 seconds_) external {
        vm.roll(block.number + blocks % 8);
        vm.warp(block.timestamp + seconds_);
    }

    /// An honest proposal: accepted exactly when cooldown and pause allow it.
    function propose(int32 output, uint8 who) external {
        bool allowed = block.number >= movedAt + COOLDOWN && block.timestamp >= controller.pausedUntil();
        uint64 update = controller.nextUpdate();
        Evidence memory evidence = proofFor(
            controller.modelId(), address(controller), update, controller.features(), single(output)
        );
        bool accepted = hand(single(output), evidence, who);
        if (accepted && !allowed) ++wronglyAccepted;
        if (!accepted && allowed) ++wronglyRefused;
        if (!accepted) return;
        int64 now_ = controller.parameter(0);
        uint256 distance = uint256(int256(now_ > value ? now_ - value : value - now_));
        if (distance > largestMove) largestMove = distance;
        (value, movedAt) = (now_, block.number);
        ++updates;
    }

    /// A proposal with one thing wrong.
    function lie(int32 output, uint8 kind, uint8 who) external {
        uint64 update = controller.nextUpdate();
        int256[] memory inputs = controller.features();
        int256[] memory claimed = single(output);
        address requester = address(controller);
        uint256 model_ = controller.modelId();
        kind %= 7;
        if (kind == 0) requester = address(_twin);
        if (kind == 1) update += 1;
        if (kind == 2) update -= 1;
        if (kind == 3) inputs[1] += 1;
        if (kind == 4) model_ = model_ == _models[0] ? _models[1] : _models[0];
        Evidence memory evidence = proofFor(model_, requester, update, inputs, claimed);
        if (kind == 5) spoil(evidence);
        if (kind == 6) claimed = single(int256(output) + 1);
        if (hand(claimed, evidence, who)) ++wronglyAccepted;
    }

    function pause() external {
        vm.prank(guardian);
        (bool ok,) = address(controller).call(abi.encodeCall(controller.pause, ()));
        ok;
    }

    function change(bool apply_) external {
        uint256 other = controller.modelId() == _models[0] ? _models[1] : _models[0];
        if (apply_) {
            vm.warp(block.timestamp + 1 days);
            (bool ok,) = address(controller).call(abi.encodeCall(controller.applyModel, ()));
            if (ok) ++changes;
        } else {
            bytes32 hash = pinOf(other);
            vm.prank(owner);
            controller.scheduleModel(other, hash);
        }
    }

    function hand(int256[] memory outputs, Evidence memory evidence, uint8 who) private returns (bool ok) {
        address[4] memory actors = [owner, guardian, payee, stranger];
        vm.prank(actors[who % 4]);
        (ok,) = address(controller).call(abi.encodeCall(controller.move, (outputs, evidence)));
    }
}
