// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BlockClaim,
    CircuitId,
    CircuitSpec,
    CircuitStatus,
    Claim,
    Evidence,
    ICircuits,
    Prover,
    Role
} from "./interfaces/ICircuits.sol";
import {CodeStore} from "./libraries/CodeStore.sol";
import {Commitment, StepSlot} from "./libraries/Commitment.sol";
import {EvidenceCall} from "./libraries/EvidenceCall.sol";
import {Fixed} from "./libraries/Fixed.sol";
import {HashWords, InferenceWord, StepWord} from "./libraries/HashWords.sol";
import {Statement} from "./libraries/Statement.sol";
import {UltraHonk} from "./libraries/UltraHonk.sol";

/// @title Circuits
/// @notice See {ICircuits}.
contract Circuits is ICircuits {
    /// @dev A spec is kept as code: a check reads nearly all of it, for little more than one word of storage.
    struct Entry {
        address spec;
        /// How many registrations are not withdrawn.
        uint96 live;
    }

    /// @dev Words of an encoded CircuitSpec: the last four are `opening`.
    uint256 private constant SPEC_WORDS = 19;
    uint256 private constant OPENING_WORDS = 4;

    mapping(CircuitId => Entry) private _entries;
    mapping(CircuitId => mapping(address => CircuitStatus)) private _registrations;

    /// @inheritdoc ICircuits
    function register(CircuitSpec calldata circuit) external returns (CircuitId id) {
        id = Statement.circuitId(circuit);
        CircuitStatus mine = _registrations[id][msg.sender];
        if (mine == CircuitStatus.Live) return id;
        if (mine == CircuitStatus.Retired) revert AlreadyRetired(id, msg.sender);

        _registrations[id][msg.sender] = CircuitStatus.Live;
        Entry storage entry = _entries[id];
        if (entry.live++ > 0) {
            emit CircuitEndorsed(id, msg.sender);
        } else {
            _validate(circuit);
            if (entry.spec == address(0)) entry.spec = CodeStore.write(abi.encode(circuit));
            emit CircuitRegistered(id, msg.sender, circuit);
        }
    }

    /// @inheritdoc ICircuits
    function retire(CircuitId id) external {
        CircuitStatus mine = _registrations[id][msg.sender];
        if (mine == CircuitStatus.Unknown) revert NotRegistrant(id, msg.sender);
        if (mine == CircuitStatus.Retired) revert AlreadyRetired(id, msg.sender);
        _registrations[id][msg.sender] = CircuitStatus.Retired;
        --_entries[id].live;
        emit RegistrationWithdrawn(id, msg.sender, statusOf(id));
    }

    /// @inheritdoc ICircuits
    /// @dev In order of cost: status, lengths, field, context, verifier code, verifying key, proof.
    function check(CircuitId id, uint256 context, Evidence calldata evidence)
        external
        view
        returns (Claim memory claim)
    {
        CircuitSpec memory circuit = _requireLive(id);
        bytes calldata proof = evidence.proof;
        uint256[] calldata values = evidence.publicValues;
        _checkShape(circuit, proof, values);
        claim = _claim(circuit, id, proof);
        if (!_holds(circuit, context, proof)) revert ContextMismatch(context);
        _checkVerifier(circuit, id, proof, values, evidence.vka);
    }

    /// @inheritdoc ICircuits
    /// @dev In the same order as {check}, the state in before the context.
    function checkBlock(CircuitId id, bytes32 stateIn, uint256 context, Evidence calldata evidence)
        external
        view
        returns (BlockClaim memory said)
    {
        CircuitSpec memory circuit = _requireLive(id);
        if (circuit.role != Role.Step) revert RoleMismatch(id, circuit.role);
        bytes calldata proof = evidence.proof;
        uint256[] calldata values = evidence.publicValues;
        _checkShape(circuit, proof, values);
        bytes32 from;
        if (circuit.prover == Prover.UltraHonk) {
            from = HashWords.tensorHash(proof, uint256(StepWord.StateIn));
            said.batch = HashWords.tensorHash(proof, uint256(StepWord.Batch));
            said.stateOut = HashWords.tensorHash(proof, uint256(StepWord.StateOut));
        } else {
            from = Commitment.tensorHash(proof, uint256(StepSlot.StateIn));
            said.batch = Commitment.tensorHash(proof, uint256(StepSlot.Batch));
            said.stateOut = Commitment.tensorHash(proof, uint256(StepSlot.StateOut));
        }
        if (from != stateIn) revert StateInMismatch(stateIn, from);
        if (!_holds(circuit, context, proof)) revert ContextMismatch(context);
        _checkVerifier(circuit, id, proof, values, evidence.vka);
    }

    /// @inheritdoc ICircuits
    /// @dev In the same order as {checkBlock}.
    function checkBlocks(
        CircuitId id,
        bytes32 stateIn,
        uint256[] calldata contexts,
        Evidence calldata evidence
    ) external view returns (BlockClaim[] memory said) {
        CircuitSpec memory circuit = _requireLive(id);
        uint256 count = _requireAggregate(circuit, id);
        // A fault for which a step circuit was retired is in every aggregate of its proofs.
        _requireRegistered(circuit.child);
        bytes calldata proof = evidence.proof;
        uint256[] calldata values = evidence.publicValues;
        _checkShape(circuit, proof, values);
        if (contexts.length != count) revert ContextCount(count, contexts.length);
        bytes32 from;
        (from, said) = HashWords.claims(proof, count);
        if (from != stateIn) revert StateInMismatch(stateIn, from);
        for (uint256 k; k < count; ++k) {
            bytes32 held = HashWords.word(proof, HashWords.contextPlace(k));
            if (uint256(held) != contexts[k]) revert ContextMismatch(contexts[k]);
        }
        _checkVerifier(circuit, id, proof, values, evidence.vka);
    }

    /// @inheritdoc ICircuits
    function claimOf(CircuitId id, bytes calldata proof) external view returns (Claim memory claim) {
        CircuitSpec memory circuit = _requireLive(id);
        _checkLength(circuit, proof);
        claim = _claim(circuit, id, proof);
    }

    /// @inheritdoc ICircuits
    function claimsOf(CircuitId id, bytes calldata proof)
        external
        view
        returns (bytes32 stateIn, BlockClaim[] memory blocks)
    {
        CircuitSpec memory circuit = _requireLive(id);
        _checkLength(circuit, proof);
        return HashWords.claims(proof, _requireAggregate(circuit, id));
    }

    /// @inheritdoc ICircuits
    function spec(CircuitId id) external view returns (CircuitSpec memory circuit) {
        address pointer = _entries[id].spec;
        if (pointer == address(0)) revert CircuitUnknown(id);
        _read(pointer, circuit);
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
        Entry storage entry = _entries[id];
        if (entry.spec == address(0)) return CircuitStatus.Unknown;
        return entry.live == 0 ? CircuitStatus.Retired : CircuitStatus.Live;
    }

    function _requireLive(CircuitId id) private view returns (CircuitSpec memory circuit) {
        _read(_requireRegistered(id), circuit);
    }

    /// @return pointer Where the spec of a live circuit is kept.
    function _requireRegistered(CircuitId id) private view returns (address pointer) {
        Entry storage entry = _entries[id];
        uint256 live;
        (pointer, live) = (entry.spec, entry.live);
        if (pointer == address(0)) revert CircuitUnknown(id);
        if (live == 0) revert CircuitRetired(id);
    }

    /// @dev In memory a struct holds where its array is, and not the array.
    function _read(address pointer, CircuitSpec memory circuit) private view {
        uint256 fields = SPEC_WORDS - OPENING_WORDS;
        uint256[OPENING_WORDS] memory opening = circuit.opening;
        uint256 to;
        assembly ("memory-safe") {
            to := circuit
        }
        CodeStore.read(pointer, to, 0, fields);
        assembly ("memory-safe") {
            to := opening
        }
        CodeStore.read(pointer, to, fields, OPENING_WORDS);
    }

    /// @dev What can be refused at registration is not left to fail in use. That the spec describes
    /// the circuit its registrant talks about is for auditors: they recompute vkaDigest and opening
    /// from the verifying key and the SRS, and compare the verifier's code with a compilation.
    function _validate(CircuitSpec calldata circuit) private view {
        bytes32 codeHash = circuit.verifier.codehash;
        if (circuit.verifier.code.length == 0) revert SpecInvalid("verifier");
        if (codeHash != circuit.verifierCodeHash) revert VerifierChanged(circuit.verifierCodeHash, codeHash);
        if ((circuit.vkaDigest != 0) != (circuit.prover == Prover.EzklReusable)) {
            revert SpecInvalid("vkaDigest");
        }
        if (circuit.vkHash == 0) revert SpecInvalid("vkHash");

        Role role = circuit.role;
        bool honk = circuit.prover == Prover.UltraHonk;
        bool aggregate = role == Role.Aggregate;
        if ((circuit.blocks != 0) != aggregate) revert SpecInvalid("blocks");
        if ((CircuitId.unwrap(circuit.child) != 0) != aggregate) revert SpecInvalid("child");
        uint256 front = honk
            ? HashWords.SIZE * HashWords.count(role, circuit.blocks)
            : Commitment.SIZE * Commitment.count(role);
        if (front == 0) revert SpecInvalid("role");
        if (circuit.proofLength % 32 != 0 || circuit.proofLength < front) revert SpecInvalid("proofLength");
        bool inference = role == Role.Inference;
        if (uint256(circuit.publicValues) != uint256(circuit.features) + circuit.outputs) {
            revert SpecInvalid("publicValues");
        }
        if ((circuit.features != 0) != inference) revert SpecInvalid("features");
        if ((circuit.outputs != 0) != inference) revert SpecInvalid("outputs");
        if ((circuit.stepsPerProof != 0) != (role == Role.Step || aggregate)) {
            revert SpecInvalid("stepsPerProof");
        }
        if (circuit.production) {
            if (!honk) revert SpecInvalid("production");
            if (!UltraHonk.pushesCeremonyPoint(circuit.verifier)) {
                revert NotCeremonyVerifier(circuit.verifier);
            }
        }

        uint256[4] memory opening = circuit.opening;
        bool valid = honk || role == Role.Range
            ? opening[0] | opening[1] | opening[2] | opening[3] == 0
            : Commitment.isOpening(opening);
        if (!valid) revert OpeningInvalid(opening);
    }

    function _checkShape(CircuitSpec memory circuit, bytes calldata proof, uint256[] calldata values)
        private
        pure
    {
        _checkLength(circuit, proof);
        uint256 count = circuit.publicValues;
        if (values.length != count) revert PublicValueCount(count, values.length);
        // A value and the same value plus R would pass for one another.
        for (uint256 k; k < count; ++k) {
            if (values[k] >= Fixed.R) revert ValueNotInField(k);
        }
    }

    function _checkVerifier(
        CircuitSpec memory circuit,
        CircuitId id,
        bytes calldata proof,
        uint256[] calldata values,
        bytes32[] calldata vka
    ) private view {
        bytes32 codeHash = circuit.verifier.codehash;
        if (codeHash != circuit.verifierCodeHash) revert VerifierChanged(circuit.verifierCodeHash, codeHash);
        (uint256 data, uint256 end) = _verifierCall(circuit, proof, values, vka);
        if (!_accepts(circuit, data, end)) revert ProofRejected(id);
    }

    /// @dev The call data is encoded here, never forwarded: whatever encoding the caller used, the
    /// verifier sees the canonical one. It lies where memory is free.
    /// @return data Where it begins.
    /// @return end Where it ends.
    function _verifierCall(
        CircuitSpec memory circuit,
        bytes calldata proof,
        uint256[] calldata values,
        bytes32[] calldata vka
    ) private pure returns (uint256 data, uint256 end) {
        bytes32 expected = circuit.vkaDigest;
        if (circuit.prover == Prover.EzklReusable) {
            bytes32 digest;
            (data, end, digest) = EvidenceCall.reusable(proof, values, vka);
            if (digest != expected) revert VkaMismatch(expected, digest);
            return (data, end);
        }
        if (vka.length != 0) revert VkaMismatch(expected, keccak256(abi.encodePacked(vka)));
        if (circuit.prover == Prover.EzklDedicated) return EvidenceCall.dedicated(proof, values);
        return HashWords.verifierCall(proof, HashWords.count(circuit.role, circuit.blocks), values);
    }

    /// @dev It is a STATICCALL and at most 64 bytes of the answer are read. The reusable verifier also says
    /// which verifying key it used; others return one word.
    function _accepts(CircuitSpec memory circuit, uint256 data, uint256 end) private view returns (bool) {
        address verifier = circuit.verifier;
        bool ok;
        uint256 size;
        uint256 verdict;
        bytes32 digest;
        assembly ("memory-safe") {
            ok := staticcall(gas(), verifier, data, sub(end, data), 0x00, 0x40)
            size := returndatasize()
            verdict := mload(0x00)
            digest := mload(0x20)
        }
        if (!ok || verdict != 1) return false;
        return circuit.prover == Prover.EzklReusable ? size >= 64 && digest == circuit.vkaDigest : size == 32;
    }

    /// @dev Whether a step, range or inference proof holds the context.
    function _holds(CircuitSpec memory circuit, uint256 context, bytes calldata proof)
        private
        view
        returns (bool)
    {
        if (circuit.prover == Prover.UltraHonk) {
            uint256 place =
                circuit.role == Role.Step ? uint256(StepWord.Context) : uint256(InferenceWord.Context);
            return uint256(HashWords.word(proof, place)) == context;
        }
        if (circuit.role == Role.Range) return context == 0;
        return Commitment.holds(proof, context, circuit.opening);
    }

    function _claim(CircuitSpec memory circuit, CircuitId id, bytes calldata proof)
        private
        pure
        returns (Claim memory)
    {
        Role role = circuit.role;
        if (role == Role.Aggregate) revert RoleMismatch(id, role);
        return
            circuit.prover == Prover.UltraHonk ? HashWords.claim(role, proof) : Commitment.claim(role, proof);
    }

    function _checkLength(CircuitSpec memory circuit, bytes calldata proof) private pure {
        uint256 length = circuit.proofLength;
        if (proof.length != length) revert ProofLength(length, proof.length);
    }

    /// @return How many block proofs it covers.
    function _requireAggregate(CircuitSpec memory circuit, CircuitId id) private pure returns (uint256) {
        if (circuit.role != Role.Aggregate) revert RoleMismatch(id, circuit.role);
        return circuit.blocks;
    }
}
