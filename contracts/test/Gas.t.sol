// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DecisionConsumer} from "../src/examples/DecisionConsumer.sol";
import {CircuitSpec, Evidence} from "../src/interfaces/ICircuits.sol";
import {IERC7992Registry} from "../src/interfaces/IERC7992.sol";
import {BlockProof, RunId, TaskId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {GasGate} from "./utils/GasGate.sol";
import {HonkFixture} from "./utils/HonkFixture.sol";
import {MockPointVerifier} from "./utils/MockVerifiers.sol";

/// @dev What our own code costs, without the verifier (a mock) and with short proofs: execution gas of
/// the call. snapshots/Gas.json holds the figures; one that moved by more than two per cent, either way,
/// is an error until `make snapshots` has written it again.
contract GasTest is HonkFixture, GasGate {
    function test_gas_of_each_entry_point() public {
        circuits.register(dedicatedSpec());
        snap("register");
        TaskId task = createTask(taskSpec());
        snap("createTask");
        admitAll(task);
        snap("admit");
        vm.prank(payee);
        RunId run = ledger.openRun(task, payee, 0);
        snap("openRun");
        submit(run, 0, 1, "submit, the first");
        submit(run, 1, 1, "submit, one proof");
        submit(run, 2, 8, "submit, eight proofs over two checkpoints");
        submit(run, 10, TOTAL - 10, "submit, two proofs");
        ledger.finalise(run);
        snap("finalise");
        rewards();
        vm.prank(payee);
        uint256 model = registry.mint(run, "");
        snap("mint");
        infer(model);
    }

    function rewards() private {
        TaskSpec memory spec = taskSpec();
        (spec.reward, spec.deadline) = (1 ether, uint64(block.timestamp + 100));
        RunId run = openRun(spec, 0);
        ledger.submit(run, blockProofs(run, 0, 8));
        ledger.submit(run, blockProofs(run, 8, TOTAL - 8));
        ledger.finalise(run);
        snap("finalise with a reward");
        vm.prank(payee);
        ledger.withdraw();
        snap("withdraw");
        spec.salt = "nobody's";
        TaskId task = createTask(spec);
        snap("createTask with a reward");
        vm.warp(spec.deadline + 1);
        ledger.reclaim(task);
        snap("reclaim");
    }

    function test_gas_with_ultra_honk() public {
        CircuitSpec memory production = honkStepSpec();
        production.verifier = address(new MockPointVerifier());
        // As many instructions as a generated verifier has in its 16 KB.
        vm.etch(production.verifier, bytes.concat(production.verifier.code, new bytes(9_000)));
        (production.verifierCodeHash, production.production) = (production.verifier.codehash, true);
        circuits.register(production);
        snap("register, ultra-honk for production");
        RunId run = openHonkRun(honkTaskSpec(), 0);
        ledger.submit(run, honkBlockProofs(run, 0, 1));
        BlockProof[] memory blocks = honkBlockProofs(run, 1, 1);
        ledger.submit(run, blocks);
        snap("submit, one ultra-honk proof");
        bytes32[][] memory paths = aggregatePaths(run, 2);
        Evidence memory evidence = aggregateEvidence(run, 2);
        ledger.submitAggregate(run, paths, evidence);
        snap("submitAggregate, four block proofs");
    }

    function submit(RunId run, uint32 from, uint32 count, string memory name) private {
        BlockProof[] memory blocks = blockProofs(run, from, count);
        ledger.submit(run, blocks);
        snap(name);
    }

    function infer(uint256 model) private {
        int256[] memory inputs = new int256[](2);
        int256[] memory outputs = new int256[](1);
        uint256 context = registry.inferenceContextOf(model, address(this), 0);
        Evidence memory evidence = inferenceEvidence(context, state(TOTAL), new uint256[](3));
        registry.checkInference(model, address(this), 0, inputs, outputs, evidence);
        snap("checkInference");
        (IERC7992Registry.ModelCommitment memory commitment,,) = registry.getModel(model);
        DecisionConsumer consumer = new DecisionConsumer(registry, model, keccak256(abi.encode(commitment)));
        consumer.accept(inputs, outputs, evidence);
        snap("accept");
    }
}
