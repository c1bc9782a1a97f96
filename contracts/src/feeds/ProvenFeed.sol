// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ShortString, ShortStrings} from "@openzeppelin/contracts/utils/ShortStrings.sol";

import {CircuitSpec, Evidence} from "../interfaces/ICircuits.sol";
import {AggregatorV3Interface, IApi3ReaderProxy, IEIP2362} from "../interfaces/IFeedReaders.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Answer, ChangeKind, FeedStatus, FeedTerms, IProvenFeed} from "../interfaces/IProvenFeed.sol";
import {FeedChanges} from "./FeedChanges.sol";

/// @title ProvenFeed
/// @notice See {IProvenFeed}.
/// @dev A feed derived from this says how many features and outputs its models have, calls {_submit} with
/// features that it knows to be true, and turns outputs into an answer in {_answerOf}.
abstract contract ProvenFeed is FeedChanges {
    /// @dev What a round writes beside its answer, and what reading looks at.
    struct State {
        uint48 latestRound;
        bool tripped;
        /// After a reset: the next answer is compared with none.
        bool unanchored;
        uint40 pausedUntil;
    }

    uint256 private constant RING = 8;
    uint256 private constant PPM = 1_000_000;
    uint256 private constant OK = 200;
    uint256 private constant UNKNOWN_ID = 400;
    uint256 private constant UNAVAILABLE = 404;

    /// @inheritdoc IProvenFeed
    IModelRegistry public immutable registry;
    /// @inheritdoc IProvenFeed
    uint256 public immutable firstBlock;
    /// @inheritdoc IProvenFeed
    uint256 public immutable cadence;
    /// @inheritdoc IProvenFeed
    uint256 public immutable horizon;
    /// @inheritdoc IProvenFeed
    uint256 public immutable grace;
    /// @inheritdoc IProvenFeed
    uint256 public immutable staleSeconds;
    /// @inheritdoc IProvenFeed
    uint256 public immutable pauseSeconds;
    /// @inheritdoc IProvenFeed
    bytes32 public immutable feedId;

    int256 private immutable _LOW;
    int256 private immutable _HIGH;
    uint256 private immutable _DEVIATION_PPM;
    uint256 private immutable _DEVIATION_FLOOR;
    uint256 private immutable _FEATURES;
    uint256 private immutable _OUTPUTS;
    uint256 internal immutable _FRACTION_BITS;
    bool private immutable _PRODUCTION;
    ShortString private immutable _DESCRIPTION;

    State private _state;
    uint256 private _modelId;
    bytes32 private _commitmentHash;
    /// @inheritdoc IProvenFeed
    address public guardian;
    /// @dev The latest answers, each in place round % RING.
    Answer[RING] private _answers;

    /// @param features How many features a model of this feed has.
    /// @param outputs How many outputs. The fixed point is the first model's, and later ones must have it too;
    /// if the first model is for production, so must they be.
    constructor(FeedTerms memory terms, uint256 features, uint256 outputs)
        FeedChanges(terms.owner, terms.timelockSeconds)
    {
        if (terms.firstBlock == 0) revert TermsInvalid("firstBlock");
        if (terms.cadence == 0) revert TermsInvalid("cadence");
        if (uint256(terms.horizon) + terms.grace == 0) revert TermsInvalid("grace");
        if (terms.staleSeconds == 0) revert TermsInvalid("staleSeconds");
        if (terms.pauseSeconds == 0) revert TermsInvalid("pauseSeconds");
        if (terms.minAnswer > terms.maxAnswer) revert TermsInvalid("minAnswer");
        registry = terms.registry;
        firstBlock = terms.firstBlock;
        cadence = terms.cadence;
        horizon = terms.horizon;
        grace = terms.grace;
        staleSeconds = terms.staleSeconds;
        pauseSeconds = terms.pauseSeconds;
        _LOW = terms.minAnswer;
        _HIGH = terms.maxAnswer;
        _DEVIATION_PPM = terms.deviationPpm;
        _DEVIATION_FLOOR = terms.deviationFloor;
        _DESCRIPTION = ShortStrings.toShortString(terms.description);
        feedId = keccak256(bytes(terms.description));
        (_FEATURES, _OUTPUTS) = (features, outputs);
        CircuitSpec memory circuit = _pinned(terms.registry, terms.modelId, terms.commitmentHash);
        _FRACTION_BITS = circuit.fractionBits;
        _PRODUCTION = circuit.production;
        _requireShape(circuit, features, outputs, circuit.fractionBits);
        (_modelId, _commitmentHash) = (terms.modelId, terms.commitmentHash);
        guardian = terms.guardian;
        emit ModelChanged(terms.modelId, terms.commitmentHash);
        emit GuardianChanged(terms.guardian);
    }

    /// @inheritdoc IProvenFeed
    function pause() external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        uint256 until = _state.pausedUntil;
        if (until != 0 && block.timestamp < until + pauseSeconds) revert PauseTooSoon(until + pauseSeconds);
        until = block.timestamp + pauseSeconds;
        // forge-lint: disable-next-line(unsafe-typecast)
        _state.pausedUntil = uint40(until);
        emit Paused(msg.sender, until);
    }

    /// @inheritdoc IProvenFeed
    function announceModel(uint256 modelId, bytes32 commitmentHash) external returns (bytes32) {
        _requireModel(modelId, commitmentHash);
        return _announce(ChangeKind.Model, abi.encode(modelId, commitmentHash));
    }

    /// @inheritdoc IProvenFeed
    function adoptModel(uint256 modelId, bytes32 commitmentHash) external {
        _make(ChangeKind.Model, abi.encode(modelId, commitmentHash));
        (_modelId, _commitmentHash) = (modelId, commitmentHash);
        emit ModelChanged(modelId, commitmentHash);
    }

    /// @inheritdoc IProvenFeed
    function announceGuardian(address next) external returns (bytes32) {
        return _announce(ChangeKind.Guardian, abi.encode(next));
    }

    /// @inheritdoc IProvenFeed
    function appointGuardian(address next) external {
        _make(ChangeKind.Guardian, abi.encode(next));
        guardian = next;
        emit GuardianChanged(next);
    }

    /// @inheritdoc IProvenFeed
    function announceReset() external returns (bytes32) {
        if (!_state.tripped) revert FeedNotTripped();
        return _announce(ChangeKind.Reset, abi.encode(_state.latestRound));
    }

    /// @inheritdoc IProvenFeed
    /// @dev The held round is part of the change: a reset that was announced for one trip is none for the next.
    function reset() external {
        uint48 held = _state.latestRound;
        if (!_state.tripped) revert FeedNotTripped();
        _make(ChangeKind.Reset, abi.encode(held));
        (_state.tripped, _state.unanchored) = (false, true);
        emit BreakerReset(held);
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        return _roundData(_latest());
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 _roundId)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        Answer memory kept = _answers[_roundId % RING];
        if (_roundId == 0 || kept.round != _roundId) revert RoundNotKept(_roundId);
        return _roundData(kept);
    }

    /// @inheritdoc IEIP2362
    function valueFor(bytes32 id) external view returns (int256 value, uint256 timestamp, uint256 code) {
        if (id != feedId) return (0, 0, UNKNOWN_ID);
        FeedStatus memory s = status();
        if (s.stale || s.tripped) return (0, 0, UNAVAILABLE);
        return (s.latest.value, s.latest.updatedAt, OK);
    }

    /// @inheritdoc IApi3ReaderProxy
    function read() external view returns (int224 value, uint32 timestamp) {
        Answer memory answer = _latest();
        // API3's type ends in 2106.
        // forge-lint: disable-next-line(unsafe-typecast)
        return (answer.value, uint32(answer.updatedAt));
    }

    /// @inheritdoc IProvenFeed
    function model() external view returns (uint256 modelId, bytes32 commitmentHash) {
        return (_modelId, _commitmentHash);
    }

    /// @inheritdoc IProvenFeed
    function bounds() external view returns (int256 low, int256 high) {
        return (_LOW, _HIGH);
    }

    /// @inheritdoc IProvenFeed
    function deviation() external view returns (uint256 ppm, uint256 floor) {
        return (_DEVIATION_PPM, _DEVIATION_FLOOR);
    }

    /// @inheritdoc AggregatorV3Interface
    function description() external view returns (string memory) {
        return ShortStrings.toString(_DESCRIPTION);
    }

    /// @inheritdoc AggregatorV3Interface
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @inheritdoc IProvenFeed
    function roundsKept() external pure returns (uint256) {
        return RING;
    }

    /// @inheritdoc IProvenFeed
    function status() public view returns (FeedStatus memory s) {
        State memory state = _state;
        s.tripped = state.tripped;
        s.pausedUntil = state.pausedUntil;
        s.stale = true;
        if (state.latestRound == 0) return s;
        s.latest = _answers[state.latestRound % RING];
        s.stale = block.timestamp > s.latest.updatedAt + staleSeconds;
    }

    /// @inheritdoc IProvenFeed
    function currentRound() public view returns (uint256) {
        return block.number <= firstBlock ? 0 : (block.number - 1 - firstBlock) / cadence + 1;
    }

    /// @inheritdoc IProvenFeed
    function windowEnd(uint256 round) public view returns (uint256) {
        if (round == 0 || round > type(uint48).max) revert RoundNotKept(round);
        return firstBlock + (round - 1) * cadence;
    }

    /// @inheritdoc IProvenFeed
    function lastBlockOf(uint256 round) public view returns (uint256) {
        return windowEnd(round) + horizon + grace;
    }

    /// @inheritdoc IProvenFeed
    function requireOpen(uint256 round) public view {
        _requireOpen(round, _state);
    }

    /// @dev Accept the answer of a round whose features the caller knows to be true. Whatever comes first
    /// costs least: a submission that is late, or second, pays for no verification.
    /// @param features Exactly the integers that the proof's public inputs must be.
    /// @param startedAt Time of the oldest input.
    /// @param updatedAt Time of the newest input.
    function _submit(
        uint256 round,
        int256[] memory features,
        uint256 startedAt,
        uint256 updatedAt,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) internal {
        State memory state = _state;
        _requireOpen(round, state);
        uint256 modelId = _modelId;
        registry.checkInference(modelId, address(this), round, features, outputs, evidence);

        int256 value = _answerOf(round, outputs);
        if (value < _LOW || value > _HIGH) revert AnswerOutOfBounds(value, _LOW, _HIGH);
        if (state.latestRound != 0) {
            Answer memory held = _answers[state.latestRound % RING];
            if (updatedAt <= held.updatedAt) revert InputsNotNewer(updatedAt, held.updatedAt);
            uint256 allowed = _allowedDeviation(held, round);
            if (!state.unanchored && _distance(value, held.value) > allowed) {
                _state.tripped = true;
                emit BreakerTripped(round, held.value, value, allowed);
                return;
            }
        }
        _store(state, modelId, round, value, startedAt, updatedAt);
    }

    function _store(
        State memory state,
        uint256 modelId,
        uint256 round,
        int256 value,
        uint256 startedAt,
        uint256 updatedAt
    ) private {
        // Within the bounds, which are int128; rounds are below 2^48; times are of blocks.
        // forge-lint: disable-start(unsafe-typecast)
        _answers[round % RING] = Answer(int128(value), uint48(round), uint40(startedAt), uint40(updatedAt));
        if (round > uint256(state.latestRound) + 1) emit RoundsMissed(uint256(state.latestRound) + 1, round - 1);
        state.latestRound = uint48(round);
        // forge-lint: disable-end(unsafe-typecast)
        state.unanchored = false;
        _state = state;
        emit AnswerUpdated(value, round, updatedAt);
        emit RoundAnswered(round, modelId, msg.sender, value, startedAt, updatedAt);
    }

    /// @dev The answer that a model's outputs stand for. May revert.
    function _answerOf(uint256 round, int256[] calldata outputs) internal view virtual returns (int256);

    function _requireOpen(uint256 round, State memory state) private view {
        if (state.tripped) revert FeedTripped(state.latestRound);
        if (block.timestamp < state.pausedUntil) revert FeedPaused(state.pausedUntil);
        uint256 end = windowEnd(round);
        if (block.number <= end) revert RoundNotDue(round, end, block.number);
        uint256 last = lastBlockOf(round);
        if (block.number > last) revert RoundExpired(round, last, block.number);
        if (round <= state.latestRound) revert RoundNotNew(round, state.latestRound);
    }

    /// @dev Grows with the rounds that were missed: what may happen in one may happen in each.
    function _allowedDeviation(Answer memory held, uint256 round) private view returns (uint256) {
        uint256 share = _distance(held.value, 0) * _DEVIATION_PPM / PPM;
        return (share + _DEVIATION_FLOOR) * (round - held.round);
    }

    /// @dev Of int128 values: no overflow.
    function _distance(int256 a, int256 b) private pure returns (uint256) {
        return uint256(a > b ? a - b : b - a);
    }

    function _latest() private view returns (Answer memory) {
        uint256 round = _state.latestRound;
        if (round == 0) revert NoAnswerYet();
        return _answers[round % RING];
    }

    function _roundData(Answer memory answer)
        private
        pure
        returns (uint80, int256, uint256, uint256, uint80)
    {
        return (answer.round, answer.value, answer.startedAt, answer.updatedAt, answer.round);
    }

    function _requireModel(uint256 modelId, bytes32 commitmentHash) private view {
        CircuitSpec memory circuit = _pinned(registry, modelId, commitmentHash);
        _requireShape(circuit, _FEATURES, _OUTPUTS, _FRACTION_BITS);
        // All circuits of a model are for production, or none is (see TaskRules).
        if (_PRODUCTION && !circuit.production) revert ModelShapeDiffers("production", 1, 0);
    }

    /// @dev Models never change, so once is enough.
    function _pinned(IModelRegistry registry_, uint256 modelId, bytes32 commitmentHash)
        private
        view
        returns (CircuitSpec memory)
    {
        (IModelRegistry.ModelCommitment memory commitment,,) = registry_.getModel(modelId);
        bytes32 got = keccak256(abi.encode(commitment));
        if (got != commitmentHash) revert NotThePinnedModel(commitmentHash, got);
        return registry_.ledger().circuits().spec(registry_.provenanceOf(modelId).inferenceCircuit);
    }

    function _requireShape(CircuitSpec memory circuit, uint256 features, uint256 outputs, uint256 fractionBits)
        private
        pure
    {
        if (circuit.features != features) revert ModelShapeDiffers("features", features, circuit.features);
        if (circuit.outputs != outputs) revert ModelShapeDiffers("outputs", outputs, circuit.outputs);
        if (circuit.fractionBits != fractionBits) {
            revert ModelShapeDiffers("fractionBits", fractionBits, circuit.fractionBits);
        }
    }
}
