"""zkdescent's side: the path of `compile` and `prove`, without a project around it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.circuits import assemble
from zkdescent.circuits.assemble import BatchShape
from zkdescent.circuits.executor import execute
from zkdescent.circuits.ezkl_backend.srs import unsafe_srs
from zkdescent.circuits.fixed_point import (
    FixedPoint,
    IntegerArray,
    dequantize,
    quantize,
    range_arithmetic,
)
from zkdescent.circuits.program import Program
from zkdescent.circuits.proof_system import CircuitRequest, Locate, Proof, ProofSystem
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import ProverError
from zkdescent.core.records import CircuitRecord
from zkdescent.pipeline.benchmark._cases import (
    BATCH_SIZE,
    FEATURES,
    LEARNING_RATE,
    LOSS,
    TARGETS,
    Case,
)

if TYPE_CHECKING:
    from torch import fx

FRACTION_BITS = 12
CONTEXT = (1 << 247) + 12345  # any number below 2**248; a run's is a hash


@dataclass(frozen=True, slots=True)
class TracedCase:
    """A case's update step with the arithmetic and the rescales that cost least."""

    case: Case
    backend: ProofSystem
    layout: StateLayout
    graph: fx.GraphModule
    batch: BatchShape
    fixed: FixedPoint
    rescaled: frozenset[str]
    cost_per_step: float = float("inf")

    def steps(self, blocks: int = 1) -> int:
        """Steps per proof that fill so many blocks of columns of the smallest circuit.

        One block is what a project gets that asks for "auto".
        """
        # Two blocks hold as many steps as one would if each cost half.
        return self.backend.max_steps(self.cost_per_step / blocks)

    @property
    def size(self) -> int:
        """logrows of the smallest circuit that holds one step in one block."""
        program = self.program(1)
        return self.backend.choose_size([CircuitRequest("step", program, self.fixed)])

    def program(self, steps: int) -> Program:
        """The update step, `steps` times in a row."""
        return assemble.step_program(
            self.graph,
            self.layout,
            self.batch,
            steps=steps,
            fixed=self.fixed,
            rescaled=self.rescaled,
        )


@dataclass(frozen=True, slots=True)
class OwnCircuit:
    """A circuit with keys, its inputs, and the output that it must prove."""

    backend: ProofSystem
    record: CircuitRecord
    locate: Locate
    inputs: list[IntegerArray]
    expected: IntegerArray
    rows: int
    key_bytes: int
    verifier_source: str
    setup_seconds: float

    def prove(self) -> Proof:
        """Prove and verify.

        Raises:
            ProverError: the prover failed, or proved something else than the executor computes.
        """
        proof = self.backend.prove(self.record, self.locate, self.inputs)
        if not np.array_equal(proof.output, self.expected):
            raise ProverError(
                f"the {self.record.role} circuit computes something else than the executor",
                expected=self.expected[:4].tolist(),
                got=proof.output[:4].tolist(),
            )
        return proof


def trace_case(case: Case, backend: ProofSystem) -> TracedCase:
    """Trace one update step and choose arithmetic and rescales, as a blueprint does."""
    module = case.module()
    named = {name: p.detach() for name, p in module.named_parameters()}

    def update(params: Any, gradients: Any, slots: Any) -> Any:
        return [p - LEARNING_RATE * g for p, g in zip(params, gradients, strict=True)], []

    graph = trace_step(
        module, LOSS, update, [], batch_size=BATCH_SIZE, features=FEATURES, targets=TARGETS
    )
    shapes = tuple(tuple(p.shape) for p in named.values())
    layout = StateLayout(tuple(named), shapes, len(named))
    batch = BatchShape(BATCH_SIZE, FEATURES, TARGETS)

    def place(fixed: FixedPoint) -> TracedCase:
        rescaled = assemble.place_step_rescales(
            graph, layout, batch, fixed, lambda p: backend.cost(p, fixed)
        )
        traced = TracedCase(case, backend, layout, graph, batch, fixed, rescaled)
        return replace(traced, cost_per_step=backend.cost(traced.program(1), fixed))

    offers = [place(fixed) for fixed in backend.decompositions(FRACTION_BITS)]
    return min(offers, key=lambda offer: offer.cost_per_step)


def build_step(traced: TracedCase, steps: int, directory: Path) -> OwnCircuit:
    """Build the circuit of `steps` updates, with data and parameters committed."""
    program = traced.program(steps)
    state, block = _tensors(traced, steps)
    inputs = {
        assemble.CONTEXT: np.array([CONTEXT], dtype=object),
        assemble.STATE: state,
        assemble.BATCH: block,
    }
    request = CircuitRequest("step", program, traced.fixed, steps_per_proof=steps)
    return _build(traced, request, inputs, directory)


def build_range(traced: TracedCase, steps: int, directory: Path) -> OwnCircuit:
    """Build the circuit that checks a genesis state and a batch block once, of the same size."""
    program = assemble.range_program(traced.layout, traced.batch, steps=steps)
    request = CircuitRequest("range", program, range_arithmetic(traced.fixed))
    state, block = _tensors(traced, steps)
    inputs = {assemble.STATE: state, assemble.BATCH: block}
    return _build(traced, request, inputs, directory)


def real_parameters(traced: TracedCase, circuit: OwnCircuit) -> np.ndarray[Any, Any]:
    """The parameters that a step circuit proves, as real numbers, flat."""
    return dequantize(circuit.expected, traced.fixed.fraction_bits)


def _build(
    traced: TracedCase,
    request: CircuitRequest,
    inputs: dict[str, IntegerArray],
    directory: Path,
) -> OwnCircuit:
    expected = execute(request.program, inputs, request.fixed)
    backend, size = traced.backend, traced.size
    unsafe_srs(size)  # not counted in setup: users of either system download theirs
    started = time.perf_counter()
    built = backend.build(request, size, directory)
    setup_seconds = time.perf_counter() - started
    # A project names its objects by content; a benchmark needs names only.
    names = {name: hashlib.sha256(name.encode()).hexdigest() for name in built.files}
    paths = {names[name]: path for name, path in built.files.items()}
    return OwnCircuit(
        backend=backend,
        record=replace(built.record, objects=names),
        locate=paths.__getitem__,
        inputs=[inputs[name] for name in request.program.inputs],
        expected=expected,
        rows=_rows(built.files["settings"]),
        key_bytes=built.files["pk"].stat().st_size,
        verifier_source=built.files["sol"].read_text(),
        setup_seconds=setup_seconds,
    )


def _rows(settings: Path) -> int:
    return int(json.loads(settings.read_bytes())["num_rows"])


def _tensors(traced: TracedCase, steps: int) -> tuple[IntegerArray, IntegerArray]:
    """State and batch block as fixed-point integers, in the circuits' layout."""
    parameters = [p.detach().numpy().reshape(-1) for p in traced.case.module().parameters()]
    rows = [t.numpy().reshape(-1) for xy in traced.case.batches(steps) for t in xy]
    bits = traced.fixed.fraction_bits
    return (
        quantize(np.concatenate(parameters).astype(float), bits, what="the parameters"),
        quantize(np.concatenate(rows).astype(float), bits, what="the data"),
    )
