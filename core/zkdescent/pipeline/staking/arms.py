"""An arm: one chain of validators from founding to last epoch, with or without a controller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zkdescent.core.config import Project
from zkdescent.core.errors import ChainError
from zkdescent.pipeline.inference import InferenceProver
from zkdescent.pipeline.planning import plan_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.staking.arena import ETHER, Arena, EpochRecord, Setting
from zkdescent.pipeline.staking.blocks import BlockMaker, making_blocks
from zkdescent.pipeline.staking.oracle import Move, Oracle, OraclePlan
from zkdescent.verifier import Chain, TrainingClient
from zkdescent.verifier.controllers import ParameterSpec
from zkdescent.verifier.stake import StakeParameters

EPOCH_BLOCKS, CADENCE, WINDOW, STAKE = 16, 10, 8, 32
_FEED_EVERY = 4  # rounds: the controller's update is a proof of its own
_SETTLE = 64
_CHURNING = 3  # among the kinds of the example's validators

Rails = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Arm:
    """What is compared: a behaviour, where the parameters start, and whether they move.

    ``rails`` are lowest, highest and largest step of each parameter.
    """

    name: str
    crowd: Any
    initial: StakeParameters
    rails: Rails
    controlled: bool


@dataclass
class ArmResult:
    """What became of an arm: every epoch, every update, every answer of the feed by round.

    ``league`` are the validators that act as one; ``move_gas`` and ``feed_gas`` are of receipts.
    """

    name: str
    rails: Rails
    league: tuple[int, ...]
    records: list[EpochRecord]
    moves: list[Move] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    move_gas: list[int] = field(default_factory=list)
    feed_gas: list[int] = field(default_factory=list)


def play_arm(chain: Chain, project: Project, arm: Arm, epochs: int, report: Reporter) -> ArmResult:
    """Play an arm on a chain that has the model.

    Raises:
        ChainError, ContractRejected, ContractRefused: the chain did something else than expected.
    """
    churning = frozenset(i for i, kind in enumerate(arm.crowd.people.kind) if kind == _CHURNING)
    setting = Setting(arm.initial, len(arm.crowd.people), STAKE, EPOCH_BLOCKS, churning)
    arena = Arena.found(chain, setting, arm.name, fund=8)
    oracle = _oracle(chain, project, arena, arm) if arm.controlled else None
    league = tuple(int(index) for index in arm.crowd.league)
    result = ArmResult(arm.name, arm.rails, league, arena.records)
    report.start(arm.name, epochs)
    with making_blocks(chain) as blocks:
        arena.populate(blocks)
        for epoch in range(1, epochs + 1):
            live = arm.initial if oracle is None else oracle.parameters()
            between: Callable[[], None] | None = None
            if oracle is not None and epoch > 1 and (epoch - 1) % CADENCE == 0:
                between = _round(oracle, blocks, result, (epoch - 1) // CADENCE)
            extra = _churn(arena, epoch)
            arena.play(blocks, arm.crowd, epoch, live, extra=extra, between=between)
            report.advance(arm.name, epoch)
    if oracle is not None:
        _check_moves(oracle, result)
    return result


def _oracle(chain: Chain, project: Project, arena: Arena, arm: Arm) -> Oracle:
    manifest = project.open_store().read_manifest()
    plan, _ = plan_project(project, manifest)
    model = TrainingClient(chain).model(plan.model_id)
    if model is None:
        raise ChainError("the model is not on this chain", hint="run the project there first")
    start = arm.initial.base_reward, arm.initial.committee_size, arm.initial.attestation_deadline
    specs = tuple(
        # The model says where between the rails: 0 is the lower one, 1 the upper.
        ParameterSpec(value, low, high, step, 1, high - low, low)
        for value, (low, high, step) in zip(start, arm.rails, strict=True)
    )
    units = arm.rails[0][1], arm.rails[1][1]
    chosen = OraclePlan(WINDOW, CADENCE, *units, (specs[0], specs[1], specs[2]))
    prover = InferenceProver.open(project, manifest, plan)
    oracle = Oracle(chain, prover, arena, model, chosen)
    oracle.bind()
    return oracle


def _round(
    oracle: Oracle, blocks: BlockMaker, result: ArmResult, round_: int
) -> Callable[[], None]:
    """What a keeper does at the end of a window: prove, and put the calls into the next block."""

    def act() -> None:
        keeper = oracle.chain.account
        if round_ % _FEED_EVERY == 1:
            data, result.answers[round_] = oracle.round_data(round_)
            blocks.put(keeper, oracle.feed, data, gas_used=result.feed_gas)
        data, move = oracle.move_data()
        blocks.put(keeper, oracle.controller.address, data, gas_used=result.move_gas)
        result.moves.append(move)

    return act


def _check_moves(oracle: Oracle, result: ArmResult) -> None:
    """What was expected of each update is what the chain has."""
    for earlier, later in zip(result.moves, result.moves[1:], strict=False):
        if earlier.after != later.before:
            raise ChainError("an update did not do what it said", expected=earlier, got=later)
    if result.moves and oracle.controller.parameters() != result.moves[-1].after:
        raise ChainError("the last update did not do what it said", got=result.moves[-1])


def _churn(arena: Arena, epoch: int) -> list[tuple[int, bytes, int]]:
    """Validators whose stake changes: each adds some, later leaves, is paid out and comes back."""
    calls: list[tuple[int, bytes, int]] = []
    for place, index in enumerate(sorted(arena.setting.changing)):
        since = epoch - 15 - 4 * place
        settle = index, arena.encode("settle", index, _SETTLE), 0
        again = index, arena.encode("settle", index, 4 * _SETTLE), 0
        if since == 0:
            calls += [settle, (index, arena.encode("deposit"), 8 * ETHER)]
        elif since == 60:
            calls += [again, (index, arena.encode("exit"), 0)]
        elif since == 75:
            calls += [
                again, (index, arena.encode("claimExit"), 0), (index, arena.encode("withdraw"), 0),
                (index, arena.encode("deposit"), arena.setting.stake * ETHER),
            ]  # fmt: skip
    return calls
