// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IPaymentBatcher} from "../interfaces/IPaymentBatcher.sol";

/// @title PaymentBatcher
/// @notice See {IPaymentBatcher}. Where the parameters come from is the deriving contract's: its operator
/// (ConfiguredBatcher) or a proven model (TunedBatcher).
abstract contract PaymentBatcher is IPaymentBatcher, ReentrancyGuardTransient {
    /// @notice A millionth of an ether.
    uint256 public constant QUANTUM = 1e12;
    /// @notice What one transaction can carry with every recipient new to the chain.
    uint256 public constant MOST_PAYMENTS = 128;
    /// @dev Enough for a wallet contract to take a payment; who needs more withdraws.
    uint256 private constant _PUSH_GAS = 50_000;
    /// @dev What must be left for a push to get all of it: 64/63 of it (EIP-150), and 36,600 for the value, a
    /// cold address and a new account.
    uint256 private constant _PUSH_RESERVE = 90_000;

    /// @inheritdoc IPaymentBatcher
    address public immutable operator;
    /// @inheritdoc IPaymentBatcher
    uint32 public immutable flushAge;

    /// @inheritdoc IPaymentBatcher
    uint64 public nextPayment;
    /// @inheritdoc IPaymentBatcher
    uint128 public owed;
    mapping(address recipient => Credit) private _credits;

    modifier onlyOperator() {
        if (msg.sender != operator) revert NotTheOperator(operator, msg.sender);
        _;
    }

    constructor(address operator_, uint32 flushAge_) {
        if (flushAge_ == 0) revert NoFlushAge();
        (operator, flushAge) = (operator_, flushAge_);
    }

    receive() external payable {}

    /// @inheritdoc IPaymentBatcher
    function flush(uint64 first, uint256[] calldata payments, address[] calldata due)
        external
        onlyOperator
        nonReentrant
    {
        uint256 count = payments.length;
        if (first != nextPayment) revert WrongFirst(nextPayment, first);
        if (count == 0 || count > MOST_PAYMENTS) revert PaymentCount(MOST_PAYMENTS, count);
        (uint256 batchSize, uint256 hold) = limits();
        uint128 debt = owed;
        uint32 oldest = type(uint32).max;
        for (uint256 k; k < count; ++k) {
            uint256 payment = payments[k];
            address recipient = address(uint160(payment >> 96));
            uint64 quanta = uint64(payment >> 32);
            uint32 requested = uint32(payment);
            if (requested > block.number) revert RequestInTheFuture(requested, block.number);
            if (requested < oldest) oldest = requested;
            if (hold <= 1 && _push(recipient, quanta)) continue;
            _book(recipient, quanta, requested);
            debt += quanta;
        }
        if (count < batchSize && block.number < uint256(oldest) + flushAge) {
            revert TooFewPayments(batchSize, count, uint256(oldest) + flushAge);
        }
        debt = _settle(due, hold, debt);
        (nextPayment, owed) = (first + uint64(count), debt);
        _requireCovered(debt);
        emit Flushed(first, count, batchSize, hold, oldest);
    }

    /// @inheritdoc IPaymentBatcher
    function settle(address[] calldata due) external nonReentrant {
        (, uint256 hold) = limits();
        owed = _settle(due, hold, owed);
    }

    /// @inheritdoc IPaymentBatcher
    function withdraw() external nonReentrant {
        Credit storage credit = _credits[msg.sender];
        uint64 quanta = credit.quanta;
        if (quanta == 0) revert NothingBooked(msg.sender);
        (credit.quanta, credit.since) = (0, 0);
        owed -= quanta;
        emit Withdrawn(msg.sender, quanta);
        _send(msg.sender, uint256(quanta) * QUANTUM);
    }

    /// @inheritdoc IPaymentBatcher
    function recover(uint256 amountWei) external onlyOperator nonReentrant {
        _send(operator, amountWei);
        _requireCovered(owed);
    }

    /// @inheritdoc IPaymentBatcher
    function creditOf(address recipient) external view returns (Credit memory) {
        return _credits[recipient];
    }

    /// @inheritdoc IPaymentBatcher
    function limits() public view virtual returns (uint256 batchSize, uint256 hold);

    function _book(address recipient, uint64 quanta, uint32 requested) private {
        Credit memory credit = _credits[recipient];
        uint32 since = credit.quanta == 0 || requested < credit.since ? requested : credit.since;
        _credits[recipient] = Credit(credit.quanta + quanta, since, true);
    }

    /// @dev What is not due, or can't be sent, is left as it is: a recipient who takes his credit just before
    /// must not stop a batch.
    /// @return What is owed after it.
    function _settle(address[] calldata due, uint256 hold, uint128 debt) private returns (uint128) {
        for (uint256 k; k < due.length; ++k) {
            address recipient = due[k];
            Credit memory credit = _credits[recipient];
            if (credit.quanta == 0 || block.number < uint256(credit.since) + hold) continue;
            if (!_push(recipient, credit.quanta)) continue;
            _credits[recipient] = Credit(0, 0, true);
            debt -= credit.quanta;
        }
        return debt;
    }

    /// @dev Nothing of the answer is copied: a recipient can make his own payment fail and no other.
    function _push(address recipient, uint64 quanta) private returns (bool ok) {
        // Or whoever sends too little gas could make a push fail, and a gas estimate would find that cheapest.
        if (gasleft() < _PUSH_RESERVE) revert TooLittleGas();
        uint256 amount = uint256(quanta) * QUANTUM;
        assembly ("memory-safe") {
            ok := call(_PUSH_GAS, recipient, amount, 0, 0, 0, 0)
        }
    }

    function _send(address recipient, uint256 amountWei) private {
        (bool ok,) = recipient.call{value: amountWei}("");
        if (!ok) revert PushFailed(recipient);
    }

    function _requireCovered(uint128 debt) private view {
        uint256 needed = uint256(debt) * QUANTUM;
        if (address(this).balance < needed) revert NotCovered(needed, address(this).balance);
    }
}
