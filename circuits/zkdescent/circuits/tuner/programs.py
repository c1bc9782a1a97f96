"""The circuits of one project as functions of the size and the steps per proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf

from torch import fx

from zkdescent.circuits import assemble
from zkdescent.circuits.assemble import BatchShape
from zkdescent.circuits.bounds import check_step, magnitude_bounds
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.passes import optimise
from zkdescent.circuits.passes.explain import Explanation, explain_lowering
from zkdescent.circuits.placement import candidates
from zkdescent.circuits.program import Program
from zkdescent.circuits.proof_system import CircuitRequest, ProofSystem
from zkdescent.circuits.symbolic import Arithmetic
from zkdescent.circuits.trace import StateLayout
from zkdescent.circuits.tuner.models import cost_model
from zkdescent.circuits.tuner.placements import Placements
from zkdescent.core.errors import RangeOverflow

PUBLIC_VALUE_BOUND = 1 << 127
"""What contracts accept as a fixed-point public value (Fixed.sol), exclusive magnitude."""


@dataclass(frozen=True)
class CircuitPrograms:
    """Lowers the traced graphs of a project for any size; see `search.Programs`."""

    backend: ProofSystem
    step_graph: fx.GraphModule
    inference_graph: fx.GraphModule
    layout: StateLayout
    batch: BatchShape
    fixed: FixedPoint
    _optimised: dict[tuple[int, int], Program] = field(default_factory=dict, init=False)

    @cached_property
    def step_placements(self) -> Placements:
        """Where an update step is rounded."""
        return Placements(
            lambda chosen: self._step(chosen, 1),
            lambda cost: assemble.place_step_rescales(
                self.step_graph, self.layout, self.batch, self.fixed, cost
            ),
            self.cost,
            self._obstacle,
            candidates(self.step_graph),
        )

    @cached_property
    def inference_placements(self) -> Placements:
        """Where an inference is rounded."""
        return Placements(
            self._inference,
            lambda cost: assemble.place_inference_rescales(
                self.inference_graph, self.layout, self.batch.features, self.fixed, cost
            ),
            self.cost,
            self._obstacle,
            candidates(self.inference_graph),
        )

    def step(self, size: int, steps: int) -> Program:
        """`steps` update steps in a row, rounded where it is cheapest at this size; optimised."""
        if (size, steps) not in self._optimised:
            program = self._step(self.step_placements.at(size), steps)
            self._optimised[size, steps] = self._passed(program, size)
        return self._optimised[size, steps]

    def range(self, size: int, steps: int) -> Program:
        """Digits of a genesis state and of a batch block; the same for all sizes."""
        return assemble.range_program(self.layout, self.batch, steps=steps, fixed=self.fixed)

    def inference(self, size: int) -> Program:
        """The model on one row."""
        return self._passed(self._inference(self.inference_placements.at(size)), size)

    def explained(self, size: int) -> Explanation:
        """Rows of one update step before and after each stage of compiling it for this size.

        Raises:
            RangeOverflow: the naive program, with which it begins, fits nowhere.
        """
        return explain_lowering(
            lambda arithmetic, rescaled: self._step(rescaled, 1, arithmetic),
            lambda program: self.backend.cost(program, size),
            everywhere=candidates(self.step_graph),
            rescaled=self.step_placements.at(size),
        )

    def fits(self, size: int, steps: int) -> bool:
        """Whether the backend takes all three circuits."""
        requests = (
            CircuitRequest("step", self.step(size, steps), self.fixed, steps_per_proof=steps),
            CircuitRequest("range", self.range(size, steps), self.fixed),
            CircuitRequest("inference", self.inference(size), self.fixed, public_output=True),
        )
        return all(self.backend.fits(request, size) for request in requests)

    def cost(self, program: Program, size: int) -> float:
        """Rows, as the backend says; infinite for a program whose values could wrap.

        Rounding is also what bounds a value: without this the cheapest placement of a deep graph
        is one that is never rounded and cannot be proven.
        """
        rows = self.backend.cost(program, size)
        return inf if rows < inf and self._wraps(program, size) else rows

    def _wraps(self, program: Program, size: int) -> str:
        """What could wrap around the field, for any witness; empty if nothing can."""
        gadget = self.backend.gadget_bound(size)
        state = gadget(assemble.state_capacity(self.layout, self.fixed))
        try:
            if assemble.BATCH in program.inputs:
                batch = gadget(self.fixed.data_capacity)
                check_step(program, state=state, batch=batch, gadget=gadget)
            else:
                inputs = {assemble.STATE: state, assemble.ROW: PUBLIC_VALUE_BOUND}
                magnitude_bounds(program, inputs, gadget)
        except RangeOverflow as error:
            return str(error)
        return ""

    def _obstacle(self, program: Program, size: int) -> str:
        too_wide = cost_model(self.backend.name).demand(program, size).obstacle
        return too_wide or self._wraps(program, size)

    def _passed(self, program: Program, size: int) -> Program:
        return optimise(program, lambda p: self.backend.cost(p, size)).program

    def _step(
        self, rescaled: frozenset[str], steps: int, arithmetic: type[Arithmetic] = Arithmetic
    ) -> Program:
        return assemble.step_program(
            self.step_graph,
            self.layout,
            self.batch,
            steps=steps,
            fixed=self.fixed,
            rescaled=rescaled,
            arithmetic=arithmetic,
        )

    def _inference(self, rescaled: frozenset[str]) -> Program:
        return assemble.inference_program(
            self.inference_graph,
            self.layout,
            features=self.batch.features,
            fixed=self.fixed,
            rescaled=rescaled,
        )
