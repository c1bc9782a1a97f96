"""The two trajectories that a fidelity report compares, one update step at a time.

Float is `train_float` itself. Fixed point is the reference executor on a program of one step,
lowered from the same graph with the same rescales as the circuit, at any number of fraction bits.
Both take the mini-batches of the batch blocks 0, 1, 2, ... in order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from zkdescent.circuits import assemble
from zkdescent.circuits.executor import evaluate
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, quantize
from zkdescent.circuits.passes import optimise
from zkdescent.circuits.program import Program
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import ConfigError, RangeOverflow
from zkdescent.pipeline.blueprint import Blueprint
from zkdescent.train.loop import Progress, train_float
from zkdescent.train.model import flat_parameters
from zkdescent.train.optimizers import FlatState, UpdateRule, rule_of

FloatArray = NDArray[np.float64]
Observe = Callable[[int, list[IntegerArray]], None]
"""Called with the step (from 1) and the value of every node of the program in it."""


@dataclass(frozen=True, slots=True)
class OneStep:
    """One update step at some number of fraction bits.

    Attributes:
        genesis: the initial state, flat integers.
    """

    graph: fx.GraphModule
    layout: StateLayout
    fixed: FixedPoint
    program: Program
    genesis: IntegerArray


@dataclass(frozen=True, slots=True, eq=False)
class FixedRun:
    """A fixed-point trajectory, as far as it got.

    Attributes:
        states: real values of the state before the first step and after each, (steps + 1, state).
        error: what ended it early; the step after the last in `states` failed.
    """

    states: FloatArray
    error: RangeOverflow | None = None

    @property
    def steps(self) -> int:
        """Update steps that were executed."""
        return len(self.states) - 1


@dataclass(frozen=True, slots=True, eq=False)
class FloatRun:
    """A float trajectory: parameters before the first step and after each, (steps + 1, P).

    `error` says that training diverged after the last of them.
    """

    parameters: FloatArray
    error: ConfigError | None = None


class StepSource:
    """Lowers the update step of a blueprint at other fraction bits.

    The graph is the blueprint's; only where the bits change an epsilon, another one is traced.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self._rescaled = blueprint.programs.step_placements.at(blueprint.size)
        self._graphs: list[tuple[UpdateRule, fx.GraphModule]] = [
            (blueprint.rule, blueprint.programs.step_graph)
        ]

    def at(self, fraction_bits: int) -> OneStep:
        """Lower one step at a number of fraction bits, rounded where the circuit rounds.

        Raises:
            RangeOverflow: the initial state or the bit budget does not fit.
        """
        blueprint = self.blueprint
        fixed = replace(blueprint.fixed, fraction_bits=fraction_bits)
        rule = rule_of(blueprint.project.config.train, fraction_bits=fraction_bits)
        slots = rule.flat({n: p.detach() for n, p in blueprint.module.named_parameters()})
        graph = self._traced(rule, slots)
        count = blueprint.layout.parameters
        scales = (fraction_bits,) * count + slots.bits(fraction_bits)
        layout = replace(blueprint.layout, scales=scales)
        initial = [*blueprint.module.parameters(), *slots.initial]
        genesis = [
            quantize(t.detach().double().reshape(-1).numpy(), scale, what=f"the initial {name}")
            for name, t, scale in zip(layout.names, initial, scales, strict=True)
        ]
        program = assemble.step_program(
            graph, layout, blueprint.batch, steps=1, fixed=fixed, rescaled=self._rescaled
        )
        program = optimise(program, self.cost).program
        return OneStep(graph, layout, fixed, program, np.concatenate(genesis))

    def cost(self, program: Program) -> float:
        """What the prover pays for a program at the blueprint's size."""
        return self.blueprint.backend.cost(program, self.blueprint.size)

    def _traced(self, rule: UpdateRule, slots: FlatState) -> fx.GraphModule:
        for known, graph in self._graphs:
            if known == rule:
                return graph
        blueprint = self.blueprint
        graph = trace_step(
            blueprint.module,
            blueprint.loss.function,
            slots.update,
            slots.initial,
            batch_size=blueprint.batch.batch_size,
            features=blueprint.batch.features,
            targets=blueprint.batch.targets,
        )
        self._graphs.append((rule, graph))
        return graph


def run_fixed(
    blueprint: Blueprint, step: OneStep, steps: int, observe: Observe | None = None
) -> FixedRun:
    """Execute `steps` update steps; an overflow ends the run and is part of the result."""
    scales = np.repeat(step.layout.scales, step.layout.sizes)
    units = 0.5 ** scales.astype(np.float64)
    state, states = step.genesis, [np.asarray(step.genesis, dtype=np.float64) * units]
    for index in range(1, steps + 1):
        inputs = {
            assemble.CONTEXT: np.zeros(1, dtype=object),
            assemble.STATE: state,
            assemble.BATCH: _batch(blueprint, index - 1, step.fixed.fraction_bits),
        }
        try:
            values = evaluate(step.program, inputs, step.fixed)
        except RangeOverflow as error:
            return FixedRun(np.array(states), error)
        if observe is not None:
            observe(index, values)
        state = values[step.program.output].reshape(-1)
        states.append(np.asarray(state, dtype=np.float64) * units)
    return FixedRun(np.array(states))


def run_float(blueprint: Blueprint, steps: int) -> FloatRun:
    """Train in float and keep the parameters of every step."""
    before: list[FloatArray] = []
    seen: list[FloatArray] = []

    def look(module: nn.Module, _: Any) -> None:
        if torch.is_grad_enabled():  # a training step's forward pass, not an evaluation
            seen[:] = [flat_parameters(module).vector]

    def keep(_: Progress) -> None:
        before.append(seen[0])

    # A hook sees what the loop sees: no second implementation of it could stay equal.
    twin = copy.deepcopy(blueprint.module)
    twin.register_forward_pre_hook(look)
    batches = blueprint.blocks.reshape(-1, 1, *blueprint.blocks.shape[2:])
    settings = blueprint.project.config.train
    quiet = settings.model_copy(update={"evaluate_every": steps, "early_stopping": 0})
    error, last = None, flat_parameters(blueprint.module).vector
    try:
        last = train_float(
            twin,
            blueprint.loss,
            blueprint.data,
            blocks=batches,
            order=[i % len(batches) for i in range(steps)],
            settings=quiet,
            progress=keep,
        ).final.vector
    except ConfigError as diverged:
        error = diverged
    parameters = [*before, last] if error is None else before or [last]
    return FloatRun(np.array(parameters), error)


def _batch(blueprint: Blueprint, index: int, fraction_bits: int) -> IntegerArray:
    """Mini-batch `index` as a circuit of one step takes it: features, then targets, flat."""
    batches = blueprint.blocks.reshape(-1, *blueprint.blocks.shape[2:])
    batch, d = batches[index % len(batches)], blueprint.batch.features
    flat = np.concatenate([batch[:, :d].reshape(-1), batch[:, d:].reshape(-1)])
    return quantize(flat, fraction_bits, what="the data")
