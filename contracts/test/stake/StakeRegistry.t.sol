// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Aggregate,
    EpochSummary,
    IStakeParameters,
    IStakeRegistry,
    StakeParameters
} from "../../src/interfaces/IStakeRegistry.sol";
import {StakeFixture} from "./StakeFixture.sol";

/// @dev A controller that answers whatever it is told to.
contract AnyAnswer is IStakeParameters {
    bytes private _answer;
    bool private _burns;

    function set(bytes calldata answer) external {
        (_answer, _burns) = (answer, false);
    }

    function burn() external {
        _burns = true;
    }

    function stakeParameters() external view returns (StakeParameters memory) {
        if (_burns) while (true) {}
        bytes memory answer = _answer;
        assembly ("memory-safe") {
            return(add(answer, 32), mload(answer))
        }
    }
}

contract StakeRegistryTest is StakeFixture {
    function setUp() public {
        found();
    }

    function refuses(bytes memory call, bytes4 selector) private {
        refuses(0, call, selector);
    }

    function refuses(uint256 value, bytes memory call, bytes4 selector) private {
        (bool ok, bytes memory answer) = address(registry).call{value: value}(call);
        assertTrue(!ok, "accepted");
        // forge-lint: disable-next-line(unsafe-typecast)
        assertEq(bytes32(bytes4(answer)), bytes32(selector));
    }

    function test_an_epoch_opens_with_all_stake_and_the_parameters() public view {
        EpochSummary memory e = registry.summary(1);
        assertEq(e.activeIncrements, COUNT * STAKE);
        assertEq(e.activeValidators, COUNT);
        assertEq(e.seats, COUNT);
        assertEq(e.parameters.baseReward, 100);
        assertTrue(e.seed != 0, "seed");
        (uint256 pot, uint256 reserved,) = registry.books();
        assertEq(reserved, COUNT * STAKE * 100);
        assertEq(pot, 1e9 - reserved);
        assertEq(accounted(), address(registry).balance);
    }

    function test_every_seat_has_one_duty() public view {
        uint256 seen;
        for (uint256 committee; committee < 2; ++committee) {
            for (uint256 member; member < 4; ++member) {
                seen |= 1 << memberAt(1, committee, member);
            }
        }
        assertEq(seen, (1 << COUNT) - 1);
    }

    function test_a_timely_vote_earns_and_a_missed_duty_costs_the_same() public {
        toDuty(1, 0, 2);
        attest(1, 0, 0x3);
        EpochSummary memory e = registry.summary(1);
        assertEq(e.attestingIncrements, 2 * STAKE);
        assertEq(e.attestingValidators, 2);
        assertEq(e.delayBlocks, 4);
        assertTrue(e.gas > 21_000 && e.calls == 1, "metered");
        (uint256 did, uint256 missed) = (memberAt(1, 0, 0), memberAt(1, 0, 2));
        toEpoch(2);
        registry.settle(did, 10);
        registry.settle(missed, 10);
        assertEq(registry.creditOf(account(did)), STAKE * 100);
        assertEq(stateOf(did).stakeGwei, STAKE * 1e9);
        assertEq(stateOf(missed).stakeGwei, STAKE * 1e9 - STAKE * 100);
        assertEq(registry.creditOf(account(missed)), 0);
        assertEq(accounted(), address(registry).balance);
        // Settled once is settled.
        registry.settle(did, 10);
        assertEq(registry.creditOf(account(did)), STAKE * 100);
    }

    function test_a_late_vote_is_seen_and_missed() public {
        toDuty(1, 0, 4);
        attest(1, 0, 0x1);
        EpochSummary memory e = registry.summary(1);
        assertEq(e.lateValidators, 1);
        assertEq(e.attestingIncrements, 0);
        uint256 seat = memberAt(1, 0, 0);
        assertTrue(!registry.hasAttested(1, seat), "timely");
        (, uint256 late) = registry.attendance(1, 0);
        assertEq(late, 1 << seat);
        toEpoch(2);
        registry.settle(seat, 1);
        assertEq(registry.creditOf(account(seat)), 0);
        assertEq(stateOf(seat).stakeGwei, STAKE * 1e9 - STAKE * 100);
    }

    function test_the_last_block_of_the_deadline_is_in_time() public {
        toDuty(1, 1, 3);
        attest(1, 1, 0x1);
        assertEq(registry.summary(1).attestingValidators, 1);
    }

    function test_a_vote_counts_once() public {
        toDuty(1, 0, 0);
        attest(1, 0, 0x1);
        Aggregate[] memory again = votes(1, 0, 0x1);
        refuses(abi.encodeCall(registry.attest, (1, again)), IStakeRegistry.NothingNew.selector);
        attest(1, 0, 0x3); // one known, one new
        assertEq(registry.summary(1).attestingValidators, 2);
        uint256 seat = memberAt(1, 0, 0);
        vm.prank(account(seat));
        (bool ok,) = address(registry).call(abi.encodeCall(registry.attestOwn, (1, 0, 0)));
        assertTrue(!ok, "by transaction as well");
        assertEq(registry.summary(1).attestingIncrements, 2 * STAKE);
    }

    function test_a_transaction_of_its_own_counts() public {
        uint256 seat = memberAt(1, 0, 1);
        toDuty(1, 0, 0);
        vm.prank(account(seat));
        registry.attestOwn(1, 0, 1);
        assertTrue(registry.hasAttested(1, seat), "attested");
        // Nobody attests for another.
        refuses(abi.encodeCall(registry.attestOwn, (1, 0, 2)), IStakeRegistry.WrongSigner.selector);
    }

    /// Zeros behind the call data of an inner call cost its caller next to nothing.
    function test_padding_is_not_metered() public {
        Aggregate[] memory all = votesAt(1);
        bytes memory plain = abi.encodeCall(registry.attest, (1, all));
        uint256 state = vm.snapshotState();
        (bool ok,) = address(registry).call(plain);
        assertTrue(ok, "plain");
        uint256 metered = registry.summary(1).gas;
        assertTrue(metered > 21_000 + 16 * plain.length, "the data counts");
        vm.revertToState(state);
        (ok,) = address(registry).call(bytes.concat(plain, new bytes(100_000)));
        assertTrue(ok, "padded");
        assertTrue(registry.summary(1).gas < metered + 3_000, "and padding does not");
    }

    function votesAt(uint256 epoch) private returns (Aggregate[] memory) {
        toDuty(epoch, 0, 0);
        return votes(epoch, 0, 0xf);
    }

    function test_attest_rejects_what_no_member_signed() public {
        toDuty(1, 0, 0);
        Aggregate[] memory all = votes(1, 0, 0x1);
        all[0].members = 0x2; // another's place
        refuses(abi.encodeCall(registry.attest, (1, all)), IStakeRegistry.WrongSigner.selector);
        all = votes(1, 0, 0x1);
        all[0].signatures[5] ^= 0x01;
        refuses(abi.encodeCall(registry.attest, (1, all)), IStakeRegistry.WrongSigner.selector);
        all = votes(1, 0, 0x3);
        all[0].members = 0x1; // a signature too many
        refuses(abi.encodeCall(registry.attest, (1, all)), IStakeRegistry.SignatureCount.selector);
        all[0].members = 0x7; // one too few
        refuses(abi.encodeCall(registry.attest, (1, all)), IStakeRegistry.SignatureCount.selector);
        all = votes(1, 0, 0x1);
        all[0].members = 1 << 4; // beyond the committee
        refuses(abi.encodeCall(registry.attest, (1, all)), IStakeRegistry.NoSuchMember.selector);
        all[0].committee = 2;
        refuses(abi.encodeCall(registry.attest, (1, all)), IStakeRegistry.NoSuchCommittee.selector);
        all = votes(1, 0, 0x1);
        refuses(abi.encodeCall(registry.attest, (2, all)), IStakeRegistry.NotTheEpoch.selector);
        assertEq(registry.summary(1).calls, 0);
    }

    function test_attest_rejects_a_vote_before_its_duty_and_after_its_epoch() public {
        begin(registry.dutyBlock(1, 1) - 1);
        Aggregate[] memory early = votes(1, 1, 0x1);
        refuses(abi.encodeCall(registry.attest, (1, early)), IStakeRegistry.DutyNotReached.selector);
        toDuty(1, 1, 0);
        Aggregate[] memory kept = votes(1, 1, 0x1);
        toEpoch(2);
        refuses(abi.encodeCall(registry.attest, (1, kept)), IStakeRegistry.NotTheEpoch.selector);
    }

    function test_a_vote_of_one_epoch_is_none_of_the_next() public {
        toDuty(1, 0, 0);
        Aggregate[] memory old = votes(1, 0, 0xf);
        toEpoch(2);
        toDuty(2, 0, 0);
        refuses(abi.encodeCall(registry.attest, (2, old)), IStakeRegistry.WrongSigner.selector);
    }

    function test_deposits_and_exits_queue() public {
        for (uint256 k; k < 3; ++k) {
            deposit(COUNT + k, 10);
        }
        assertEq(stateOf(COUNT).changeEpoch, 2);
        assertEq(stateOf(COUNT + 1).changeEpoch, 2);
        assertEq(stateOf(COUNT + 2).changeEpoch, 3); // two an epoch
        vm.prank(account(0));
        registry.exit();
        assertEq(stateOf(0).exitEpoch, 3);
        toEpoch(2);
        assertEq(registry.summary(2).activeIncrements, COUNT * STAKE + 20);
        toEpoch(3);
        assertEq(registry.summary(3).activeIncrements, COUNT * STAKE + 30 - STAKE);
        assertEq(registry.summary(3).activeValidators, COUNT + 2);
    }

    function test_an_exit_is_paid_after_its_delay_less_what_was_missed() public {
        vm.startPrank(account(0));
        registry.exit();
        toEpoch(2);
        refuses(abi.encodeCall(registry.claimExit, ()), IStakeRegistry.NotWithdrawable.selector);
        toEpoch(4);
        refuses(abi.encodeCall(registry.claimExit, ()), IStakeRegistry.NotSettled.selector);
        registry.settle(0, 10);
        registry.claimExit();
        uint256 owed = STAKE * 1e9 - STAKE * 100; // epoch 1
        assertEq(registry.creditOf(account(0)), owed);
        uint256 before = account(0).balance;
        registry.withdraw();
        assertEq(account(0).balance - before, owed * 1e9);
        refuses(abi.encodeCall(registry.withdraw, ()), IStakeRegistry.NothingToWithdraw.selector);
        vm.stopPrank();
        assertEq(accounted(), address(registry).balance);
        // The seat is free for another.
        deposit(COUNT, 5);
        assertEq(registry.seatOf(account(COUNT)), 0);
        assertEq(stateOf(0).settled, 3);
    }

    function test_an_epoch_that_nobody_opens_fines_nobody() public {
        toEpoch(5);
        registry.settle(3, 10);
        // Epoch 1 was open; 2, 3 and 4 were not.
        assertEq(stateOf(3).stakeGwei, STAKE * 1e9 - STAKE * 100);
        assertEq(registry.summary(3).activeIncrements, 0);
    }

    function test_parameters_follow_the_controller_from_the_next_epoch() public {
        parameters.set(StakeParameters(150, 2, 5));
        registry.bind(parameters);
        assertEq(registry.summary(1).parameters.baseReward, 100);
        toEpoch(2);
        EpochSummary memory e = registry.summary(2);
        assertEq(e.parameters.baseReward, 150);
        assertEq(registry.committeesOf(2), 4);
        parameters.set(StakeParameters(150, 0, 5)); // no committee
        toEpoch(3);
        assertEq(registry.summary(3).parameters.committeeSize, 2);
        parameters.set(StakeParameters(150, 2, uint16(EPOCH))); // past the epoch
        toEpoch(4);
        assertEq(registry.summary(4).parameters.attestationDeadline, 5);
        parameters.breakDown();
        toEpoch(5);
        assertEq(registry.summary(5).parameters.baseReward, 150);
        refuses(abi.encodeCall(registry.bind, (parameters)), IStakeRegistry.AlreadyBound.selector);
    }

    /// A controller is bound for good: whatever it answers, money moves.
    function test_no_answer_of_a_controller_stops_epochs() public {
        AnyAnswer controller = new AnyAnswer();
        registry.bind(controller);
        bytes[6] memory answers = [
            bytes(""),
            abi.encode(150),
            abi.encode(type(uint256).max, type(uint256).max, type(uint256).max),
            abi.encode(uint256(150) + (1 << 32), 2, 5),
            abi.encode(150, uint256(2) + (1 << 16), 5),
            abi.encode(150, 2, uint256(5) + (1 << 16))
        ];
        for (uint256 k; k < answers.length; ++k) {
            controller.set(answers[k]);
            toEpoch(2 + k);
            assertEq(registry.summary(2 + k).parameters.baseReward, 100);
        }
        controller.burn();
        begin(registry.startOf(8));
        uint256 before = gasleft();
        registry.open();
        assertTrue(before - gasleft() < 400_000, "bounded");
        deposit(COUNT, 1);
        registry.settle(0, 100);
        vm.prank(account(0));
        registry.exit();
        controller.set(abi.encode(150, 2, 5, "more than asked"));
        toEpoch(9);
        assertEq(registry.summary(9).parameters.baseReward, 150);
    }

    /// Whoever opens an epoch can't choose that the controller isn't heard.
    function test_too_little_gas_opens_no_epoch_without_the_controller() public {
        parameters.set(StakeParameters(150, 2, 5));
        registry.bind(parameters);
        begin(registry.startOf(2));
        for (uint256 gas_ = 40_000; gas_ < 600_000; gas_ += 5_000) {
            (bool ok,) = address(registry).call{gas: gas_}(abi.encodeCall(registry.open, ()));
            if (ok) break;
        }
        assertEq(registry.latestEpoch(), 2);
        assertEq(registry.summary(2).parameters.baseReward, 150);
    }

    function test_bind_is_the_binders() public {
        vm.prank(account(0));
        (bool ok,) = address(registry).call(abi.encodeCall(registry.bind, (parameters)));
        assertTrue(!ok, "anybody binds");
    }

    function test_an_empty_pot_promises_nothing() public {
        parameters.set(StakeParameters(1e8, 4, 3)); // a tenth of the stake each epoch
        registry.bind(parameters);
        toEpoch(2);
        EpochSummary memory e = registry.summary(2);
        (uint256 pot, uint256 reserved,) = registry.books();
        assertTrue(e.parameters.baseReward < 1e8, "shrunk");
        assertEq(reserved, uint256(e.parameters.baseReward) * COUNT * STAKE);
        assertTrue(pot < COUNT * STAKE, "the rest");
        assertEq(accounted(), address(registry).balance);
    }

    function test_presence_counts_who_came_at_all_and_always() public {
        toDuty(1, 0, 0);
        attest(1, 0, 0xf);
        uint256 first;
        for (uint256 m; m < 4; ++m) {
            first |= 1 << memberAt(1, 0, m);
        }
        toEpoch(2);
        toDuty(2, 0, 0);
        attest(2, 0, 0xf);
        uint256 second;
        for (uint256 m; m < 4; ++m) {
            second |= 1 << memberAt(2, 0, m);
        }
        refuses(abi.encodeCall(registry.presence, (1, 2)), IStakeRegistry.EpochNotOver.selector);
        toEpoch(3);
        (uint256 ever, uint256 always_) = registry.presence(1, 2);
        assertEq(ever, ones(first | second));
        assertEq(always_, ones(first & second));
    }

    function ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }

    function test_deposits_are_whole_and_limited() public {
        vm.deal(account(1), 10_000 ether);
        vm.startPrank(account(1));
        refuses(1 ether / 2, abi.encodeCall(registry.deposit, ()), IStakeRegistry.NotWholeIncrements.selector);
        registry.settle(1, 0);
        toEpoch(2);
        registry.settle(1, 5);
        refuses(2100 ether, abi.encodeCall(registry.deposit, ()), IStakeRegistry.TooMuchStake.selector);
        vm.stopPrank();
    }

    /// Whatever committee size: duties fall in the epoch, deadline and all, and every seat has one.
    function testFuzz_duties_fit_the_epoch(uint16 size, uint16 deadline, bytes32 hash) public {
        size = uint16(bound(size, 1, 256));
        deadline = uint16(bound(deadline, 1, EPOCH - 1));
        parameters.set(StakeParameters(100, size, deadline));
        registry.bind(parameters);
        begin(registry.startOf(2));
        vm.setBlockhash(registry.startOf(2) - 1, hash);
        registry.open();
        uint256 seen;
        for (uint256 committee; committee < registry.committeesOf(2); ++committee) {
            uint256 duty = registry.dutyBlock(2, committee);
            assertTrue(duty >= registry.startOf(2) && duty + deadline < registry.startOf(3), "in the epoch");
            for (uint256 member; member < size && committee * size + member < COUNT; ++member) {
                seen |= 1 << memberAt(2, committee, member);
            }
        }
        assertEq(seen, (1 << COUNT) - 1);
    }
}
