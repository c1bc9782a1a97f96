// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the protocol asks for and pays; a controller may move it between epochs.
struct StakeParameters {
    /// gwei for each increment (1 ether) of stake whose duty is done, and the penalty if it is missed.
    uint32 baseReward;
    /// Seats in a committee; a committee attests at one block, its duty block.
    uint16 committeeSize;
    /// Blocks after the duty block within which an attestation counts.
    uint16 attestationDeadline;
}

interface IStakeParameters {
    function stakeParameters() external view returns (StakeParameters memory);
}

/// @notice What happened in an epoch. All zero for one that nobody opened.
struct EpochSummary {
    bytes32 seed;
    /// Seats, empty ones included, over which duties are shuffled.
    uint32 seats;
    uint32 activeValidators;
    /// Stake in increments, as effective in the epoch.
    uint32 activeIncrements;
    StakeParameters parameters;
    uint32 attestingIncrements;
    uint32 attestingValidators;
    /// Attested after the deadline: seen, and missed all the same.
    uint32 lateValidators;
    /// Sum over timely attestations of the blocks from duty to inclusion.
    uint32 delayBlocks;
    /// Calls that brought attestations, and the gas that they were metered at.
    uint32 calls;
    uint48 gas;
    /// Time of the block with the newest attestation.
    uint40 updatedAt;
}

/// @notice One validator, at its seat.
struct Validator {
    address owner;
    /// Effective stake, and what it will be from `changeEpoch` on; 0 there: no change is due.
    uint16 increments;
    uint16 nextIncrements;
    uint32 changeEpoch;
    /// Last epoch whose reward or penalty is booked.
    uint32 settled;
    uint64 stakeGwei;
    /// First epoch without duties; 0 until the validator exits.
    uint32 exitEpoch;
}

/// @notice Attestations of members of one committee, signed by them, brought by anybody.
struct Aggregate {
    uint16 committee;
    /// Bit j: the committee's member j has signed; the signatures follow in the order of the bits.
    uint256 members;
    /// 64 bytes for each (EIP-2098) over {attestationDigest}.
    bytes signatures;
}

/// @title Consensus state of a local proof-of-stake chain
/// @notice Validators deposit, attest once in each epoch at the block that a shuffle gives them, and are paid
/// or fined by parameters that a controller moves between epochs. Epochs count blocks, from 1. An epoch is
/// opened by the first call in it; one that nobody opens has no duties and stays visible as a gap. Rewards
/// and penalties are integers without remainder: increments of 1 ether times gwei for an increment.
/// At any time stakes + credits + pot + reserved + owed == balance.
interface IStakeRegistry {
    event Bound(IStakeParameters parameters);
    event Funded(address indexed from, uint256 gweiAmount);
    event Deposited(address indexed owner, uint256 indexed seat, uint256 increments, uint256 fromEpoch);
    event ExitQueued(address indexed owner, uint256 indexed seat, uint256 exitEpoch);
    event ExitClaimed(address indexed owner, uint256 indexed seat, uint256 gweiAmount);
    event Withdrawn(address indexed owner, uint256 gweiAmount);
    event EpochOpened(uint256 indexed epoch, bytes32 seed, StakeParameters parameters);
    event EpochClosed(uint256 indexed epoch, uint256 attestingIncrements, uint256 activeIncrements);
    /// The controller's parameters are none that this registry can run; those before stay.
    event ParametersRefused(uint256 indexed epoch, StakeParameters refused);
    event BalanceReduced(uint256 indexed seat, uint256 increments, uint256 fromEpoch);

    error ParametersOutOfRange(StakeParameters parameters);
    error BadEpochBlocks(uint256 epochBlocks);
    error BadGenesis(uint256 genesisBlock, uint256 current);
    error NotTheBinder(address expected, address got);
    error AlreadyBound(IStakeParameters parameters);
    error NotAContract(address account);
    error NotBegun(uint256 genesisBlock, uint256 current);
    error NotWholeIncrements(uint256 value);
    error NotWholeGwei(uint256 value);
    error TooMuchStake(uint256 limit, uint256 got);
    error RegistryFull(uint256 seats);
    error NotAValidator(address account);
    error ChangePending(uint256 seat, uint256 epoch);
    error Exiting(uint256 seat, uint256 exitEpoch);
    error NotSettled(uint256 seat, uint256 settled, uint256 needed);
    error NotWithdrawable(uint256 seat, uint256 epoch, uint256 current);
    error NothingToWithdraw(address account);
    error WithdrawalFailed(address account, uint256 gweiAmount);
    error NotTheEpoch(uint256 expected, uint256 got);
    error NoSuchCommittee(uint256 epoch, uint256 committee);
    error NoSuchMember(uint256 committee, uint256 member);
    error DutyNotReached(uint256 dutyBlock, uint256 current);
    error NotActive(uint256 seat, uint256 epoch);
    error WrongSigner(uint256 seat, address expected, address got);
    error SignatureCount(uint256 expected, uint256 got);
    error NothingNew(uint256 epoch);
    error EpochNotOver(uint256 epoch, uint256 current);

    /// @notice Let a controller move the parameters; once, by the account named when deployed.
    function bind(IStakeParameters parameters_) external;

    /// @notice Give to the pot that rewards come from.
    function fund() external payable;

    /// @notice Stake whole increments: a new validator, or more for the caller's own. Before genesis stake is
    /// active from epoch 1; later it queues, `churnLimit` changes an epoch.
    function deposit() external payable;

    /// @notice Queue the caller's exit: no duties from `exitEpoch` on.
    function exit() external;

    /// @notice Turn the stake of an exited validator into a credit, `withdrawalDelay` epochs after its exit.
    function claimExit() external;

    /// @notice Book rewards and penalties of up to `count` closed epochs at a seat. Anybody may call.
    function settle(uint256 seat, uint256 count) external;

    /// @notice Pay the caller's credit.
    function withdraw() external;

    /// @notice Open the epoch of this block, and close the one before. Every other call does it, too.
    function open() external returns (uint256 epoch);

    /// @notice Count attestations of this epoch. Those that are counted already are passed over, so that
    /// overlapping aggregates do no harm; a call that brings nothing new reverts. What comes
    /// after its deadline is noted as late: it is missed, and paid nothing.
    function attest(uint256 epoch, Aggregate[] calldata aggregates) external;

    /// @notice Attest for the caller's own seat, by transaction instead of signature.
    function attestOwn(uint256 epoch, uint256 committee, uint256 member) external;

    function epochAt(uint256 blockNumber) external view returns (uint256);
    /// @return First block of an epoch.
    function startOf(uint256 epoch) external view returns (uint256);
    function latestEpoch() external view returns (uint256);
    /// @notice Numbers of an epoch; those of the latest one may still grow.
    function summary(uint256 epoch) external view returns (EpochSummary memory);
    /// @notice How many seats attested in time in at least one of the epochs, and in all. Only epochs that are over.
    function presence(uint256 from, uint256 to) external view returns (uint256 ever, uint256 always_);
    function hasAttested(uint256 epoch, uint256 seat) external view returns (bool);
    /// @notice Seats 256 * word to 256 * word + 255, a bit each: who was in time, and whose vote came late.
    function attendance(uint256 epoch, uint256 word) external view returns (uint256 timely, uint256 late);
    function committeesOf(uint256 epoch) external view returns (uint256);
    function dutyBlock(uint256 epoch, uint256 committee) external view returns (uint256);
    function memberAt(uint256 epoch, uint256 committee, uint256 member) external view returns (uint256 seat);
    /// @notice What members of a committee sign (EIP-191, version 0): chain, registry, epoch and the hash of
    /// the block before the duty block, so that nobody can sign before there is something to attest.
    function attestationDigest(uint256 epoch, uint256 committee) external view returns (bytes32);
    function validator(uint256 seat) external view returns (Validator memory);
    /// @return Seat of an account; reverts if it has none.
    function seatOf(address account) external view returns (uint256);
    function creditOf(address account) external view returns (uint256 gweiAmount);
    /// @return pot Free for coming epochs. @return reserved For the latest epoch. @return owed Earned, not settled.
    function books() external view returns (uint256 pot, uint256 reserved, uint256 owed);
}
