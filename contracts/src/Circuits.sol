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
import {IEzklDedicatedVerifier} from "./interfaces/IEzklVerifiers.sol";
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
        _checkShape(circuit, evidence);
        claim = _claim(circuit, id, evidence.proof);
        if (!_holds(circuit, context, evidence.proof)) revert ContextMismatch(context);
        _checkVerifier(circuit, id, evidence);
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
        _checkShape(circuit, evidence);
        bytes calldata proof = evidence.proof;
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
        _checkVerifier(circuit, id, evidence);
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
        _checkShape(circuit, evidence);
        if (contexts.length != count) revert ContextCount(count, contexts.length);
        bytes32 from;
        (from, said) = HashWords.claims(evidence.proof, count);
        if (from != stateIn) revert StateInMismatch(stateIn, from);
        for (uint256 k; k < count; ++k) {
            bytes32 held = HashWords.word(evidence.proof, HashWords.contextPlace(k));
            if (uint256(held) != contexts[k]) revert ContextMismatch(contexts[k]);
        }
        _checkVerifier(circuit, id, evidence);
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
    function spec(CircuitId id) external view returns (CircuitSpec memory) {
        address pointer = _entries[id].spec;
        if (pointer == address(0)) revert CircuitUnknown(id);
        return _read(pointer);
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

    function _requireLive(CircuitId id) private view returns (CircuitSpec memory) {
        return _read(_requireRegistered(id));
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
    function _read(address pointer) private view returns (CircuitSpec memory circuit) {
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

    function _checkShape(CircuitSpec memory circuit, Evidence calldata evidence) private pure {
        _checkLength(circuit, evidence.proof);
        uint256[] calldata values = evidence.publicValues;
        uint256 count = circuit.publicValues;
        if (values.length != count) revert PublicValueCount(count, values.length);
        // A value and the same value plus R would pass for one another.
        for (uint256 k; k < count; ++k) {
            if (values[k] >= Fixed.R) revert ValueNotInField(k);
        }
    }

    /// @dev The call data is encoded here, never forwarded: whatever encoding the caller used, the
    /// verifier sees the canonical one. It is a STATICCALL and at most 64 bytes of its answer are read.
    function _checkVerifier(CircuitSpec memory circuit, CircuitId id, Evidence calldata evidence)
        private
        view
    {
        address verifier = circuit.verifier;
        bytes32 codeHash = verifier.codehash;
        if (codeHash != circuit.verifierCodeHash) revert VerifierChanged(circuit.verifierCodeHash, codeHash);

        Prover prover = circuit.prover;
        bytes32 digest;
        uint256 data;
        uint256 end;
        if (prover == Prover.EzklReusable) {
            (data, end, digest) = EvidenceCall.verifyProof(evidence);
            if (digest != circuit.vkaDigest) revert VkaMismatch(circuit.vkaDigest, digest);
        } else {
            if (evidence.vka.length != 0) revert VkaMismatch(0, keccak256(abi.encodePacked(evidence.vka)));
            (data, end) = _ends(
                prover == Prover.UltraHonk
                    ? HashWords.verifierCall(
                        evidence.proof, HashWords.count(circuit.role, circuit.blocks), evidence.publicValues
                    )
                    : abi.encodeCall(
                        IEzklDedicatedVerifier.verifyProof, (evidence.proof, evidence.publicValues)
                    )
            );
        }

        bool ok;
        uint256 size;
        uint256 verdict;
        bytes32 returned;
        assembly ("memory-safe") {
            ok := staticcall(gas(), verifier, data, sub(end, data), 0x00, 0x40)
            size := returndatasize()
            verdict := mload(0x00)
            returned := mload(0x20)
        }
        // The reusable verifier also says which verifying key it used; others return one word.
        bool accepted = ok && verdict == 1
            && (prover == Prover.EzklReusable ? size >= 64 && returned == digest : size == 32);
        if (!accepted) revert ProofRejected(id);
    }

    /// @return data Where the bytes begin.
    /// @return end Where they end.
    function _ends(bytes memory all) private pure returns (uint256 data, uint256 end) {
        assembly ("memory-safe") {
            data := add(all, 0x20)
            end := add(data, mload(all))
        }
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
