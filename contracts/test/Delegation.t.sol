// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, CircuitSpec, Evidence, ICircuits, Role} from "../src/interfaces/ICircuits.sol";
import {HonkFixture} from "./utils/HonkFixture.sol";
import {MockDedicatedVerifier, MockPointVerifier} from "./utils/MockVerifiers.sol";

/// @dev Takes everything.
contract GenerousVerifier {
    function verifyProof(bytes calldata, uint256[] calldata) external pure returns (bool) {
        return true;
    }
}

/// @dev Accounts with a key that delegate to a contract's code (EIP-7702), registered as verifiers. Their code
/// is 0xef0100 and an address, and whoever has the key writes another there with a signature.
contract DelegationTest is HonkFixture {
    uint256 private constant CONTEXT = 7;
    address private account = address(0x7702);

    function delegate(address to) private {
        vm.etch(account, abi.encodePacked(hex"ef0100", to));
    }

    function registered() private returns (CircuitId id, Evidence memory evidence) {
        delegate(address(dedicated));
        CircuitSpec memory spec = dedicatedSpec();
        (spec.verifier, spec.verifierCodeHash) = (account, account.codehash);
        id = circuits.register(spec);
        evidence = stepEvidence(CONTEXT, "in", "batch", "out");
        evidence.vka = new bytes32[](0);
    }

    /// The id of an honest circuit can't be had with it: the hash is of the delegation.
    function test_a_delegated_account_is_another_circuit() public {
        (CircuitId id, Evidence memory evidence) = registered();
        circuits.check(id, CONTEXT, evidence);
        assertEq(account.code.length, 23);
        assertTrue(account.codehash != address(dedicated).codehash, "an audit compares it");
        spoil(evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
        circuits.check(id, CONTEXT, evidence);
    }

    function test_delegating_elsewhere_stops_the_circuit() public {
        (CircuitId id, Evidence memory evidence) = registered();
        bytes32 expected = account.codehash;
        delegate(address(new GenerousVerifier()));
        vm.expectRevert(
            abi.encodeWithSelector(ICircuits.VerifierChanged.selector, expected, account.codehash)
        );
        circuits.check(id, CONTEXT, evidence);
        delegate(address(new MockDedicatedVerifier()));
        vm.expectRevert(
            abi.encodeWithSelector(ICircuits.VerifierChanged.selector, expected, account.codehash)
        );
        circuits.check(id, CONTEXT, evidence);
        vm.etch(account, "");
        vm.expectRevert(
            abi.encodeWithSelector(ICircuits.VerifierChanged.selector, expected, account.codehash)
        );
        circuits.check(id, CONTEXT, evidence);
    }

    /// What no hash of an account shows, a proxy's neither: the code that it delegates to may come later.
    function test_the_hash_does_not_show_what_appears_where_it_delegates_to() public {
        address later = address(0x1A7E);
        delegate(later);
        CircuitSpec memory spec = dedicatedSpec();
        (spec.verifier, spec.verifierCodeHash) = (account, account.codehash);
        CircuitId id = circuits.register(spec);
        Evidence memory evidence = stepEvidence(CONTEXT, "in", "batch", "out");
        (evidence.vka, evidence.publicValues) = (new bytes32[](0), new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
        circuits.check(id, CONTEXT, evidence);
        vm.etch(later, address(new GenerousVerifier()).code);
        spoil(evidence);
        circuits.check(id, CONTEXT, evidence);
        assertEq(account.codehash, spec.verifierCodeHash);
    }

    /// The flag is for code that pushes the point itself.
    function test_delegating_to_a_ceremonys_verifier_gets_no_production_flag() public {
        address published = address(new MockPointVerifier());
        CircuitSpec memory spec = honkSpec(Role.Step, published, 4);
        (spec.stepsPerProof, spec.production) = (8, true);
        circuits.register(spec);
        delegate(published);
        (spec.verifier, spec.verifierCodeHash) = (account, account.codehash);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.NotCeremonyVerifier.selector, account));
        circuits.register(spec);
    }
}
