// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../interfaces/ICircuits.sol";
import {AggregatorV3Interface} from "../interfaces/IFeedReaders.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {PinnedConsumer} from "./PinnedConsumer.sol";

/// @title Margin that follows a proven forecast of volatility
/// @notice An example of a contract that derives a model's inputs itself. It takes a price a day from an
/// oracle, makes three features of the last 22 daily moves (a day, a week, a month: Corsi 2009), and takes a
/// forecast only with a proof that the pinned model makes it of exactly these. Who holds a position keeps
/// ether against it: more when the forecast is high. Without a fresh forecast the requirement is the highest.
/// @dev The rails are policy, not part of the proof: whatever a model says, the margin stays within them.
/// Profit, loss and liquidation are not what this shows, and are left out.
contract VolatilityMargin is PinnedConsumer {
    struct Terms {
        /// A day, in seconds, and how much longer it may be before the history begins anew.
        uint32 day;
        uint32 slack;
        /// Seconds for which a forecast counts, from its newest price.
        uint32 maxAge;
        /// Margin in units of the forecast daily move.
        uint32 multiple;
        /// Rails of the margin, millionths of the position.
        uint32 floorPpm;
        uint32 ceilingPpm;
    }

    struct Account {
        uint128 collateral;
        uint128 position;
    }

    uint256 public constant WEEK = 5;
    uint256 public constant MONTH = 22;
    uint256 private constant _PPM = 1_000_000;

    AggregatorV3Interface public immutable source;
    Terms private _terms;

    /// @notice Number of prices taken; the newest is price number `daysSeen`. Nonce of the next forecast's proof.
    uint256 public daysSeen;
    /// @notice First price of the unbroken history.
    uint256 public firstDay;
    uint256 public lastTime;
    uint256[MONTH + 1] private _prices;

    /// @notice The newest forecast: mean daily move in percent (fixed point), of which day, until when it counts.
    int256 public forecast;
    uint256 public forecastDay;
    uint256 public validUntil;

    mapping(address trader => Account) public accounts;

    event PriceTaken(uint256 indexed day, uint256 price, bool historyBegins);
    event Forecast(uint256 indexed day, int256 forecast, uint256 marginPpm);
    event PositionSet(address indexed trader, uint256 position, uint256 collateral);

    error TermsInvalid();
    error PriceInvalid(int256 price);
    error TooEarly(uint256 notBefore, uint256 time);
    error PriceTooOld(uint256 notBefore, uint256 time);
    error HistoryTooShort(uint256 expected, uint256 got);
    error AlreadyForecast(uint256 day);
    error Undermargined(uint256 required, uint256 collateral);
    error WithdrawalFailed(address trader);

    constructor(
        IModelRegistry registry_,
        uint256 modelId_,
        bytes32 commitmentHash,
        AggregatorV3Interface source_,
        Terms memory terms_
    ) PinnedConsumer(registry_, modelId_, commitmentHash) {
        if (_FEATURES != 3 || _OUTPUTS != 1) revert ModelDoesNotFit(_FEATURES, _OUTPUTS);
        if (terms_.day == 0 || terms_.floorPpm > terms_.ceilingPpm) revert TermsInvalid();
        (source, _terms) = (source_, terms_);
    }

    /// @notice Take the oracle's price as the day's; anybody, once a day.
    function observe() external {
        (, int256 price,, uint256 time,) = source.latestRoundData();
        if (price <= 0 || price > type(int128).max) revert PriceInvalid(price);
        if (time + _terms.slack < block.timestamp) {
            revert PriceTooOld(block.timestamp - _terms.slack, time);
        }
        if (daysSeen != 0 && time < lastTime + _terms.day) revert TooEarly(lastTime + _terms.day, time);
        uint256 day = ++daysSeen;
        bool begins = day == 1 || time > lastTime + _terms.day + _terms.slack;
        if (begins) firstDay = day;
        lastTime = time;
        // forge-lint: disable-next-line(unsafe-typecast)
        _prices[day % (MONTH + 1)] = uint256(price);
        emit PriceTaken(day, uint256(price), begins);
    }

    /// @notice Take a forecast for the newest day, proven for this contract and that day; anybody.
    function submit(int256[] calldata outputs, Evidence calldata evidence) external {
        uint256 day = daysSeen;
        if (forecastDay == day) revert AlreadyForecast(day);
        _check(address(this), day, features(), outputs, evidence);
        (forecast, forecastDay, validUntil) = (outputs[0], day, lastTime + _terms.maxAge);
        emit Forecast(day, outputs[0], marginPpm());
    }

    function deposit() external payable {
        accounts[msg.sender].collateral += uint128(msg.value);
    }

    /// @notice Hold a position of so many wei. A smaller one is always allowed: it only lowers the risk.
    function setPosition(uint128 position) external {
        Account storage account = accounts[msg.sender];
        bool grows = position > account.position;
        account.position = position;
        if (grows) _requireMargin(account);
        emit PositionSet(msg.sender, position, account.collateral);
    }

    function withdraw(uint128 amount) external {
        Account storage account = accounts[msg.sender];
        account.collateral -= amount;
        _requireMargin(account);
        (bool succeeded,) = msg.sender.call{value: amount}("");
        if (!succeeded) revert WithdrawalFailed(msg.sender);
    }

    function terms() external view returns (Terms memory) {
        return _terms;
    }

    /// @notice Whether a trader holds less than what is required now.
    function isUndermargined(address trader) external view returns (bool) {
        Account memory account = accounts[trader];
        return account.collateral < _required(account.position);
    }

    /// @notice The model's inputs for the newest day: the last daily move, and means of the last 5 and 22, in
    /// percent, whatever the direction. Fixed point, each division rounded down.
    function features() public view returns (int256[] memory values) {
        uint256 day = daysSeen;
        uint256 held = day == 0 ? 0 : day - firstDay + 1;
        if (held <= MONTH) revert HistoryTooShort(MONTH + 1, held);
        values = new int256[](3);
        uint256 sum;
        uint256 after_ = _prices[day % (MONTH + 1)];
        for (uint256 k = 1; k <= MONTH; ++k) {
            uint256 before = _prices[(day - k) % (MONTH + 1)];
            uint256 move = after_ > before ? after_ - before : before - after_;
            sum += ((move * 100) << fractionBits) / before;
            // Prices are below 2^127, so no sum comes near an int256's end.
            // forge-lint: disable-start(unsafe-typecast)
            if (k == 1) values[0] = int256(sum);
            if (k == WEEK) values[1] = int256(sum / WEEK);
            // forge-lint: disable-end(unsafe-typecast)
            after_ = before;
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        values[2] = int256(sum / MONTH);
    }

    /// @notice Margin that a position needs now, millionths of it.
    function marginPpm() public view returns (uint256) {
        if (block.timestamp > validUntil) return _terms.ceilingPpm;
        if (forecast <= 0) return _terms.floorPpm;
        // A percent is 10,000 millionths. The circuit's integers are below 2^127.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 wanted = (uint256(forecast) * _terms.multiple * 10_000) >> fractionBits;
        if (wanted < _terms.floorPpm) return _terms.floorPpm;
        return wanted > _terms.ceilingPpm ? _terms.ceilingPpm : wanted;
    }

    function _required(uint128 position) private view returns (uint256) {
        return (uint256(position) * marginPpm() + _PPM - 1) / _PPM;
    }

    function _requireMargin(Account storage account) private view {
        uint256 required = _required(account.position);
        if (account.collateral < required) revert Undermargined(required, account.collateral);
    }
}
