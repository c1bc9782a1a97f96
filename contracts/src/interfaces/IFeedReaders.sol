// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Chainlink's interface of a price feed
/// @dev Names, order and types are Chainlink's: its ABI is what thousands of contracts call.
interface AggregatorV3Interface {
    function decimals() external view returns (uint8);

    function description() external view returns (string memory);

    function version() external view returns (uint256);

    function getRoundData(uint80 _roundId)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// @title EIP-2362, a pull oracle
interface IEIP2362 {
    /// @return value Zero unless the status is 200.
    /// @return timestamp When the newest input was made, seconds; zero unless the status is 200.
    /// @return status 200: here it is. 404: no value that may be used now. 400: no such id.
    function valueFor(bytes32 id) external view returns (int256 value, uint256 timestamp, uint256 status);
}

/// @title API3's interface of a data feed
interface IApi3ReaderProxy {
    function read() external view returns (int224 value, uint32 timestamp);
}
