"""zkdescent's side: the path of `compile` and `prove`, without a project around it."""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.circuits import assemble
from zkdescent.circuits.assemble import BatchShape
from zkdescent.circuits.executor import execute
from zkdescent.circuits.ezkl_backend.settings import RESERVED_ROWS
from zkdescent.circuits.ezkl_backend.srs import unsafe_srs
from zkdescent.circuits.fixed_point import IntegerArray, dequantize, quantize
from zkdescent.circuits.program import Program
from zkdescent.circuits.proof_system import CircuitRequest, Locate, Proof, ProofSystem
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import ProverError
from zkdescent.core.records import CircuitRecord
from zkdescent.pipeline.benchmark._cases import LEARNING_RATE, LOSS, Case

if TYPE_CHECKING:
    from torch import fx

CONTEXT = (1 << 247) + 12345  # any number below 2**248; a run's is a hash


@dataclass(frozen=True, slots=True)
class TracedCase:
    """A case's update step, rounded where that costs least in circuits of 2**size rows.

    Attributes:
        cost_per_step: rows of a block of columns; infinite if a step can't be proven at this size.
    """

    case: Case
    backend: ProofSystem
    size: int
    layout: StateLayout
    graph: fx.GraphModule
    rescaled: frozenset[str]
    cost_per_step: float = float("inf")

    @property
    def batch(self) -> BatchShape:
        """Geometry of one mini-batch."""
        return BatchShape(self.case.batch_size, self.case.features, self.case.targets)

    def steps(self, blocks: int = 1, *, range_blocks: int | None = None) -> int:
        """Most steps per proof for which everything committed fits its column.

        Args:
            blocks: of columns, which the steps fill together.
            range_blocks: of columns, which the range proof of one batch block may take.

        Raises:
            ProverError: not even one step fits.
        """
        wanted = range(1, int(blocks * self.backend.capacity(self.size) / self.cost_per_step) + 1)
        # Tensors and rows grow with the steps: the first that does not fit is found by halving.
        steps = bisect_left(wanted, True, key=lambda k: not self._fits(k, range_blocks))
        if steps < 1:
            raise ProverError(
                f"no step of {self.case.name} fits {blocks} blocks of 2^{self.size} rows",
                expected=f"at most {blocks * self.backend.capacity(self.size):.0f} rows",
                got=self.cost_per_step,
                hint="use a larger size or more blocks",
            )
        return steps

    def _fits(self, steps: int, range_blocks: int | None) -> bool:
        checks = self.range_request(steps)
        if range_blocks is not None:
            room = range_blocks * ((1 << self.size) - RESERVED_ROWS)
            if self.backend.cost(checks.program, self.size) > room:
                return False
        return all(self.backend.fits(r, self.size) for r in (self.step_request(steps), checks))

    def step_request(self, steps: int) -> CircuitRequest:
        """The update step, `steps` times in a row."""
        program = _lower(self.case, self.graph, self.layout, self.rescaled, steps)
        return CircuitRequest("step", program, self.case.arithmetic, steps_per_proof=steps)

    def range_request(self, steps: int) -> CircuitRequest:
        """The checks of a genesis state and of a batch block."""
        program = assemble.range_program(
            self.layout, self.batch, steps=steps, fixed=self.case.arithmetic
        )
        return CircuitRequest("range", program, self.case.arithmetic)


@dataclass(frozen=True, slots=True)
class OwnCircuit:
    """A circuit with keys, its inputs, and the output that it must prove.

    Attributes:
        rows: of a block of columns that the program takes, or gates, by the cost model.
        key_bytes: of the proving key; 0 for a prover that keeps none.
    """

    backend: ProofSystem
    record: CircuitRecord
    locate: Locate
    inputs: list[IntegerArray]
    expected: IntegerArray
    rows: float
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


def trace_case(case: Case, backend: ProofSystem, size: int) -> TracedCase:
    """Trace one update step and choose its rescales, as a blueprint does.

    Raises:
        RangeOverflow: the arithmetic does not fit, wherever it is rounded.
    """
    module = case.module()
    named = {name: p.detach() for name, p in module.named_parameters()}

    def update(params: Any, gradients: Any, slots: Any) -> Any:
        return [p - LEARNING_RATE * g for p, g in zip(params, gradients, strict=True)], []

    graph = trace_step(
        module,
        LOSS,
        update,
        [],
        batch_size=case.batch_size,
        features=case.features,
        targets=case.targets,
    )
    shapes = tuple(tuple(p.shape) for p in named.values())
    bits = case.arithmetic.fraction_bits
    layout = StateLayout.uniform(tuple(named), shapes, len(named), bits)
    batch = BatchShape(case.batch_size, case.features, case.targets)
    rescaled = assemble.place_step_rescales(
        graph, layout, batch, case.arithmetic, lambda program: backend.cost(program, size)
    )
    cost = backend.cost(_lower(case, graph, layout, rescaled, 1), size)
    return TracedCase(case, backend, size, layout, graph, rescaled, cost)


def build_step(traced: TracedCase, steps: int, directory: Path) -> OwnCircuit:
    """Build the circuit of `steps` updates, with data and parameters committed."""
    return _build(traced, traced.step_request(steps), step_inputs(traced, steps), directory)


def step_inputs(traced: TracedCase, steps: int) -> dict[str, IntegerArray]:
    """What a step circuit takes: context, initial parameters, the first batches."""
    state, block = _tensors(traced, steps)
    return {
        assemble.CONTEXT: np.array([CONTEXT], dtype=object),
        assemble.STATE: state,
        assemble.BATCH: block,
    }


def build_range(traced: TracedCase, steps: int, directory: Path) -> OwnCircuit:
    """Build the circuit that checks a genesis state and a batch block once, of the same size."""
    state, block = _tensors(traced, steps)
    inputs = {assemble.STATE: state, assemble.BATCH: block}
    return _build(traced, traced.range_request(steps), inputs, directory)


def real_parameters(circuit: OwnCircuit) -> np.ndarray[Any, Any]:
    """The parameters that a step circuit proves, as real numbers, flat."""
    return dequantize(circuit.expected, circuit.record.fraction_bits)


def _lower(
    case: Case, graph: fx.GraphModule, layout: StateLayout, rescaled: frozenset[str], steps: int
) -> Program:
    batch = BatchShape(case.batch_size, case.features, case.targets)
    return assemble.step_program(
        graph, layout, batch, steps=steps, fixed=case.arithmetic, rescaled=rescaled
    )


def _build(
    traced: TracedCase,
    request: CircuitRequest,
    inputs: dict[str, IntegerArray],
    directory: Path,
) -> OwnCircuit:
    expected = execute(request.program, inputs, request.fixed)
    backend, size = traced.backend, traced.size
    if backend.name == "ezkl":
        unsafe_srs(size)  # not counted in setup: users of any system download theirs
    started = time.perf_counter()
    built = backend.build(request, size, directory)
    setup_seconds = time.perf_counter() - started
    names = {name: digest_of(path) for name, path in built.files.items()}
    paths = {names[name]: path for name, path in built.files.items()}
    return OwnCircuit(
        backend=backend,
        record=replace(built.record, objects=names),
        locate=paths.__getitem__,
        inputs=[inputs[name] for name in request.program.inputs],
        expected=expected,
        rows=backend.cost(request.program, size),
        key_bytes=built.files["pk"].stat().st_size if "pk" in built.files else 0,
        verifier_source=built.files["sol"].read_text(),
        setup_seconds=setup_seconds,
    )


def digest_of(path: Path) -> str:
    """sha256 of a file, which names it as an object of a circuit."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(traced: TracedCase, steps: int) -> tuple[IntegerArray, IntegerArray]:
    """State and batch block as fixed-point integers, in the circuits' layout."""
    parameters = [p.detach().numpy().reshape(-1) for p in traced.case.module().parameters()]
    rows = [t.numpy().reshape(-1) for xy in traced.case.batches(steps) for t in xy]
    bits = traced.case.arithmetic.fraction_bits
    return (
        quantize(np.concatenate(parameters).astype(float), bits, what="the parameters"),
        quantize(np.concatenate(rows).astype(float), bits, what="the data"),
    )
