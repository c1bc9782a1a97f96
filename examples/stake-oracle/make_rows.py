"""Write rows.csv: what a window of epochs showed, and where the parameters should go from there.

Each row is a made-up chain in a made-up world. Its columns are the features of LocalStakeSource,
which contracts derive from StakeRegistry; its targets are what such epochs come to, and where
between the rails the parameters should be next: the cheapest ones, or two steps on the way there if
they are farther. Half of the rows have the parameters of another time, when the world was
different, as a chain has whose parameters were right once; the others have any.

In most rows up to a quarter of the validators stay away or come late whatever is paid: no reward
is the answer, and the model has to learn how little an absence says.
"""

import csv
from pathlib import Path

import numpy as np
from validators import (
    CONGESTIONS,
    HIGH,
    LOW,
    PRICES,
    STAKE,
    Parameters,
    World,
    arrivals,
    best,
    expected,
    loss,
    population,
    rails,
    willing,
)
from windows import WINDOW, count, features

FEATURES = (
    "participation", "late", "ever", "always", "delay", "gas", "paid",
    "reward", "committee", "deadline",
)  # fmt: skip
TARGETS = ("next_participation", "next_cost", "next_reward", "next_committee", "next_deadline")
COST_UNIT = 1024.0


def absent(draw: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Who stays away, who comes late: (WINDOW, number) each."""
    away, late = (np.zeros((WINDOW, number), dtype=bool) for _ in range(2))
    league = draw.permutation(number)[: int(draw.uniform(0, 0.25) * number)]
    how = draw.integers(4)
    if how == 0:
        away[:, league] = True
    elif how == 1:
        away[np.ix_(draw.random(WINDOW) < draw.uniform(0.2, 0.9), league)] = True
    elif how == 2:
        late[:, league] = True
    return away, late


def anywhere(draw: np.random.Generator) -> World:
    """A world, evenly in logarithms."""
    price, congestion = (draw.uniform(*np.log(reach)) for reach in (PRICES, CONGESTIONS))
    return World(float(np.exp(price)), float(np.exp(congestion)))


def before(world: World, other: World, share: float) -> World:
    """The world at a share of the way to another one."""
    return World(
        world.price * (other.price / world.price) ** share,
        world.congestion * (other.congestion / world.congestion) ** share,
    )


def near(wanted: Parameters, draw: np.random.Generator) -> Parameters:
    """Parameters within a step of some."""
    return Parameters(
        *(
            int(np.clip(value + draw.integers(-step, step + 1), low, high))
            for value, (low, high, step) in zip(values(wanted), rails(), strict=True)
        )
    )


def values(parameters: Parameters) -> tuple[int, int, int]:
    return parameters.reward, parameters.committee, parameters.deadline


def targets(live: Parameters, wanted: Parameters) -> list[float]:
    """Where to go, between the rails: 0 to 1; at most two steps from where the chain is."""
    return [
        (float(np.clip(goal, value - 2 * step, value + 2 * step)) - low) / (high - low)
        for value, goal, (low, high, step) in zip(
            values(live), values(wanted), rails(), strict=True
        )
    ]


def row(number: int, seed: int = 17) -> list[float]:
    """Features and targets of one made-up chain."""
    draw = np.random.default_rng([seed, number])
    people, world = population(int(draw.integers(1 << 30))), anywhere(draw)
    if number % 2:
        past = before(world, anywhere(draw), draw.uniform() ** 2)
        live = near(best(people, past), draw)
    else:
        low, high = values(LOW), values(HIGH)
        live = Parameters(*(int(draw.integers(a, b + 1)) for a, b in zip(low, high, strict=True)))
    away, late = absent(draw, len(people))
    window = []
    for epoch in range(WINDOW):
        sends = (willing(people, world, live, epoch) & ~away[epoch]) | late[epoch]
        arrival = arrivals(people, world, live, epoch)
        arrival = np.where(late[epoch], live.deadline + 1, arrival)
        window.append(count(sends, arrival, live, draw))
    share = float(np.mean([epoch.timely.mean() for epoch in window]))
    gas = float(np.mean([epoch.gas for epoch in window]))
    cost = loss(share, live.reward, live.deadline, gas, len(people) * STAKE)
    return [
        *features(window, live),
        expected(people, world, live),
        cost / COST_UNIT,
        *targets(live, best(people, world)),
    ]


def write(path: Path, number: int = 1024) -> None:
    """Write the file with its header."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*FEATURES, *TARGETS])
        for index in range(number):
            writer.writerow([f"{value:.4f}" for value in row(index)])


if __name__ == "__main__":
    write(Path(__file__).with_name("rows.csv"))
