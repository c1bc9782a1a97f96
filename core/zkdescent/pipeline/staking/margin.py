"""The margin of the controller over fixed parameters, over many chains played off the chain.

The thresholds were set after a look at seeds 0 to 7. docs/stake-oracle.md says on which seeds they
were missed, and on which they are judged now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST_COST_GAIN = 0.04
"""Mean cost under the controller is lower by this share of the mean cost with fixed parameters."""
LEAST_PARTICIPATION_GAIN = 0.015
"""Mean participation is higher by this share of the stake."""
MOST_WORSE = 0.02
"""On no single chain does the controller make the cost higher by more than this."""


@dataclass(frozen=True)
class Margin:
    """Chains as ``simulate.py`` tells them: each with its seed, three arms, a league's earnings."""

    chains: tuple[dict[str, Any], ...]

    def _mean(self, arm: str, what: str) -> float:
        return float(np.mean([chain[arm][what] for chain in self.chains]))

    @property
    def cost_gain(self) -> float:
        """By which share the controlled chains cost less, all together."""
        return 1 - self._mean("controlled", "cost") / self._mean("fixed", "cost")

    @property
    def participation_gain(self) -> float:
        """Controlled minus fixed, a share of the stake."""
        return self._mean("controlled", "participation") - self._mean("fixed", "participation")

    @property
    def worst(self) -> float:
        """The smallest gain in cost of a single chain; negative: it was dearer."""
        return min(_gain(chain) for chain in self.chains)

    def claims(self) -> dict[str, bool]:
        """Every claim, and whether it holds."""
        earned = [chain["earned"] for chain in self.chains]
        return {
            "cost": self.cost_gain >= LEAST_COST_GAIN,
            "participation": self.participation_gain >= LEAST_PARTICIPATION_GAIN,
            "no chain worse": self.worst >= -MOST_WORSE,
            "pushing loses": all(entry["pushing"] < entry["honest"] for entry in earned),
        }

    @property
    def holds(self) -> bool:
        """Whether all claims hold."""
        return all(self.claims().values())

    def rows(self) -> list[list[str]]:
        """The closing table, a row for each chain."""
        return [
            [
                str(chain["seed"]),
                _pair(chain, "participation", lambda value: f"{100 * value:.1f}"),
                _pair(chain, "cost", lambda value: f"{value:.0f}"),
                f"{-100 * _gain(chain):+.1f}",
                f"{chain['controlled']['reward']:.0f}, {chain['pushed']['reward']:.0f}",
                f"{chain['earned']['pushing']:,.0f}, {chain['earned']['honest']:,.0f}",
            ]
            for chain in self.chains
        ]

    def lines(self) -> list[str]:
        """The claims in sentences."""
        verdict = {name: "yes" if good else "NO" for name, good in self.claims().items()}
        return [
            f"mean cost {-100 * self.cost_gain:+.1f} %, at most {-100 * LEAST_COST_GAIN:.0f}: "
            f"{verdict['cost']}",
            f"mean participation {100 * self.participation_gain:+.1f} points, at least "
            f"{100 * LEAST_PARTICIPATION_GAIN:.1f}: {verdict['participation']}",
            f"worst chain {-100 * self.worst:+.1f} %, at most {100 * MOST_WORSE:+.0f}: "
            f"{verdict['no chain worse']}",
            "a league earns less by pushing than by its duty, on every chain: "
            f"{verdict['pushing loses']}",
        ]

    def to_json(self) -> dict[str, Any]:
        """The chains and claims as a JSON object."""
        return {
            "chains": list(self.chains),
            "cost_gain": self.cost_gain,
            "participation_gain": self.participation_gain,
            "worst": self.worst,
            "claims": self.claims(),
        }


def _gain(chain: dict[str, Any]) -> float:
    return float(1 - chain["controlled"]["cost"] / chain["fixed"]["cost"])


def _pair(chain: dict[str, Any], what: str, form: Callable[[float], str]) -> str:
    return f"{form(chain['fixed'][what])} to {form(chain['controlled'][what])}"
