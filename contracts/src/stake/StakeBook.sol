// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    EpochSummary,
    IStakeParameters,
    IStakeRegistry,
    StakeParameters,
    Validator
} from "../interfaces/IStakeRegistry.sol";
import {Shuffle} from "../libraries/Shuffle.sol";

/// @title Stakes, queues, epochs and money of a local proof-of-stake chain
/// @notice Amounts are gwei. An epoch reserves what it may have to pay when it opens, so every reward that is
/// earned is there; what is not earned returns to the pot when it closes.
// Casts are of sums over at most MAX_SEATS validators of at most MAX_INCREMENTS, and of epochs, of which no
// chain has 2^32.
// forge-lint: disable-start(unsafe-typecast)
abstract contract StakeBook is IStakeRegistry {
    bytes32 private constant _SEED = keccak256("zkdescent.stake.seed.v1");
    uint256 private constant _GWEI = 1e9;
    uint256 private constant _INCREMENT = 1e9; // gwei: 1 ether
    uint256 internal constant MAX_SEATS = 4096;
    uint256 internal constant MAX_INCREMENTS = 2048; // MAX_EFFECTIVE_BALANCE_ELECTRA (EIP-7251)
    uint256 private constant _MAX_REWARD = 1e8; // gwei for an increment: a tenth of it
    /// @dev For the controller's answer: a {StakeController}'s takes less than a tenth of it.
    uint256 private constant _ASK_GAS = 100_000;
    /// @dev So the block before an epoch is within reach of BLOCKHASH in the whole epoch.
    uint256 private constant _MAX_EPOCH_BLOCKS = 128;

    /// @dev What becomes of the active stake when an epoch begins.
    struct Change {
        int128 increments;
        int128 validators;
    }

    address public immutable binder;
    uint256 public immutable genesisBlock;
    uint256 public immutable epochBlocks;
    uint256 public immutable churnLimit;
    uint256 public immutable withdrawalDelay;

    /// @notice The controller; zero: the parameters stay what they were.
    IStakeParameters public controller;
    StakeParameters private _parameters;

    Validator[] internal _validators;
    uint256[] private _free;
    mapping(address account => uint256) private _seats; // plus one
    mapping(address account => uint256) private _credits;

    mapping(uint256 epoch => EpochSummary) internal _epochs;
    mapping(uint256 epoch => mapping(uint256 word => uint256)) internal _timely;
    mapping(uint256 epoch => mapping(uint256 word => uint256)) internal _late;
    mapping(uint256 epoch => Change) private _changes;

    uint256 internal _latest;
    uint256 private _lastChange;
    uint256 private _queueEpoch;
    uint256 private _queued;
    int256 private _activeIncrements;
    int256 private _activeValidators;

    uint256 private _pot;
    uint256 private _reserved;
    uint256 private _owed;

    constructor(
        StakeParameters memory initial,
        address binder_,
        uint256 genesisBlock_,
        uint256 epochBlocks_,
        uint256 churnLimit_,
        uint256 withdrawalDelay_
    ) {
        if (epochBlocks_ < 2 || epochBlocks_ > _MAX_EPOCH_BLOCKS) revert BadEpochBlocks(epochBlocks_);
        if (genesisBlock_ <= block.number) revert BadGenesis(genesisBlock_, block.number);
        (binder, genesisBlock, epochBlocks) = (binder_, genesisBlock_, epochBlocks_);
        (churnLimit, withdrawalDelay) = (churnLimit_, withdrawalDelay_);
        if (!_fits(initial)) revert ParametersOutOfRange(initial);
        _parameters = initial;
    }

    /// @inheritdoc IStakeRegistry
    function bind(IStakeParameters parameters_) external {
        if (msg.sender != binder) revert NotTheBinder(binder, msg.sender);
        if (address(controller) != address(0)) revert AlreadyBound(controller);
        if (address(parameters_).code.length == 0) revert NotAContract(address(parameters_));
        controller = parameters_;
        emit Bound(parameters_);
    }

    /// @inheritdoc IStakeRegistry
    function fund() external payable {
        if (msg.value % _GWEI != 0) revert NotWholeGwei(msg.value);
        _pot += msg.value / _GWEI;
        emit Funded(msg.sender, msg.value / _GWEI);
    }

    /// @inheritdoc IStakeRegistry
    function deposit() external payable {
        if (msg.value == 0 || msg.value % 1 ether != 0) revert NotWholeIncrements(msg.value);
        uint256 current = _begun() ? open() : 0;
        uint256 seat = _seats[msg.sender] == 0 ? _take() : _seats[msg.sender] - 1;
        Validator storage v = _validators[seat];
        if (v.exitEpoch != 0) revert Exiting(seat, v.exitEpoch);
        _fold(v, seat, current);
        uint256 added = msg.value / 1 ether;
        uint256 increments = v.increments + added;
        if (increments > MAX_INCREMENTS) revert TooMuchStake(MAX_INCREMENTS, increments);
        v.stakeGwei += uint64(msg.value / _GWEI);
        uint256 from = _enqueue(current);
        _schedule(v, increments, from);
        emit Deposited(msg.sender, seat, added, from);
    }

    /// @inheritdoc IStakeRegistry
    function exit() external {
        uint256 current = open();
        uint256 seat = seatOf(msg.sender);
        Validator storage v = _validators[seat];
        if (v.exitEpoch != 0) revert Exiting(seat, v.exitEpoch);
        _fold(v, seat, current);
        uint256 from = _enqueue(current);
        v.exitEpoch = uint32(from);
        _schedule(v, 0, from);
        emit ExitQueued(msg.sender, seat, from);
    }

    /// @inheritdoc IStakeRegistry
    function claimExit() external {
        uint256 current = open();
        uint256 seat = seatOf(msg.sender);
        Validator storage v = _validators[seat];
        uint256 due = v.exitEpoch + withdrawalDelay;
        if (v.exitEpoch == 0 || current < due) revert NotWithdrawable(seat, due, current);
        if (v.settled < v.exitEpoch - 1) revert NotSettled(seat, v.settled, v.exitEpoch - 1);
        uint256 amount = v.stakeGwei;
        _credits[msg.sender] += amount;
        delete _validators[seat];
        delete _seats[msg.sender];
        _free.push(seat);
        emit ExitClaimed(msg.sender, seat, amount);
    }

    /// @inheritdoc IStakeRegistry
    function settle(uint256 seat, uint256 count) external {
        uint256 current = open();
        Validator storage v = _validators[seat];
        uint256 last = current - 1;
        if (last - v.settled > count) last = v.settled + count;
        uint256 stake = v.stakeGwei;
        uint256 earned;
        uint256 fined;
        for (uint256 epoch = v.settled + 1; epoch <= last; ++epoch) {
            uint256 due = _incrementsAt(v, epoch) * _epochs[epoch].parameters.baseReward;
            if (hasAttested(epoch, seat)) {
                earned += due;
            } else {
                // Nobody loses more than he has.
                fined += due > stake - fined ? stake - fined : due;
            }
        }
        _owed -= earned;
        _credits[v.owner] += earned;
        _pot += fined;
        v.stakeGwei = uint64(stake - fined);
        v.settled = uint32(last);
        if (last == current - 1) _reduce(v, seat, current);
    }

    /// @inheritdoc IStakeRegistry
    /// @dev The credit is gone before the caller's code runs.
    function withdraw() external {
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        _credits[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        uint256 value = amount * _GWEI;
        bool ok;
        assembly ("memory-safe") {
            // Nothing of the answer is copied.
            ok := call(gas(), caller(), value, 0, 0, 0, 0)
        }
        if (!ok) revert WithdrawalFailed(msg.sender, amount);
    }

    /// @inheritdoc IStakeRegistry
    function open() public returns (uint256 epoch) {
        epoch = epochAt(block.number);
        uint256 last = _latest;
        if (epoch == last) return epoch;
        if (last != 0) _close(last);
        _latest = epoch;
        _applyChanges(last + 1, epoch);
        _refreshParameters(epoch);

        EpochSummary storage e = _epochs[epoch];
        uint256 active = uint256(_activeIncrements);
        StakeParameters memory parameters = _parameters;
        // What can't be paid is not promised: rewards and penalties shrink with an empty pot.
        if (active * parameters.baseReward > _pot) {
            parameters.baseReward = uint32(_pot / active);
        }
        _reserved = active * parameters.baseReward;
        _pot -= _reserved;
        bytes32 source = blockhash(startOf(epoch) - 1);
        e.seed = keccak256(abi.encode(_SEED, block.chainid, address(this), epoch, source));
        e.seats = uint32(_validators.length);
        e.activeValidators = uint32(uint256(_activeValidators));
        e.activeIncrements = uint32(active);
        e.parameters = parameters;
        emit EpochOpened(epoch, e.seed, parameters);
    }

    /// @inheritdoc IStakeRegistry
    function epochAt(uint256 blockNumber) public view returns (uint256) {
        if (blockNumber < genesisBlock) revert NotBegun(genesisBlock, blockNumber);
        return 1 + (blockNumber - genesisBlock) / epochBlocks;
    }

    /// @inheritdoc IStakeRegistry
    function startOf(uint256 epoch) public view returns (uint256) {
        return genesisBlock + (epoch - 1) * epochBlocks;
    }

    /// @inheritdoc IStakeRegistry
    function latestEpoch() external view returns (uint256) {
        return _latest;
    }

    /// @inheritdoc IStakeRegistry
    function summary(uint256 epoch) external view returns (EpochSummary memory) {
        return _epochs[epoch];
    }

    /// @inheritdoc IStakeRegistry
    function hasAttested(uint256 epoch, uint256 seat) public view returns (bool) {
        return _timely[epoch][seat >> 8] >> (seat & 0xff) & 1 == 1;
    }

    /// @inheritdoc IStakeRegistry
    function attendance(uint256 epoch, uint256 word) external view returns (uint256 timely, uint256 late) {
        return (_timely[epoch][word], _late[epoch][word]);
    }

    /// @inheritdoc IStakeRegistry
    function committeesOf(uint256 epoch) public view returns (uint256) {
        EpochSummary storage e = _epochs[epoch];
        uint256 size = e.parameters.committeeSize;
        return size == 0 ? 0 : (e.seats + size - 1) / size;
    }

    /// @inheritdoc IStakeRegistry
    /// @dev Duties are spread so that every deadline ends within the epoch.
    function dutyBlock(uint256 epoch, uint256 committee) public view returns (uint256) {
        uint256 committees = committeesOf(epoch);
        if (committee >= committees) revert NoSuchCommittee(epoch, committee);
        uint256 span = epochBlocks - _epochs[epoch].parameters.attestationDeadline;
        return startOf(epoch) + committee * span / committees;
    }

    /// @inheritdoc IStakeRegistry
    function memberAt(uint256 epoch, uint256 committee, uint256 member) public view returns (uint256) {
        EpochSummary storage e = _epochs[epoch];
        uint256 size = e.parameters.committeeSize;
        uint256 position = committee * size + member;
        if (member >= size || position >= e.seats) revert NoSuchMember(committee, member);
        return Shuffle.permute(e.seed, epoch, position, e.seats);
    }

    /// @inheritdoc IStakeRegistry
    function validator(uint256 seat) external view returns (Validator memory) {
        return _validators[seat];
    }

    /// @inheritdoc IStakeRegistry
    function seatOf(address account) public view returns (uint256) {
        uint256 seat = _seats[account];
        if (seat == 0) revert NotAValidator(account);
        return seat - 1;
    }

    /// @inheritdoc IStakeRegistry
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /// @inheritdoc IStakeRegistry
    function books() external view returns (uint256 pot, uint256 reserved, uint256 owed) {
        return (_pot, _reserved, _owed);
    }

    function _incrementsAt(Validator storage v, uint256 epoch) internal view returns (uint256) {
        return v.changeEpoch != 0 && epoch >= v.changeEpoch ? v.nextIncrements : v.increments;
    }

    function _begun() private view returns (bool) {
        return block.number >= genesisBlock;
    }

    function _fits(StakeParameters memory p) private view returns (bool) {
        return p.baseReward != 0 && p.baseReward <= _MAX_REWARD && p.committeeSize != 0 && p.committeeSize <= 256
            && p.attestationDeadline != 0 && p.attestationDeadline < epochBlocks;
    }

    function _refreshParameters(uint256 epoch) private {
        if (address(controller) == address(0)) return;
        StakeParameters memory asked = _ask();
        if (_fits(asked)) _parameters = asked;
        else emit ParametersRefused(epoch, asked);
    }

    /// @dev Whatever the controller does, epochs open: `try` would not catch an answer that can't be decoded.
    /// Nobody makes the call fail by bringing little gas: what an epoch writes afterwards takes more than the
    /// 64th that is left then (EIP-150).
    /// @return asked All zero, which does not fit, if it fails, answers too little, or beyond the types.
    function _ask() private view returns (StakeParameters memory asked) {
        bytes memory question = abi.encodeCall(IStakeParameters.stakeParameters, ());
        address to = address(controller);
        bool ok;
        uint256[3] memory words;
        assembly ("memory-safe") {
            ok := staticcall(_ASK_GAS, to, add(question, 32), mload(question), words, 96)
            ok := and(ok, gt(returndatasize(), 95))
        }
        if (!ok || words[0] > type(uint32).max) return asked;
        if (words[1] > type(uint16).max || words[2] > type(uint16).max) return asked;
        return StakeParameters(uint32(words[0]), uint16(words[1]), uint16(words[2]));
    }

    function _close(uint256 epoch) private {
        EpochSummary storage e = _epochs[epoch];
        uint256 earned = uint256(e.attestingIncrements) * e.parameters.baseReward;
        _pot += _reserved - earned;
        _owed += earned;
        _reserved = 0;
        emit EpochClosed(epoch, e.attestingIncrements, e.activeIncrements);
    }

    /// @dev No loop over long gaps: nothing is scheduled beyond the end of the queue.
    function _applyChanges(uint256 from, uint256 to) private {
        uint256 last = to < _lastChange ? to : _lastChange;
        (int256 increments, int256 validators) = (_activeIncrements, _activeValidators);
        for (uint256 epoch = from; epoch <= last; ++epoch) {
            Change storage change = _changes[epoch];
            increments += change.increments;
            validators += change.validators;
        }
        (_activeIncrements, _activeValidators) = (increments, validators);
    }

    /// @dev A seat for the caller: one that was left, or a new one.
    function _take() private returns (uint256 seat) {
        if (_free.length != 0) {
            seat = _free[_free.length - 1];
            _free.pop();
        } else {
            seat = _validators.length;
            if (seat == MAX_SEATS) revert RegistryFull(seat);
            _validators.push();
        }
        _seats[msg.sender] = seat + 1;
        Validator storage v = _validators[seat];
        v.owner = msg.sender;
        v.settled = uint32(_latest == 0 ? 0 : _latest - 1);
    }

    /// @dev Before a change is scheduled the one before must be in force, and everything booked by it.
    function _fold(Validator storage v, uint256 seat, uint256 current) private {
        if (v.changeEpoch > current) revert ChangePending(seat, v.changeEpoch);
        if (v.changeEpoch == 0) return;
        if (v.settled + 1 < current) revert NotSettled(seat, v.settled, current - 1);
        v.increments = v.nextIncrements;
        v.changeEpoch = 0;
    }

    /// @dev A place in the queue of changes, at most `churnLimit` for an epoch.
    function _enqueue(uint256 current) private returns (uint256 epoch) {
        if (current == 0) return 1;
        epoch = current + 1;
        if (_queueEpoch >= epoch) {
            epoch = _queueEpoch;
            if (_queued >= churnLimit) ++epoch;
        }
        _queued = epoch == _queueEpoch ? _queued + 1 : 1;
        _queueEpoch = epoch;
    }

    function _schedule(Validator storage v, uint256 increments, uint256 epoch) private {
        Change storage change = _changes[epoch];
        change.increments += int128(int256(increments)) - int128(int256(uint256(v.increments)));
        if (v.increments == 0 && increments != 0) ++change.validators;
        if (v.increments != 0 && increments == 0) --change.validators;
        v.nextIncrements = uint16(increments);
        v.changeEpoch = uint32(epoch);
        if (epoch > _lastChange) _lastChange = epoch;
    }

    /// @dev Penalties reduce the effective stake once half an increment is gone, so that it does not flutter.
    function _reduce(Validator storage v, uint256 seat, uint256 current) private {
        if (v.exitEpoch != 0 || v.changeEpoch > current) return;
        uint256 effective = _incrementsAt(v, current);
        if (v.stakeGwei + _INCREMENT / 2 >= effective * _INCREMENT) return;
        _fold(v, seat, current);
        uint256 increments = v.stakeGwei / _INCREMENT;
        _schedule(v, increments, current + 1);
        emit BalanceReduced(seat, increments, current + 1);
    }
}
// forge-lint: disable-end(unsafe-typecast)
