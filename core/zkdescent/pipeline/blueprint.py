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
from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.bounds import check_step, magnitude_bounds
from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import (
    FixedPoint,
    IntegerArray,
    dequantize,
    quantize,
    range_arithmetic,
)
from zkdescent.circuits.program import Program
from zkdescent.circuits.proof_system import CircuitRequest, ProofSystem
from zkdescent.circuits.trace import StateLayout, trace_inference, trace_step
from zkdescent.core.config import Project, divisors_of
from zkdescent.train.blocks import batch_blocks
from zkdescent.train.data import PreparedData, prepare
from zkdescent.train.losses import Loss, load_loss
from zkdescent.train.model import build_model, flat_parameters
from zkdescent.train.optimizers import Optimizer, optimizer_of

if TYPE_CHECKING:
    import torch

PUBLIC_VALUE_BOUND = 1 << 127
"""What contracts accept as a fixed-point public value (Fixed.sol), exclusive magnitude."""


@dataclass(frozen=True)
class Blueprint:
    """A project, traced and lowered.

    Attributes:
        layout: how parameters and slots lie in the flat state.
        fixed: the arithmetic of step and inference circuits.
        steps_per_proof: K, mini-batches per block proof; `most_steps` would fit.
        rescaled: graph nodes of one step whose results are rounded.
    """

    project: Project
    backend: ProofSystem
    data: PreparedData
    loss: Loss
    optimizer: Optimizer
    module: torch.nn.Module
    layout: StateLayout
    batch: BatchShape
    fixed: FixedPoint
    steps_per_proof: int
    most_steps: int
    step: Program
    inference: Program
    range: Program

    @property
    def total_proofs(self) -> int:
        """Block proofs of a complete run."""
        return self.project.config.train.steps // self.steps_per_proof

    @property
    def advice(self) -> str | None:
        """What would make proving markedly cheaper, if anything."""
        steps, most = self.project.config.train.steps, self.most_steps
        if self.project.config.circuit.steps_per_proof != "auto" or 2 * self.steps_per_proof > most:
            return None
        better = -(-steps // most) * most
        return (
            f"{self.steps_per_proof} of {most} possible steps share a proof, because steps = "
            f"{steps} has no larger divisor that fits; steps = {better} would need "
            f"{better // most} proofs instead of {self.total_proofs}"
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
        """Initial state: the factory's parameters under the seed, optimizer slots zero."""
        vector = flat_parameters(self.module).vector
        state = np.zeros(self.layout.size)
        state[: len(vector)] = vector
        return quantize(state, self.fixed.fraction_bits, what="the initial parameters")

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
        """The three circuits to build.

        Raises:
            RangeOverflow: a value could wrap around the field, or the data does not pass the
                range circuit.
        """
        bound = range_arithmetic(self.fixed)
        state = self.fixed.decomposition_bound
        check_step(self.step, state=state, batch=bound.decomposition_bound, fixed=self.fixed)
        inputs = {assemble.STATE: state, assemble.ROW: PUBLIC_VALUE_BOUND}
        magnitude_bounds(self.inference, inputs, self.fixed)
        self._check_range(bound)
        outputs = self.inference.nodes[self.inference.output].size - self.batch.features
        return [
            CircuitRequest("step", self.step, self.fixed, steps_per_proof=self.steps_per_proof),
            CircuitRequest("range", self.range, bound),
            CircuitRequest(
                "inference",
                self.inference,
                self.fixed,
                public_output=True,
                features=self.batch.features,
                outputs=outputs,
            ),
        ]

    def _check_range(self, bound: FixedPoint) -> None:
        """Every block must pass the range circuit, or no proof of it can be made."""
        for block in self.fixed_blocks:
            inputs = {assemble.STATE: self.genesis, assemble.BATCH: block}
            execute(self.range, inputs, bound)

    def hyperparameters(self) -> dict[str, Any]:
        """What the task commits to besides circuits and data."""
        train = self.project.config.train
        return {
            "model": self.project.config.model.model_dump(mode="json"),
            "loss": train.loss,
            "optimizer": train.optimizer,
            "learning_rate": train.learning_rate,
            "momentum": train.momentum_value,
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
        }


def make_blueprint(project: Project) -> Blueprint:
    """Load data and model, trace one step, choose arithmetic and steps per proof, lower.

    Raises:
        ConfigError, DataError, ModelError, UnsupportedOperator, RangeOverflow: what the user's
            files need to change.
    """
    config = project.config
    backend = make_backend(config.circuit.backend)
    data = prepare(project)
    loss = load_loss(project)
    module = build_model(project, data.train, loss)
    optimizer = optimizer_of(config.train)
    d, t = data.train.features.shape[1], data.train.targets.shape[1]
    batch = BatchShape(config.train.batch_size, d, t)
    layout, step_graph = _trace(module, loss, optimizer, batch, config.train.learning_rate)
    inference_graph = trace_inference(module, features=d)

    def place(fixed: FixedPoint) -> tuple[float, FixedPoint, frozenset[str]]:
        def cost(program: Program) -> float:
            return backend.cost(program, fixed)

        rescaled = assemble.place_step_rescales(step_graph, layout, batch, fixed, cost)
        program = assemble.step_program(
            step_graph, layout, batch, steps=1, fixed=fixed, rescaled=rescaled
        )
        return cost(program), fixed, rescaled

    offers = [place(f) for f in backend.decompositions(config.circuit.fraction_bits)]
    per_step, fixed, rescaled = min(offers, key=lambda offer: offer[0])
    most = backend.max_steps(per_step)
    steps = _steps_per_proof(project, most, len(data.train))
    rescaled_inference = assemble.place_inference_rescales(
        inference_graph, layout, d, fixed, lambda p: backend.cost(p, fixed)
    )
    return Blueprint(
        project=project,
        backend=backend,
        data=data,
        loss=loss,
        optimizer=optimizer,
        module=module,
        layout=layout,
        batch=batch,
        fixed=fixed,
        steps_per_proof=steps,
        most_steps=most,
        step=assemble.step_program(
            step_graph, layout, batch, steps=steps, fixed=fixed, rescaled=rescaled
        ),
        inference=assemble.inference_program(
            inference_graph, layout, features=d, fixed=fixed, rescaled=rescaled_inference
        ),
        range=assemble.range_program(layout, batch, steps=steps),
    )


def _trace(
    module: torch.nn.Module,
    loss: Loss,
    optimizer: Optimizer,
    batch: BatchShape,
    learning_rate: float,
) -> tuple[StateLayout, Any]:
    named = {name: p.detach() for name, p in module.named_parameters()}
    slots = optimizer.init(named)
    flat_slots = [slots[s][name] for s in optimizer.slot_names for name in named]

    def update(params: Any, gradients: Any, state: Any) -> Any:
        """Adapt the optimizer's dictionaries to flat lists in state order."""
        n = len(named)
        grouped = {
            s: dict(zip(named, state[i * n : (i + 1) * n], strict=True))
            for i, s in enumerate(optimizer.slot_names)
        }
        new_params, new_slots = optimizer.update(
            dict(zip(named, params, strict=True)),
            dict(zip(named, gradients, strict=True)),
            grouped,
            learning_rate,
        )
        return (
            [new_params[name] for name in named],
            [new_slots[s][name] for s in optimizer.slot_names for name in named],
        )

    graph = trace_step(
        module,
        loss.function,
        update,
        flat_slots,
        batch_size=batch.batch_size,
        features=batch.features,
        targets=batch.targets,
    )
    names = [*named, *(f"{s}.{name}" for s in optimizer.slot_names for name in named)]
    shapes = [tuple(p.shape) for p in [*named.values(), *flat_slots]]
    return StateLayout(tuple(names), tuple(shapes), len(named)), graph


def _steps_per_proof(project: Project, most: int, rows: int) -> int:
    """K: as asked, or the largest divisor of `steps` that fits a proof and the data."""
    train, wanted = project.config.train, project.config.circuit.steps_per_proof
    if wanted != "auto":
        return wanted
    # A block larger than the data would hold rows twice in every epoch.
    fits = max(1, min(most, rows // train.batch_size))
    return max(k for k in divisors_of(train.steps) if k <= fits)
