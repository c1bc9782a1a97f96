// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "../utils/Test.sol";
import {ControllerHandler} from "./ControllerHandler.sol";

/// @dev After any sequence of proposals, pauses and model changes by anybody.
contract ControllerInvariantsTest is Test {
    ControllerHandler private handler;

    function setUp() public {
        handler = new ControllerHandler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge-config: default.invariant.runs = 8
    /// forge-config: default.invariant.depth = 100
    /// Not within the cooldown, not while paused, not by an invalid or a copied proof; never more than a step,
    /// never past the rails; and nothing right is refused.
    function invariant_parameters_move_as_promised() public view {
        assertEq(handler.wronglyAccepted(), 0);
        assertEq(handler.wronglyRefused(), 0);
        int64 value = handler.controller().parameter(0);
        assertEq(value, int256(handler.value()));
        assertTrue(value >= 10 && value <= 1000, "rails");
        assertTrue(handler.largestMove() <= 25, "step");
        assertEq(handler.controller().nextUpdate(), handler.updates() + 1);
        assertEq(handler.controller().nextMoveBlock(), handler.movedAt() + handler.COOLDOWN());
    }

    /// The invariants say something only if the handler gets that far.
    function test_the_handler_can_do_everything() public {
        handler.propose(4096 * 60, 0);
        assertEq(handler.updates(), 0); // cooling down since deployment
        handler.pass(5, 0);
        for (uint8 kind; kind < 7; ++kind) {
            handler.lie(4096 * 60, kind, kind);
        }
        handler.propose(4096 * 60, 1);
        assertEq(handler.updates(), 1);
        assertEq(handler.largestMove(), 25);
        handler.pass(5, 0);
        handler.pause();
        handler.propose(-4096, 2);
        assertEq(handler.updates(), 1);
        handler.pass(0, 3600);
        handler.propose(-4096 * 60, 2);
        assertEq(handler.updates(), 2);
        handler.change(false);
        handler.change(true);
        assertEq(handler.changes(), 1);
        handler.pass(5, 0);
        handler.propose(0, 3);
        assertEq(handler.updates(), 3);
        assertEq(handler.wronglyAccepted() + handler.wronglyRefused(), 0);
    }
}
