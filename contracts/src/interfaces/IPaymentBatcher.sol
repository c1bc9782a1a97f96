// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Payments of one operator, in batches
/// @notice For whoever owes many small payments to the same recipients again and again: a processor that
/// settles with merchants, a mining pool, a payroll. A payment is one word: recipient (160 bits), amount in
/// quanta (64), block of its request (32). Payments have numbers, 0, 1, ...; a flush names its first, so a
/// repeated one pays nobody twice.
/// Two live parameters. A flush carries `batchSize` payments or more, unless its oldest has waited
/// `flushAge` blocks. Payments are booked as a credit of their recipient, and credits are sent when the
/// oldest request in them is `hold` blocks old: anybody may have that done, and a recipient can take his
/// credit at any time. With a hold of 1 nothing is booked and every payment is a transfer of its own: so
/// the hold chooses the layout too, a transfer for each payment or a slot for each recipient.
/// The block of a request is the operator's word, because to note it on chain would cost each payment what a
/// batch saves. It is bounded by the present alone: an operator who says too early a block pays sooner than his
/// parameters ask, at his own expense; one who says too late a block lets recipients wait, as he can by
/// not flushing. So batch size and hold bind an operator who is honest about it, and nobody's money hangs on it.
/// No payment waits longer than the larger of `flushAge` and `hold`, if somebody asks for it then.
interface IPaymentBatcher {
    /// @param quanta What is booked for the recipient.
    /// @param since Block of the oldest request in it; zero if there is nothing.
    /// @param opened Whether the slot was written before: it is never cleared, a credit that comes back
    /// costs 5,000 gas and not 22,100.
    struct Credit {
        uint64 quanta;
        uint32 since;
        bool opened;
    }

    event Flushed(uint64 first, uint256 payments, uint256 batchSize, uint256 hold, uint32 oldest);
    event Withdrawn(address indexed recipient, uint64 quanta);

    error NotTheOperator(address operator, address caller);
    error WrongFirst(uint64 expected, uint64 got);
    error PaymentCount(uint256 most, uint256 got);
    error TooFewPayments(uint256 batchSize, uint256 got, uint256 notBefore);
    error RequestInTheFuture(uint32 requested, uint256 blockNumber);
    error NothingBooked(address recipient);
    error NotCovered(uint256 owed, uint256 balance);
    error PushFailed(address recipient);
    error TooLittleGas();
    error NoFlushAge();

    /// @notice Pay a batch: `batchSize` payments or more, or the oldest `flushAge` blocks old. Operator only.
    /// @param first The number of the first payment.
    /// @param due Recipients whose credits have waited `hold` blocks, this batch included: they are sent along.
    /// Others in it are left alone.
    function flush(uint64 first, uint256[] calldata payments, address[] calldata due) external;

    /// @notice Send those credits that have waited `hold` blocks, and leave others alone. Anybody.
    function settle(address[] calldata due) external;

    /// @notice Take one's own credit.
    function withdraw() external;

    /// @notice Take out what is not owed to anybody. Operator only.
    function recover(uint256 amountWei) external;

    /// @notice The live parameters: payments in a batch, and blocks that a credit is held.
    function limits() external view returns (uint256 batchSize, uint256 hold);
    function creditOf(address recipient) external view returns (Credit memory);

    /// @notice Number of the next payment.
    function nextPayment() external view returns (uint64);

    /// @notice Quanta in all credits.
    function owed() external view returns (uint128);
    function operator() external view returns (address);

    /// @notice Blocks after which a payment may be flushed however few there are; not for tuning.
    function flushAge() external view returns (uint32);
}
