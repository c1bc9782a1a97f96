// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../interfaces/ICircuits.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {PinnedConsumer} from "./PinnedConsumer.sol";

/// @title Payments that are held while a proven autoencoder finds them unusual
/// @notice The processor announces a payment together with a hash of what it knows about it (the model's
/// inputs): it is the one who vouches for these, and can't choose others once the answer is known. Anybody
/// screens: with the inputs behind the hash and a proof of what the model reconstructs of them. The contract
/// itself computes the error of reconstruction. Above the threshold a reviewer decides; whom nobody
/// screens or reviews in time gets the money back.
contract TransactionScreen is PinnedConsumer {
    enum Status {
        None,
        Pending,
        Held,
        Paid,
        Refunded
    }

    struct Payment {
        address payer;
        uint96 amount;
        address to;
        uint64 deadline;
        Status status;
        bytes32 inputsHash;
    }

    address public immutable processor;
    address public immutable reviewer;
    /// @notice Highest mean squared error, fixed point, of a payment that passes by itself.
    uint256 public immutable threshold;
    /// @notice Seconds after which an undecided payment can be fetched back.
    uint256 public immutable patience;

    Payment[] private _payments;
    mapping(address owner => uint256) public creditOf;

    event Announced(
        uint256 indexed id, address indexed payer, address indexed to, uint256 amount, bytes32 inputsHash
    );
    event Screened(uint256 indexed id, uint256 meanSquaredError, bool held);
    event Settled(uint256 indexed id, Status status);

    error NotTheProcessor(address processor, address caller);
    error NotTheReviewer(address reviewer, address caller);
    error AmountInvalid(uint256 amount);
    error OtherInputs(bytes32 expected, bytes32 got);
    error StatusIs(Status status);
    error TooEarly(uint256 notBefore, uint256 time);
    error TooLate(uint256 deadline, uint256 time);
    error NothingToWithdraw(address owner);
    error WithdrawalFailed(address owner);

    constructor(
        IModelRegistry registry_,
        uint256 modelId_,
        bytes32 commitmentHash,
        address processor_,
        address reviewer_,
        uint256 threshold_,
        uint256 patience_
    ) PinnedConsumer(registry_, modelId_, commitmentHash) {
        if (_FEATURES != _OUTPUTS) revert ModelDoesNotFit(_FEATURES, _OUTPUTS);
        (processor, reviewer, threshold, patience) = (processor_, reviewer_, threshold_, patience_);
    }

    /// @notice Pay in for somebody, with keccak256(abi.encode(inputs)) of the model's inputs. Processor only.
    function announce(address payer, address to, bytes32 inputsHash) external payable returns (uint256 id) {
        if (msg.sender != processor) revert NotTheProcessor(processor, msg.sender);
        if (msg.value == 0 || msg.value > type(uint96).max) revert AmountInvalid(msg.value);
        id = _payments.length;
        // forge-lint: disable-start(unsafe-typecast)
        uint64 deadline = uint64(block.timestamp + patience);
        _payments.push(Payment(payer, uint96(msg.value), to, deadline, Status.Pending, inputsHash));
        // forge-lint: disable-end(unsafe-typecast)
        emit Announced(id, payer, to, msg.value, inputsHash);
    }

    /// @notice Pay, or hold: with a proof made for this contract and the payment's id. Anybody.
    function screen(
        uint256 id,
        int256[] calldata inputs,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external {
        Payment memory asked = _payments[id];
        if (asked.status != Status.Pending) revert StatusIs(asked.status);
        // Else a late screening could take from the payer what he may fetch already.
        if (block.timestamp > asked.deadline) revert TooLate(asked.deadline, block.timestamp);
        bytes32 got = keccak256(abi.encode(inputs));
        if (got != asked.inputsHash) revert OtherInputs(asked.inputsHash, got);
        _check(address(this), id, inputs, outputs, evidence);
        uint256 found = errorOf(inputs, outputs);
        bool held = found > threshold;
        emit Screened(id, found, held);
        if (held) _payments[id].status = Status.Held;
        else _settle(id, Status.Paid);
    }

    /// @notice Decide about a payment that is held. Reviewer only.
    function review(uint256 id, bool pay) external {
        if (msg.sender != reviewer) revert NotTheReviewer(reviewer, msg.sender);
        if (_payments[id].status != Status.Held) revert StatusIs(_payments[id].status);
        _settle(id, pay ? Status.Paid : Status.Refunded);
    }

    /// @notice Give an undecided payment back once its time is over. Anybody.
    function refund(uint256 id) external {
        Payment memory late = _payments[id];
        if (late.status != Status.Pending && late.status != Status.Held) revert StatusIs(late.status);
        if (block.timestamp <= late.deadline) revert TooEarly(late.deadline + 1, block.timestamp);
        _settle(id, Status.Refunded);
    }

    function withdraw() external {
        uint256 amount = creditOf[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        creditOf[msg.sender] = 0;
        (bool succeeded,) = msg.sender.call{value: amount}("");
        if (!succeeded) revert WithdrawalFailed(msg.sender);
    }

    function payment(uint256 id) external view returns (Payment memory) {
        return _payments[id];
    }

    /// @notice Mean squared error of a reconstruction, fixed point, rounded down.
    function errorOf(int256[] calldata inputs, int256[] calldata outputs) public view returns (uint256) {
        uint256 sum;
        for (uint256 k; k < inputs.length; ++k) {
            int256 difference = outputs[k] - inputs[k];
            // A square is not negative; one beyond int256 reverts.
            // forge-lint: disable-next-line(unsafe-typecast)
            sum += uint256(difference * difference);
        }
        return (sum / inputs.length) >> fractionBits;
    }

    function _settle(uint256 id, Status status) private {
        Payment storage settled = _payments[id];
        settled.status = status;
        creditOf[status == Status.Paid ? settled.to : settled.payer] += settled.amount;
        emit Settled(id, status);
    }
}
