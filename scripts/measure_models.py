"""Prove one block of every example and say what it costs.

``python scripts/measure_models.py --out build/models`` writes ``models.json`` and ``models.md`` and
prints both tables; names of examples as arguments measure only those. Each example trains twice,
in float and in fixed point, over its whole run. Then its first batch block is range-checked and
trained on in two proofs, which ezkl and the verifier contract check. Seconds are those of a single
proof: measure on an idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.config import load_project
from zkdescent.core.errors import ProverError, ZkDescentError
from zkdescent.core.records import CircuitRecord, ProofRecord
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.examples import example_names, examples_directory
from zkdescent.pipeline.fidelity_runs import StepSource, run_fixed, run_float
from zkdescent.train.metrics import HEADLINE, Metrics
from zkdescent.train.metrics import measure as measured
from zkdescent.train.model import with_parameters
from zkdescent.verifier import Chain

CONTEXT = (1 << 247) + 12345  # any number below 2**248; a run's is a hash


@dataclass(frozen=True)
class Circuit:
    """A circuit with keys in a directory, and the tensors of one proof."""

    blueprint: Blueprint
    record: CircuitRecord
    files: dict[str, Path]
    inputs: list[IntegerArray]
    context: int

    def locate(self, name: str) -> Path:
        """The file of an object that the record names."""
        return self.files[name]

    def prove(self) -> tuple[ProofRecord, Proof]:
        """Prove; the record is what verifiers take."""
        made = self.blueprint.backend.prove(self.record, self.locate, self.inputs)
        record = ProofRecord(
            role=self.record.role,
            index=0,
            circuit=self.record.vk_sha256,
            context=self.context,
            proof=made.proof,
            public_values=made.public_values,
        )
        return record, made

    def verify(self, proof: ProofRecord) -> None:
        """Verify with ezkl; raises ProofRejected."""
        verify = self.blueprint.backend.verify
        verify(self.record, self.locate, proof.proof, proof.public_values)

    def on_chain(self, proof: ProofRecord) -> EvmProof:
        """What a verifier contract takes."""
        source = self.locate(self.record.objects["sol"]).read_text()
        return EvmProof(proof.proof, proof.public_values, self.record.vka, source)


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Attributes:
        rows_per_step: of a block of two columns.
        column_blocks: that the steps of one proof take.
        range_seconds: of the one proof that range-checks a batch block.
        gas_per_step: receipt of a transaction to the reusable verifier, call data included, / K.
        steps: of the whole run.
        metric, float_metric, fixed_metric, float_loss, fixed_loss: after it, on the rows held back.
    """

    model: str
    parameters: int
    optimizer: str
    batch_size: int
    rows_per_step: float
    steps_per_proof: int
    logrows: int
    column_blocks: int
    seconds_per_step: float
    range_seconds: float
    gas_per_step: float
    proof_bytes: int
    peak_memory_mb: float
    fraction_bits: int
    steps: int
    metric: str
    float_metric: float
    fixed_metric: float
    float_loss: float
    fixed_loss: float


def blueprint_of(name: str, directory: Path) -> Blueprint:
    """Copy an example to a new directory and make its blueprint."""
    ignored = shutil.ignore_patterns("__pycache__", ".zkdescent")
    shutil.copytree(examples_directory() / name, directory, ignore=ignored)
    return make_blueprint(load_project(directory))


def train(blueprint: Blueprint) -> tuple[Metrics, Metrics]:
    """Train in float and in the reference executor, which proofs follow, over the whole run.

    Returns:
        Metrics on the rows held back, of float and of fixed point.

    Raises:
        RangeOverflow, ConfigError: a run did not get to its end.
    """
    steps, size = blueprint.project.config.train.steps, blueprint.layout.parameter_size
    floats = run_float(blueprint, steps)
    fixed = run_fixed(blueprint, StepSource(blueprint).at(blueprint.fixed.fraction_bits), steps)
    for run in (floats, fixed):
        if run.error is not None:
            raise run.error
    ends = floats.parameters[-1], fixed.states[-1][:size]
    modules = [with_parameters(blueprint.module, end) for end in ends]
    data = blueprint.data
    held_back = data.validation if len(data.validation) else data.train
    of_float, of_fixed = (measured(module, blueprint.loss, held_back) for module in modules)
    return of_float, of_fixed


def build(blueprint: Blueprint, role: str, directory: Path) -> Circuit:
    """Build the step or range circuit for the first batch block, from the genesis state."""
    request = next(r for r in blueprint.requests() if r.role == role)
    directory.mkdir(parents=True)
    built = blueprint.backend.build(request, blueprint.size, directory)
    # A project names its objects by content; the verifying key must be named so.
    names = {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in built.files.items()}
    tensors = [blueprint.genesis, blueprint.fixed_blocks[0]]
    if role == "step":
        tensors.insert(0, np.array([CONTEXT], dtype=object))
    return Circuit(
        blueprint=blueprint,
        record=replace(built.record, objects=names),
        files={names[n]: path for n, path in built.files.items()},
        inputs=tensors,
        context=CONTEXT if role == "step" else 0,
    )


def check_output(blueprint: Blueprint, proof: Proof) -> None:
    """Require that a step proof's output is the reference executor's.

    Raises:
        ProverError: it is not.
    """
    expected = blueprint.advance(blueprint.genesis, 0)
    if list(proof.output) != list(expected):
        raise ProverError(
            "the witness of the step proof differs from the reference executor",
            expected=list(expected[:4]),
            got=list(proof.output[:4]),
        )


def measure(name: str, meter: GasMeter, directory: Path) -> Measurement:
    """Measure one example in a new directory.

    Raises:
        ZkDescentError: it does not train, or a proof cannot be made or is not accepted.
    """
    blueprint = blueprint_of(name, directory / name)
    floats, fixed = train(blueprint)
    headline = HEADLINE[blueprint.loss.task]
    step = build(blueprint, "step", directory / "step")
    record, proof = step.prove()
    check_output(blueprint, proof)
    bound = build(blueprint, "range", directory / "range")
    checked, range_proof = bound.prove()
    for circuit, made in ((step, record), (bound, checked)):
        circuit.verify(made)
    gas = [meter.reusable(c.on_chain(made)) for c, made in ((bound, checked), (step, record))]
    steps = blueprint.steps_per_proof
    return Measurement(
        model=name,
        parameters=blueprint.layout.parameter_size,
        optimizer=blueprint.rule.optimizer.name,
        batch_size=blueprint.batch.batch_size,
        rows_per_step=blueprint.backend.cost(blueprint.step, blueprint.size) / steps,
        steps_per_proof=steps,
        logrows=blueprint.size,
        column_blocks=blueprint.tuning.choice.step.blocks,
        seconds_per_step=proof.seconds / steps,
        range_seconds=range_proof.seconds,
        gas_per_step=gas[1] / steps,
        proof_bytes=len(record.proof),
        peak_memory_mb=max(proof.peak_memory_mb, range_proof.peak_memory_mb),
        fraction_bits=blueprint.fixed.fraction_bits,
        steps=blueprint.project.config.train.steps,
        metric=headline,
        float_metric=floats.get(headline),
        fixed_metric=fixed.get(headline),
        float_loss=floats.loss,
        fixed_loss=fixed.loss,
    )


Columns = tuple[tuple[str, Callable[[Measurement], str]], ...]

COSTS: Columns = (
    ("model", lambda m: f"`{m.model}`"),
    ("parameters", lambda m: f"{m.parameters:,}"),
    ("optimizer", lambda m: m.optimizer),
    ("batch", lambda m: f"{m.batch_size}"),
    ("rows per step", lambda m: f"{m.rows_per_step:,.0f}"),
    ("K", lambda m: f"{m.steps_per_proof}"),
    ("logrows", lambda m: f"{m.logrows}"),
    ("blocks", lambda m: f"{m.column_blocks}"),
    ("s per step", lambda m: f"{m.seconds_per_step:.2f}"),
    ("s range proof", lambda m: f"{m.range_seconds:.1f}"),
    ("gas per step", lambda m: f"{m.gas_per_step:,.0f}"),
    ("peak MB", lambda m: f"{m.peak_memory_mb:,.0f}"),
)
FIDELITY: Columns = (
    ("model", lambda m: f"`{m.model}`"),
    ("fraction bits", lambda m: f"{m.fraction_bits}"),
    ("steps", lambda m: f"{m.steps}"),
    ("metric", lambda m: m.metric),
    ("float", lambda m: f"{m.float_metric:.4f}"),
    ("fixed point", lambda m: f"{m.fixed_metric:.4f}"),
    ("loss, float", lambda m: f"{m.float_loss:.4f}"),
    ("loss, fixed point", lambda m: f"{m.fixed_loss:.4f}"),
)


def table(measurements: Sequence[Measurement], columns: Columns) -> str:
    """The measurements as a table in markdown."""
    lines = [[title for title, _ in columns], ["---"] * len(columns)]
    lines += [[cell(m) for _, cell in columns] for m in measurements]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> int:
    """Measure what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="examples; all if none is named")
    parser.add_argument("--out", type=Path, help="directory for models.json and models.md")
    arguments = parser.parse_args()
    measured: list[Measurement] = []
    load = os.getloadavg()[0]
    try:
        with Chain.tester() as chain:
            meter = GasMeter(chain)
            for name in arguments.names or example_names():
                with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
                    measured.append(measure(name, meter, Path(scratch)))
                print(json.dumps(asdict(measured[-1])), flush=True)
    except ZkDescentError as error:
        print(error, file=sys.stderr)
        return 1
    tables = f"{table(measured, COSTS)}\n{table(measured, FIDELITY)}"
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        found = {"load_average_before": load, "models": [asdict(m) for m in measured]}
        (arguments.out / "models.json").write_text(json.dumps(found, indent=2) + "\n")
        (arguments.out / "models.md").write_text(tables)
    print(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
