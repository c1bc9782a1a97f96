// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, CircuitSpec, Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {ITrainingLedger, RunId, Task, TaskId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {Header} from "../src/libraries/Header.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Headers} from "./utils/Headers.sol";

contract TasksTest is Fixture {
    bytes32 private constant MIX = keccak256("mix");
    uint32 private constant DELAY = 10;

    function refuseTask(TaskSpec memory spec, bytes memory reason) private {
        vm.expectRevert(reason);
        ledger.createTask(spec);
    }

    // --- createTask ---

    function test_createTask_records_sponsor_and_spec() public {
        TaskSpec memory spec = taskSpec();
        TaskId id = createTask(spec);
        assertEq(TaskId.unwrap(id), TaskId.unwrap(ledger.taskIdOf(sponsor, spec)));
        Task memory task = ledger.task(id);
        assertEq(task.sponsor, sponsor);
        assertEq(keccak256(abi.encode(task.spec)), keccak256(abi.encode(spec)));
    }

    function test_createTask_seals_a_declared_seed() public {
        TaskId id = createTask(taskSpec());
        assertEq(ledger.seedOf(id), Statement.seed(address(ledger), id, "seed"));
    }

    function test_createTask_rejects_the_same_task_twice() public {
        TaskId id = createTask(taskSpec());
        TaskSpec memory spec = taskSpec();
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.TaskExists.selector, id));
        vm.prank(sponsor);
        ledger.createTask(spec);
        vm.prank(stranger); // another sponsor, another task
        ledger.createTask(spec);
    }

    function test_createTask_rejects_zero_fields() public {
        TaskSpec memory spec = taskSpec();
        spec.datasetRoot = 0;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.FieldIsZero.selector, bytes32("datasetRoot")));
        spec = taskSpec();
        spec.genesis = 0;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.FieldIsZero.selector, bytes32("genesis")));
        spec = taskSpec();
        spec.blocksPerEpoch = 0;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.FieldIsZero.selector, bytes32("blocksPerEpoch")));
        spec = taskSpec();
        spec.totalProofs = 0;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.FieldIsZero.selector, bytes32("totalProofs")));
    }

    function test_createTask_rejects_a_declared_and_drawn_seed() public {
        TaskSpec memory spec = taskSpec();
        spec.seedDelay = DELAY;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.SeedAmbiguous.selector, DELAY, bytes32("seed")));
    }

    /// A block's mixHash is the beacon's state after the block before it. A delay of one would make that the block
    /// of the task itself, whose proposer could try salts until he likes the order.
    function test_createTask_rejects_a_seed_that_its_own_block_decides() public {
        TaskSpec memory spec = taskSpec();
        (spec.seedDelay, spec.declaredSeed) = (1, 0);
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.SeedTooNear.selector, 1, 2));
        spec.seedDelay = 2;
        createTask(spec);
    }

    function test_createTask_rejects_a_passed_deadline() public {
        TaskSpec memory spec = taskSpec();
        spec.deadline = uint64(block.timestamp - 1);
        refuseTask(
            spec,
            abi.encodeWithSelector(ITrainingLedger.DeadlinePassed.selector, spec.deadline, block.timestamp)
        );
    }

    function test_createTask_rejects_circuits_of_other_roles() public {
        TaskSpec memory spec = taskSpec();
        spec.stepCircuit = range;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.WrongRole.selector, range, 0, 1));
        spec = taskSpec();
        spec.rangeCircuit = inference;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.WrongRole.selector, inference, 1, 2));
        spec = taskSpec();
        spec.inferenceCircuit = step;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.WrongRole.selector, step, 2, 0));
    }

    function test_createTask_rejects_unknown_and_retired_circuits() public {
        TaskSpec memory spec = taskSpec();
        spec.rangeCircuit = CircuitId.wrap("unknown");
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.CircuitNotLive.selector, spec.rangeCircuit));
        circuits.retire(inference);
        refuseTask(taskSpec(), abi.encodeWithSelector(ITrainingLedger.CircuitNotLive.selector, inference));
    }

    function test_createTask_rejects_circuits_of_other_scales() public {
        CircuitSpec memory circuit = rangeSpec();
        circuit.fractionBits = 11;
        TaskSpec memory spec = taskSpec();
        spec.rangeCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("fractionBits", spec.rangeCircuit));
        circuit = inferenceSpec();
        circuit.fractionBits = 11;
        spec = taskSpec();
        spec.inferenceCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("fractionBits", spec.inferenceCircuit));
    }

    function test_createTask_rejects_circuits_of_other_commitments() public {
        CircuitSpec memory circuit = inferenceSpec();
        (circuit.opening[2], circuit.opening[3]) = (circuit.opening[0], circuit.opening[1]);
        TaskSpec memory spec = taskSpec();
        spec.inferenceCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("opening", spec.inferenceCircuit));
    }

    function incompatible(bytes32 what, CircuitId other) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingLedger.CircuitsIncompatible.selector, what, step, other);
    }

    function test_createTask_continues_a_finalised_run() public {
        RunId parent = openRun(taskSpec(), 0);
        TaskSpec memory spec = taskSpec();
        spec.parent = RunId.unwrap(parent);
        spec.genesis = tensorHash(state(TOTAL));
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.ParentNotFinalised.selector, parent));
        train(parent);
        createTask(spec);
        spec.genesis = tensorHash(GENESIS);
        refuseTask(
            spec,
            abi.encodeWithSelector(
                ITrainingLedger.WrongGenesis.selector, tensorHash(state(TOTAL)), tensorHash(GENESIS)
            )
        );
    }

    function test_task_rejects_an_unknown_id() public {
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.TaskUnknown.selector, TaskId.wrap("unknown")));
        ledger.task(TaskId.wrap("unknown"));
    }

    // --- admit ---

    function test_admit_counts_each_block_once() public {
        TaskId id = createTask(taskSpec());
        admitAll(id);
        assertEq(ledger.task(id).admitted, BLOCKS);
        Evidence memory evidence = rangeEvidence(GENESIS, batch(2));
        bytes32[] memory path = merkleProof(2);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.AlreadyAdmitted.selector, 2));
        ledger.admit(id, 2, path, evidence);
    }

    function test_admit_rejects_an_index_outside_the_dataset() public {
        TaskId id = createTask(taskSpec());
        Evidence memory evidence = rangeEvidence(GENESIS, batch(0));
        bytes32[] memory path = merkleProof(0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.IndexOutOfRange.selector, BLOCKS, BLOCKS));
        ledger.admit(id, BLOCKS, path, evidence);
    }

    function test_admit_rejects_another_genesis() public {
        TaskId id = createTask(taskSpec());
        Evidence memory evidence = rangeEvidence("other", batch(0));
        bytes32[] memory path = merkleProof(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingLedger.WrongGenesis.selector, tensorHash(GENESIS), tensorHash("other")
            )
        );
        ledger.admit(id, 0, path, evidence);
    }

    function test_admit_rejects_a_block_at_another_index() public {
        TaskId id = createTask(taskSpec());
        Evidence memory evidence = rangeEvidence(GENESIS, batch(0));
        bytes32[] memory path = merkleProof(0);
        bytes32 leaf = Statement.leaf(1, tensorHash(batch(0)));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.BlockNotInDataset.selector, 1, leaf));
        ledger.admit(id, 1, path, evidence);
    }

    function test_admit_rejects_a_block_of_another_dataset() public {
        TaskId id = createTask(taskSpec());
        Evidence memory evidence = rangeEvidence(GENESIS, "other");
        bytes32[] memory path = merkleProof(0);
        bytes32 leaf = Statement.leaf(0, tensorHash("other"));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.BlockNotInDataset.selector, 0, leaf));
        ledger.admit(id, 0, path, evidence);
    }

    function test_admit_rejects_a_bad_proof_and_stays_as_it_was() public {
        TaskId id = createTask(taskSpec());
        Evidence memory evidence = rangeEvidence(GENESIS, batch(0));
        spoil(evidence);
        bytes32[] memory path = merkleProof(0);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, range));
        ledger.admit(id, 0, path, evidence);
        assertTrue(!ledger.isAdmitted(id, 0), "not admitted");
        assertEq(ledger.task(id).admitted, 0);
    }

    // --- seal and rearm ---

    function beacon() private returns (TaskId id, uint256 seedBlock) {
        TaskSpec memory spec = taskSpec();
        (spec.seedDelay, spec.declaredSeed) = (DELAY, 0);
        id = createTask(spec);
        seedBlock = block.number + DELAY;
        assertEq(ledger.task(id).seedBlock, seedBlock);
    }

    /// The header of `number`, made canonical at that height.
    function mine(uint256 number, bytes memory header) private returns (bytes memory) {
        vm.roll(number + 1);
        vm.setBlockhash(number, keccak256(header));
        return header;
    }

    function test_seal_takes_the_seed_from_the_seed_block() public {
        (TaskId id, uint256 seedBlock) = beacon();
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NotSealed.selector, id));
        ledger.seedOf(id);
        ledger.seal(id, mine(seedBlock, Headers.encode(seedBlock, MIX, 21)));
        assertEq(ledger.seedOf(id), Statement.seed(address(ledger), id, MIX));
    }

    function test_seal_rejects_an_early_call() public {
        (TaskId id, uint256 seedBlock) = beacon();
        vm.roll(seedBlock);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.SeedBlockPending.selector, seedBlock));
        ledger.seal(id, Headers.encode(seedBlock, MIX, 21));
    }

    function test_seal_rejects_another_header() public {
        (TaskId id, uint256 seedBlock) = beacon();
        mine(seedBlock, Headers.encode(seedBlock, MIX, 21));
        bytes memory forged = Headers.encode(seedBlock, keccak256("wanted"), 21);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.WrongHeader.selector, seedBlock));
        ledger.seal(id, forged);
    }

    function test_seal_rejects_the_header_of_another_block() public {
        (TaskId id, uint256 seedBlock) = beacon();
        bytes memory next = mine(seedBlock, Headers.encode(seedBlock + 1, MIX, 21));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.WrongHeader.selector, seedBlock));
        ledger.seal(id, next);
    }

    function test_seal_rejects_a_malformed_header_even_with_the_right_hash() public {
        (TaskId id, uint256 seedBlock) = beacon();
        bytes memory header = mine(seedBlock, bytes.concat(Headers.encode(seedBlock, MIX, 21), hex"00"));
        vm.expectRevert(abi.encodeWithSelector(Header.HeaderMalformed.selector, 1));
        ledger.seal(id, header);
    }

    function test_seal_rejects_a_second_time() public {
        (TaskId id, uint256 seedBlock) = beacon();
        bytes memory header = mine(seedBlock, Headers.encode(seedBlock, MIX, 21));
        ledger.seal(id, header);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.AlreadySealed.selector, id));
        ledger.seal(id, header);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.AlreadySealed.selector, id));
        ledger.rearm(id);
    }

    function test_rearm_replaces_an_expired_seed_block_and_counts() public {
        (TaskId id, uint256 seedBlock) = beacon();
        vm.roll(seedBlock + 256);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.SeedBlockAvailable.selector, seedBlock));
        ledger.rearm(id);
        vm.roll(seedBlock + 257);
        bytes memory late = Headers.encode(seedBlock, MIX, 21);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.SeedBlockExpired.selector, seedBlock));
        ledger.seal(id, late);
        ledger.rearm(id);
        Task memory task = ledger.task(id);
        assertEq(task.rearms, 1);
        assertEq(task.seedBlock, seedBlock + 257 + DELAY);
        ledger.seal(id, mine(task.seedBlock, Headers.encode(task.seedBlock, MIX, 21)));
    }

    function test_rearm_rejects_a_declared_seed() public {
        TaskId id = createTask(taskSpec());
        vm.roll(block.number + 1000);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.AlreadySealed.selector, id));
        ledger.rearm(id);
    }
}
