"""Everything that is fixed before any proof: data, genesis, arithmetic, programs.

A blueprint is a pure function of the project file, the user's Python files and the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.circuits import assemble
from zkdescent.circuits.assemble import BatchShape
from zkdescent.circuits.bounds import check_step, magnitude_bounds
from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, dequantize, quantize
from zkdescent.circuits.program import Program
from zkdescent.circuits.proof_system import CircuitRequest, ProofSystem
from zkdescent.circuits.trace import StateLayout, trace_inference, trace_step
from zkdescent.circuits.tuner import Objective, Tuning
from zkdescent.circuits.tuner.programs import PUBLIC_VALUE_BOUND, CircuitPrograms
from zkdescent.core.config import Project
from zkdescent.pipeline.provers import project_prover
from zkdescent.pipeline.sizing import size_circuits
from zkdescent.train.blocks import batch_blocks
from zkdescent.train.data import PreparedData, prepare
from zkdescent.train.losses import Loss, load_loss
from zkdescent.train.model import build_model
from zkdescent.train.optimizers import FlatState, UpdateRule, described, rule_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Blueprint:
    """A project, traced and lowered.

    Attributes:
        layout: how parameters and slots lie in the flat state.
        fixed: the arithmetic of all circuits.
        programs: the same circuits at other sizes.
        tuning: the chosen size and steps per proof, and what else was looked at.
    """

    project: Project
    backend: ProofSystem
    data: PreparedData
    loss: Loss
    rule: UpdateRule
    slots: FlatState
    module: torch.nn.Module
    layout: StateLayout
    batch: BatchShape
    fixed: FixedPoint
    programs: CircuitPrograms
    tuning: Tuning
    step: Program
    inference: Program
    range: Program

    @property
    def total_proofs(self) -> int:
        """Block proofs of a complete run."""
        return self.project.config.train.steps // self.steps_per_proof

    @property
    def size(self) -> int:
        """log2 of the circuits' rows."""
        return self.tuning.choice.size

    @property
    def steps_per_proof(self) -> int:
        """K, mini-batches per block proof."""
        return self.tuning.choice.steps_per_proof

    @property
    def advice(self) -> str | None:
        """Another number of steps that would make proving markedly cheaper, if there is one."""
        choice, better = self.tuning.choice, self.tuning.better
        if better is None:
            return None
        gain = (
            f"{better.gas / 1e6:.1f} million gas instead of {choice.gas / 1e6:.1f}"
            if self.tuning.objective == "gas"
            else f"about {better.seconds:,.0f} s instead of {choice.seconds:,.0f}"
        )
        return (
            f"{choice.steps_per_proof} steps share a proof, because it must divide steps = "
            f"{choice.steps}; steps = {better.steps} would need {better.block_proofs} proofs of "
            f"{better.steps_per_proof} steps instead of {choice.block_proofs}, and {gain}"
        )

    @cached_property
    def blocks(self) -> np.ndarray[Any, Any]:
        """Batch blocks in standard units, (blocks, K, batch_size, d + t)."""
        train = self.project.config.train
        return batch_blocks(self.data.train, train.batch_size, self.steps_per_proof, train.seed)

    @cached_property
    def fixed_blocks(self) -> tuple[IntegerArray, ...]:
        """Each batch block as the circuit takes it: per mini-batch features, then targets, flat."""
        d = self.batch.features
        flat = [
            np.concatenate(
                [part.reshape(-1) for batch in block for part in (batch[:, :d], batch[:, d:])]
            )
            for block in self.blocks
        ]
        return tuple(quantize(b, self.fixed.fraction_bits, what="the data") for b in flat)

    @cached_property
    def genesis(self) -> IntegerArray:
        """Initial state: the factory's parameters under the seed, slots as the rule begins."""
        initial = [*self.module.parameters(), *self.slots.initial]
        parts = [
            quantize(tensor.detach().double().reshape(-1).numpy(), bits, what=f"the initial {name}")
            for name, tensor, bits in zip(
                self.layout.names, initial, self.layout.scales, strict=True
            )
        ]
        return np.concatenate(parts)

    def advance(self, state: IntegerArray, block: int) -> IntegerArray:
        """Run K update steps in the reference executor."""
        zero = np.zeros(1, dtype=object)
        inputs = {
            assemble.CONTEXT: zero,
            assemble.STATE: state,
            assemble.BATCH: self.fixed_blocks[block],
        }
        return execute(self.step, inputs, self.fixed)

    def parameters_of(self, state: IntegerArray) -> np.ndarray[Any, Any]:
        """Real parameter vector of a fixed-point state."""
        return dequantize(state[: self.layout.parameter_size], self.fixed.fraction_bits)

    def requests(self) -> list[CircuitRequest]:
        """The circuits to build.

        Raises:
            RangeOverflow: a value could wrap around the field, or the data does not pass the
                range circuit.
        """
        gadget = self.backend.gadget_bound(self.size)
        state = gadget(assemble.state_capacity(self.layout, self.fixed))
        batch = gadget(self.fixed.data_capacity)
        check_step(self.step, state=state, batch=batch, gadget=gadget)
        inputs = {assemble.STATE: state, assemble.ROW: PUBLIC_VALUE_BOUND}
        magnitude_bounds(self.inference, inputs, gadget)
        self._check_range()
        outputs = self.inference.nodes[self.inference.output].size - self.batch.features
        step = CircuitRequest("step", self.step, self.fixed, steps_per_proof=self.steps_per_proof)
        inference = CircuitRequest(
            "inference",
            self.inference,
            self.fixed,
            public_output=True,
            features=self.batch.features,
            outputs=outputs,
        )
        if self.backend.checks_ranges:
            return [step, inference]
        magnitude_bounds(self.range, {}, gadget)
        return [step, CircuitRequest("range", self.range, self.fixed), inference]

    def _check_range(self) -> None:
        """Every block must pass the range circuit, or no proof of it can be made."""
        for block in self.fixed_blocks:
            inputs = {assemble.STATE: self.genesis, assemble.BATCH: block}
            execute(self.range, inputs, self.fixed)

    def hyperparameters(self) -> dict[str, Any]:
        """What the task commits to besides circuits and data."""
        train = self.project.config.train
        return {
            "model": self.project.config.model.model_dump(mode="json"),
            "loss": train.loss,
            **described(self.rule, train),
            "batch_size": train.batch_size,
            "steps": train.steps,
            "steps_per_proof": self.steps_per_proof,
            "seed": train.seed,
            "arithmetic": self.fixed.to_json(),
            "standardizer": self.data.standardizer.to_json(),
            "parameters": {
                name: list(shape)
                for name, shape in zip(self.layout.names, self.layout.shapes, strict=True)
            },
            "state_fraction_bits": list(self.layout.scales),
        }


def make_blueprint(project: Project, *, objective: Objective | None = None) -> Blueprint:
    """Load data and model, trace one step, choose arithmetic and steps per proof, lower.

    Args:
        objective: what the sizes are chosen for; as remembered or declared if not given.

    Raises:
        ConfigError, DataError, ModelError, UnsupportedOperator, RangeOverflow: what the user's
            files need to change.
        CircuitTooLarge: no circuit holds the job on this machine.
    """
    config = project.config
    backend = project_prover(project)
    data = prepare(project)
    loss = load_loss(project)
    module = build_model(project, data.train, loss)
    rule = rule_of(config.train, fraction_bits=config.circuit.fraction_bits)
    slots = rule.flat({name: p.detach() for name, p in module.named_parameters()})
    d, t = data.train.features.shape[1], data.train.targets.shape[1]
    batch = BatchShape(config.train.batch_size, d, t)
    layout, step_graph = _trace(module, loss, slots, batch, config.circuit.fraction_bits)
    inference_graph = trace_inference(module, features=d)

    circuit = config.circuit
    fixed = FixedPoint(fraction_bits=circuit.fraction_bits, headroom_bits=circuit.headroom_bits)
    programs = CircuitPrograms(backend, step_graph, inference_graph, layout, batch, fixed)
    tuning = size_circuits(project, programs, len(data.train), objective)
    size, steps = tuning.choice.size, tuning.choice.steps_per_proof
    return Blueprint(
        project=project,
        backend=backend,
        data=data,
        loss=loss,
        rule=rule,
        slots=slots,
        module=module,
        layout=layout,
        batch=batch,
        fixed=fixed,
        programs=programs,
        tuning=tuning,
        step=programs.step(size, steps),
        inference=programs.inference(size),
        range=programs.range(size, steps),
    )


def _trace(
    module: torch.nn.Module, loss: Loss, slots: FlatState, batch: BatchShape, fraction_bits: int
) -> tuple[StateLayout, Any]:
    """Trace one update step; the layout says how many bits each tensor of the state has."""
    graph = trace_step(
        module,
        loss.function,
        slots.update,
        slots.initial,
        batch_size=batch.batch_size,
        features=batch.features,
        targets=batch.targets,
    )
    shapes = [tuple(t.shape) for t in [*module.parameters(), *slots.initial]]
    count = len(slots.parameters)
    layout = StateLayout(
        names=(*slots.parameters, *slots.names),
        shapes=tuple(shapes),
        parameters=count,
        scales=((fraction_bits,) * count + slots.bits(fraction_bits)),
    )
    return layout, graph
