// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV3Interface} from "../interfaces/IFeedReaders.sol";

/// @title A price that one account posts, read like a feed of Chainlink's
/// @notice For local chains, where there is no market: on a public one, name the feed of your oracle instead.
contract PostedPrice is AggregatorV3Interface {
    struct Post {
        int192 price;
        uint64 time;
    }

    address public immutable poster;
    uint8 public constant decimals = 8;
    uint256 public constant version = 1;
    string public constant description = "posted price";

    Post[] private _posts;

    error NotThePoster(address poster, address caller);
    error NoSuchRound(uint256 round);

    constructor(address poster_) {
        poster = poster_;
    }

    function post(int192 price) external {
        if (msg.sender != poster) revert NotThePoster(poster, msg.sender);
        _posts.push(Post(price, uint64(block.timestamp)));
    }

    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        return _read(round);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return _read(uint80(_posts.length));
    }

    function _read(uint80 round) private view returns (uint80, int256, uint256, uint256, uint80) {
        if (round == 0 || round > _posts.length) revert NoSuchRound(round);
        Post memory found = _posts[round - 1];
        return (round, found.price, found.time, found.time, round);
    }
}
