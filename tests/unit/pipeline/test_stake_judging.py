"""The verdict on three arms: each claim holds where it is shown, and fails where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from zkdescent.pipeline.staking.arena import EpochRecord
from zkdescent.pipeline.staking.arms import ArmResult
from zkdescent.pipeline.staking.judging import judge
from zkdescent.pipeline.staking.oracle import Move
from zkdescent.pipeline.staking.picture import plot_arms
from zkdescent.verifier.stake import StakeParameters

RAILS = ((20, 600, 60), (4, 32, 4), (1, 8, 1))
LEAGUE = (0,)


def cost(participation: float, reward: int, deadline: int, gas: int, increments: int) -> float:
    """As the example's, without wait and gas."""
    return reward * participation + 2000 * (1 - participation)


def record(epoch: int, timely: Sequence[int], reward: int = 100) -> EpochRecord:
    """Four validators of one increment each."""
    done = np.array(timely, dtype=bool)
    parameters = StakeParameters(reward, 8, 2)
    return EpochRecord(epoch, parameters, 4, int(done.sum()), 0, 100_000, 4, done)


def move(before: tuple[int, ...], after: tuple[int, ...]) -> Move:
    """An update of which only the parameters matter here."""
    return Move(1, 100, (0,), (0,), before, after, 1.0)


def arms() -> list[ArmResult]:
    """Fixed: one of four stays away. Controlled: all come. League: its only member stays away."""
    fixed = ArmResult("fixed", RAILS, (), [record(e, [1, 1, 1, 0]) for e in (1, 2)])
    moves = [move((100, 8, 2), (160, 12, 3))]
    calm = [record(1, [1] * 4), record(2, [1] * 4, 160)]
    controlled = ArmResult("controlled", RAILS, (), calm, moves, move_gas=[700_000])
    pushed = [record(1, [0, 1, 1, 1]), record(2, [1] * 4, 160)]
    league = ArmResult("league", RAILS, LEAGUE, pushed, moves)
    return [fixed, controlled, league]


def test_all_claims_hold() -> None:
    verdict = judge(arms(), cost)
    assert verdict.holds
    assert verdict.participation_gain == pytest.approx(0.25)
    assert verdict.cost_gain == pytest.approx(1 - 130 / 575)
    assert verdict.largest_steps == (60, 4, 1)
    assert (verdict.league, verdict.league_honest, verdict.league_pushing) == (1, 260, 60)
    assert verdict.means[1].move_gas == 700_000
    assert verdict.means[0].move_gas == 0
    assert not any("NO" in line for line in verdict.lines())
    assert all(len(values) == 3 for _, values in verdict.rows())
    assert plot_arms(arms(), cost)[:4] == b"\x89PNG"


def _dear(all_: list[ArmResult]) -> None:
    all_[1].records[:] = [record(e, [1] * 4, 600) for e in (1, 2)]


def _of_no_use(all_: list[ArmResult]) -> None:
    all_[1].records[:] = [record(e, [1, 1, 1, 0]) for e in (1, 2)]


def _leap(all_: list[ArmResult]) -> None:
    all_[1].moves[:] = [move((100, 8, 2), (161, 8, 2))]


def _past_a_rail(all_: list[ArmResult]) -> None:
    all_[2].moves[:] = [move((100, 8, 2), (100, 8, 0)), move((100, 4, 2), (100, 3, 2))]
    all_[2].moves[0] = replace(all_[2].moves[0], before=(100, 8, 1))


def _pushed(all_: list[ArmResult]) -> None:
    all_[2].records[:] = [record(1, [0, 1, 1, 1], 240), record(2, [0, 1, 1, 1], 240)]


def _pushing_pays(all_: list[ArmResult]) -> None:
    all_[2].records[:] = [record(1, [1] * 4, 160), record(2, [1] * 4, 160)]


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (_dear, "cost"),
        (_of_no_use, "participation"),
        (_leap, "steps"),
        (_past_a_rail, "rails"),
        (_pushed, "not pushed"),
        (_pushing_pays, "pushing loses"),
    ],
)
def test_each_claim_can_fail_alone(change: object, fails: str) -> None:
    changed = arms()
    assert callable(change)
    change(changed)
    verdict = judge(changed, cost)
    assert [name for name, holds in verdict.claims().items() if not holds] == [fails]
    assert not verdict.holds
    assert any("NO" in line for line in verdict.lines())
