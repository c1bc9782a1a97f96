// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConfiguredBatcher} from "../../src/examples/ConfiguredBatcher.sol";
import {IPaymentBatcher} from "../../src/interfaces/IPaymentBatcher.sol";
import {Octaves} from "../../src/libraries/Octaves.sol";
import {Test} from "../utils/Test.sol";

/// @dev Takes nothing until it is told to; then it tries to come in again.
contract Stubborn {
    bool private _takes;

    function relent() external {
        _takes = true;
    }

    function collect(IPaymentBatcher batcher) external {
        batcher.withdraw();
    }

    receive() external payable {
        require(_takes, "not today");
        (bool ok,) = msg.sender.call(abi.encodeCall(IPaymentBatcher.withdraw, ()));
        require(!ok, "came in twice");
    }
}

/// @dev Burns whatever gas it is given.
contract Glutton {
    receive() external payable {
        while (true) {}
    }
}

contract OctavesReader {
    function exp2(int64 eighths) external pure returns (uint256) {
        return Octaves.exp2(eighths);
    }
}

contract PaymentBatcherTest is Test {
    uint256 private constant QUANTUM = 1e12;
    uint32 private constant FLUSH_AGE = 10;

    address private operator = address(0x0FE2);
    address private alice = address(0xA11CE);
    address private bob = address(0xB0B);
    ConfiguredBatcher private batcher;

    function setUp() public {
        vm.roll(1000);
        batcher = make(8, 24); // batches of 2, hold of 8 blocks
    }

    function make(int64 batch, int64 hold) private returns (ConfiguredBatcher made) {
        made = new ConfiguredBatcher(operator, FLUSH_AGE, batch, hold);
        vm.deal(address(made), 1 ether);
    }

    function payment(address to, uint64 quanta, uint256 requested) private pure returns (uint256) {
        return uint256(uint160(to)) << 96 | uint256(quanta) << 32 | requested;
    }

    function pair(uint256 a, uint256 b) private pure returns (uint256[] memory payments) {
        payments = new uint256[](2);
        (payments[0], payments[1]) = (a, b);
    }

    function one(uint256 a) private pure returns (uint256[] memory payments) {
        payments = new uint256[](1);
        payments[0] = a;
    }

    function only(address who) private pure returns (address[] memory due) {
        due = new address[](1);
        due[0] = who;
    }

    function flush(uint64 first, uint256[] memory payments, address[] memory due) private {
        vm.prank(operator);
        batcher.flush(first, payments, due);
    }

    function refuse(uint64 first, uint256[] memory payments, address[] memory due, bytes memory why) private {
        vm.expectRevert(why);
        flush(first, payments, due);
    }

    function test_payments_are_booked_and_sent_when_due() public {
        flush(0, pair(payment(alice, 5, 1000), payment(alice, 7, 998)), new address[](0));
        IPaymentBatcher.Credit memory credit = batcher.creditOf(alice);
        assertTrue(credit.quanta == 12 && credit.since == 998 && credit.opened, "booked");
        assertEq(batcher.owed(), 12);
        assertEq(batcher.nextPayment(), 2);
        assertEq(alice.balance, 0);
        vm.roll(1005);
        batcher.settle(only(alice));
        assertEq(alice.balance, 0); // a block too early
        vm.roll(1006);
        batcher.settle(only(alice));
        assertEq(alice.balance, 12 * QUANTUM);
        assertEq(batcher.owed(), 0);
        batcher.settle(only(alice));
        assertEq(alice.balance, 12 * QUANTUM); // and not twice
    }

    function test_a_flush_takes_what_is_due_along_its_own_payments_too() public {
        flush(0, pair(payment(alice, 5, 992), payment(bob, 7, 1000)), only(alice));
        assertEq(alice.balance, 5 * QUANTUM);
        assertEq(batcher.owed(), 7);
        flush(2, pair(payment(alice, 1, 1000), payment(alice, 1, 1000)), only(bob));
        assertEq(bob.balance, 0); // not due: left alone
        assertEq(batcher.owed(), 9);
    }

    function test_a_recipient_who_withdraws_first_stops_no_batch() public {
        flush(0, pair(payment(alice, 5, 992), payment(bob, 7, 1000)), new address[](0));
        vm.prank(alice);
        batcher.withdraw();
        flush(2, pair(payment(alice, 1, 1000), payment(bob, 1, 1000)), only(alice));
        assertEq(alice.balance, 5 * QUANTUM);
        assertEq(batcher.owed(), 9);
    }

    function test_a_hold_of_one_sends_every_payment_and_books_nothing() public {
        batcher = make(8, 0);
        flush(0, pair(payment(alice, 5, 1000), payment(bob, 7, 1000)), new address[](0));
        assertEq(alice.balance, 5 * QUANTUM);
        assertEq(bob.balance, 7 * QUANTUM);
        assertTrue(!batcher.creditOf(alice).opened && batcher.owed() == 0, "no slot");
    }

    function test_few_payments_wait_until_the_oldest_is_old() public {
        uint256[] memory payments = one(payment(alice, 5, 1000));
        vm.roll(1009);
        bytes memory why = abi.encodeWithSelector(IPaymentBatcher.TooFewPayments.selector, 2, 1, 1010);
        refuse(0, payments, new address[](0), why);
        vm.roll(1010);
        flush(0, payments, new address[](0));
    }

    function test_a_repeated_flush_pays_nobody_twice() public {
        uint256[] memory payments = pair(payment(alice, 5, 1000), payment(bob, 7, 1000));
        flush(0, payments, new address[](0));
        refuse(
            0, payments, new address[](0), abi.encodeWithSelector(IPaymentBatcher.WrongFirst.selector, 2, 0)
        );
        refuse(
            3, payments, new address[](0), abi.encodeWithSelector(IPaymentBatcher.WrongFirst.selector, 2, 3)
        );
    }

    function test_flush_rejects_what_cannot_be() public {
        uint256[] memory none = new uint256[](0);
        refuse(
            0, none, new address[](0), abi.encodeWithSelector(IPaymentBatcher.PaymentCount.selector, 128, 0)
        );
        refuse(
            0,
            new uint256[](129),
            new address[](0),
            abi.encodeWithSelector(IPaymentBatcher.PaymentCount.selector, 128, 129)
        );
        refuse(
            0,
            pair(payment(alice, 1, 1000), payment(bob, 1, 1001)),
            new address[](0),
            abi.encodeWithSelector(IPaymentBatcher.RequestInTheFuture.selector, 1001, 1000)
        );
        refuse(
            0,
            pair(payment(alice, 1_000_000, 1000), payment(bob, 1, 1000)),
            new address[](0),
            abi.encodeWithSelector(IPaymentBatcher.NotCovered.selector, 1_000_001 * QUANTUM, 1 ether)
        );
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.NotTheOperator.selector, operator, alice));
        batcher.flush(0, none, new address[](0));
    }

    function test_a_recipient_takes_his_credit_at_any_time_and_once() public {
        flush(0, pair(payment(alice, 5, 1000), payment(bob, 7, 1000)), new address[](0));
        vm.prank(alice);
        batcher.withdraw();
        assertEq(alice.balance, 5 * QUANTUM);
        assertEq(batcher.owed(), 7);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.NothingBooked.selector, alice));
        batcher.withdraw();
    }

    function test_a_recipient_who_refuses_harms_nobody_else() public {
        batcher = make(8, 0);
        address stubborn = address(new Stubborn());
        address glutton = address(new Glutton());
        flush(0, pair(payment(stubborn, 5, 1000), payment(alice, 7, 1000)), new address[](0));
        flush(2, pair(payment(glutton, 3, 1000), payment(alice, 1, 1000)), new address[](0));
        assertEq(alice.balance, 8 * QUANTUM);
        assertEq(batcher.owed(), 8);
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.PushFailed.selector, stubborn));
        Stubborn(payable(stubborn)).collect(batcher);
        vm.roll(1001);
        batcher.settle(only(stubborn)); // due, still refused: it stays booked
        assertEq(batcher.creditOf(stubborn).quanta, 5);
        Stubborn(payable(stubborn)).relent();
        Stubborn(payable(stubborn)).collect(batcher);
        assertEq(stubborn.balance, 5 * QUANTUM);
        assertEq(batcher.owed(), 3);
    }

    function test_too_little_gas_reverts_and_makes_no_push_fail() public {
        batcher = make(8, 0);
        uint256[] memory payments = pair(payment(alice, 5, 1000), payment(bob, 7, 1000));
        bytes memory call_ = abi.encodeCall(IPaymentBatcher.flush, (0, payments, new address[](0)));
        for (uint256 gas_ = 60_000; gas_ < 240_000; gas_ += 4_000) {
            vm.prank(operator);
            (bool ok,) = address(batcher).call{gas: gas_}(call_);
            assertEq(batcher.owed(), 0);
            if (ok) return assertTrue(alice.balance == 5 * QUANTUM && bob.balance == 7 * QUANTUM, "sent");
        }
        assertTrue(false, "never enough");
    }

    function test_the_operator_takes_out_what_nobody_is_owed() public {
        flush(0, pair(payment(alice, 5, 1000), payment(bob, 7, 1000)), new address[](0));
        uint256 spare = 1 ether - 12 * QUANTUM;
        bytes memory why =
            abi.encodeWithSelector(IPaymentBatcher.NotCovered.selector, 12 * QUANTUM, 12 * QUANTUM - 1);
        vm.prank(operator);
        vm.expectRevert(why);
        batcher.recover(spare + 1);
        vm.prank(operator);
        batcher.recover(spare);
        assertEq(operator.balance, spare);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.NotTheOperator.selector, operator, alice));
        batcher.recover(1);
    }

    function test_the_operator_configures_and_nobody_else() public {
        vm.prank(operator);
        batcher.configure(24, 16);
        (uint256 size, uint256 hold) = batcher.limits();
        assertTrue(size == 8 && hold == 4, "limits");
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.PaymentCount.selector, 128, 139));
        batcher.configure(57, 0);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.NotTheOperator.selector, operator, alice));
        batcher.configure(8, 0);
    }

    /// forge-config: default.fuzz.runs = 250
    /// Every payment is paid or booked, and what is booked is there: whatever is flushed.
    function testFuzz_nothing_is_lost(uint64[16] calldata amounts, uint8[16] calldata who, bool direct)
        public
    {
        batcher = make(8, direct ? int64(0) : int64(24));
        vm.deal(address(batcher), 100 ether);
        uint256[] memory payments = new uint256[](16);
        uint256 total;
        for (uint256 k; k < 16; ++k) {
            uint64 quanta = amounts[k] % 1_000_000;
            total += quanta;
            payments[k] = payment(address(uint160(0xF00 + who[k] % 4)), quanta, 1000);
        }
        flush(0, payments, new address[](0));
        uint256 paid;
        uint256 booked;
        for (uint160 k; k < 4; ++k) {
            paid += address(0xF00 + k).balance;
            booked += batcher.creditOf(address(0xF00 + k)).quanta;
        }
        assertEq(batcher.owed(), booked);
        assertEq(paid + booked * QUANTUM, total * QUANTUM);
        assertEq(address(batcher).balance, 100 ether - paid);
    }

    function test_octaves_double_every_eight_and_refuse_the_rest() public {
        OctavesReader reader = new OctavesReader();
        uint256[9] memory first = [uint256(1), 1, 1, 1, 1, 1, 1, 1, 2];
        for (uint256 k; k < 9; ++k) {
            assertEq(reader.exp2(int64(uint64(k))), first[k]);
        }
        assertEq(reader.exp2(43), 41); // 2^5.375 = 41.5
        assertEq(reader.exp2(511), reader.exp2(7) == 1 ? uint256(120194) << 47 : 0);
        for (int64 k; k < 504; ++k) {
            uint256 low = reader.exp2(k);
            uint256 high = reader.exp2(k + 8);
            assertTrue(high == 2 * low || high == 2 * low + 1, "an octave");
        }
        vm.expectRevert(abi.encodeWithSelector(Octaves.NotInOctaves.selector, int64(-1)));
        reader.exp2(-1);
        vm.expectRevert(abi.encodeWithSelector(Octaves.NotInOctaves.selector, int64(512)));
        reader.exp2(512);
    }
}
