"""Placement of rescales: deterministic, within its budget, no dearer than either extreme."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from math import inf

import pytest
import torch
from torch import Tensor, fx, nn

from zkdescent.circuits.assemble import BatchShape, place_step_rescales, step_program
from zkdescent.circuits.ezkl_backend.cost import rows
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.placement import Lower, candidates, search_rescales
from zkdescent.circuits.program import Node, Op, Program
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import ProverError, RangeOverflow

FIXED = FixedPoint()


def cost(program: Program) -> float:
    return rows(program, Digits(15))


class Recurrence(nn.Module):
    """Four steps of a recurrent cell on four columns each."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.keep = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)
        self.out = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.read(x[:, :3]))
        for step in range(1, 4):
            h = torch.tanh(self.read(x[:, 3 * step : 3 * step + 3]) + self.keep(h))
        out: Tensor = self.out(h)
        return out


class Step:
    """One traced step of gradient descent on the squared error."""

    def __init__(self, module: nn.Module, batch: BatchShape) -> None:
        self.batch = batch
        self.graph: fx.GraphModule = trace_step(
            module,
            nn.functional.mse_loss,
            lambda p, g, s: ([a - 0.05 * b for a, b in zip(p, g, strict=True)], []),
            [],
            batch_size=batch.batch_size,
            features=batch.features,
            targets=batch.targets,
        )
        named = dict(module.named_parameters())
        shapes = tuple(tuple(p.shape) for p in named.values())
        self.layout = StateLayout.uniform(tuple(named), shapes, len(named), FIXED.fraction_bits)

    def lower(self, rescaled: frozenset[str]) -> Program:
        return step_program(
            self.graph, self.layout, self.batch, steps=1, fixed=FIXED, rescaled=rescaled
        )


def mlp(*sizes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


MODELS: dict[str, Callable[[], Step]] = {
    "linear": lambda: Step(nn.Linear(8, 1), BatchShape(32, 8, 1)),
    "8-8-1": lambda: Step(mlp(8, 8, 1), BatchShape(32, 8, 1)),
    "5-8-8-2": lambda: Step(nn.Sequential(mlp(5, 8, 8, 2), nn.Sigmoid()), BatchShape(1, 5, 2)),
    "64-32-10": lambda: Step(mlp(64, 32, 10), BatchShape(16, 64, 10)),
    "recurrence": lambda: Step(Recurrence(), BatchShape(4, 12, 1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_cheaper_than_nowhere_and_everywhere_or_one_of_them(name: str) -> None:
    step = MODELS[name]()
    everywhere = candidates(step.graph)
    found = search_rescales(step.graph, step.lower, cost)
    assert found.rescaled <= everywhere
    assert found.candidates == len(everywhere)
    assert found.lowerings <= 400
    assert found.cost == cost(step.lower(found.rescaled)) < inf
    assert found.cost <= cost(step.lower(frozenset()))
    assert found.cost < cost(step.lower(everywhere))
    again = place_step_rescales(step.graph, step.layout, step.batch, FIXED, cost)
    assert again == found.rescaled


def test_what_fits_only_when_rounded_is_rounded() -> None:
    step = MODELS["5-8-8-2"]()
    assert cost(step.lower(frozenset())) == inf
    assert 0 < len(search_rescales(step.graph, step.lower, cost).rescaled) < 8


def test_candidates_are_results_of_arithmetic_that_are_not_outputs() -> None:
    step = MODELS["8-8-1"]()
    names = candidates(step.graph)
    kinds = {str(n.target) for n in step.graph.graph.nodes if n.name in names}
    assert {"aten.addmm.default", "aten.mm.default", "aten.threshold_backward.default"} <= kinds
    assert not kinds & {"aten.relu.default", "aten.view.default", "aten.t.default"}
    (output,) = [n for n in step.graph.graph.nodes if n.op == "output"]
    assert not names & {n.name for n in output.args[0]}


def test_a_multiple_of_a_candidate_is_none_but_its_square_is() -> None:
    def graph(function: Callable[[Tensor, Tensor], Tensor]) -> frozenset[str]:
        from torch.fx.experimental.proxy_tensor import make_fx

        traced = make_fx(lambda a, b: [function(a, b)])(torch.ones(2, 2), torch.ones(2, 2))
        return candidates(traced)

    assert graph(lambda a, b: (a @ b) * 3.0 + a) == {"mm"}
    assert graph(lambda a, b: (lambda p: p * p + a)(a @ b)) == {"mm", "mul"}


# --- the search alone, on prices that are written down -------------------------------------------


class Priced:
    """Programs that stand for sets of names, and a price for each set."""

    def __init__(self, step: Step, price: Callable[[frozenset[str]], float]) -> None:
        self.names = sorted(candidates(step.graph))
        self.price = price
        self.lowered: list[frozenset[str]] = []

    def lower(self, chosen: frozenset[str]) -> Program:
        self.lowered.append(chosen)
        flags = tuple(int(name in chosen) for name in self.names)
        return Program((Node(Op.CONSTANT, (), (len(flags),), flags, "flags"),), {}, 0)

    def cost(self, program: Program) -> float:
        flags = program.nodes[0].attributes
        return self.price(frozenset(n for n, f in zip(self.names, flags, strict=True) if f))


def all_sets(names: frozenset[str]) -> list[frozenset[str]]:
    return [frozenset(c) for n in range(len(names) + 1) for c in combinations(sorted(names), n)]


def test_no_single_flip_is_cheaper_and_no_set_is_lowered_twice() -> None:
    step = MODELS["8-8-1"]()
    names = sorted(candidates(step.graph))
    weights = {n: (i * 7919 % 23) - 11 for i, n in enumerate(names)}

    def price(chosen: frozenset[str]) -> float:
        clashes = sum((i * j) % 5 for i, a in enumerate(names) for j, b in enumerate(names[:i])
                      if a in chosen and b in chosen)  # fmt: skip
        return 1000.0 + sum(weights[n] for n in chosen) + clashes

    priced = Priced(step, price)
    found = search_rescales(step.graph, priced.lower, priced.cost)
    assert all(price(found.rescaled ^ {n}) >= found.cost for n in names)
    assert found.lowerings == len(priced.lowered) == len(set(priced.lowered)) < 400


def test_of_equal_sets_the_smallest_is_taken() -> None:
    step = MODELS["linear"]()
    priced = Priced(step, lambda chosen: 5.0)
    assert search_rescales(step.graph, priced.lower, priced.cost).rescaled == frozenset()


def test_a_small_graph_is_solved_exactly() -> None:
    step = MODELS["linear"]()
    everywhere = candidates(step.graph)
    best = min(all_sets(everywhere), key=lambda c: (cost(step.lower(c)), len(c)))
    assert search_rescales(step.graph, step.lower, cost).cost == cost(step.lower(best))


def test_a_whole_class_is_flipped_where_single_flips_only_cost() -> None:
    step = MODELS["recurrence"]()
    tanh = frozenset(n for n in candidates(step.graph) if n.startswith("tanh_backward"))
    extra = frozenset(n for n in candidates(step.graph) if n in ("addmm", "addmm_1"))
    assert len(tanh) == 4

    def price(chosen: frozenset[str]) -> float:
        return (0.0 if tanh | extra == chosen else 50.0 + 9 * len(chosen & tanh)) + (
            10.0 * len(chosen - tanh - extra) + 5.0 * len(extra - chosen)
        )

    priced = Priced(step, price)
    assert search_rescales(step.graph, priced.lower, priced.cost).rescaled == tanh | extra


@pytest.mark.parametrize("budget", [2, 3, 40])
def test_a_spent_budget_gives_the_best_so_far(budget: int) -> None:
    step = MODELS["recurrence"]()
    calls: list[frozenset[str]] = []

    def lower(chosen: frozenset[str]) -> Program:
        calls.append(chosen)
        return step.lower(chosen)

    found = search_rescales(step.graph, lower, cost, budget=budget)
    assert found.lowerings == len(calls) == budget
    assert calls[:2] == [frozenset(), candidates(step.graph)]
    assert found.cost == min(cost(step.lower(c)) for c in calls)


# --- what fits nowhere --------------------------------------------------------------------------


def test_a_lonely_set_that_fits_is_found() -> None:
    step = MODELS["8-8-1"]()
    everywhere = candidates(step.graph)
    lonely = everywhere - {"mm"}
    priced = Priced(step, lambda chosen: 7.0 if chosen == lonely else inf)
    assert search_rescales(step.graph, priced.lower, priced.cost).rescaled == lonely


def test_what_fits_nowhere_is_refused_by_the_name_of_its_widest_value() -> None:
    step = MODELS["8-8-1"]()
    with pytest.raises(RangeOverflow, match="does not fit the circuit") as caught:
        search_rescales(step.graph, step.lower, lambda program: inf)
    assert "bits" in str(caught.value.got)
    assert caught.value.hint


def test_the_backend_explains_what_fits_nowhere() -> None:
    step = MODELS["8-8-1"]()
    seen: list[Program] = []

    def explain(program: Program) -> ProverError:
        seen.append(program)
        return ProverError("relu is too wide to be compared", got=31)

    with pytest.raises(ProverError, match="relu is too wide"):
        search_rescales(step.graph, step.lower, lambda program: inf, explain=explain)
    assert seen == [step.lower(candidates(step.graph))]
    found = search_rescales(step.graph, step.lower, cost, explain=explain)
    assert found.cost < inf
    assert len(seen) == 1


def test_an_error_of_lowering_is_passed_on() -> None:
    step = MODELS["linear"]()

    def refusing(everything: bool) -> Lower:
        def lower(chosen: frozenset[str]) -> Program:
            if everything or not chosen:
                raise RangeOverflow("the step is too wide")
            return step.lower(chosen)

        return lower

    with pytest.raises(RangeOverflow, match="the step is too wide"):
        search_rescales(step.graph, refusing(everything=True), cost)
    assert search_rescales(step.graph, refusing(everything=False), cost).rescaled
