// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChainHistory} from "../../src/feeds/ChainHistory.sol";
import {GasFeed} from "../../src/feeds/GasFeed.sol";
import {BlockRecord} from "../../src/interfaces/IChainHistory.sol";
import {CircuitId, CircuitSpec, Evidence, Role} from "../../src/interfaces/ICircuits.sol";
import {IERC7992Registry} from "../../src/interfaces/IERC7992.sol";
import {FeedTerms} from "../../src/interfaces/IProvenFeed.sol";
import {RunId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {Fixed} from "../../src/libraries/Fixed.sol";
import {GasFeatures} from "../../src/libraries/GasFeatures.sol";
import {Headers} from "./Headers.sol";
import {HonkFixture} from "./HonkFixture.sol";
import {MockHonkVerifier} from "./MockVerifiers.sol";

/// @dev A gas feed of a minted model over a mock verifier, on a chain whose headers are made here.
abstract contract FeedFixture is HonkFixture {
    uint256 internal constant N = 4;
    uint256 internal constant FEATURES = 2 * N - 1;
    uint32 internal constant CADENCE = 5;
    uint32 internal constant HORIZON = 5;
    uint32 internal constant GRACE = 3;
    uint32 internal constant STALE = 300;
    uint32 internal constant TIMELOCK = 1 days;
    uint32 internal constant PAUSE = 1 hours;
    int128 internal constant LOW = 1;
    int128 internal constant HIGH = 1e15;
    int256 internal constant ONE = 1 << 12;

    address internal owner = address(0x0113);
    address internal guard = address(0x6A4D);

    ChainHistory internal history;
    GasFeed internal feed;
    uint256 internal model;
    bytes32 internal pin;
    bytes32 internal modelState;

    /// @dev The chain: block.number is the one that is being made.
    mapping(uint256 number => BlockRecord) internal blockOf;
    mapping(uint256 number => bytes32) internal hashOf;

    constructor() {
        (model, pin) = mintModel(FEATURES, 1, 12, 0);
        modelState = state(TOTAL);
        history = new ChainHistory(256);
        feed = new GasFeed(terms(), history, N);
    }

    function terms() internal view returns (FeedTerms memory t) {
        t.registry = registry;
        (t.modelId, t.commitmentHash) = (model, pin);
        (t.owner, t.guardian) = (owner, guard);
        (t.firstBlock, t.cadence, t.horizon, t.grace) = (1010, CADENCE, HORIZON, GRACE);
        (t.staleSeconds, t.timelockSeconds, t.pauseSeconds) = (STALE, TIMELOCK, PAUSE);
        (t.minAnswer, t.maxAnswer) = (LOW, HIGH);
        (t.deviationPpm, t.deviationFloor) = (500_000, 10);
        t.description = "Base fee in 5 blocks, wei";
    }

    function mintModel(uint256 features, uint256 outputs, uint8 fractionBits, uint256 nonce)
        internal
        returns (uint256 id, bytes32 hash)
    {
        uint256 values = features + outputs;
        CircuitSpec memory circuit = honkSpec(Role.Inference, address(new MockHonkVerifier(2 + values)), 2);
        (circuit.features, circuit.outputs) = (uint16(features), uint16(outputs));
        (circuit.publicValues, circuit.fractionBits) = (uint16(values), fractionBits);
        TaskSpec memory spec = honkTaskSpec();
        CircuitSpec memory step = honkStepSpec();
        step.fractionBits = fractionBits;
        spec.stepCircuit = circuits.register(step);
        spec.inferenceCircuit = circuits.register(circuit);
        spec.aggregateCircuit = CircuitId.wrap(0);
        RunId run = openHonkRun(spec, nonce);
        ledger.submit(run, honkBlockProofs(run, 0, 8));
        ledger.submit(run, honkBlockProofs(run, 8, TOTAL - 8));
        ledger.finalise(run);
        vm.prank(payee);
        id = registry.mint(run, "");
        (IERC7992Registry.ModelCommitment memory commitment,,) = registry.getModel(id);
        hash = keccak256(abi.encode(commitment));
    }

    // --- the chain ---

    /// Finish the block that is being made, and begin the next, 12 seconds later.
    function mine(uint256 gasUsed, uint256 baseFee) internal {
        uint256 number = block.number;
        BlockRecord memory b = BlockRecord(
            uint40(number), uint40(block.timestamp), uint40(gasUsed), 30_000_000, uint96(baseFee)
        );
        blockOf[number] = b;
        hashOf[number] = keccak256(headerOf(number));
        vm.roll(number + 1);
        vm.warp(block.timestamp + 12);
        vm.setBlockhash(number, hashOf[number]);
    }

    function headerOf(uint256 number) internal view returns (bytes memory) {
        return Headers.quick(hashOf[number - 1], blockOf[number]);
    }

    /// Some blocks of some history, up to `number`, which is then the last one.
    function mineTo(uint256 number) internal {
        while (block.number <= number) {
            uint256 draw = uint256(keccak256(abi.encode("gas", block.number)));
            mine(draw % 30_000_001, 1e9 + (draw >> 128) % 1e8);
        }
    }

    function headersOf(uint256 last, uint256 count) internal view returns (bytes[] memory headers) {
        headers = new bytes[](count);
        for (uint256 k; k < count; ++k) {
            headers[k] = headerOf(last + 1 - count + k);
        }
    }

    function windowOf(uint256 round) internal view returns (bytes[] memory) {
        return headersOf(feed.windowEnd(round), N);
    }

    // --- proofs ---

    /// From the fixture's own blocks, by the library under test: its twin is compared from Python.
    function featuresOf(uint256 round) internal view returns (int256[] memory) {
        uint256 last = feed.windowEnd(round);
        BlockRecord[] memory blocks = new BlockRecord[](N);
        for (uint256 k; k < N; ++k) {
            blocks[k] = blockOf[last + 1 - N + k];
        }
        return GasFeatures.derive(blocks, 12);
    }

    function toField(int256 value) internal pure returns (uint256) {
        return value >= 0 ? uint256(value) : Fixed.R - uint256(-value);
    }

    function only(int256 output) internal pure returns (int256[] memory outputs) {
        outputs = new int256[](1);
        outputs[0] = output;
    }

    /// What the holder of a model and a prover can make: any features, the output that goes with them.
    function proofOf(uint256 modelId, bytes32 weights, address requester, uint256 round, int256[] memory features, int256 output)
        internal
        view
        returns (Evidence memory)
    {
        uint256[] memory values = new uint256[](features.length + 1);
        for (uint256 k; k < features.length; ++k) {
            values[k] = toField(features[k]);
        }
        values[features.length] = toField(output);
        return honkInferenceEvidence(registry.inferenceContextOf(modelId, requester, round), weights, values);
    }

    function honest(uint256 round, int256 output) internal view returns (Evidence memory) {
        return proofOf(model, modelState, address(feed), round, featuresOf(round), output);
    }

    /// The honest submission of a round.
    function submit(uint256 round, int256 output) internal {
        bytes[] memory headers = windowOf(round);
        Evidence memory evidence = honest(round, output);
        feed.submit(round, headers, only(output), evidence);
    }

    /// The output that predicts `answer`.
    function outputFor(uint256 round, int256 answer) internal view returns (int256) {
        int256 fee = int256(uint256(blockOf[feed.windowEnd(round)].baseFee));
        return (answer - fee) * ONE / fee;
    }
}
