"""What three arms show: margins, rails and steps, and what a league earned by pushing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zkdescent.pipeline.staking.arms import ArmResult, Rails
from zkdescent.pipeline.staking.margin import LEAST_PARTICIPATION_GAIN, MOST_WORSE

MOST_PUSHED = 1.5
"""By how many steps a league of a fifth may raise the mean reward.

It was 0.5 to 1.0 on ten chains without luck; on a chain each arm has duties of its own.
"""


@dataclass(frozen=True)
class Means:
    """Means over an arm's epochs: shares of stake, gwei for each increment, gas.

    ``move_gas`` and ``feed_gas`` are of the transactions that bring a proof, by their receipts; 0
    where there was none.
    """

    participation: float
    cost: float
    reward: float
    highest_reward: int
    late: float
    gas: float
    updates: int
    move_gas: float
    feed_gas: float


@dataclass(frozen=True)
class Verdict:
    """The comparison; ``holds`` says whether every claim of the script does.

    ``league_honest`` and ``league_pushing`` are what the same validators earned, gwei for each
    increment, when they did their duty and when they were in league.
    """

    names: tuple[str, ...]
    means: tuple[Means, ...]
    rails: Rails
    largest_steps: tuple[int, ...]
    within_rails: bool
    league: int
    league_honest: float
    league_pushing: float

    @property
    def participation_gain(self) -> float:
        """Controlled minus fixed, as a share of stake."""
        return self.means[1].participation - self.means[0].participation

    @property
    def cost_gain(self) -> float:
        """By which share the controlled chain costs less than the fixed one."""
        return 1 - self.means[1].cost / self.means[0].cost

    @property
    def pushed(self) -> float:
        """How far the league raised the mean reward, in steps."""
        return (self.means[2].reward - self.means[1].reward) / self.rails[0][2]

    def claims(self) -> dict[str, bool]:
        """Every claim, and whether it holds: what the margin asks of a single chain, and more."""
        steps = zip(self.largest_steps, self.rails, strict=True)
        return {
            "participation": self.participation_gain >= LEAST_PARTICIPATION_GAIN,
            "cost": self.cost_gain >= -MOST_WORSE,
            "steps": all(step <= rail[2] for step, rail in steps),
            "rails": self.within_rails,
            "not pushed": self.pushed <= MOST_PUSHED,
            "pushing loses": self.league_pushing < self.league_honest,
        }

    @property
    def holds(self) -> bool:
        """Whether all claims hold."""
        return all(self.claims().values())

    def rows(self) -> list[tuple[str, list[str]]]:
        """The closing table, row by row."""
        m = self.means
        return [
            ("participation", [f"{100 * x.participation:.1f} %" for x in m]),
            ("cost, gwei an increment", [f"{x.cost:.1f}" for x in m]),
            ("base reward", [f"{x.reward:.0f}" for x in m]),
            ("highest base reward", [f"{x.highest_reward}" for x in m]),
            ("late votes", [f"{100 * x.late:.1f} %" for x in m]),
            ("gas an epoch", [f"{x.gas:,.0f}" for x in m]),
            ("proven updates", [f"{x.updates}" for x in m]),
            ("gas an update", [f"{x.move_gas:,.0f}" for x in m]),
            ("gas a round of the feed", [f"{x.feed_gas:,.0f}" for x in m]),
        ]

    def lines(self) -> list[str]:
        """The claims in sentences."""
        rails = ", ".join(f"{low}..{high} by {step}" for low, high, step in self.rails)
        verdict = {name: "yes" if good else "NO" for name, good in self.claims().items()}
        return [
            f"participation {100 * self.participation_gain:+.1f} points, at least "
            f"{100 * LEAST_PARTICIPATION_GAIN:+.1f}: {verdict['participation']}; cost "
            f"{-100 * self.cost_gain:+.1f} %, at most {100 * MOST_WORSE:+.0f}: {verdict['cost']}",
            f"largest moves {self.largest_steps}, rails {rails}: {verdict['steps']}, "
            f"{verdict['rails']}",
            f"a league of {self.league} raised the mean reward by {self.pushed:.2f} steps, at most "
            f"{MOST_PUSHED}: {verdict['not pushed']}; it earned "
            f"{self.league_pushing:,.0f} gwei an increment, by duty {self.league_honest:,.0f}: "
            f"pushing loses {verdict['pushing loses']}",
        ]

    def to_json(self) -> dict[str, Any]:
        """The fields and claims as a JSON object."""
        return {**asdict(self), "claims": self.claims()}


def judge(results: list[ArmResult], cost: Callable[..., float]) -> Verdict:
    """Compare fixed, controlled and pushed, in this order.

    Args:
        cost: gwei for each increment of an epoch, from participation, base reward, deadline,
            gas and active increments.
    """
    fixed, controlled, pushed = results
    moves = [move for result in results for move in result.moves]
    rails = fixed.rails
    places = range(len(rails))
    steps = tuple(max((abs(m.after[k] - m.before[k]) for m in moves), default=0) for k in places)
    within = all(rails[k][0] <= m.after[k] <= rails[k][1] for m in moves for k in places)
    league = list(pushed.league)
    return Verdict(
        names=tuple(result.name for result in results),
        means=tuple(_means(result, cost) for result in results),
        rails=rails,
        largest_steps=steps,
        within_rails=within,
        league=len(league),
        league_honest=_earned(controlled, league),
        league_pushing=_earned(pushed, league),
    )


def costs(result: ArmResult, cost: Callable[..., float]) -> list[float]:
    """The cost of each epoch, gwei for each increment."""
    return [
        cost(
            r.participation, r.parameters.base_reward, r.parameters.attestation_deadline, r.gas,
            r.active,
        )
        for r in result.records
    ]  # fmt: skip


def _means(result: ArmResult, cost: Callable[..., float]) -> Means:
    records = result.records
    rewards = [record.parameters.base_reward for record in records]
    return Means(
        participation=float(np.mean([record.participation for record in records])),
        cost=float(np.mean(costs(result, cost))),
        reward=float(np.mean(rewards)),
        highest_reward=max(rewards),
        late=float(np.mean([record.late / len(record.timely) for record in records])),
        gas=float(np.mean([record.gas for record in records])),
        updates=len(result.moves),
        move_gas=float(np.mean(result.move_gas or [0])),
        feed_gas=float(np.mean(result.feed_gas or [0])),
    )


def _earned(result: ArmResult, who: Any) -> float:
    """Rewards less penalties of some validators, gwei for each increment, mean over them."""
    done = np.array([record.timely[who] for record in result.records])
    rewards = np.array([record.parameters.base_reward for record in result.records])
    return float((np.where(done, 1, -1) * rewards[:, None]).sum(axis=0).mean()) if len(who) else 0.0
