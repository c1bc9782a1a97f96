// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev keccak256 of the circuit's spec: the same content has the same id on every chain.
type CircuitId is bytes32;

using {circuitIdEquals as ==, circuitIdDiffers as !=} for CircuitId global;

function circuitIdEquals(CircuitId a, CircuitId b) pure returns (bool) {
    return CircuitId.unwrap(a) == CircuitId.unwrap(b);
}

function circuitIdDiffers(CircuitId a, CircuitId b) pure returns (bool) {
    return CircuitId.unwrap(a) != CircuitId.unwrap(b);
}

/// @notice How a proof is checked.
/// EzklReusable: one verifier for every circuit, which reads the circuit from `Evidence.vka`.
/// EzklDedicated: one verifier generated for this circuit.
/// UltraHonk: one verifier that bb generated for this circuit.
enum Prover {
    EzklReusable,
    EzklDedicated,
    UltraHonk
}

/// @notice What a circuit proves, and so what the leading committed tensors of its proofs are: see
/// StepSlot, RangeSlot and InferenceSlot for ezkl's, StepWord, InferenceWord and AggregateWord for UltraHonk's.
/// Step: context, state in, batch block, state out; no public values.
/// Range: state, batch block; no public values. ezkl only: UltraHonk step circuits check ranges themselves.
/// Inference: context, state; public values are the features, then the outputs.
/// Aggregate: several block proofs that continue each other are valid. UltraHonk only.
enum Role {
    Step,
    Range,
    Inference,
    Aggregate
}

/// @notice Everything a proof of one circuit is measured against.
struct CircuitSpec {
    Prover prover;
    Role role;
    address verifier;
    /// keccak256 of the verifier's deployed code. It pins *which* code runs; that the code is the
    /// hardened verifier and no proxy is for whoever relies on the circuit to compare with the
    /// published build.
    bytes32 verifierCodeHash;
    /// Reusable verifier: keccak256 of the vka words. Others: zero.
    bytes32 vkaDigest;
    /// sha256 of the verifying key's bytes, what an auditor compares. Not read by `check`.
    bytes32 vkHash;
    /// Exact length of a proof, bytes; a multiple of 32, and no less than its committed tensors.
    uint32 proofLength;
    /// Exact number of public values.
    uint16 publicValues;
    /// Inference circuits: publicValues = features + outputs. Zero elsewhere.
    uint16 features;
    uint16 outputs;
    /// A fixed-point value is integer / 2^fractionBits.
    uint8 fractionBits;
    /// Step circuits: mini-batches in one batch block. Aggregates: in all blocks they cover. Zero elsewhere.
    uint32 stepsPerProof;
    /// Aggregates: block proofs covered. Zero elsewhere.
    uint16 blocks;
    /// The verifier checks under a ceremony's reference string. UltraHonk: its code pushes the ceremony's
    /// point. Refused for ezkl, of whose verifiers no such thing is known.
    bool production;
    /// Aggregates: the step circuit whose proofs they verify. Zero elsewhere.
    CircuitId child;
    /// ezkl: L0.x, L0.y, U.x, U.y: the commitment of the one-element tensor [v] is v*L0 + U.
    /// Zeros for range circuits, which have no context, and for UltraHonk, where it is a word.
    uint256[4] opening;
}

/// @notice A proof and what it is checked with.
struct Evidence {
    bytes proof;
    /// Field elements.
    uint256[] publicValues;
    /// Reusable verifier: the circuit's verifying-key words. Empty for others.
    bytes32[] vka;
}

/// @notice The tensors a proof speaks of, each named by keccak256 of its commitment.
/// Zero where the role has none.
struct Claim {
    bytes32 stateIn;
    bytes32 batch;
    bytes32 stateOut;
}

/// @notice What a block proof, or an aggregate of one of its block proofs, says beside its state in, which
/// is the state out of the block proof before it. States and batch are named as in {Claim}.
struct BlockClaim {
    bytes32 batch;
    bytes32 stateOut;
}

/// @notice Unknown: never registered. Live: proofs are accepted. Retired: no longer; a registration for good, a
/// circuit until somebody who has not retired it registers it.
enum CircuitStatus {
    Unknown,
    Live,
    Retired
}

/// @title Registry of circuits and the only gateway to their verifiers
/// @notice Every proof in the system passes `check`, `checkBlock` or `checkBlocks`, so every rule about encodings,
/// verifying keys and verifier code is kept in one place.
interface ICircuits {
    event CircuitRegistered(CircuitId indexed id, address indexed registrant, CircuitSpec spec);
    event CircuitEndorsed(CircuitId indexed id, address indexed registrant);
    event RegistrationWithdrawn(CircuitId indexed id, address indexed registrant, CircuitStatus status);

    error CircuitUnknown(CircuitId id);
    error CircuitRetired(CircuitId id);
    error NotRegistrant(CircuitId id, address caller);
    error AlreadyRetired(CircuitId id, address registrant);
    error SpecInvalid(bytes32 field);
    error OpeningInvalid(uint256[4] opening);
    error VerifierChanged(bytes32 expected, bytes32 got);
    error ProofLength(uint256 expected, uint256 got);
    error PublicValueCount(uint256 expected, uint256 got);
    error VkaMismatch(bytes32 expected, bytes32 got);
    error ContextMismatch(uint256 context);
    error ProofRejected(CircuitId id);
    error ValueNotInField(uint256 index);
    error WordNotInField(uint256 index);
    error ContextCount(uint256 expected, uint256 got);
    error StateInMismatch(bytes32 expected, bytes32 got);
    error NotCeremonyVerifier(address verifier);
    error RoleMismatch(CircuitId id, Role role);

    /// @notice Register a circuit, or join those who registered it already.
    /// @dev Permissionless and content-addressed. Because anybody can be first, a circuit is retired
    /// only when *everyone* who registered it has retired it: nobody can take away a circuit that
    /// somebody else stands behind. It is one way for each registrant, and no more: if it were so for
    /// the circuit, whoever registers and retires first could keep it from everybody.
    /// @return id keccak256(abi.encode(CIRCUIT_DOMAIN, spec)).
    function register(CircuitSpec calldata circuit) external returns (CircuitId id);

    /// @notice Withdraw the caller's registration, one way.
    function retire(CircuitId id) external;

    /// @notice Check a proof; revert unless it is valid.
    /// @param context The value that the first committed tensor must hold, below 2^248; zero for
    /// range circuits, which have none.
    /// @return claim The tensors the proof speaks of. The caller compares them with what it expects.
    function check(CircuitId id, uint256 context, Evidence calldata evidence)
        external
        view
        returns (Claim memory claim);

    /// @notice What a proof *says*, without checking it: lets a caller refuse a stale or misplaced
    /// proof for the price of a few hashes instead of a verification. Never trust it alone.
    function claimOf(CircuitId id, bytes calldata proof) external view returns (Claim memory claim);

    /// @notice Check a block proof; revert unless it is valid.
    /// @dev The state in is compared here and first, so that a lost race costs no verification and no
    /// second call.
    /// @param id A step circuit.
    /// @param stateIn The state that it must start from.
    /// @param context As in {check}.
    /// @return said What it says besides. The caller compares it with what it expects.
    function checkBlock(CircuitId id, bytes32 stateIn, uint256 context, Evidence calldata evidence)
        external
        view
        returns (BlockClaim memory said);

    /// @notice Check an aggregate of several block proofs; revert unless it is valid. As {checkBlock}. The step
    /// circuit of those proofs must be live, too.
    /// @param contexts The value that each block proof must hold, in order.
    /// @return said What is said of each block proof, in order.
    function checkBlocks(
        CircuitId id,
        bytes32 stateIn,
        uint256[] calldata contexts,
        Evidence calldata evidence
    ) external view returns (BlockClaim[] memory said);

    /// @notice What an aggregate *says*, without checking it; as `claimOf`.
    /// @return stateIn The state that the first block proof starts from.
    /// @return blocks What is said of each block proof, in order.
    function claimsOf(CircuitId id, bytes calldata proof)
        external
        view
        returns (bytes32 stateIn, BlockClaim[] memory blocks);

    /// @notice The registered spec; reverts for an unknown circuit.
    function spec(CircuitId id) external view returns (CircuitSpec memory);

    function statusOf(CircuitId id) external view returns (CircuitStatus);

    /// @notice Live if `who` registered the circuit, Retired if he has also retired it.
    function registrationOf(CircuitId id, address who) external view returns (CircuitStatus);

    /// @notice The id that `register` would return.
    function circuitIdOf(CircuitSpec calldata circuit) external pure returns (CircuitId);
}
