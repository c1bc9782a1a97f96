// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockRecord} from "../../contracts/src/interfaces/IChainHistory.sol";
import {GasFeatures} from "../../contracts/src/libraries/GasFeatures.sol";
import {Header, HeaderFields} from "../../contracts/src/libraries/Header.sol";

interface ILedger {
    function withdraw() external;
    function finalise(bytes32 runId) external;
    function reclaim(bytes32 taskId) external;
    function abort(bytes32 runId) external;
}

/// @dev The header library by itself: in the ledger only headers with the right hash reach it.
contract HeaderReader {
    function parse(bytes calldata rlp) external pure returns (uint256 number, bytes32 mixHash) {
        return Header.parse(rlp);
    }

    function read(bytes calldata rlp) external pure returns (HeaderFields memory) {
        return Header.read(rlp);
    }
}

/// @dev What a gas feed computes, by itself: in the feed it reads the chain's own blocks alone.
contract GasFeaturesReader {
    function derive(BlockRecord[] calldata blocks, uint256 fractionBits) external pure returns (int256[] memory) {
        return GasFeatures.derive(blocks, fractionBits);
    }

    function answer(uint256 baseFee, int256 output, uint256 fractionBits) external pure returns (int256) {
        return GasFeatures.answer(baseFee, output, fractionBits);
    }
}

/// @dev A payee that calls back into the ledger, by every door, while it is being paid.
contract ReentrantPayee {
    ILedger private immutable _LEDGER;
    bytes32 public runId;
    bytes32 public taskId;
    uint256 public attempts;
    uint256 public succeeded;

    constructor(ILedger ledger) {
        _LEDGER = ledger;
    }

    function aim(bytes32 run, bytes32 task) external {
        (runId, taskId) = (run, task);
    }

    function take() external {
        _LEDGER.withdraw();
    }

    receive() external payable {
        if (msg.sender != address(_LEDGER)) return;
        _try(abi.encodeCall(ILedger.withdraw, ()));
        _try(abi.encodeCall(ILedger.finalise, (runId)));
        _try(abi.encodeCall(ILedger.abort, (runId)));
        _try(abi.encodeCall(ILedger.reclaim, (taskId)));
    }

    function _try(bytes memory data) private {
        ++attempts;
        (bool ok,) = address(_LEDGER).call(data);
        if (ok) ++succeeded;
    }
}

/// @dev Somebody who is owed ether calls it, and it asks the ledger for that ether.
contract Lure {
    ILedger private immutable _LEDGER;

    constructor(ILedger ledger) {
        _LEDGER = ledger;
    }

    function claimFreeTokens() external {
        _LEDGER.withdraw();
    }

    receive() external payable {}
}

/// @dev Takes no ether, or takes all gas.
contract BadReceiver {
    ILedger private immutable _LEDGER;
    bool private immutable _BURNS;

    constructor(ILedger ledger, bool burns) {
        (_LEDGER, _BURNS) = (ledger, burns);
    }

    function take() external {
        _LEDGER.withdraw();
    }

    receive() external payable {
        require(_BURNS);
        assembly {
            invalid()
        }
    }
}

/// @dev Code at one address that can be made, destroyed in the same transaction (EIP-6780), and made
/// again as something else: the creation code asks its maker what to become.
contract Metamorph {
    bytes public next;
    address public child;

    function become() external view returns (bytes memory) {
        return next;
    }

    function make(bytes memory runtime) public returns (address at) {
        next = runtime;
        at = address(new Chameleon{salt: 0}());
        child = at;
    }

    /// @dev Make code that destroys itself when called, register a circuit with it, and call it.
    function makeRegisterDestroy(bytes memory runtime, address registry, bytes memory register) external {
        address at = make(runtime);
        (bool ok,) = registry.call(register);
        require(ok, "register");
        (ok,) = at.call("");
        require(ok, "destroy");
    }
}

contract Chameleon {
    constructor() {
        bytes memory runtime = Metamorph(msg.sender).become();
        assembly {
            return(add(runtime, 0x20), mload(runtime))
        }
    }
}

/// @dev Forwards every call to what its owner chose last: the same code, another behaviour.
contract Proxy {
    address public target;

    function setTarget(address to) external {
        target = to;
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) = target.staticcall(data);
        require(ok);
        return answer;
    }
}
