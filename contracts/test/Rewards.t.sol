// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICircuits} from "../src/interfaces/ICircuits.sol";
import {BlockProof, ITrainingLedger, RunId, TaskId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Reentrant, Unpayable} from "./utils/Receivers.sol";

/// @dev Rewards: put in at creation, earned by the first run that is finalised, pulled by its payee.
contract RewardsTest is Fixture {
    uint128 private constant REWARD = 3 ether;

    event RewardEarned(TaskId indexed taskId, RunId indexed runId, address indexed payee, uint256 amount);
    event RewardReclaimed(TaskId indexed taskId, address indexed sponsor, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    function rewardedSpec() private view returns (TaskSpec memory spec) {
        spec = taskSpec();
        (spec.reward, spec.deadline) = (REWARD, uint64(block.timestamp + 1000));
    }

    function prove(RunId run) private {
        ledger.submit(run, blockProofs(run, 0, 8));
        ledger.submit(run, blockProofs(run, 8, TOTAL - 8));
    }

    function secondRun(TaskId task, address who) private returns (RunId) {
        vm.prank(who);
        return ledger.openRun(task, who, 0);
    }

    function assertOwed(TaskId task, uint256 escrow, uint256 toPayee, uint256 toSponsor) private view {
        assertEq(ledger.escrowOf(task), escrow);
        assertEq(ledger.creditOf(payee), toPayee);
        assertEq(ledger.creditOf(sponsor), toSponsor);
        assertEq(address(ledger).balance, escrow + toPayee + toSponsor);
    }

    // --- escrow ---

    function test_createTask_escrows_exactly_the_reward() public {
        TaskSpec memory spec = rewardedSpec();
        for (uint256 value = REWARD - 1; value <= REWARD + 1; value += 2) {
            vm.deal(sponsor, value);
            vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.WrongValue.selector, REWARD, value));
            vm.prank(sponsor);
            ledger.createTask{value: value}(spec);
        }
        TaskId task = createTask(spec);
        assertOwed(task, REWARD, 0, 0);
    }

    function test_createTask_without_reward_takes_no_value() public {
        TaskSpec memory spec = taskSpec();
        vm.deal(sponsor, 1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.WrongValue.selector, 0, 1));
        vm.prank(sponsor);
        ledger.createTask{value: 1}(spec);
    }

    function test_createTask_rejects_a_reward_without_deadline() public {
        TaskSpec memory spec = rewardedSpec();
        spec.deadline = 0;
        vm.deal(sponsor, REWARD);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RewardNeedsDeadline.selector, REWARD));
        vm.prank(sponsor);
        ledger.createTask{value: REWARD}(spec);
    }

    function test_the_ledger_takes_no_other_ether() public {
        vm.deal(address(this), 1);
        (bool ok,) = address(ledger).call{value: 1}("");
        assertTrue(!ok, "no receive function");
        (ok,) = address(ledger).call{value: 1}(abi.encodeCall(ITrainingLedger.withdraw, ()));
        assertTrue(!ok, "withdraw is not payable");
    }

    // --- earning ---

    function test_finalise_credits_the_payee_whoever_calls() public {
        RunId run = openRun(rewardedSpec(), 0);
        TaskId task = ledger.run(run).taskId;
        prove(run);
        assertEq(ledger.task(task).waiting, 1);
        assertOwed(task, REWARD, 0, 0);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit RewardEarned(task, run, payee, REWARD);
        vm.prank(stranger);
        ledger.finalise(run);
        assertOwed(task, 0, REWARD, 0);
        assertEq(ledger.creditOf(stranger), 0);
        assertEq(ledger.task(task).waiting, 0);
    }

    function test_only_the_first_finalised_run_earns() public {
        RunId run = openRun(rewardedSpec(), 0);
        TaskId task = ledger.run(run).taskId;
        vm.prank(sponsor);
        RunId late = ledger.openRun(task, payee, 1);
        prove(run);
        prove(late);
        assertEq(ledger.task(task).waiting, 2);
        ledger.finalise(late);
        ledger.finalise(run);
        assertOwed(task, 0, REWARD, 0);
    }

    function test_an_incomplete_run_earns_nothing() public {
        RunId run = openRun(rewardedSpec(), 0);
        ledger.submit(run, blockProofs(run, 0, 8));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunIncomplete.selector, 8, TOTAL));
        ledger.finalise(run);
        assertOwed(ledger.run(run).taskId, REWARD, 0, 0);
    }

    // --- withdrawing ---

    function test_withdraw_pays_once_and_only_the_creditor() public {
        RunId run = openRun(rewardedSpec(), 0);
        train(run);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NothingToWithdraw.selector, stranger));
        vm.prank(stranger);
        ledger.withdraw();
        vm.expectEmit(true, true, true, true, address(ledger));
        emit Withdrawn(payee, REWARD);
        vm.prank(payee);
        ledger.withdraw();
        assertEq(payee.balance, REWARD);
        assertOwed(ledger.run(run).taskId, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NothingToWithdraw.selector, payee));
        vm.prank(payee);
        ledger.withdraw();
    }

    /// Another task's escrow is there to be stolen while the thief is paid.
    function test_withdraw_can_not_be_reentered() public {
        TaskSpec memory other = rewardedSpec();
        other.salt = "another task";
        createTask(other);
        Reentrant thief = new Reentrant(ledger);
        payee = address(thief);
        train(openRun(rewardedSpec(), 0));
        thief.steal();
        assertEq(thief.calls(), 1);
        assertEq(thief.succeeded(), 0);
        assertEq(address(thief).balance, REWARD);
        assertEq(address(ledger).balance, REWARD);
    }

    function test_withdraw_by_an_account_that_takes_nothing_keeps_the_credit() public {
        payee = address(new Unpayable());
        RunId run = openRun(rewardedSpec(), 0);
        train(run);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.WithdrawalFailed.selector, payee, REWARD));
        vm.prank(payee);
        ledger.withdraw();
        assertOwed(ledger.run(run).taskId, 0, REWARD, 0);
    }

    // --- reclaiming ---

    function test_reclaim_waits_for_the_deadline() public {
        TaskSpec memory spec = rewardedSpec();
        TaskId task = createTask(spec);
        vm.warp(spec.deadline);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingLedger.DeadlineNotReached.selector, spec.deadline, block.timestamp
            )
        );
        ledger.reclaim(task);
        vm.warp(spec.deadline + 1);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit RewardReclaimed(task, sponsor, REWARD);
        vm.prank(stranger); // permissionless
        ledger.reclaim(task);
        assertOwed(task, 0, 0, REWARD);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NothingEscrowed.selector, task));
        ledger.reclaim(task);
    }

    function test_reclaim_spares_a_complete_run() public {
        RunId run = openRun(rewardedSpec(), 0);
        TaskId task = ledger.run(run).taskId;
        prove(run);
        vm.warp(block.timestamp + 1001);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunWaiting.selector, task, 1));
        vm.prank(sponsor);
        ledger.reclaim(task);
        ledger.finalise(run);
        assertOwed(task, 0, REWARD, 0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NothingEscrowed.selector, task));
        ledger.reclaim(task);
    }

    function test_reclaim_does_not_wait_for_a_run_that_its_payee_aborted() public {
        RunId run = openRun(rewardedSpec(), 0);
        TaskId task = ledger.run(run).taskId;
        prove(run);
        vm.prank(payee);
        ledger.abort(run);
        assertEq(ledger.task(task).waiting, 0);
        vm.warp(block.timestamp + 1001);
        ledger.reclaim(task);
        assertOwed(task, 0, 0, REWARD);
    }

    function test_reclaim_leaves_nothing_for_a_run_that_is_finished_later() public {
        RunId run = openRun(rewardedSpec(), 0);
        TaskId task = ledger.run(run).taskId;
        ledger.submit(run, blockProofs(run, 0, 8));
        vm.warp(block.timestamp + 1001);
        ledger.reclaim(task);
        ledger.submit(run, blockProofs(run, 8, TOTAL - 8));
        ledger.finalise(run);
        assertOwed(task, 0, 0, REWARD);
    }

    function test_reclaim_rejects_unknown_and_unrewarded_tasks() public {
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.TaskUnknown.selector, TaskId.wrap("unknown")));
        ledger.reclaim(TaskId.wrap("unknown"));
        TaskId task = createTask(taskSpec());
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NothingEscrowed.selector, task));
        ledger.reclaim(task);
    }

    /// A copier's own run does not verify with proofs made for another payee, so it can't earn either.
    function test_copied_proofs_earn_nothing() public {
        RunId run = openRun(rewardedSpec(), 0);
        TaskId task = ledger.run(run).taskId;
        RunId copy = secondRun(task, stranger);
        BlockProof[] memory blocks = blockProofs(run, 0, 8);
        bytes memory reason =
            abi.encodeWithSelector(ICircuits.ContextMismatch.selector, ledger.contextOf(copy, 0));
        vm.expectRevert(reason);
        ledger.submit(copy, blocks);
        vm.prank(stranger); // sending them for the run they are of only helps its payee
        ledger.submit(run, blocks);
        BlockProof[] memory rest = blockProofs(run, 8, TOTAL - 8);
        vm.prank(stranger);
        ledger.submit(run, rest);
        vm.prank(stranger);
        ledger.finalise(run);
        assertEq(ledger.creditOf(stranger), 0);
        assertEq(ledger.creditOf(payee), REWARD);
    }
}
