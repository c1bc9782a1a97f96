"""Write rows.csv: what a window of epochs showed, and which parameters would have cost least.

Each row is a made-up chain in a made-up world under parameters drawn at random. Its columns are
the features of LocalStakeSource, which contracts derive from StakeRegistry; its targets are what
epochs like these come to and where between the rails the cheapest parameters lie. In most rows up
to a quarter of the validators stay away or come late whatever is paid: no reward is the answer,
and the model has to learn how little an absence says.
"""

import csv
from pathlib import Path

import numpy as np
from validators import (
    ATTESTATION_GAS,
    CALL_GAS,
    EPOCH_BLOCKS,
    HIGH,
    LOW,
    STAKE,
    Parameters,
    Population,
    World,
    arrivals,
    best,
    expected,
    loss,
    population,
    willing,
)

WINDOW = 8
FEATURES = (
    "participation", "late", "ever", "always", "delay", "gas", "paid",
    "reward", "committee", "deadline",
)  # fmt: skip
TARGETS = ("next_participation", "next_cost", "best_reward", "best_committee", "best_deadline")
COST_UNIT = 512.0
GAS_UNIT = 32_768


def absent(draw: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Who stays away, who comes late: (WINDOW, count) each."""
    away, late = (np.zeros((WINDOW, count), dtype=bool) for _ in range(2))
    league = draw.permutation(count)[: int(draw.uniform(0, 0.25) * count)]
    how = draw.integers(4)
    if how == 0:
        away[:, league] = True
    elif how == 1:
        away[np.ix_(draw.random(WINDOW) < draw.uniform(0.2, 0.9), league)] = True
    elif how == 2:
        late[:, league] = True
    return away, late


def features(
    people: Population, world: World, parameters: Parameters, draw: np.random.Generator
) -> list[float]:
    """A window as the contracts would see it."""
    count = len(people)
    away, late = absent(draw, count)
    timely, tardy, waited, gas = [], [], 0, 0.0
    for epoch in range(WINDOW):
        arrival = arrivals(people, world, parameters, epoch)
        sends = willing(people, world, parameters, epoch) & ~away[epoch]
        arrival = np.where(late[epoch], parameters.deadline + 1, arrival)
        done = sends & (arrival <= parameters.deadline)
        # A committee's duty and the epoch's end: later than that, nothing is seen.
        seen = sends & ~done & (arrival < EPOCH_BLOCKS * draw.random(count) + parameters.deadline)
        timely.append(done)
        tardy.append(seen)
        waited += int(arrival[done].sum())
        committees = draw.permutation(count) // parameters.committee
        duties = committees * (EPOCH_BLOCKS - parameters.deadline) // (committees.max() + 1)
        blocks = len(set((duties + arrival)[done | seen].tolist()))
        gas += blocks * CALL_GAS + int((done | seen).sum()) * ATTESTATION_GAS
    stack = np.array(timely)
    shares = (
        stack.mean(),
        4 * np.array(tardy).mean(),
        stack.any(axis=0).mean(),
        stack.all(axis=0).mean(),
        8 * waited / max(1, int(stack.sum())) / EPOCH_BLOCKS,
        gas / (WINDOW * count) / GAS_UNIT,
        stack.mean() * parameters.reward / HIGH.reward,
        parameters.reward / HIGH.reward,
        parameters.committee / HIGH.committee,
        2 * parameters.deadline / EPOCH_BLOCKS,
    )
    return [2 * share - 1 for share in shares]


def place(value: int, low: int, high: int) -> float:
    """Where a value lies between its rails: 0 to 1."""
    return (value - low) / (high - low)


def row(number: int, seed: int = 17) -> list[float]:
    """Features and targets of one made-up chain."""
    draw = np.random.default_rng([seed, number])
    people = population(int(draw.integers(1 << 30)))
    world = World(
        float(np.exp(draw.uniform(np.log(0.4), np.log(3.5)))), float(draw.uniform(0.7, 2.4))
    )
    parameters = Parameters(
        int(draw.integers(LOW.reward, HIGH.reward + 1)),
        int(draw.integers(LOW.committee, HIGH.committee + 1)),
        int(draw.integers(LOW.deadline, HIGH.deadline + 1)),
    )
    seen = features(people, world, parameters, draw)
    wanted = best(people, world)
    gas = (seen[5] + 1) / 2 * GAS_UNIT * len(people)
    share = (seen[0] + 1) / 2
    cost = loss(share, parameters.reward, parameters.deadline, gas, len(people) * STAKE)
    return [
        *seen,
        expected(people, world, parameters).participation,
        cost / COST_UNIT,
        place(wanted.reward, LOW.reward, HIGH.reward),
        place(wanted.committee, LOW.committee, HIGH.committee),
        place(wanted.deadline, LOW.deadline, HIGH.deadline),
    ]


def write(path: Path, count: int = 800) -> None:
    """Write the file with its header."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*FEATURES, *TARGETS])
        for number in range(count):
            writer.writerow([f"{value:.4f}" for value in row(number)])


if __name__ == "__main__":
    write(Path(__file__).with_name("rows.csv"))
