// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingLedger, Run, RunId, RunStatus, Task} from "../src/interfaces/ITrainingLedger.sol";
import {Handler} from "./invariants/Handler.sol";
import {Test} from "./utils/Test.sol";

/// @dev After any sequence of calls by anybody the contracts are what the handler's own books say.
contract InvariantsTest is Test {
    uint32 private constant TOTAL = 12;
    uint32 private constant BLOCKS = 5;
    uint256 private constant TASKS = 3;

    Handler private handler;
    ITrainingLedger private ledger;

    function setUp() public {
        handler = new Handler();
        ledger = ITrainingLedger(handler.ledgerOf());
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// Spoiled, copied, misplaced and late calls; strangers; retired circuits; other values than the reward.
    function invariant_nothing_wrong_is_accepted() public view {
        assertEq(handler.wronglyAccepted(), 0);
    }

    /// Head, transcript, count and status are the fold of the accepted calls and of nothing else, so a
    /// rejected call changes nothing, and closed runs never change.
    function invariant_runs_equal_the_fold_of_accepted_proofs() public view {
        for (uint256 k; k < handler.count(); ++k) {
            RunId id = handler.runs(k);
            Run memory run = ledger.run(id);
            (uint256 task, address payee, bytes32 head, bytes32 transcript, uint32 proofs, RunStatus status) =
                handler.shadows(id);
            assertEq(bytes32(uint256(uint160(run.payee))), bytes32(uint256(uint160(payee))));
            assertTrue(keccak256(abi.encode(run.taskId)) == keccak256(abi.encode(handler.tasks(task))), "task");
            assertEq(run.head, head);
            assertEq(run.transcript, transcript);
            assertEq(run.proofs, proofs);
            assertEq(uint256(run.status), uint256(status));
            assertTrue(run.proofs <= TOTAL, "never past the total");
            assertTrue(run.status != RunStatus.Finalised || run.proofs == TOTAL, "finalised implies complete");
        }
    }

    function invariant_checkpoints_are_the_states_after_whole_epochs() public view {
        for (uint256 k; k < handler.count(); ++k) {
            RunId id = handler.runs(k);
            uint256 epochs = ledger.run(id).proofs / BLOCKS;
            for (uint32 epoch = 1; epoch <= TOTAL / BLOCKS + 1; ++epoch) {
                if (epoch <= epochs) {
                    assertEq(ledger.checkpointOf(id, epoch), handler.checkpoints(id, epoch));
                    assertEq(handler.visited(id, epoch - 1), (1 << BLOCKS) - 1);
                } else {
                    (bool known,) =
                        address(ledger).staticcall(abi.encodeCall(ITrainingLedger.checkpointOf, (id, epoch)));
                    assertTrue(!known, "no checkpoint before its epoch");
                }
            }
        }
    }

    function invariant_admissions_equal_their_bits() public view {
        for (uint256 task; task < TASKS; ++task) {
            uint256 bits;
            for (uint32 index; index < BLOCKS; ++index) {
                bool yes = ledger.isAdmitted(handler.tasks(task), index);
                assertTrue(yes == (handler.admitted(task) >> index & 1 == 1), "admitted");
                if (yes) ++bits;
            }
            assertEq(ledger.task(handler.tasks(task)).admitted, bits);
        }
    }

    /// credits + escrows == balance, to whom and of what.
    function invariant_the_ledger_holds_what_it_owes() public view {
        uint256 owed;
        for (uint256 task; task < TASKS; ++task) {
            uint256 escrow = ledger.escrowOf(handler.tasks(task));
            assertEq(escrow, handler.escrows(task));
            owed += escrow;
        }
        for (uint256 k; k < 3; ++k) {
            uint256 credit = ledger.creditOf(handler.actor(k));
            assertEq(credit, handler.credits(handler.actor(k)));
            owed += credit;
        }
        assertEq(owed, address(ledger).balance);
        assertEq(owed, handler.paidIn() - handler.paidOut());
    }

    function invariant_waiting_counts_complete_runs() public view {
        for (uint256 task; task < 2; ++task) {
            assertEq(ledger.task(handler.tasks(task)).waiting, handler.waiting(task));
        }
    }

    /// Once, and from the header of the seed block alone.
    function invariant_the_seed_is_that_of_the_seed_block() public view {
        Task memory task = ledger.task(handler.beacon());
        assertEq(task.seed, handler.seed());
        assertEq(task.rearms, handler.rearms());
    }

    function invariant_models_never_change_but_for_deprecation() public view {
        for (uint256 k; k < handler.modelCount(); ++k) {
            uint256 model = handler.models(k);
            assertEq(handler.describe(model), handler.minted(model));
            assertTrue(handler.isDeprecated(model) == handler.deprecated(model), "deprecated");
            (,, bytes32 head,,, RunStatus status) = handler.shadows(RunId.wrap(bytes32(model)));
            assertTrue(status == RunStatus.Finalised, "minted from a finalised run");
            assertEq(ledger.finalState(RunId.wrap(bytes32(model))), head);
        }
    }

    /// The invariants say something only if the handler gets that far.
    function test_the_handler_can_do_everything() public {
        handler.open(0, 1, 0, 0); // the sponsor opens the payee's run of the ezkl task
        handler.open(1, 1, 1, 0); // the payee his own of the UltraHonk task
        for (uint32 index; index < BLOCKS; ++index) {
            handler.admit(index, 1, true);
        }
        handler.open(1, 1, 2, 0);
        handler.submit(2, 0, 0, 6);
        handler.submit(2, 2, 0, 0);
        handler.retire(32);
        for (uint256 k; k < 3; ++k) {
            handler.submitAggregate(2, 1, 0);
        }
        assertEq(handler.acceptedProofs(), 7 + 1);
        assertEq(handler.acceptedAggregates(), 3);
        handler.submit(2, 2, 0, 0); // retired
        assertEq(handler.acceptedProofs(), 7 + 1);
        handler.fork(0, 1, true);
        handler.finalise(2, 1);
        assertEq(handler.earned(), 1);
        handler.withdraw(1);
        assertEq(handler.paidOut(), 1 ether);
        handler.mint(1, 1);
        handler.deprecate(4, 0);
        assertEq(handler.modelCount(), 1);
        assertTrue(handler.deprecated(handler.models(0)), "deprecated");
        handler.pass(16, 8, 0);
        handler.rearm();
        handler.pass(1, 7, 0);
        handler.pass(1, 7, 0);
        handler.seal(0);
        assertTrue(handler.seed() != 0 && handler.rearms() == 1, "sealed");
        handler.reclaim(2, 0);
        assertEq(handler.reclaims(), 1);
        handler.abort(8, 2);
        assertEq(handler.wronglyAccepted(), 0);
    }
}
