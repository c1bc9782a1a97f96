// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    CircuitId,
    CircuitSpec,
    CircuitStatus,
    Claim,
    Evidence,
    ICircuits,
    Prover,
    Role
} from "./interfaces/ICircuits.sol";
import {IEzklDedicatedVerifier, IEzklReusableVerifier} from "./interfaces/IEzklVerifiers.sol";
import {Commitment, InferenceSlot, RangeSlot, StepSlot} from "./libraries/Commitment.sol";
import {Fixed} from "./libraries/Fixed.sol";
import {Statement} from "./libraries/Statement.sol";

/// @title Circuits
/// @notice See {ICircuits}.
contract Circuits is ICircuits {
    mapping(CircuitId => CircuitSpec) private _specs;
    /// @dev How many registrations of a circuit are not withdrawn.
    mapping(CircuitId => uint256) private _live;
    mapping(CircuitId => mapping(address => CircuitStatus)) private _registrations;

    /// @inheritdoc ICircuits
    function register(CircuitSpec calldata circuit) external returns (CircuitId id) {
        id = Statement.circuitId(circuit);
        CircuitStatus mine = _registrations[id][msg.sender];
        if (mine == CircuitStatus.Live) return id;
        if (mine == CircuitStatus.Retired) revert AlreadyRetired(id, msg.sender);

        CircuitStatus status = statusOf(id);
        _registrations[id][msg.sender] = CircuitStatus.Live;
        ++_live[id];
        if (status == CircuitStatus.Live) {
            emit CircuitEndorsed(id, msg.sender);
        } else {
            _validate(circuit);
            _specs[id] = circuit;
            emit CircuitRegistered(id, msg.sender, circuit);
        }
    }

    /// @inheritdoc ICircuits
    function retire(CircuitId id) external {
        CircuitStatus mine = _registrations[id][msg.sender];
        if (mine == CircuitStatus.Unknown) revert NotRegistrant(id, msg.sender);
        if (mine == CircuitStatus.Retired) revert AlreadyRetired(id, msg.sender);
        _registrations[id][msg.sender] = CircuitStatus.Retired;
        --_live[id];
        emit RegistrationWithdrawn(id, msg.sender, statusOf(id));
    }

    /// @inheritdoc ICircuits
    /// @dev In order of cost: status, lengths, field, context, verifier code, verifying key, proof.
    function check(CircuitId id, uint256 context, Evidence calldata evidence)
        external
        view
        returns (Claim memory claim)
    {
        CircuitSpec storage circuit = _requireLive(id);
        Role role = circuit.role;
        _checkShape(circuit, evidence);
        if (role == Role.Range) {
            if (context != 0) revert ContextMismatch(context);
        } else if (!Commitment.holds(evidence.proof, context, circuit.opening)) {
            revert ContextMismatch(context);
        }
        _checkVerifier(circuit, id, evidence);
        claim = _claim(role, evidence.proof);
    }

    /// @inheritdoc ICircuits
    function claimOf(CircuitId id, bytes calldata proof) external view returns (Claim memory claim) {
        CircuitSpec storage circuit = _requireLive(id);
        if (proof.length != circuit.proofLength) revert ProofLength(circuit.proofLength, proof.length);
        claim = _claim(circuit.role, proof);
    }

    /// @inheritdoc ICircuits
    function spec(CircuitId id) external view returns (CircuitSpec memory) {
        if (statusOf(id) == CircuitStatus.Unknown) revert CircuitUnknown(id);
        return _specs[id];
    }

    /// @inheritdoc ICircuits
    function registrationOf(CircuitId id, address who) external view returns (CircuitStatus) {
        return _registrations[id][who];
    }

    /// @inheritdoc ICircuits
    function circuitIdOf(CircuitSpec calldata circuit) external pure returns (CircuitId) {
        return Statement.circuitId(circuit);
    }

    /// @inheritdoc ICircuits
    function statusOf(CircuitId id) public view returns (CircuitStatus) {
        if (_specs[id].verifier == address(0)) return CircuitStatus.Unknown;
        return _live[id] == 0 ? CircuitStatus.Retired : CircuitStatus.Live;
    }

    function _requireLive(CircuitId id) private view returns (CircuitSpec storage circuit) {
        CircuitStatus status = statusOf(id);
        if (status == CircuitStatus.Unknown) revert CircuitUnknown(id);
        if (status == CircuitStatus.Retired) revert CircuitRetired(id);
        circuit = _specs[id];
    }

    /// @dev What can be refused at registration is not left to fail in use. That the spec describes
    /// the circuit its registrant talks about is for auditors: they recompute vkaDigest and opening
    /// from the verifying key and the SRS.
    function _validate(CircuitSpec calldata circuit) private view {
        bytes32 codeHash = circuit.verifier.codehash;
        if (circuit.verifier.code.length == 0) revert SpecInvalid("verifier");
        if (codeHash != circuit.verifierCodeHash) revert VerifierChanged(circuit.verifierCodeHash, codeHash);
        if ((circuit.vkaDigest == 0) != (circuit.prover == Prover.EzklDedicated)) revert SpecInvalid("vkaDigest");
        if (circuit.vkHash == 0) revert SpecInvalid("vkHash");

        Role role = circuit.role;
        if (circuit.proofLength % 32 != 0 || circuit.proofLength < _slots(role) * Commitment.SIZE) {
            revert SpecInvalid("proofLength");
        }
        bool inference = role == Role.Inference;
        if (uint256(circuit.publicValues) != uint256(circuit.features) + circuit.outputs) {
            revert SpecInvalid("publicValues");
        }
        if ((circuit.features != 0) != inference) revert SpecInvalid("features");
        if ((circuit.outputs != 0) != inference) revert SpecInvalid("outputs");
        if ((circuit.stepsPerProof != 0) != (role == Role.Step)) revert SpecInvalid("stepsPerProof");

        uint256[4] memory opening = circuit.opening;
        bool valid = role == Role.Range
            ? opening[0] | opening[1] | opening[2] | opening[3] == 0
            : Commitment.isOpening(opening);
        if (!valid) revert OpeningInvalid(opening);
    }

    function _checkShape(CircuitSpec storage circuit, Evidence calldata evidence) private view {
        uint256 proofLength = circuit.proofLength;
        if (evidence.proof.length != proofLength) revert ProofLength(proofLength, evidence.proof.length);
        uint256 count = circuit.publicValues;
        if (evidence.publicValues.length != count) revert PublicValueCount(count, evidence.publicValues.length);
        // A value and the same value plus R would pass for one another.
        for (uint256 k; k < count; ++k) {
            if (evidence.publicValues[k] >= Fixed.R) revert ValueNotInField(k);
        }
    }

    /// @dev The call data is encoded here, never forwarded: whatever encoding the caller used, the
    /// verifier sees the canonical one. It is a STATICCALL and at most 64 bytes of its answer are read.
    function _checkVerifier(CircuitSpec storage circuit, CircuitId id, Evidence calldata evidence) private view {
        address verifier = circuit.verifier;
        bytes32 codeHash = verifier.codehash;
        if (codeHash != circuit.verifierCodeHash) revert VerifierChanged(circuit.verifierCodeHash, codeHash);

        bytes32 digest = circuit.vkaDigest;
        bytes memory data;
        if (circuit.prover == Prover.EzklReusable) {
            bytes32 got = _digest(evidence.vka);
            if (got != digest) revert VkaMismatch(digest, got);
            data = abi.encodeCall(
                IEzklReusableVerifier.verifyProof, (evidence.proof, evidence.publicValues, evidence.vka)
            );
        } else {
            if (evidence.vka.length != 0) revert VkaMismatch(0, _digest(evidence.vka));
            data = abi.encodeCall(IEzklDedicatedVerifier.verifyProof, (evidence.proof, evidence.publicValues));
        }

        bool ok;
        uint256 size;
        uint256 verdict;
        bytes32 returned;
        assembly ("memory-safe") {
            ok := staticcall(gas(), verifier, add(data, 0x20), mload(data), 0x00, 0x40)
            size := returndatasize()
            verdict := mload(0x00)
            returned := mload(0x20)
        }
        // The reusable verifier also says which verifying key it used; a dedicated one returns one word.
        bool accepted = ok && verdict == 1
            && (circuit.prover == Prover.EzklReusable ? size >= 64 && returned == digest : size == 32);
        if (!accepted) revert ProofRejected(id);
    }

    /// @dev keccak256(abi.encodePacked(words)) without Solidity's loop over a few hundred words.
    function _digest(bytes32[] calldata words) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let size := shl(5, words.length)
            calldatacopy(scratch, words.offset, size)
            digest := keccak256(scratch, size)
        }
    }

    /// @dev How many committed tensors a proof begins with.
    function _slots(Role role) private pure returns (uint256) {
        if (role == Role.Step) return Commitment.STEP_SLOTS;
        return role == Role.Range ? Commitment.RANGE_SLOTS : Commitment.INFERENCE_SLOTS;
    }

    function _claim(Role role, bytes calldata proof) private pure returns (Claim memory claim) {
        if (role == Role.Step) {
            claim.stateIn = Commitment.tensorHash(proof, uint256(StepSlot.StateIn));
            claim.batch = Commitment.tensorHash(proof, uint256(StepSlot.Batch));
            claim.stateOut = Commitment.tensorHash(proof, uint256(StepSlot.StateOut));
        } else if (role == Role.Range) {
            claim.stateIn = Commitment.tensorHash(proof, uint256(RangeSlot.State));
            claim.batch = Commitment.tensorHash(proof, uint256(RangeSlot.Batch));
        } else {
            claim.stateIn = Commitment.tensorHash(proof, uint256(InferenceSlot.State));
        }
    }
}
