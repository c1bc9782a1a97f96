"""Validators of mixed behaviour, and what an epoch of theirs comes to.

Everything random is a function of (seed, epoch, validator), whatever the parameters are, so that
two runs under different parameters differ by the parameters alone. Rewards, costs and values are
gwei for each increment (1 ether) of stake and epoch; times are blocks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

EPOCH_BLOCKS = 16
HONEST, LAZY, FLAKY, CHURNING, ADVERSARY = range(5)
KINDS = ("honest", "lazy", "flaky", "churning", "adversary")
SHARES = (0.36, 0.34, 0.18, 0.12)
VALIDATORS = 64
STAKE = 32
NOISE = 0.4  # of a validator's cost from epoch to epoch, as the sigma of its logarithm

# What the chain's users lose: for each increment that missed its duty, for each block of the
# deadline, for which they wait until a committee has spoken, and for gas, which has a price.
MISS_VALUE = 2000.0
WAIT_VALUE = 9.0
GAS_PRICE = 0.1
# Gas of a call that brings attestations and of each attestation in it; measured, not derived.
CALL_GAS, ATTESTATION_GAS = 60_000, 12_000


@dataclass(frozen=True)
class Parameters:
    """What StakeRegistry asks for: baseReward, committeeSize, attestationDeadline."""

    reward: int
    committee: int
    deadline: int


# Rails, and the most that one update moves.
LOW, HIGH, STEP = Parameters(20, 4, 1), Parameters(600, 32, 8), Parameters(60, 4, 1)


@dataclass(frozen=True)
class World:
    """What nobody on the chain knows: price of taking part, state of the network."""

    price: float
    congestion: float


# Where a world may go from the calm one, (1, 1): what it costs to take part, and how slow votes
# are, as multiples; and in how many epochs it gets from one state to the next.
PRICES, CONGESTIONS = (0.5, 6.0), (0.7, 4.0)
LEG = 50


@dataclass
class Population:
    """Who the validators are: arrays (n,)."""

    kind: np.ndarray
    cost: np.ndarray  # gwei for each increment and epoch, at price 1
    latency: np.ndarray  # median blocks from duty to arrival, in a quiet network
    spread: np.ndarray  # of the latency, as the sigma of its logarithm
    online: np.ndarray  # chance to be up
    seed: int = 0

    def __len__(self) -> int:
        return len(self.kind)


def population(seed: int, count: int = VALIDATORS) -> Population:
    """Draw validators; kinds in the shares above, in random order."""
    draw = np.random.default_rng([seed, 1])
    counts = np.round(np.array(SHARES) * count).astype(int)
    counts[0] += count - counts.sum()
    kind = draw.permutation(np.repeat(np.arange(4), counts))
    median = np.array([25.0, 110.0, 30.0, 60.0])[kind]
    cost = median * np.exp(np.array([0.3, 0.6, 0.3, 0.5])[kind] * draw.standard_normal(count))
    latency = np.array([0.5, 0.6, 1.3, 0.7])[kind] * np.exp(0.2 * draw.standard_normal(count))
    spread = np.array([0.4, 0.5, 0.8, 0.5])[kind]
    online = np.array([0.995, 0.99, 0.93, 0.98])[kind]
    return Population(kind, cost, latency, spread, online, seed)


def with_adversaries(people: Population, share: float = 0.2) -> Population:
    draw = np.random.default_rng([people.seed, 2])
    count = round(share * len(people))
    chosen = draw.permutation(len(people))[:count]
    changed = Population(
        people.kind.copy(), people.cost, people.latency, people.spread, people.online, people.seed
    )
    changed.kind[chosen] = ADVERSARY
    return changed


def scale(people: Population, world: World, parameters: Parameters) -> np.ndarray:
    """Median latency of each (n,): busy networks and large committees are slow."""
    return people.latency * world.congestion * (0.6 + parameters.committee / 20)


def arrivals(people: Population, world: World, parameters: Parameters, epoch: int) -> np.ndarray:
    """Blocks from duty to arrival of each (n,), whoever sends at all."""
    noise = np.random.default_rng([people.seed, 3, epoch]).standard_normal(len(people))
    return np.floor(scale(people, world, parameters) * np.exp(people.spread * noise)).astype(int)


def chance(people: Population, world: World, parameters: Parameters) -> np.ndarray:
    """Chance of each to be in time (n,)."""
    limit = np.log((parameters.deadline + 1) / scale(people, world, parameters)) / people.spread
    return normal(limit)


def normal(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution function (Zelen and Severo 1964, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * np.abs(x))
    b = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    tail = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * sum(c * t ** (k + 1) for k, c in enumerate(b))
    return np.where(x >= 0, 1 - tail, tail)


def willing(people: Population, world: World, parameters: Parameters, epoch: int) -> np.ndarray:
    """Who sends (n,): whom it pays, and who is up.

    Sending earns the reward and saves the penalty, which are the same, if it is in time.
    """
    gain = 2 * parameters.reward * chance(people, world, parameters)
    draw = np.random.default_rng([people.seed, 4, epoch])
    noise, up = draw.standard_normal(len(people)), draw.random(len(people))
    return (noise <= threshold(people, world, gain)) & (up < people.online)


def willing_share(people: Population, world: World, gain: np.ndarray) -> np.ndarray:
    """The chance of each to send, over the noise of costs and outages."""
    return normal(threshold(people, world, gain)) * people.online


def threshold(people: Population, world: World, gain: np.ndarray) -> np.ndarray:
    """Up to which noise of its cost it pays to send, in standard deviations."""
    return np.log(np.maximum(gain, 1e-9) / (people.cost * world.price)) / NOISE


def expected(people: Population, world: World, parameters: Parameters) -> float:
    """The share of stake that attests in time in an epoch, on average."""
    chances = chance(people, world, parameters)
    return float((willing_share(people, world, 2 * parameters.reward * chances) * chances).mean())


def calls(committees: float) -> float:
    """How many calls an epoch takes, nearly: one for each block with arrivals. Measured."""
    return min(EPOCH_BLOCKS, 2.5 * committees)


def loss(participation: Any, reward: Any, deadline: float, gas: Any, increments: float) -> Any:
    """The cost of an epoch to the chain's users, gwei for each increment of active stake."""
    return (
        reward * participation
        + MISS_VALUE * (1 - participation)
        + WAIT_VALUE * deadline
        + GAS_PRICE * gas / increments
    )


def best(people: Population, world: World) -> Parameters:
    """The parameters of a grid that cost least in a world; the dark are nobody's to win."""
    rewards = np.arange(LOW.reward, HIGH.reward + 1, 20)
    tried = [
        (expected_losses(people, world, committee, deadline, rewards), committee, deadline)
        for committee in range(LOW.committee, HIGH.committee + 1, 4)
        for deadline in range(LOW.deadline, HIGH.deadline + 1)
    ]
    losses, committee, deadline = min(tried, key=lambda entry: entry[0].min())
    return Parameters(int(rewards[losses.argmin()]), committee, deadline)


def expected_losses(
    people: Population, world: World, committee: int, deadline: int, rewards: np.ndarray
) -> np.ndarray:
    """What an epoch comes to on average under each of some rewards (n,)."""
    chances = chance(people, world, Parameters(0, committee, deadline))
    sends = willing_share(people, world, 2 * rewards[:, None] * chances)
    share = (sends * chances).mean(axis=1)
    gas = share * len(people) * ATTESTATION_GAS + calls(-(-len(people) // committee)) * CALL_GAS
    return loss(share, rewards, deadline, gas, len(people) * STAKE)


def rails() -> tuple[tuple[int, int, int], ...]:
    """Lowest, highest and largest step of reward, committee size and deadline."""
    return tuple(
        (getattr(LOW, name), getattr(HIGH, name), getattr(STEP, name))
        for name in ("reward", "committee", "deadline")
    )


def calm(people: Population) -> tuple[int, int, int]:
    """What costs these validators' chain least on a calm day: what is chosen once, and stays."""
    found = best(people, World(1.0, 1.0))
    return found.reward, found.committee, found.deadline


def world_at(seed: int, epoch: int) -> World:
    """The world of a chain: calm at first, then on its way from one state to the next.

    Each leg ends in a state drawn evenly in logarithms; in between, logarithms go in straight
    lines. What was right for the calm day is right no more, and nobody on the chain is told.
    """
    leg, passed = divmod(epoch, LEG)
    ends = np.array([_state(seed, leg), _state(seed, leg + 1)])
    price, congestion = np.exp(ends[0] + (ends[1] - ends[0]) * passed / LEG)
    return World(float(price), float(congestion))


def _state(seed: int, leg: int) -> np.ndarray:
    if leg == 0:
        return np.zeros(2)
    draw = np.random.default_rng([seed, 5, leg])
    return np.array([draw.uniform(*np.log(reach)) for reach in (PRICES, CONGESTIONS)])


class Crowd:
    """Validators that act epoch by epoch; those in league act as one.

    The league wants rewards up. For three rounds of ten epochs it stays away, which looks as if
    rewards were too small, and in the fourth it takes what the parameters have become; every other
    time it comes late instead of staying away, which looks as if the deadline were too short.
    """

    def __init__(self, people: Population, round_epochs: int = 10) -> None:
        self.people = people
        self.round_epochs = round_epochs

    @property
    def league(self) -> np.ndarray:
        """Indices of those in league."""
        return np.flatnonzero(self.people.kind == ADVERSARY)

    def decide(self, epoch: int, live: object) -> tuple[np.ndarray, np.ndarray]:
        """Who sends, (n,) bool, and blocks from duty to arrival, (n,) int."""
        parameters = Parameters(live.base_reward, live.committee_size, live.attestation_deadline)
        world = world_at(self.people.seed, epoch)
        sends = willing(self.people, world, parameters, epoch)
        arrival = arrivals(self.people, world, parameters, epoch)
        league = self.league
        if len(league):
            cycle, phase = divmod((epoch - 1) // self.round_epochs, 4)
            if phase == 3:
                sends[league], arrival[league] = True, 0
            elif cycle % 2 == 0:
                sends[league] = False
            else:
                sends[league], arrival[league] = True, parameters.deadline + 1
        return sends, arrival
