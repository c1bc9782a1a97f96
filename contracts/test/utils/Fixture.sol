// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Circuits} from "../../src/Circuits.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {TrainingLedger} from "../../src/TrainingLedger.sol";
import {CircuitId, CircuitSpec, Evidence, Prover, Role} from "../../src/interfaces/ICircuits.sol";
import {BlockProof, RunId, TaskId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {Commitment} from "../../src/libraries/Commitment.sol";
import {Shuffle} from "../../src/libraries/Shuffle.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {BAD_PROOF, MockDedicatedVerifier, MockReusableVerifier} from "./MockVerifiers.sol";
import {Test} from "./Test.sol";

/// @dev Contracts, circuits over mock verifiers, a dataset of a few blocks, and proofs whose leading
/// points are real commitments of the context and made-up ones of everything else.
abstract contract Fixture is Test {
    uint32 internal constant PROOF_LENGTH = 5 * 64 + 64; // the slots of a step, and two words of argument
    uint32 internal constant BLOCKS = 5;
    uint32 internal constant TOTAL = 12; // two epochs and two fifths
    bytes32 internal constant GENESIS = "genesis";

    address internal sponsor = address(0x5105);
    address internal payee = address(0xAEE);
    address internal stranger = address(0xBAD);

    MockReusableVerifier internal reusable = new MockReusableVerifier();
    MockDedicatedVerifier internal dedicated = new MockDedicatedVerifier();
    Circuits internal circuits = new Circuits();
    TrainingLedger internal ledger = new TrainingLedger(circuits);
    ModelRegistry internal registry = new ModelRegistry(ledger);

    bytes32[] internal vka;
    CircuitId internal step;
    CircuitId internal range;
    CircuitId internal inference;

    constructor() {
        vka.push("vka word 0");
        vka.push("vka word 1");
        vm.roll(1000);
        vm.warp(1_700_000_000);
        step = circuits.register(stepSpec());
        range = circuits.register(rangeSpec());
        inference = circuits.register(inferenceSpec());
    }

    // --- circuits ---

    /// L0 = G, U = 2G.
    function opening() internal pure returns (uint256[4] memory) {
        return [
            uint256(1),
            2,
            1368015179489954701390400359078579693043519447331113978918064868415326638035,
            9918110051302171585080402603319702774565515993150576347155970296011118125764
        ];
    }

    function baseSpec(Role role) internal view returns (CircuitSpec memory spec) {
        spec.prover = Prover.EzklReusable;
        spec.role = role;
        spec.verifier = address(reusable);
        spec.verifierCodeHash = address(reusable).codehash;
        spec.vkaDigest = keccak256(abi.encodePacked(vka));
        spec.vkHash = keccak256(abi.encode("vk", role));
        spec.proofLength = PROOF_LENGTH;
        spec.fractionBits = 12;
        if (role != Role.Range) spec.opening = opening();
    }

    function stepSpec() internal view returns (CircuitSpec memory spec) {
        spec = baseSpec(Role.Step);
        spec.stepsPerProof = 8;
    }

    function rangeSpec() internal view returns (CircuitSpec memory) {
        return baseSpec(Role.Range);
    }

    function inferenceSpec() internal view returns (CircuitSpec memory spec) {
        spec = baseSpec(Role.Inference);
        (spec.features, spec.outputs, spec.publicValues) = (2, 1, 3);
    }

    function dedicatedSpec() internal view returns (CircuitSpec memory spec) {
        spec = stepSpec();
        spec.prover = Prover.EzklDedicated;
        spec.verifier = address(dedicated);
        spec.verifierCodeHash = address(dedicated).codehash;
        spec.vkaDigest = 0;
    }

    // --- tensors and proofs ---

    /// The 64 bytes of a made-up commitment.
    function point(bytes32 tensor) internal pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(tensor, "x")), keccak256(abi.encode(tensor, "y")));
    }

    function tensorHash(bytes32 tensor) internal pure returns (bytes32) {
        return keccak256(point(tensor));
    }

    /// What the prover supplies beside the tensors, of a proof that ends in `tensor`.
    function hints(bytes32 tensor) internal pure returns (bytes32) {
        return keccak256(abi.encode("hints", tensor));
    }

    function contextPoint(uint256 context) internal view returns (bytes memory) {
        (bool ok, uint256 x, uint256 y) = Commitment.commit(context, opening());
        assertTrue(ok, "opening");
        return abi.encode(x, y);
    }

    function pad(bytes memory front) internal pure returns (bytes memory) {
        return bytes.concat(front, new bytes(PROOF_LENGTH - front.length));
    }

    function spoil(Evidence memory evidence) internal pure {
        bytes memory proof = evidence.proof;
        bytes32 bad = BAD_PROOF;
        assembly ("memory-safe") {
            mstore(add(proof, mload(proof)), bad)
        }
    }

    function evidenceOf(bytes memory front, uint256[] memory values) internal view returns (Evidence memory) {
        return Evidence(pad(front), values, vka);
    }

    function stepEvidence(uint256 context, bytes32 stateIn, bytes32 block_, bytes32 stateOut)
        internal
        view
        returns (Evidence memory)
    {
        return stepEvidence(context, stateIn, block_, hints(stateOut), stateOut);
    }

    function stepEvidence(uint256 context, bytes32 stateIn, bytes32 block_, bytes32 hints_, bytes32 stateOut)
        internal
        view
        returns (Evidence memory)
    {
        bytes memory front = bytes.concat(
            contextPoint(context), point(stateIn), point(block_), point(hints_), point(stateOut)
        );
        return evidenceOf(front, new uint256[](0));
    }

    function rangeEvidence(bytes32 weights, bytes32 block_) internal view returns (Evidence memory) {
        bytes memory front = bytes.concat(point(weights), point(block_), point(hints(block_)), point("out"));
        return evidenceOf(front, new uint256[](0));
    }

    function inferenceEvidence(uint256 context, bytes32 weights, uint256[] memory values)
        internal
        view
        returns (Evidence memory)
    {
        bytes32 row = keccak256(abi.encode(values));
        return evidenceOf(
            bytes.concat(contextPoint(context), point(weights), point(row), point(hints(row))), values
        );
    }

    // --- dataset ---

    function batch(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("batch", index));
    }

    function leaves() internal pure returns (bytes32[] memory all) {
        all = new bytes32[](BLOCKS);
        for (uint256 k; k < BLOCKS; ++k) {
            all[k] = Statement.leaf(k, tensorHash(batch(k)));
        }
    }

    function datasetRoot() internal pure returns (bytes32 root) {
        (root,) = merkle(leaves(), 0);
    }

    function merkleProof(uint256 index) internal pure returns (bytes32[] memory proof) {
        (, proof) = merkle(leaves(), index);
    }

    /// Left and right by position; an odd node is promoted unchanged.
    function merkle(bytes32[] memory level, uint256 index)
        internal
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        bytes32[] memory path = new bytes32[](32);
        uint256 depth;
        while (level.length > 1) {
            if (index ^ 1 < level.length) path[depth++] = level[index ^ 1];
            bytes32[] memory next = new bytes32[]((level.length + 1) / 2);
            for (uint256 k; k < next.length; ++k) {
                next[k] = 2 * k + 1 == level.length ? level[2 * k] : pair(level[2 * k], level[2 * k + 1]);
            }
            level = next;
            index >>= 1;
        }
        proof = new bytes32[](depth);
        for (uint256 k; k < depth; ++k) {
            proof[k] = path[k];
        }
        root = level[0];
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return keccak256(abi.encode(a, b));
    }

    // --- tasks and runs ---

    function taskSpec() internal view returns (TaskSpec memory spec) {
        spec.stepCircuit = step;
        spec.rangeCircuit = range;
        spec.inferenceCircuit = inference;
        spec.datasetRoot = datasetRoot();
        spec.blocksPerEpoch = BLOCKS;
        spec.genesis = tensorHash(GENESIS);
        spec.hyperparameters = keccak256("hyperparameters");
        spec.totalProofs = TOTAL;
        spec.declaredSeed = "seed";
    }

    function createTask(TaskSpec memory spec) internal returns (TaskId) {
        vm.deal(sponsor, sponsor.balance + spec.reward);
        vm.prank(sponsor);
        return ledger.createTask{value: spec.reward}(spec);
    }

    function admitAll(TaskId task) internal {
        for (uint32 k; k < BLOCKS; ++k) {
            ledger.admit(task, k, merkleProof(k), rangeEvidence(GENESIS, batch(k)));
        }
    }

    function openRun(TaskSpec memory spec, uint256 nonce) internal returns (RunId run) {
        TaskId task = createTask(spec);
        admitAll(task);
        vm.prank(payee);
        return ledger.openRun(task, payee, nonce);
    }

    /// The state after `i` block proofs, of the run that every test takes.
    function state(uint256 i) internal pure returns (bytes32) {
        return i == 0 ? GENESIS : keccak256(abi.encode("state", i));
    }

    /// The proof that an honest trainer makes for position `i`; the order is read from the ledger's rule.
    function blockProof(RunId run, uint32 i) internal view returns (BlockProof memory) {
        uint256 index = blockIndex(run, i);
        return BlockProof(
            merkleProof(index), stepEvidence(ledger.contextOf(run, i), state(i), batch(index), state(i + 1))
        );
    }

    function blockIndex(RunId run, uint32 i) internal view returns (uint256) {
        bytes32 seed = ledger.seedOf(ledger.run(run).taskId);
        return Shuffle.permute(seed, i / BLOCKS, i % BLOCKS, BLOCKS);
    }

    function blockProofs(RunId run, uint32 from, uint32 count) internal view returns (BlockProof[] memory blocks) {
        blocks = new BlockProof[](count);
        for (uint32 k; k < count; ++k) {
            blocks[k] = blockProof(run, from + k);
        }
    }

    function one(BlockProof memory block_) internal pure returns (BlockProof[] memory blocks) {
        blocks = new BlockProof[](1);
        blocks[0] = block_;
    }

    function train(RunId run) internal {
        ledger.submit(run, blockProofs(run, 0, 8));
        ledger.submit(run, blockProofs(run, 8, TOTAL - 8));
        ledger.finalise(run);
    }
}
