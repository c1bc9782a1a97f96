"""The tuner: what it chooses, what it refuses and why, and the cost model it asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path

import pytest

from zkdescent.circuits.ezkl_backend.backend import EzklBackend
from zkdescent.circuits.ezkl_backend.model import EzklModel, column_rows
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.proof_system import CircuitRequest
from zkdescent.circuits.tuner import (
    Candidate,
    CircuitCost,
    Demand,
    Job,
    Limits,
    Objective,
    Overheads,
    Reason,
    Tuning,
    preferred,
    this_machine,
    tune,
    usable_memory_mb,
)
from zkdescent.circuits.tuner.models import cost_model
from zkdescent.circuits.tuner.placements import Placements
from zkdescent.core.errors import CircuitTooLarge, ConfigError, RangeOverflow

MODEL, BACKEND, FIXED = EzklModel(), EzklBackend(), FixedPoint()
LIMITS = Limits(memory_mb=1 << 20, gas=1 << 24)
OVERHEADS = Overheads(submit=91_000, admit=68_000, run=2_000_000)
JOB = Job(steps=64, batch_size=16, rows=1024)


@dataclass
class Chained:
    """Steps of `rows` products, each rescaled; with a table if asked for."""

    elements: int = 64
    table: bool = False
    accepts: Callable[[int, int], bool] = lambda size, steps: True

    def step(self, size: int, steps: int) -> Program:
        b = Builder()
        b.input("context", 1)
        state, batch = b.input("state", self.elements), b.input("batch", steps * self.elements)
        for k in range(steps):
            part = b.slice(batch, k * self.elements, (k + 1) * self.elements)
            state = b.rescale(b.mul(state, part, f"product {k}"), 12, 20)
            if self.table:
                state = b.table(Op.SIGMOID, state, 10)
        return b.finish(state)

    def range(self, size: int, steps: int) -> Program:
        b = Builder()
        parts = [b.input("state", self.elements), b.input("batch", steps * self.elements)]
        first, second = (b.sum(b.range_check(p, 20), (0,)) for p in parts)
        return b.finish(b.add(first, second))

    def inference(self, size: int) -> Program:
        b = Builder()
        b.input("context", 1)
        state, row = b.input("state", self.elements), b.input("x", 2)
        total = b.rescale(b.sum(b.mul(state, state), (0,)), 12, 20)
        return b.finish(b.concat([row, total]))

    def fits(self, size: int, steps: int) -> bool:
        return self.accepts(size, steps)


def tuned(
    programs: Chained | None = None,
    job: Job = JOB,
    *,
    limits: Limits = LIMITS,
    objective: Objective = "seconds",
    size: int | None = None,
    steps_per_proof: int | None = None,
) -> Tuning:
    return tune(
        job,
        programs or Chained(),
        MODEL,
        sizes=range(11, 16),
        limits=limits,
        overheads=OVERHEADS,
        objective=objective,
        size=size,
        steps_per_proof=steps_per_proof,
    )


def all_of(tuning: Tuning) -> list[Candidate]:
    return [tuning.choice, *tuning.runners_up]


@pytest.mark.parametrize("objective", ["seconds", "gas", "memory"])
def test_nothing_is_more_than_a_tenth_better_than_the_choice(objective: Objective) -> None:
    tuning = tuned(objective=objective)
    best = min(c.value(objective) for c in all_of(tuning))
    assert tuning.choice.value(objective) <= 1.1 * best
    values = [c.value(objective) for c in tuning.runners_up]
    assert values == sorted(values)
    assert tuning.choice not in tuning.runners_up


def test_objectives_lead_to_different_circuits() -> None:
    seconds, gas, memory = (tuned(objective=o).choice for o in ("seconds", "gas", "memory"))
    assert gas.gas < seconds.gas
    assert seconds.seconds < gas.seconds
    assert memory.memory_mb < min(seconds.memory_mb, gas.memory_mb)


def made(seconds: float, gas: int, memory: float = 100.0, steps: int = 1) -> Candidate:
    """A candidate with one block proof, whose figures are those of its step circuit."""
    step = CircuitCost(1, seconds, 0.0, memory, 10.0, 3520, gas)
    nothing = CircuitCost(1, 0.0, 0.0, 0.0, 0.0, 0, 0)
    return Candidate(11, steps, 1, 0, step, nothing, nothing, 1.0, Overheads(0, 0, 0))


def test_near_ties_go_to_less_gas_and_others_do_not() -> None:
    fast, frugal = made(10.0, 1_000_000, steps=1), made(10.9, 500_000, steps=2)
    assert preferred([fast, frugal], "seconds") == frugal
    assert preferred([fast, made(11.1, 500_000)], "seconds") == fast
    same_gas = made(10.5, 990_000, memory=50.0, steps=4)
    assert preferred([fast, same_gas], "seconds") == same_gas


def test_a_run_is_its_block_proofs_its_range_proofs_and_its_setups() -> None:
    choice = tuned().choice
    assert choice.block_proofs * choice.steps_per_proof == JOB.steps
    assert choice.range_proofs == -(-JOB.rows // (JOB.batch_size * choice.steps_per_proof))
    proofs = choice.block_proofs * choice.step.seconds + choice.range_proofs * choice.range.seconds
    setups = sum(c.setup_seconds for c in choice.circuits)
    assert choice.seconds == pytest.approx(proofs + setups)
    submitted = choice.block_proofs * (choice.step.gas + 91_000)
    admitted = choice.range_proofs * (choice.range.gas + 68_000)
    assert choice.gas == submitted + admitted + 2_000_000


def test_what_the_user_asks_for_is_obeyed() -> None:
    tuning = tuned(size=13, steps_per_proof=4)
    assert (tuning.choice.size, tuning.choice.steps_per_proof) == (13, 4)
    assert tuning.runners_up == ()
    assert tuning.better is None


def test_what_the_user_asks_for_is_refused_with_the_reason() -> None:
    with pytest.raises(CircuitTooLarge, match="asks for: logrows = 11, steps_per_proof = 64") as no:
        tuned(size=11, steps_per_proof=64)
    assert "a column of 2^11 rows holds 2,032" in str(no.value.got)
    with pytest.raises(CircuitTooLarge, match="no circuits of this size"):
        tuned(size=9)
    assert tuned(size=15, steps_per_proof=64).choice.size == 15


def test_a_block_never_repeats_rows_unless_asked_to() -> None:
    little = Job(steps=64, batch_size=16, rows=100)
    tuning = tuned(job=little)
    assert max(c.steps_per_proof for c in all_of(tuning)) == 4
    refused = {r.steps_per_proof for r in tuning.rejected if r.reason is Reason.DATA}
    assert refused == {8, 16, 32, 64}
    assert tuned(job=little, steps_per_proof=8).choice.steps_per_proof == 8


def test_memory_of_the_machine_bounds_the_circuits() -> None:
    free = tuned()
    enough = Limits(memory_mb=free.choice.memory_mb - 1, gas=1 << 24)
    tuning = tuned(limits=enough)
    assert tuning.choice.memory_mb < free.choice.memory_mb
    assert Reason.MEMORY in {r.reason for r in tuning.rejected}
    with pytest.raises(CircuitTooLarge) as refusal:
        tuned(limits=Limits(memory_mb=50, gas=1 << 24))
    assert "50 may be used" in str(refusal.value.got)
    assert "batch_size" in str(refusal.value.hint)


def test_a_proof_must_be_verified_in_one_transaction() -> None:
    tuning = tuned(limits=replace(LIMITS, gas=800_000))
    assert all(c.step.gas <= 800_000 for c in all_of(tuning))
    assert Reason.GAS in {r.reason for r in tuning.rejected}
    with pytest.raises(CircuitTooLarge, match="no circuit holds one update step"):
        tuned(limits=replace(LIMITS, gas=100_000))


def test_a_table_needs_rows_for_its_arguments() -> None:
    tuning = tuned(Chained(table=True))
    assert {c.size for c in all_of(tuning)} <= {14, 15}
    wide = [r for r in tuning.rejected if r.reason is Reason.TOO_WIDE]
    assert {r.size for r in wide} == {11, 12, 13}
    assert all("table" in r.detail for r in wide)
    assert {c.size for c in all_of(tuned())} >= {11, 12}


def test_what_the_prover_refuses_is_not_chosen() -> None:
    first = tuned().choice

    def accepts(size: int, steps: int) -> bool:
        return (size, steps) != (first.size, first.steps_per_proof)

    tuning = tuned(Chained(accepts=accepts))
    assert tuning.choice != first
    assert [r.reason for r in tuning.rejected].count(Reason.BACKEND) == 1
    with pytest.raises(CircuitTooLarge):
        tuned(Chained(accepts=lambda size, steps: False))


def test_larger_circuits_than_one_that_holds_everything_are_not_looked_at() -> None:
    tuning = tuned(Chained(elements=4), Job(steps=8, batch_size=16, rows=1024))
    assert {c.size for c in all_of(tuning)} == {11}
    assert {r.size for r in tuning.rejected if r.reason is Reason.NEEDLESS} == {12, 13, 14, 15}


def test_a_number_of_steps_without_divisors_gets_advice() -> None:
    tuning = tuned(job=Job(steps=61, batch_size=16, rows=480))
    assert tuning.choice.steps_per_proof == 1
    better = tuning.better
    assert better is not None
    assert better.steps != 61
    assert 4 * abs(better.steps - 61) <= 61
    assert better.seconds / better.steps < tuning.choice.seconds / 61 / 1.5


@pytest.mark.parametrize("steps", [60, 64, 72])
def test_a_number_of_steps_with_divisors_gets_none(steps: int) -> None:
    assert tuned(job=replace(JOB, steps=steps)).better is None


@pytest.mark.parametrize("size", [11, 12, 14, 15])
def test_demand_grows_linearly_with_the_steps(size: int) -> None:
    programs = Chained()
    for build in (programs.step, programs.range):
        one, two = (MODEL.demand(build(size, k), size) for k in (1, 2))
        for steps in (1, 2, 3, 8):
            assert one.repeated(two, steps) == MODEL.demand(build(size, steps), size)


@pytest.mark.parametrize("size", [11, 12, 13, 14])
@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("steps", [1, 8, 16, 64])
def test_the_model_refuses_exactly_what_the_backend_refuses(
    size: int, table: bool, steps: int
) -> None:
    program = Chained(table=table).step(size, steps)
    obstacle = MODEL.obstacle(MODEL.demand(program, size), size)
    request = CircuitRequest("step", program, FIXED)
    assert (obstacle is None) == BACKEND.fits(request, size)


def test_a_comparison_that_is_too_wide_is_named() -> None:
    b = Builder()
    x = b.input("state", 4)
    program = b.finish(b.is_positive(x, 30, "hidden layer"))
    narrow, wide = MODEL.demand(program, 16), MODEL.demand(program, 12)
    assert (narrow.obstacle, MODEL.obstacle(narrow, 16)) == ("", None)
    assert "hidden layer" in wide.obstacle
    assert wide.rows == inf


# Measured: logrows, blocks, tables, committed tensors, public values, proof bytes, key bytes, gas.
MEASURED = [
    (11, 1, 1, 5, 0, 3520, 9_836_051, 726_869),
    (11, 1, 2, 4, 8, 3776, 10_623_171, 789_257),
    (11, 2, 3, 5, 0, 7392, 18_494_371, 1_316_686),
    (11, 3, 2, 5, 0, 8608, 22_037_179, 1_528_617),
    (12, 2, 1, 5, 0, 5280, 29_115_443, 1_019_247),
    (14, 1, 4, 5, 0, 5152, 106_998_571, 969_433),
    (15, 1, 1, 5, 0, 3520, 157_345_811, 727_000),
]


@pytest.mark.parametrize(
    ("size", "blocks", "tables", "committed", "public", "proof", "key", "gas"), MEASURED
)
def test_the_model_gives_the_measured_figures(
    size: int,
    blocks: int,
    tables: int,
    committed: int,
    public: int,
    proof: int,
    key: int,
    gas: int,
) -> None:
    names = [f"t{i}" for i in range(committed + (public > 0))]
    rows = blocks * column_rows(size) - 1.0
    demand = Demand(rows, tuple((n, 1) for n in names), tables, public)
    cost = MODEL.cost(demand, size)
    assert (cost.blocks, cost.proof_bytes) == (blocks, proof)
    assert cost.proving_key_mb == pytest.approx(key / 1e6, rel=2e-3)
    assert cost.gas == pytest.approx(gas, rel=2e-3)
    more = MODEL.cost(replace(demand, rows=rows + 2), size)
    assert more.blocks == blocks + 1
    assert more.seconds > cost.seconds
    assert more.peak_memory_mb > cost.peak_memory_mb


def test_every_figure_grows_with_the_size() -> None:
    demand = Demand(100.0, (("state", 4), ("output", 4)), 2)
    costs = [MODEL.cost(demand, size) for size in range(11, 21)]
    for small, large in pairwise(costs):
        assert small.seconds < large.seconds
        assert small.peak_memory_mb < large.peak_memory_mb
        assert small.proving_key_mb < large.proving_key_mb
        assert small.proof_bytes == large.proof_bytes


def test_an_unknown_backend_has_no_model() -> None:
    assert cost_model("ezkl").cost(Demand(1.0, (("state", 1),), 1), 11).blocks == 1
    with pytest.raises(ConfigError, match="no cost model"):
        cost_model("other")


def one_rescale(bits: int) -> Program:
    b = Builder()
    return b.finish(b.rescale(b.input("state", 4), bits, 20))


class Counted:
    """Lowers to a rescale by 24 bits nowhere, by 12 bits at each of the rounded nodes."""

    everywhere = frozenset({"a", "b"})

    def __init__(self, dearest: int = 20) -> None:
        self.searched: list[float] = []
        self.dearest = dearest

    def lower(self, rescaled: frozenset[str]) -> Program:
        if rescaled == {"b"}:
            raise RangeOverflow("b is too wide")
        return one_rescale(12 if rescaled else 24)

    def cost(self, program: Program, size: int) -> float:
        return inf if size < self.dearest - 9 else BACKEND.cost(program, size)

    def search(self, cost: Callable[[Program], float]) -> frozenset[str]:
        offers = (self.everywhere, frozenset({"a"}), frozenset[str]())
        best = min(offers, key=lambda r: (cost(self.lower(r)), len(r)))
        self.searched.append(cost(self.lower(best)))
        return best

    def placements(self) -> Placements:
        return Placements(
            self.lower, self.search, self.cost, lambda p, s: f"2^{s} is small", self.everywhere
        )


def test_sizes_with_the_same_digits_share_one_search() -> None:
    counted = Counted()
    placements = counted.placements()
    costs = {s: tuple(counted.cost(one_rescale(b), s) for b in (12, 24)) for s in range(11, 20)}
    found = [placements.at(s) for s in costs]
    assert placements.searches == len(counted.searched) == len(set(costs.values()))
    assert 1 < placements.searches < len(costs)
    assert [placements.at(s) for s in costs] == found
    assert placements.searches == len(set(costs.values()))


def test_what_fits_nowhere_is_not_searched() -> None:
    counted = Counted(dearest=22)
    placements = counted.placements()
    with pytest.raises(RangeOverflow, match=r"2\^12 is small"):
        placements.at(12)
    assert counted.searched == []
    assert placements.at(13) in (frozenset({"a"}), counted.everywhere)
    assert len(counted.searched) == 1


def test_a_containers_memory_limit_counts(tmp_path: Path) -> None:
    unlimited, limited = tmp_path / "max", tmp_path / "limited"
    unlimited.write_text("max\n")
    limited.write_text(f"{100 << 20}\n")
    whole = usable_memory_mb(limits=(tmp_path / "missing", unlimited))
    assert whole > 500
    assert usable_memory_mb(limits=(limited,)) == pytest.approx(85)


def test_this_machine_is_measured() -> None:
    machine = this_machine()
    assert machine.memory_mb == usable_memory_mb()
    assert 0.05 < machine.slowness < 50
