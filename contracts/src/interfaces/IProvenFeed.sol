// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface, IApi3ReaderProxy, IEIP2362} from "./IFeedReaders.sol";
import {IModelRegistry} from "./IModelRegistry.sol";

/// @notice What a feed is deployed with. Nothing of it changes afterwards but model, guardian and owner,
/// and the first two only through the timelock.
struct FeedTerms {
    IModelRegistry registry;
    uint256 modelId;
    /// keccak256(abi.encode(commitment)) of the model that was reviewed.
    bytes32 commitmentHash;
    /// Announces changes, and makes them when the timelock has run. Can't write an answer.
    address owner;
    /// Can only pause, for `pauseSeconds` at a time. May be zero: nobody.
    address guardian;
    /// The last block of round 1's window.
    uint64 firstBlock;
    /// Blocks from one round to the next.
    uint32 cadence;
    /// Blocks from a window's last block to the one that its answer speaks of.
    uint32 horizon;
    /// Blocks after that in which a round may still be submitted.
    uint32 grace;
    /// Seconds after `updatedAt` for which an answer may be used.
    uint32 staleSeconds;
    /// Seconds from the announcement of a change to the change; 60 or more.
    uint32 timelockSeconds;
    uint32 pauseSeconds;
    /// An answer beyond these reverts; it is never clamped.
    int128 minAnswer;
    int128 maxAnswer;
    /// An answer may differ from the one before by this share of it, in millionths, and by `deviationFloor`
    /// more, for each round between them. One that differs by more trips the feed.
    uint32 deviationPpm;
    uint128 deviationFloor;
    /// Up to 31 bytes. EIP-2362's id of the feed is its keccak256.
    string description;
}

/// @notice An answer, and of when its inputs are.
struct Answer {
    int128 value;
    uint48 round;
    /// Time of the oldest input, seconds.
    uint40 startedAt;
    /// Time of the newest input, seconds: not of the submission.
    uint40 updatedAt;
}

/// @notice Everything a reader has to look at, in one call.
struct FeedStatus {
    /// Zeros before the first.
    Answer latest;
    /// The breaker has tripped: the answer is the last one before, and stays until a reset.
    bool tripped;
    /// An answer that is older than its seconds, or none.
    bool stale;
    /// No submission is accepted before this time, seconds; zero if there never was a pause.
    uint40 pausedUntil;
}

/// @notice Changes that wait for the timelock. Reset: of a tripped breaker.
enum ChangeKind {
    Model,
    Guardian,
    Reset
}

/// @title A feed whose answers are outputs of one proven model over inputs that the contract knows
/// @notice Rounds are 1, 2, ... Round r has one window of inputs, whose last block is
/// `firstBlock + (r - 1) * cadence`, so that nobody chooses inputs. The feed itself is the requester of
/// its inferences and the round their nonce, so that a proof is of this feed and this round alone and
/// anybody may submit it: nothing else can write an answer, neither owner nor guardian. A round is
/// submitted once, after its window and while its answer is of use, and later rounds only: a missed
/// round stays missed, and is announced.
///
/// Read it as Chainlink's AggregatorV3Interface (round ids are rounds), as EIP-2362 or as API3's proxy.
/// These give the held answer of a tripped or stale feed, except for EIP-2362, which has a status for it:
/// compare `updatedAt`, or read through {FeedReader}.
interface IProvenFeed is AggregatorV3Interface, IEIP2362, IApi3ReaderProxy {
    /// @dev Chainlink's event.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);
    event RoundAnswered(
        uint256 indexed round,
        uint256 indexed modelId,
        address indexed submitter,
        int256 answer,
        uint256 startedAt,
        uint256 updatedAt
    );
    /// @notice These rounds will never have an answer. Emitted with the answer of the round after.
    event RoundsMissed(uint256 firstRound, uint256 lastRound);
    event BreakerTripped(uint256 indexed round, int256 held, int256 refused, uint256 allowedDeviation);
    event BreakerReset(uint256 heldRound);
    event Paused(address indexed guardian, uint256 until);
    event ChangeAnnounced(bytes32 indexed changeId, ChangeKind kind, uint256 readyAt, uint256 expiresAt);
    event ChangeWithdrawn(bytes32 indexed changeId);
    event ModelChanged(uint256 indexed modelId, bytes32 commitmentHash);
    event GuardianChanged(address indexed guardian);

    error TermsInvalid(bytes32 field);
    error NotThePinnedModel(bytes32 expected, bytes32 got);
    /// @notice The model's circuit has other numbers of features and outputs, or another fixed point; or
    /// "production": the first model's reference string is safe, and this one's is not.
    error ModelShapeDiffers(bytes32 field, uint256 expected, uint256 got);
    error RoundNotDue(uint256 round, uint256 windowEnd, uint256 blockNumber);
    error RoundExpired(uint256 round, uint256 lastBlock, uint256 blockNumber);
    error RoundNotNew(uint256 round, uint256 latest);
    error RoundNotKept(uint256 round);
    error InputsNotNewer(uint256 updatedAt, uint256 latest);
    error AnswerOutOfBounds(int256 answer, int256 low, int256 high);
    error FeedTripped(uint256 heldRound);
    error FeedNotTripped();
    error FeedPaused(uint256 until);
    error NoAnswerYet();
    error NotGuardian(address caller);
    error PauseTooSoon(uint256 allowedFrom);
    error ChangeUnknown(bytes32 changeId);
    error ChangeNotReady(bytes32 changeId, uint256 readyAt);
    error ChangeExpired(bytes32 changeId, uint256 expiresAt);
    error ChangePending(bytes32 changeId);

    // --- rounds ---

    /// @notice The last block of a round's window. Rounds are 1, 2, ...
    function windowEnd(uint256 round) external view returns (uint256 blockNumber);

    /// @notice The last block in which a round may be submitted: windowEnd + horizon + grace.
    function lastBlockOf(uint256 round) external view returns (uint256 blockNumber);

    /// @notice The newest round whose window is complete in blocks before this one; zero before the first.
    function currentRound() external view returns (uint256 round);

    /// @notice Revert unless a round may be submitted in this block.
    function requireOpen(uint256 round) external view;

    // --- reading ---

    function status() external view returns (FeedStatus memory);

    /// @notice EIP-2362's id of this feed: keccak256 of the description.
    function feedId() external view returns (bytes32);

    /// @notice Rounds that `getRoundData` can know: a past answer is forgotten when the round this many later has one.
    function roundsKept() external view returns (uint256);

    // --- what it was deployed with ---

    function registry() external view returns (IModelRegistry);
    function firstBlock() external view returns (uint256);
    function cadence() external view returns (uint256);
    function horizon() external view returns (uint256);
    function grace() external view returns (uint256);
    function staleSeconds() external view returns (uint256);
    function timelockSeconds() external view returns (uint256);
    function pauseSeconds() external view returns (uint256);
    /// @return low The smallest answer that is accepted.
    /// @return high The largest.
    function bounds() external view returns (int256 low, int256 high);
    /// @return ppm Share of the answer before, in millionths, and
    /// @return floor what is added to it, for each round between the two.
    function deviation() external view returns (uint256 ppm, uint256 floor);

    /// @notice The model whose outputs are accepted, and the hash of its commitment.
    function model() external view returns (uint256 modelId, bytes32 commitmentHash);
    function guardian() external view returns (address);

    // --- guardian ---

    /// @notice Accept no submission for `pauseSeconds`. The next pause may start only as long after this one's
    /// end: a guardian can hold a feed up for half of the time, and never change it.
    function pause() external;

    // --- owner, through the timelock ---

    /// @notice Announce a model, checked already as it will be then.
    function announceModel(uint256 modelId, bytes32 commitmentHash) external returns (bytes32 changeId);

    /// @notice Make an announced model the feed's, `timelockSeconds` later or more.
    function adoptModel(uint256 modelId, bytes32 commitmentHash) external;

    function announceGuardian(address guardian) external returns (bytes32 changeId);

    function appointGuardian(address guardian) external;

    /// @notice Announce that a tripped breaker will be reset.
    function announceReset() external returns (bytes32 changeId);

    /// @notice Reset the breaker. The next answer is compared with none.
    function reset() external;

    function withdrawChange(bytes32 changeId) external;

    /// @notice When an announced change may be made, and until when; zeros if there is none.
    function changeOf(bytes32 changeId) external view returns (uint256 readyAt, uint256 expiresAt);
}
