// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenFeed} from "../interfaces/IProvenFeed.sol";
import {FeedReader} from "../libraries/FeedReader.sol";

/// @title Payments that wait while a proven feed says that gas gets cheaper
/// @notice An example of a contract that acts on a gas feed. Anybody pays in for somebody else, and anybody
/// pays out. A payment may wait for `patience` seconds, and is held only while a usable answer says that
/// the base fee falls: below it by more than `gainPpm` millionths. No feed can keep it longer.
contract PatientPayments {
    using FeedReader for IProvenFeed;

    struct Payment {
        address to;
        uint96 amount;
        uint64 deadline;
    }

    uint256 private constant PPM = 1_000_000;

    IProvenFeed public immutable feed;
    uint256 public immutable patience;
    uint256 public immutable gainPpm;
    uint256 public immutable maxAge;

    Payment[] public payments;
    uint256 public paid;
    /// @notice What could not be paid out, for its owner to fetch.
    mapping(address owner => uint256) public creditOf;

    event Queued(uint256 indexed index, address indexed to, uint256 amount, uint256 deadline);
    event Paid(uint256 indexed index, address indexed to, uint256 amount, bool succeeded);

    error NothingQueued();
    error AmountInvalid(uint256 amount);
    error WithdrawalFailed(address owner);
    /// @notice The feed says that waiting pays.
    error BetterWait(uint256 baseFee, int256 forecast);

    constructor(IProvenFeed feed_, uint256 patience_, uint256 gainPpm_, uint256 maxAge_) {
        (feed, patience, gainPpm, maxAge) = (feed_, patience_, gainPpm_, maxAge_);
    }

    function queue(address to) external payable returns (uint256 index) {
        if (msg.value == 0 || msg.value > type(uint96).max) revert AmountInvalid(msg.value);
        index = payments.length;
        // forge-lint: disable-start(unsafe-typecast)
        uint64 deadline = uint64(block.timestamp + patience);
        payments.push(Payment(to, uint96(msg.value), deadline));
        // forge-lint: disable-end(unsafe-typecast)
        emit Queued(index, to, msg.value, deadline);
    }

    /// @notice Pay out up to `most` payments, oldest first.
    function flush(uint256 most) external {
        uint256 next = paid;
        uint256 end = payments.length - next > most ? next + most : payments.length;
        if (next == end) revert NothingQueued();
        if (block.timestamp < payments[next].deadline) requireGoodMoment();
        paid = end;
        for (; next < end; ++next) {
            Payment memory p = payments[next];
            // Who refuses his payment, or spends much on it, keeps nobody else from theirs.
            (bool succeeded,) = p.to.call{value: p.amount, gas: 10_000}("");
            if (!succeeded) creditOf[p.to] += p.amount;
            emit Paid(next, p.to, p.amount, succeeded);
        }
    }

    /// @notice Fetch what could not be paid out.
    function withdraw() external {
        uint256 amount = creditOf[msg.sender];
        if (amount == 0) revert NothingQueued();
        creditOf[msg.sender] = 0;
        (bool succeeded,) = msg.sender.call{value: amount}("");
        if (!succeeded) revert WithdrawalFailed(msg.sender);
    }

    /// @notice Revert if it pays to wait, and while the feed can't be relied on.
    function requireGoodMoment() public view {
        // A base fee is above zero, whatever a feed's own bounds are.
        (int256 forecast,) = feed.readWithin(maxAge, 1, type(int128).max);
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 worthIt = int256(block.basefee * (PPM - gainPpm) / PPM);
        if (forecast < worthIt) revert BetterWait(block.basefee, forecast);
    }
}
