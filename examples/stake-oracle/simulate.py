"""Play chains off the chain: with fixed parameters, with a model, and with a league against it.

    python simulate.py weights.json 1000 1001 ...     # a line of JSON for each seed

What contracts do is done here in floating point: LocalStakeSource's window, StakeController's
targets, rails and steps. Committees are shuffled otherwise, for no block has a hash.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from validators import (
    STAKE,
    Crowd,
    Parameters,
    Population,
    calm,
    loss,
    population,
    rails,
    with_adversaries,
)
from windows import WINDOW, count, features

CADENCE, EPOCHS = 10, 200
PREDICTIONS = 2  # outputs before the targets

Model = Callable[[np.ndarray], np.ndarray]


class Live:
    """Parameters under the names that the chain has for them."""

    def __init__(self, parameters: Parameters) -> None:
        self.base_reward = parameters.reward
        self.committee_size = parameters.committee
        self.attestation_deadline = parameters.deadline


def moved(parameters: Parameters, places: np.ndarray) -> Parameters:
    """One update: targets between the rails, and at most a step of the way to them."""
    now = parameters.reward, parameters.committee, parameters.deadline
    after = []
    for value, place, (low, high, step) in zip(now, places, rails(), strict=True):
        goal = min(max(int(np.floor(low + (high - low) * place)), low), high)
        after.append(value + min(max(goal - value, -step), step))
    return Parameters(*after)


def play(people: Population, model: Model | None, epochs: int = EPOCHS) -> dict[str, object]:
    """Means over the epochs of a chain, and what each validator earned."""
    parameters = before = Parameters(*calm(people))
    crowd, draw = Crowd(people), np.random.default_rng([people.seed, 9])
    seen, lost, rewards = [], [], []
    earned = np.zeros(len(people))
    for epoch in range(1, epochs + 1):
        sends, arrival = crowd.decide(epoch, Live(parameters))
        now = count(sends, arrival, parameters, draw)
        seen.append(now)
        increments = len(people) * STAKE
        share = float(now.timely.mean())
        lost.append(loss(share, parameters.reward, parameters.deadline, now.gas, increments))
        rewards.append(parameters.reward)
        earned += np.where(now.timely, parameters.reward, -parameters.reward)
        due = epoch > 1 and (epoch - 1) % CADENCE == 0
        if model is not None and due:
            # The update is made in the epoch after the window, and holds from the next on.
            places = model(features(seen[-WINDOW - 1 : -1], before))[PREDICTIONS:]
            before, parameters = parameters, moved(parameters, places)
        else:
            before = parameters
    return {
        "participation": float(np.mean([epoch.timely.mean() for epoch in seen])),
        "cost": float(np.mean(lost)),
        "reward": float(np.mean(rewards)),
        "highest_reward": max(rewards),
        "earned": earned.tolist(),
    }


def compare(seed: int, model: Model) -> dict[str, object]:
    """The three arms of one seed."""
    people = population(seed)
    league = with_adversaries(people)
    who = Crowd(league).league
    fixed, controlled, pushed = play(people, None), play(people, model), play(league, model)
    earned = {
        name: float(np.mean(np.array(arm.pop("earned"))[who]))
        for name, arm in (("honest", controlled), ("pushing", pushed))
    }
    fixed.pop("earned")
    return {
        "seed": seed, "fixed": fixed, "controlled": controlled, "pushed": pushed, "earned": earned
    }  # fmt: skip


def linear(weight: object, bias: object) -> Model:
    """A linear model, weight (outputs, features)."""
    matrix, constant = np.array(weight, dtype=float), np.array(bias, dtype=float)
    return lambda x: matrix @ x + constant


if __name__ == "__main__":
    said = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for number in sys.argv[2:]:
        print(json.dumps(compare(int(number), linear(said["weight"], said["bias"]))))
