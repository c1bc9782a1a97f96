// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Aggregate, EpochSummary, StakeParameters} from "../../src/interfaces/IStakeRegistry.sol";
import {Test} from "../utils/Test.sol";
import {StakeFixture} from "./StakeFixture.sol";

/// @dev Sixteen accounts that deposit, attest in time and late, leave and are paid, in any order; with books
/// of its own.
contract StakeHandler is StakeFixture {
    uint256 private clock = GENESIS;

    /// Duties by the handler's own books: increments in time, by epoch and seat.
    mapping(uint256 epoch => mapping(uint256 seat => uint256)) public counted;
    mapping(uint256 epoch => uint256) public attesting;
    mapping(address => uint256) public paidOut;
    uint256 public wronglyAccepted;
    uint256 public accepted;
    uint256 public lateOnes;
    uint256 public exits;

    constructor() payable {
        found();
        parameters.set(initial());
        registry.bind(parameters);
    }

    function registryOf() external view returns (address) {
        return address(registry);
    }

    function sumOfBooks() external view returns (uint256) {
        return accounted();
    }

    function latest() external view returns (uint256) {
        return registry.latestEpoch();
    }

    function seats() internal view override returns (uint256 count) {
        count = registry.summary(registry.latestEpoch()).seats;
        // Those who came since it opened sit behind.
        while (true) {
            (bool ok,) = address(registry).staticcall(abi.encodeCall(registry.validator, (count)));
            if (!ok) return count;
            ++count;
        }
    }

    /// Within the epoch mostly; sometimes over several.
    function pass(uint256 blocks) external {
        clock += blocks % 7 == 0 ? blocks % 40 : blocks % 6;
        begin(clock);
        registry.open();
    }

    function ballot(uint256 committee, uint256 members, uint256 spoil) external {
        begin(clock);
        uint256 epoch = registry.open();
        committee = committee % registry.committeesOf(epoch);
        uint256 duty = registry.dutyBlock(epoch, committee);
        if (clock < duty) clock = duty;
        begin(clock);
        vm.setBlockhash(duty - 1, keccak256(abi.encode("block", duty - 1)));
        members = members % 16;
        for (uint256 m; m < 4; ++m) {
            if (members >> m & 1 == 1 && !_sits(epoch, committee, m)) members &= ~(1 << m);
        }
        if (members == 0) return;
        Aggregate[] memory all = votes_(epoch, committee, members);
        bool spoiled = spoil % 8 == 0;
        if (spoiled) all[0].signatures[spoil % all[0].signatures.length] ^= 0x01;
        try registry.attest(epoch, all) {
            if (spoiled) ++wronglyAccepted;
            ++accepted;
            if (clock > duty + registry.summary(epoch).parameters.attestationDeadline) {
                ++lateOnes;
                return;
            }
            for (uint256 m; m < 4; ++m) {
                if (members >> m & 1 == 0) continue;
                uint256 seat = memberAt(epoch, committee, m);
                if (counted[epoch][seat] != 0) continue;
                counted[epoch][seat] = _increments(seat, epoch);
                attesting[epoch] += counted[epoch][seat];
            }
        } catch {}
    }

    function add(uint256 who, uint256 ethers) external {
        begin(clock);
        who = who % (2 * COUNT);
        vm.deal(account(who), account(who).balance + 40 ether);
        vm.prank(account(who));
        try registry.deposit{value: (1 + ethers % 40) * 1 ether}() {} catch {}
    }

    function quit(uint256 who) external {
        begin(clock);
        vm.prank(account(who % (2 * COUNT)));
        try registry.exit() {
            ++exits;
        } catch {}
    }

    function collect(uint256 who) external {
        begin(clock);
        address account_ = account(who % (2 * COUNT));
        vm.startPrank(account_);
        try registry.claimExit() {} catch {}
        uint256 before = account_.balance;
        uint256 credit = registry.creditOf(account_);
        try registry.withdraw() {
            if (account_.balance - before != credit * 1e9 || credit == 0) ++wronglyAccepted;
        } catch {}
        vm.stopPrank();
    }

    function book(uint256 seat, uint256 epochs) external {
        begin(clock);
        registry.settle(seat % seats(), epochs % 12);
    }

    function change(uint256 reward, uint256 deadline) external {
        // forge-lint: disable-next-line(unsafe-typecast)
        parameters.set(StakeParameters(uint32(reward % 5e7), 4, uint16(deadline % 18)));
    }

    function votes_(uint256 epoch, uint256 committee, uint256 members)
        private
        view
        returns (Aggregate[] memory all)
    {
        all = new Aggregate[](1);
        bytes memory signatures;
        for (uint256 m; m < 4; ++m) {
            if (members >> m & 1 == 0) continue;
            address owner = registry.validator(memberAt(epoch, committee, m)).owner;
            uint256 who;
            while (account(who) != owner) ++who;
            signatures = bytes.concat(signatures, this.signed(who, epoch, committee));
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        all[0] = Aggregate(uint16(committee), members, signatures);
    }

    function signed(uint256 who, uint256 epoch, uint256 committee) external view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key(who), registry.attestationDigest(epoch, committee));
        return abi.encodePacked(r, bytes32(uint256(v - 27) << 255 | uint256(s)));
    }

    function _sits(uint256 epoch, uint256 committee, uint256 member) private view returns (bool) {
        if (committee * 4 + member >= registry.summary(epoch).seats) return false;
        return _increments(memberAt(epoch, committee, member), epoch) != 0;
    }

    function _increments(uint256 seat, uint256 epoch) private view returns (uint256) {
        uint256 change_ = stateOf(seat).changeEpoch;
        return change_ != 0 && epoch >= change_ ? stateOf(seat).nextIncrements : stateOf(seat).increments;
    }
}

contract StakeInvariantsTest is Test {
    StakeHandler private handler;

    function setUp() public {
        vm.deal(address(this), 10 ether);
        handler = new StakeHandler{value: 2 ether}();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// stakes + credits + pot + reserved + owed == balance.
    /// forge-config: default.invariant.runs = 6
    /// forge-config: default.invariant.depth = 80
    function invariant_funds_are_conserved() public view {
        assertEq(handler.sumOfBooks(), handler.registryOf().balance);
    }

    /// forge-config: default.invariant.runs = 6
    /// forge-config: default.invariant.depth = 80
    function invariant_nothing_wrong_is_accepted() public view {
        assertEq(handler.wronglyAccepted(), 0);
    }

    /// Only timely votes, each once, by the handler's own books.
    /// forge-config: default.invariant.runs = 6
    /// forge-config: default.invariant.depth = 80
    function invariant_attesting_stake_is_that_of_timely_votes() public view {
        uint256 latest = handler.latest();
        for (uint256 epoch = latest > 6 ? latest - 6 : 1; epoch <= latest; ++epoch) {
            (bool ok, bytes memory answer) =
                handler.registryOf().staticcall(abi.encodeWithSignature("summary(uint256)", epoch));
            assertTrue(ok, "summary");
            EpochSummary memory e = abi.decode(answer, (EpochSummary));
            assertEq(e.attestingIncrements, handler.attesting(epoch));
            assertTrue(e.attestingIncrements <= e.activeIncrements, "more than there is");
        }
    }

    function test_the_handler_can_do_everything() public {
        handler.pass(1);
        handler.ballot(0, 0xf, 1);
        handler.ballot(0, 0xf, 8);
        handler.ballot(1, 0x3, 1);
        handler.pass(5);
        handler.ballot(1, 0xf, 1);
        assertTrue(handler.accepted() > 2 && handler.lateOnes() > 0, "votes");
        handler.add(9, 3);
        handler.quit(1);
        assertEq(handler.exits(), 1);
        for (uint256 k; k < 10; ++k) {
            handler.pass(35);
        }
        handler.book(1, 11);
        handler.book(1, 11);
        handler.collect(1);
        assertEq(handler.sumOfBooks(), handler.registryOf().balance);
        assertEq(handler.wronglyAccepted(), 0);
    }
}
