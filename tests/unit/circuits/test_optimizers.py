"""Every optimizer in the reference executor: a step is torch's step to within its roundings.

Each of 100 steps is compared with the same step in double precision *from the same state*, so that
the bound is that of one step, whatever a trajectory does with it. Then whole trajectories are
compared with torch.optim's, which is what a user sees.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zkdescent.circuits.assemble import BatchShape, step_program
from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, dequantize, quantize
from zkdescent.circuits.program import Op, Program
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.config import TrainTable
from zkdescent.core.errors import RangeOverflow
from zkdescent.train.losses import declared_loss, mse
from zkdescent.train.optimizers import OPTIMIZERS, FlatState, rule_of
from zkdescent.train.optimizers.twin import Descent

BITS, STEPS, BATCH, FEATURES = 12, 100, 8, 3
UNIT = 2.0**-BITS
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A model under a declared update, lowered, with data that fixed point holds exactly."""

    train: TrainTable
    module: nn.Module
    flat: FlatState
    layout: StateLayout
    program: Program
    batches: list[tuple[Tensor, Tensor]]

    @property
    def genesis(self) -> list[IntegerArray]:
        """The initial state, tensor by tensor."""
        tensors = [*self.module.parameters(), *self.flat.initial]
        return [
            quantize(t.detach().double().numpy(), bits, what="state")
            for t, bits in zip(tensors, self.layout.scales, strict=True)
        ]

    def reals(self, state: list[IntegerArray]) -> list[Tensor]:
        """Real values of a state."""
        pairs = zip(state, self.layout.scales, strict=True)
        return [torch.tensor(dequantize(part, bits)) for part, bits in pairs]

    def step(self, state: list[IntegerArray], index: int) -> list[IntegerArray]:
        """One update step in the executor."""
        x, y = self.batches[index]
        row = np.concatenate([x.numpy().reshape(-1), y.numpy().reshape(-1)])
        inputs = {
            "context": np.zeros(1, dtype=object),
            "state": np.concatenate([part.reshape(-1) for part in state]),
            "batch": quantize(row, BITS, what="batch"),
        }
        after = execute(self.program, inputs, FixedPoint(fraction_bits=BITS))
        parts = np.split(after, np.cumsum(self.layout.sizes)[:-1])
        return [p.reshape(s) for p, s in zip(parts, self.layout.shapes, strict=True)]

    def gradients(self, state: list[Tensor], index: int) -> list[Tensor]:
        """Gradients of the loss in double precision."""
        x, y = self.batches[index]
        params = [p.clone().requires_grad_() for p in state[: self.layout.parameters]]
        named = dict(zip(self.flat.parameters, params, strict=True))
        value = declared_loss(self.train.loss).function(
            torch.func.functional_call(self.module, named, (x,)), y
        )
        return list(torch.autograd.grad(value, params))

    def float_step(self, state: list[Tensor], index: int) -> list[Tensor]:
        """The same step in double precision."""
        count = self.layout.parameters
        gradients = self.gradients(state, index)
        moved, slots = self.flat.update(state[:count], gradients, state[count:])
        return [*moved, *slots]


def make(module: nn.Module | None = None, **settings: Any) -> Run:
    """Trace and lower; the linear model has no ReLU whose kink a rounding could cross."""
    torch.manual_seed(0)
    module = (nn.Linear(FEATURES, 2) if module is None else module).double()
    outputs = list(module.parameters())[-1].shape[0]
    given = {"learning_rate": 0.01, "batch_size": BATCH, "steps": STEPS, **settings}
    train = TrainTable(**given)
    params = {name: p.detach() for name, p in module.named_parameters()}
    flat = rule_of(train, fraction_bits=BITS).flat(params)
    graph = trace_step(
        copy.deepcopy(module).float(),
        declared_loss(train.loss).function,
        flat.update,
        [t.float() for t in flat.initial],
        batch_size=BATCH,
        features=FEATURES,
        targets=outputs,
    )
    layout = StateLayout(
        (*params, *flat.names),
        tuple(tuple(t.shape) for t in [*params.values(), *flat.initial]),
        len(params),
        (BITS,) * len(params) + flat.bits(BITS),
    )
    program = step_program(
        graph,
        layout,
        BatchShape(BATCH, FEATURES, outputs),
        steps=1,
        fixed=FixedPoint(fraction_bits=BITS),
        rescaled=frozenset(),
    )
    return Run(train, module, flat, layout, program, _batches(outputs, train.loss))


def _batches(outputs: int, loss: str) -> list[tuple[Tensor, Tensor]]:
    draw = np.random.default_rng(0)
    weights = draw.normal(size=(FEATURES, outputs))
    made = []
    for _ in range(STEPS):
        x = np.clip(draw.normal(size=(BATCH, FEATURES)), -3, 3)
        y = x @ weights + 0.1 * draw.normal(size=(BATCH, outputs))
        if loss == "bce":
            y = (y > 0).astype(float)
        made.append(tuple(torch.tensor(np.round(part / UNIT) * UNIT) for part in (x, y)))
    return made  # type: ignore[return-value]


def trajectories(run: Run, steps: int = STEPS) -> tuple[Reals, Reals]:
    """Parameters after each step: executor's, and the float twin's from the same start."""
    state, twin = run.genesis, copy.deepcopy(run.module)
    with torch.no_grad():
        for p, value in zip(twin.parameters(), run.reals(state), strict=False):
            p.copy_(value)
    descent = Descent(twin, run.flat.rule)
    proven, floats = [], []
    for index in range(steps):
        x, y = run.batches[index]
        twin.zero_grad()
        declared_loss(run.train.loss).function(twin(x), y).backward()  # type: ignore[no-untyped-call]
        descent.step()
        state = run.step(state, index)
        count = run.layout.parameters
        proven.append(np.concatenate([t.reshape(-1) for t in run.reals(state)[:count]]))
        floats.append(np.concatenate([p.detach().reshape(-1) for p in twin.parameters()]))
    return np.array(proven), np.array(floats)


SETTINGS: dict[str, dict[str, Any]] = {name: {"optimizer": name} for name in OPTIMIZERS} | {
    "momentum, decay": {"optimizer": "momentum", "weight_decay": 0.1},
    "adam, decay": {"optimizer": "adam", "weight_decay": 0.1, "beta1": 0.5},
    "adam, large epsilon": {"optimizer": "adam", "epsilon": 0.3},
    "lamb, decay": {"optimizer": "lamb", "weight_decay": 0.05},
    "lion, decay": {"optimizer": "lion", "weight_decay": 0.1},
    "adagrad, accumulator": {"optimizer": "adagrad", "initial_accumulator": 0.3},
    "sgd, l1 and l2": {"optimizer": "sgd", "l1": 0.05, "l2": 0.01},
    "sgd, clip value": {"optimizer": "sgd", "clip_value": 0.25},
    "sgd, clip norm": {"optimizer": "sgd", "clip_norm": 0.5},
    "adam, bce": {"optimizer": "adam", "loss": "bce"},
}


SIGNS = {"signsgd", "lion", "lion, decay"}


def allowed(run: Run, state: list[Tensor], expected: list[Tensor], gradient: float) -> list[float]:
    """What one step may be off, by state tensor.

    Parameters: half a unit for the rounding, half for what precedes it; a unit more for RMSprop,
    whose first root is coarse. Slots: a rounding, and the 12 significant bits of each of up to
    three constants, of what goes in. A sigmoid's table adds 2^-11 to a gradient.
    """
    table = 2.0**-11 * (run.train.loss == "bce")
    units = 2 if table or run.train.optimizer == "rmsprop" else 1
    limits = [units * UNIT] * run.layout.parameters
    for i in range(run.layout.parameters, len(state)):
        name, bits = run.layout.names[i], run.layout.scales[i]
        squared = name.startswith(("squares", "second_moment"))
        entering = 0.0 if "." in name and name.split(".")[0] in SCALARS else gradient
        size = float(torch.maximum(state[i].abs(), expected[i].abs()).max())
        largest = max(size, entering**2 if squared else entering)
        limits.append(0.51 * 2.0**-bits + 2.0**-12 * largest + table * max(1.0, gradient))
    return limits


SCALARS = {"correction", "rate", "decay", "wave", "count"}


def first_disagreement(run: Run, other: Run, steps: int = STEPS) -> str | None:
    """Run in the executor; name a tensor of which a step is not the float step of `other`."""
    state = run.genesis
    for index in range(steps):
        before = run.reals(state)
        expected = other.float_step(before, index)
        largest = max(float(g.abs().max()) for g in run.gradients(before, index))
        state = run.step(state, index)
        limits = allowed(run, before, expected, largest)
        for i, got in enumerate(run.reals(state)):
            if float((got - expected[i]).abs().max()) > limits[i]:
                return f"step {index}: {run.layout.names[i]}"
    return None


@pytest.mark.parametrize("name", SETTINGS)
def test_each_step_is_torchs_to_within_its_roundings(name: str) -> None:
    run = make(**SETTINGS[name])
    assert first_disagreement(run, run) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"learning_rate": 0.011}),
        ({"optimizer": "momentum"}, {"momentum": 0.89}),
        ({"optimizer": "nesterov"}, {"momentum": 0.89}),
        ({"optimizer": "adagrad"}, {"epsilon": 0.01}),
        ({"optimizer": "rmsprop"}, {"alpha": 0.989}),
        ({"optimizer": "adam"}, {"beta2": 0.998}),
        ({"optimizer": "adamw"}, {"weight_decay": 0.5}),
        ({"optimizer": "lamb"}, {"beta1": 0.89}),
        ({"optimizer": "signsgd"}, {"learning_rate": 0.011}),
        ({"optimizer": "lion"}, {"beta2": 0.98}),
        ({"clip_norm": 0.5}, {"clip_norm": 0.6}),
        ({"clip_value": 0.25}, {"clip_value": 0.3}),
        ({"l1": 0.05}, {"l1": 0.0}),
    ],
)
def test_a_step_of_neighbouring_settings_is_not_within_them(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert first_disagreement(make(**one), make(**one | other), steps=20) is not None


@pytest.mark.parametrize("name", SETTINGS)
def test_a_hundred_steps_stay_beside_torchs(name: str) -> None:
    run = make(**SETTINGS[name])
    proven, floats = trajectories(run)
    error, way = np.abs(proven - floats).max(), np.abs(floats[-1] - floats[0]).max()
    # Where a gradient changes its sign, or passes a clipping limit, one unit decides a whole step.
    if name in SIGNS:
        assert error <= 8 * run.train.learning_rate
    else:
        assert error <= (32 if "clip value" in name else 8) * UNIT
    assert way > 500 * UNIT


def test_a_network_with_relu_trains_beside_torchs() -> None:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(FEATURES, 4), nn.ReLU(), nn.Linear(4, 1))
    proven, floats = trajectories(make(module, optimizer="adam"))
    assert np.abs(proven - floats).max() <= 24 * UNIT


def test_a_layer_of_zeros_has_a_trust_ratio_of_one() -> None:
    module = nn.Linear(FEATURES, 2)
    nn.init.zeros_(module.bias)
    run = make(module, optimizer="lamb")
    assert first_disagreement(run, run, steps=5) is None
    moved = run.reals(run.step(run.genesis, 0))[1]
    # Adam's first direction is the sign of the gradient.
    assert torch.allclose(moved.abs(), torch.full((2,), 0.01, dtype=torch.float64), atol=UNIT)


def test_plain_descent_keeps_nothing_and_its_constant_costs_nothing() -> None:
    run = make()
    assert run.layout.names == ("weight", "bias")
    traced = trace_step(
        nn.Linear(1, 1), mse, run.flat.update, [], batch_size=1, features=1, targets=1
    )
    targets = [str(n.target) for n in traced.graph.nodes if n.op == "call_function"]
    assert targets[-4:] == ["aten.mul.Tensor", "aten.sub.Tensor"] * 2
    parameters = run.layout.parameter_size
    assert run.program.count(Op.RESCALE) == parameters
    with_schedule = make(schedule={"kind": "exponential", "gamma": 0.99})
    assert with_schedule.layout.names[2:] == ("rate.schedule", "decay.schedule")


@pytest.mark.parametrize(
    ("optimizer", "rescales", "quotients", "roots", "comparisons"),
    [
        ("sgd", (1, 0), (0, 0), (0, 0), 0),
        ("momentum", (2, 0), (0, 0), (0, 0), 0),
        ("nesterov", (2, 0), (0, 0), (0, 0), 0),
        ("adagrad", (2, 0), (1, 0), (1, 0), 0),
        ("rmsprop", (2, 0), (1, 0), (1, 0), 0),
        ("adam", (3, 2), (1, 2), (1, 0), 0),
        ("adamw", (3, 2), (1, 2), (1, 0), 0),
        ("signsgd", (1, 0), (0, 0), (0, 0), 2),
        ("lion", (2, 0), (0, 0), (0, 0), 2),
    ],
)
def test_what_an_optimizer_pays_for_each_parameter_and_each_step(
    optimizer: str,
    rescales: tuple[int, int],
    quotients: tuple[int, int],
    roots: tuple[int, int],
    comparisons: int,
) -> None:
    run = make(optimizer=optimizer)
    size = run.layout.parameter_size
    for op, (each, once) in ((Op.DIVIDE, quotients), (Op.SQRT, roots)):
        assert run.program.count(op) == each * size + once
    decomposed = run.program.count(Op.RESCALE) + run.program.count(Op.RANGE_CHECK)
    assert decomposed == rescales[0] * size + rescales[1]
    assert run.program.count(Op.IS_POSITIVE) == comparisons * size


@pytest.mark.parametrize("optimizer", ["adagrad", "rmsprop", "adam", "adamw", "lamb"])
def test_an_epsilon_below_the_resolution_is_raised(optimizer: str) -> None:
    train = TrainTable(optimizer=optimizer, learning_rate=0.01, batch_size=1, steps=1)  # type: ignore[arg-type]
    declared, fitted = rule_of(train), rule_of(train, fraction_bits=BITS)
    assert declared.optimizer.epsilon < 1e-5  # type: ignore[attr-defined]
    assert UNIT / 4 <= fitted.optimizer.epsilon <= UNIT / 2  # type: ignore[attr-defined]
    assert fitted.declared_epsilon == declared.optimizer.epsilon  # type: ignore[attr-defined]
    large = train.model_copy(update={"epsilon": 0.5})
    assert rule_of(large, fraction_bits=BITS).optimizer.epsilon == 0.5  # type: ignore[attr-defined]


def test_without_raising_it_a_small_gradient_would_leap() -> None:
    run = make(nn.Linear(FEATURES, 1, bias=False), optimizer="adam")
    x = torch.zeros(BATCH, FEATURES, dtype=torch.float64)
    x[0, 0] = 2.0**-8
    y = torch.full((BATCH, 1), 2.0**-5, dtype=torch.float64)
    run.batches[0] = (x, y)  # a gradient of about 2^-15: its square is lost, it itself is not
    before = run.genesis
    moved = (run.reals(run.step(before, 0))[0] - run.reals(before)[0]).abs().max()
    assert 0 < float(moved) <= 0.01 + UNIT
    weight = next(run.module.parameters()).detach()
    with pytest.raises(RangeOverflow, match="a quotient"):
        _with_rule(run, rule_of(run.train).flat({"weight": weight})).step(before, 0)


def _with_rule(run: Run, flat: FlatState) -> Run:
    graph = trace_step(
        copy.deepcopy(run.module).float(),
        mse,
        flat.update,
        [t.float() for t in flat.initial],
        batch_size=BATCH,
        features=FEATURES,
        targets=1,
    )
    program = step_program(
        graph,
        run.layout,
        BatchShape(BATCH, FEATURES, 1),
        steps=1,
        fixed=FixedPoint(fraction_bits=BITS),
        rescaled=frozenset(),
    )
    return Run(run.train, run.module, flat, run.layout, program, run.batches)


SCHEDULES: dict[str, dict[str, Any]] = {
    "step": {"kind": "step", "step_size": 30, "gamma": 0.5},
    "small gamma": {"kind": "step", "step_size": 50, "gamma": 0.1},
    "exponential": {"kind": "exponential", "gamma": 0.97},
    "cosine": {"kind": "cosine"},
    "cosine to a floor": {"kind": "cosine", "t_max": 40, "eta_min": 0.002},
    "warm-up": {"warmup_steps": 17},
    "warm-up, step": {"kind": "step", "step_size": 20, "gamma": 0.5, "warmup_steps": 7},
    "warm-up, exponential": {"kind": "exponential", "gamma": 0.97, "warmup_steps": 7},
    "warm-up, cosine": {"kind": "cosine", "warmup_steps": 10},
}


def rates(run: Run, steps: int) -> tuple[Reals, Reals]:
    """The rate's factor at every step, as the executor's state has it, and in closed form."""
    position, state, got = run.layout.names.index("rate.schedule"), run.genesis, []
    for index in range(steps):
        got.append(float(run.reals(state)[position]))
        state = run.step(state, index % STEPS)
    return np.array(got), np.array([run.flat.rule.schedule.factor(t) for t in range(steps)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_in_the_state_is_the_schedules(name: str) -> None:
    run = make(nn.Linear(FEATURES, 1, bias=False), schedule=SCHEDULES[name])
    proven, exact = rates(run, STEPS)
    assert np.abs(proven - exact).max() <= 2.0**-11
    assert exact.max() - exact.min() > 0.4


def test_a_long_cosine_ends_where_it_should() -> None:
    cosine = {"kind": "cosine"}
    run = make(nn.Linear(FEATURES, 1, bias=False), schedule=cosine, steps=800)
    proven, exact = rates(run, 800)
    assert np.abs(proven - exact).max() <= 2.0**-12
    # A period that is longer by a hundredth is told apart.
    other = make(schedule={"kind": "cosine", "t_max": 808}, steps=800).flat.rule.schedule
    assert np.abs(proven - [other.factor(t) for t in range(800)]).max() > 2.0**-9


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_scheduled_run_stays_beside_torchs(optimizer: str) -> None:
    run = make(optimizer=optimizer, schedule=SCHEDULES["warm-up, cosine"])
    assert first_disagreement(run, run) is None
    proven, floats = trajectories(run)
    assert np.abs(proven - floats).max() <= 8 * UNIT


def test_an_exploding_gradient_is_refused_not_wrapped() -> None:
    run = make(learning_rate=3.0)
    with pytest.raises(RangeOverflow):
        trajectories(run)
