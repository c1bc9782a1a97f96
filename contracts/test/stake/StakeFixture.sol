// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Aggregate,
    IStakeParameters,
    StakeParameters,
    Validator
} from "../../src/interfaces/IStakeRegistry.sol";
import {StakeRegistry} from "../../src/stake/StakeRegistry.sol";
import {Test} from "../utils/Test.sol";

/// @dev Parameters that a test moves at will.
contract PlainParameters is IStakeParameters {
    StakeParameters private _live;
    bool public broken;

    function set(StakeParameters calldata live) external {
        _live = live;
    }

    function breakDown() external {
        broken = true;
    }

    function stakeParameters() external view returns (StakeParameters memory) {
        require(!broken);
        return _live;
    }
}

/// @dev A registry with eight validators of 32 ether, at the first block of epoch 1.
abstract contract StakeFixture is Test {
    uint256 internal constant GENESIS = 100;
    uint256 internal constant EPOCH = 16;
    uint256 internal constant COUNT = 8;
    uint256 internal constant STAKE = 32;
    uint256 internal constant CHURN = 2;
    uint256 internal constant DELAY = 2;

    StakeRegistry internal registry;
    PlainParameters internal parameters;

    function initial() internal pure returns (StakeParameters memory) {
        return StakeParameters(100, 4, 3);
    }

    function found() internal {
        vm.roll(GENESIS - 1);
        vm.warp(1_000_000);
        registry = new StakeRegistry(initial(), address(this), GENESIS, EPOCH, CHURN, DELAY);
        parameters = new PlainParameters();
        registry.fund{value: 1 ether}();
        for (uint256 k; k < COUNT; ++k) {
            deposit(k, STAKE);
        }
        begin(GENESIS);
        registry.open();
    }

    function key(uint256 who) internal pure returns (uint256) {
        return 0xA11CE + who;
    }

    function account(uint256 who) internal pure returns (address) {
        return vm.addr(key(who));
    }

    function deposit(uint256 who, uint256 ethers) internal {
        vm.deal(account(who), account(who).balance + ethers * 1 ether);
        vm.prank(account(who));
        registry.deposit{value: ethers * 1 ether}();
    }

    /// Every block has a hash of its own.
    function begin(uint256 number) internal {
        vm.roll(number);
        vm.setBlockhash(number - 1, keccak256(abi.encode("block", number - 1)));
        vm.warp(1_000_000 + 12 * number);
    }

    function toEpoch(uint256 epoch) internal {
        begin(registry.startOf(epoch));
        registry.open();
    }

    /// To a committee's duty block, whose parent's hash is what is signed, and `after_` blocks on.
    function toDuty(uint256 epoch, uint256 committee, uint256 after_) internal {
        uint256 duty = registry.dutyBlock(epoch, committee);
        begin(duty + after_);
        vm.setBlockhash(duty - 1, keccak256(abi.encode("block", duty - 1)));
    }

    function memberAt(uint256 epoch, uint256 committee, uint256 member) internal view returns (uint256) {
        return registry.memberAt(epoch, committee, member);
    }

    function vote(uint256 who, uint256 epoch, uint256 committee) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key(who), registry.attestationDigest(epoch, committee));
        return abi.encodePacked(r, bytes32(uint256(v - 27) << 255 | uint256(s)));
    }

    /// The votes of members of a committee, signed by who sits there.
    function votes(uint256 epoch, uint256 committee, uint256 members)
        internal
        view
        returns (Aggregate[] memory all)
    {
        all = new Aggregate[](1);
        bytes memory signatures;
        for (uint256 member; members >> member != 0; ++member) {
            if (members >> member & 1 == 0) continue;
            signatures = bytes.concat(signatures, vote(memberAt(epoch, committee, member), epoch, committee));
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        all[0] = Aggregate(uint16(committee), members, signatures);
    }

    function attest(uint256 epoch, uint256 committee, uint256 members) internal {
        Aggregate[] memory all = votes(epoch, committee, members);
        registry.attest(epoch, all);
    }

    /// Everything that the registry holds, by its own books, in wei.
    function accounted() internal view returns (uint256 sum) {
        (uint256 pot, uint256 reserved, uint256 owed) = registry.books();
        sum = pot + reserved + owed;
        for (uint256 who; who < 2 * COUNT; ++who) {
            sum += registry.creditOf(account(who));
        }
        for (uint256 seat; seat < seats(); ++seat) {
            sum += registry.validator(seat).stakeGwei;
        }
        sum *= 1e9;
    }

    function seats() internal view virtual returns (uint256) {
        return COUNT;
    }

    function stateOf(uint256 seat) internal view returns (Validator memory) {
        return registry.validator(seat);
    }

    receive() external payable {}
}
