// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RunId, RunStatus, Task, TaskId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {IERC7992Registry} from "../../src/interfaces/IERC7992.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {Headers} from "../utils/Headers.sol";
import {RunsHandler} from "./RunsHandler.sol";

/// @dev What happens to runs beside their proofs: money, time, seeds, models.
contract Handler is RunsHandler {
    uint32 private constant DELAY = 10;

    mapping(uint256 task => uint256) public escrows;
    mapping(address => uint256) public credits;
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public reclaims;
    uint256 public earned;

    TaskId public beacon;
    bytes32 public seed;
    uint256 public rearms;

    /// Forks of checkpoints that were created.
    uint256 public forks;
    uint256[] public models;
    /// What getModel and provenanceOf answered when the model was minted.
    mapping(uint256 model => bytes32) public minted;
    mapping(uint256 model => bool) public deprecated;

    constructor() {
        (escrows[EZKL], escrows[HONK], paidIn) = (1 ether, 1 ether, 2 ether);
        TaskSpec memory spec = taskSpec();
        (spec.seedDelay, spec.declaredSeed) = (DELAY, 0);
        beacon = createTask(spec);
    }

    function modelCount() external view returns (uint256) {
        return models.length;
    }

    // --- closing runs ---

    function finalise(uint256 who, uint256 which) external now_ {
        if (runs.length == 0) return;
        RunId id = runs[which % runs.length];
        Shadow storage s = shadows[id];
        vm.prank(actor(who));
        try ledger.finalise(id) {
            if (s.proofs != TOTAL || s.status != RunStatus.Open) ++wronglyAccepted;
            s.status = RunStatus.Finalised;
            if (escrows[s.task] != 0) ++earned;
            credits[s.payee] += escrows[s.task];
            escrows[s.task] = 0;
        } catch {}
    }

    function abort(uint256 who, uint256 which) external now_ {
        // Rare, or no run would ever be finished.
        if (runs.length < 3 || who % 8 != 0) return;
        RunId id = runs[which % runs.length];
        address caller = actor(who / 8);
        Shadow storage s = shadows[id];
        vm.prank(caller);
        try ledger.abort(id) {
            bool late = caller == sponsor && s.task != DEDICATED && clock > deadline() && s.proofs != TOTAL;
            if ((caller != s.payee && !late) || s.status != RunStatus.Open) ++wronglyAccepted;
            s.status = RunStatus.Aborted;
        } catch {}
    }

    // --- money and time ---

    function reclaim(uint256 who, uint256 which) external now_ {
        uint256 task = which % TASKS;
        vm.prank(actor(who));
        try ledger.reclaim(tasks[task]) {
            if (clock <= deadline() || escrows[task] == 0 || waiting(task) != 0) ++wronglyAccepted;
            credits[sponsor] += escrows[task];
            escrows[task] = 0;
            ++reclaims;
        } catch {}
    }

    function withdraw(uint256 who) external now_ {
        address account = actor(who);
        uint256 before = account.balance;
        vm.prank(account);
        try ledger.withdraw() {
            if (account.balance - before != credits[account] || credits[account] == 0) ++wronglyAccepted;
            paidOut += credits[account];
            credits[account] = 0;
        } catch {}
    }

    /// Mostly a little, seldom past the deadline; nobody's reward may be created with other value.
    function pass(uint256 time, uint256 blocks, uint256 value) external now_ {
        clock += time % 16 == 0 ? 1001 : time % 16;
        height += blocks % 8 == 0 ? 300 : blocks % 8;
        TaskSpec memory spec = rewarded(taskSpec());
        spec.salt = bytes32(value);
        value = value % 2 ether;
        if (value == spec.reward) ++value;
        vm.deal(stranger, stranger.balance + value);
        vm.prank(stranger);
        try ledger.createTask{value: value}(spec) {
            ++wronglyAccepted;
        } catch {}
    }

    function deadline() public view returns (uint256) {
        return ledger.task(tasks[EZKL]).spec.deadline;
    }

    /// Complete runs that nobody has closed.
    function waiting(uint256 task) public view returns (uint32 open) {
        for (uint256 k; k < runs.length; ++k) {
            Shadow storage s = shadows[runs[k]];
            if (s.task == task && s.proofs == TOTAL && s.status == RunStatus.Open) ++open;
        }
    }

    // --- seeds ---

    /// The canonical header of the seed block, or another one.
    function seal(uint256 how) external now_ {
        Task memory task = ledger.task(beacon);
        uint256 number = task.seedBlock;
        bytes memory canonical = Headers.encode(number, mix(number), 21);
        bool visible = height > number && height <= number + 256;
        if (visible) vm.setBlockhash(number, keccak256(canonical));
        how = how % 4;
        bytes memory header = how == 0
            ? canonical
            : how == 1 ? Headers.encode(number, "wanted", 21) : Headers.encode(number + 1, mix(number), 21);
        if (how == 3) header = bytes.concat(canonical, hex"00");
        try ledger.seal(beacon, header) {
            if (how != 0 || seed != 0 || !visible) ++wronglyAccepted;
            seed = Statement.seed(address(ledger), beacon, mix(number));
        } catch {}
    }

    function rearm() external now_ {
        uint256 number = ledger.task(beacon).seedBlock;
        try ledger.rearm(beacon) {
            if (height <= number + 256 || seed != 0) ++wronglyAccepted;
            ++rearms;
        } catch {}
    }

    function mix(uint256 number) private pure returns (bytes32) {
        return keccak256(abi.encode("mix", number));
    }

    // --- checkpoints and models ---

    function fork(uint256 which, uint32 epoch, bool honest) external now_ {
        if (runs.length == 0) return;
        RunId parent = runs[which % runs.length];
        epoch = epoch % 4;
        TaskSpec memory spec = shadows[parent].task == HONK ? honkTaskSpec() : taskSpec();
        Shadow storage s = shadows[parent];
        bytes32 kept = epoch == 0 ? s.head : checkpoints[parent][epoch];
        (spec.parent, spec.parentEpoch) = (RunId.unwrap(parent), epoch);
        spec.genesis = honest ? kept : keccak256(abi.encode(kept));
        spec.salt = bytes32(++forks);
        try ledger.createTask(spec) {
            bool proven = epoch == 0 ? s.status == RunStatus.Finalised : kept != 0;
            if (!honest || !proven) ++wronglyAccepted;
        } catch {}
    }

    function mint(uint256 who, uint256 which) external now_ {
        if (runs.length == 0) return;
        RunId id = runs[which % runs.length];
        Shadow storage s = shadows[id];
        address caller = actor(who);
        vm.prank(caller);
        try registry.mint(id, "ipfs://model") returns (uint256 model) {
            if (s.status != RunStatus.Finalised || minted[model] != 0) ++wronglyAccepted;
            if (caller != s.payee && caller != sponsor) ++wronglyAccepted;
            models.push(model);
            minted[model] = describe(model);
        } catch {}
    }

    function deprecate(uint256 who, uint256 which) external now_ {
        if (models.length == 0 || who % 4 != 0) return;
        uint256 model = models[which % models.length];
        address caller = actor(who / 4);
        vm.prank(caller);
        try registry.deprecateModel(model) {
            if (caller != shadows[RunId.wrap(bytes32(model))].payee || deprecated[model]) ++wronglyAccepted;
            deprecated[model] = true;
        } catch {}
    }

    function update(uint256 who, uint256 which) external now_ {
        if (models.length == 0) return;
        uint256 model = models[which % models.length];
        (IERC7992Registry.ModelCommitment memory commitment,,) = registry.getModel(model);
        commitment.modelHash = "another";
        vm.prank(actor(who));
        try registry.updateModel(model, commitment) {
            ++wronglyAccepted;
        } catch {}
    }

    function describe(uint256 model) public view returns (bytes32) {
        (IERC7992Registry.ModelCommitment memory commitment,, address owner) = registry.getModel(model);
        return keccak256(abi.encode(commitment, owner, registry.provenanceOf(model)));
    }

    function isDeprecated(uint256 model) external view returns (bool yes) {
        (, yes,) = registry.getModel(model);
    }
}
