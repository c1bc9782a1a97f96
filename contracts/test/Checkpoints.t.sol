// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICircuits} from "../src/interfaces/ICircuits.sol";
import {BlockProof, ITrainingLedger, RunId, TaskId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {HonkFixture} from "./utils/HonkFixture.sol";

/// @dev The state after each whole epoch is kept, and tasks may start from it.
contract CheckpointsTest is HonkFixture {
    RunId private run;

    function setUp() public {
        run = openRun(taskSpec(), 0);
    }

    function unknown(RunId of_, uint32 epoch) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingLedger.CheckpointUnknown.selector, of_, epoch);
    }

    function continued(uint32 epoch, bytes32 from) private view returns (TaskSpec memory spec) {
        spec = taskSpec();
        (spec.parent, spec.parentEpoch, spec.genesis) = (RunId.unwrap(run), epoch, from);
    }

    function refuseTask(TaskSpec memory spec, bytes memory reason) private {
        vm.expectRevert(reason);
        ledger.createTask(spec);
    }

    function test_each_whole_epoch_keeps_its_state() public {
        for (uint32 i; i < TOTAL; ++i) {
            ledger.submit(run, blockProofs(run, i, 1));
            for (uint32 epoch = 1; epoch <= 3; ++epoch) {
                if (i + 1 < epoch * BLOCKS) {
                    vm.expectRevert(unknown(run, epoch));
                    ledger.checkpointOf(run, epoch);
                } else {
                    assertEq(ledger.checkpointOf(run, epoch), tensorHash(state(epoch * BLOCKS)));
                }
            }
        }
        vm.expectRevert(unknown(run, 0));
        ledger.checkpointOf(run, 0);
    }

    function test_one_transaction_may_pass_several_epochs() public {
        ledger.submit(run, blockProofs(run, 0, 4));
        ledger.submit(run, blockProofs(run, 4, 8));
        assertEq(ledger.checkpointOf(run, 1), tensorHash(state(BLOCKS)));
        assertEq(ledger.checkpointOf(run, 2), tensorHash(state(2 * BLOCKS)));
    }

    function test_aggregates_keep_the_same_checkpoints() public {
        RunId honk = openHonkRun(honkTaskSpec(), 0);
        for (uint32 from; from < TOTAL; from += PER_AGGREGATE) {
            ledger.submitAggregate(honk, aggregatePaths(honk, from), aggregateEvidence(honk, from));
        }
        assertEq(ledger.checkpointOf(honk, 1), name(state(BLOCKS)));
        assertEq(ledger.checkpointOf(honk, 2), name(state(2 * BLOCKS)));
        vm.expectRevert(unknown(honk, 3));
        ledger.checkpointOf(honk, 3);
    }

    function test_a_rejected_transaction_keeps_no_checkpoint() public {
        ledger.submit(run, blockProofs(run, 0, 4));
        BlockProof[] memory blocks = blockProofs(run, 4, 2);
        spoil(blocks[1].evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, step));
        ledger.submit(run, blocks);
        vm.expectRevert(unknown(run, 1));
        ledger.checkpointOf(run, 1);
    }

    function test_a_task_continues_from_a_checkpoint_of_any_run() public {
        bytes32 kept = tensorHash(state(BLOCKS));
        refuseTask(continued(1, kept), unknown(run, 1));
        ledger.submit(run, blockProofs(run, 0, 6));
        createTask(continued(1, kept)); // of an open run
        refuseTask(continued(2, kept), unknown(run, 2));
        bytes32 head = tensorHash(state(6));
        refuseTask(
            continued(1, head), abi.encodeWithSelector(ITrainingLedger.WrongGenesis.selector, kept, head)
        );
        vm.prank(payee);
        ledger.abort(run);
        vm.prank(stranger);
        TaskId fork = ledger.createTask(continued(1, kept)); // of an aborted run, by another sponsor
        assertEq(ledger.task(fork).spec.parentEpoch, 1);
        refuseTask(continued(0, kept), abi.encodeWithSelector(ITrainingLedger.ParentNotFinalised.selector, run));
    }

    function test_a_final_state_is_not_the_last_checkpoint() public {
        train(run);
        createTask(continued(0, tensorHash(state(TOTAL))));
        createTask(continued(2, tensorHash(state(2 * BLOCKS))));
        refuseTask(
            continued(2, tensorHash(state(TOTAL))),
            abi.encodeWithSelector(
                ITrainingLedger.WrongGenesis.selector,
                tensorHash(state(2 * BLOCKS)),
                tensorHash(state(TOTAL))
            )
        );
    }

    function test_a_parent_epoch_needs_a_parent() public {
        TaskSpec memory spec = taskSpec();
        spec.parentEpoch = 1;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.FieldIsZero.selector, bytes32("parent")));
    }
}
