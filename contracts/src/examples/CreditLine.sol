// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../interfaces/ICircuits.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {PinnedConsumer} from "./PinnedConsumer.sol";

/// @title Credit whose limit is a proven score
/// @notice A bureau attests an applicant's features: a salted hash, and until when they count. The applicant
/// opens the hash and shows a proof of the pinned model's score of exactly these; the limit follows from the
/// score. The bureau vouches for the features, the proof for the score, and nobody for the applicant paying.
/// @dev What is opened is public from then on, and so are its features. No interest, no collections.
contract CreditLine is PinnedConsumer {
    struct Attestation {
        bytes32 commitment;
        uint64 validUntil;
    }

    struct Line {
        uint128 limit;
        uint128 drawn;
        uint64 validUntil;
    }

    address public immutable bureau;
    /// @notice Score (log-odds of paying back, fixed point) below which there is no credit, and the number of
    /// points above it that earn the highest limit.
    int256 public immutable cutoff;
    uint256 public immutable span;
    uint128 public immutable highest;

    mapping(address applicant => Attestation) public attestations;
    /// @notice The next proof of an applicant must be made for this nonce.
    mapping(address applicant => uint256) public nonces;
    mapping(address applicant => Line) public lines;

    event Attested(address indexed applicant, bytes32 commitment, uint64 validUntil);
    event Scored(address indexed applicant, int256 score, uint256 limit);
    event Drawn(address indexed applicant, uint256 amount);
    event Repaid(address indexed applicant, uint256 amount);

    error NotTheBureau(address bureau, address caller);
    error TermsInvalid();
    error NotAttested(address applicant);
    error OtherFeatures(bytes32 expected, bytes32 got);
    error Expired(uint256 validUntil, uint256 time);
    error OverTheLimit(uint256 limit, uint256 wanted);
    error MoreThanDrawn(uint256 drawn, uint256 paid);
    error PaymentFailed(address applicant);

    constructor(
        IModelRegistry registry_,
        uint256 modelId_,
        bytes32 commitmentHash,
        address bureau_,
        int256 cutoff_,
        uint256 span_,
        uint128 highest_
    ) payable PinnedConsumer(registry_, modelId_, commitmentHash) {
        if (_OUTPUTS != 1) revert ModelDoesNotFit(_FEATURES, _OUTPUTS);
        if (span_ == 0 || span_ > type(uint128).max) revert TermsInvalid();
        (bureau, cutoff, span, highest) = (bureau_, cutoff_, span_, highest_);
    }

    /// @notice Money to lend.
    receive() external payable {}

    /// @notice Vouch for features: keccak256(abi.encode(applicant, salt, inputs)). Bureau only; the newest counts.
    function attest(address applicant, bytes32 commitment, uint64 validUntil) external {
        if (msg.sender != bureau) revert NotTheBureau(bureau, msg.sender);
        attestations[applicant] = Attestation(commitment, validUntil);
        emit Attested(applicant, commitment, validUntil);
    }

    /// @notice Get a limit for the caller's attested features. An attestation is good for one score.
    function score(
        int256[] calldata inputs,
        bytes32 salt,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external {
        Attestation memory attested = attestations[msg.sender];
        if (attested.commitment == 0) revert NotAttested(msg.sender);
        if (block.timestamp > attested.validUntil) revert Expired(attested.validUntil, block.timestamp);
        bytes32 got = keccak256(abi.encode(msg.sender, salt, inputs));
        if (got != attested.commitment) revert OtherFeatures(attested.commitment, got);
        uint256 nonce = nonces[msg.sender]++;
        delete attestations[msg.sender];
        _check(msg.sender, nonce, inputs, outputs, evidence);
        Line storage line = lines[msg.sender];
        (line.limit, line.validUntil) = (limitOf(outputs[0]), attested.validUntil);
        emit Scored(msg.sender, outputs[0], line.limit);
    }

    function draw(uint128 amount) external {
        Line storage line = lines[msg.sender];
        if (block.timestamp > line.validUntil) revert Expired(line.validUntil, block.timestamp);
        uint256 wanted = uint256(line.drawn) + amount;
        if (wanted > line.limit) revert OverTheLimit(line.limit, wanted);
        line.drawn += amount;
        emit Drawn(msg.sender, amount);
        (bool succeeded,) = msg.sender.call{value: amount}("");
        if (!succeeded) revert PaymentFailed(msg.sender);
    }

    function repay() external payable {
        Line storage line = lines[msg.sender];
        if (msg.value > line.drawn) revert MoreThanDrawn(line.drawn, msg.value);
        // forge-lint: disable-next-line(unsafe-typecast)
        line.drawn -= uint128(msg.value);
        emit Repaid(msg.sender, msg.value);
    }

    /// @notice Limit in wei of a score: nothing below the cutoff, then in proportion, up to the highest.
    function limitOf(int256 score_) public view returns (uint128) {
        if (score_ <= cutoff) return 0;
        // forge-lint: disable-start(unsafe-typecast)
        uint256 above = uint256(score_ - cutoff);
        return above >= span ? highest : uint128(highest * above / span);
        // forge-lint: disable-end(unsafe-typecast)
    }
}
