"""A whole run in one transaction: its block proofs as one aggregate, through the whole pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zkdescent.core.config import load_project
from zkdescent.pipeline.artefacts import MEASUREMENTS
from zkdescent.pipeline.benchmark.results import WholeRun
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.gas import read_gas
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter

STEPS = (256, 1024)
BLOCKS = 2
"""Block proofs in the aggregate: all of the run."""

_MODEL = """\
from torch import nn


def build():
    return nn.Linear(8, 1)
"""
_PROJECT = """\
[project]
name = "whole-run"
[model]
factory = "model.py:build"
[data]
source = "npz"
path = "rows.npz"
validation = 0.0
[train]
loss = "mse"
optimizer = "sgd"
learning_rate = 0.0625
batch_size = 32
steps = {steps}
[circuit]
backend = "barretenberg"
steps_per_proof = {block}
blocks_per_aggregate = {blocks}
[chain]
rpc = "tester"
"""


def measure_whole_run(steps: int, progress: Callable[[str], None]) -> WholeRun:
    """Train linear 8-1 for so many steps of batch 32, prove it as one aggregate, and submit it.

    Args:
        steps: even.
        progress: told what was finished, twice.

    Raises:
        ProverError, ContractRejected: a proof could not be made or is not accepted.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        directory = Path(scratch)
        (directory / "model.py").write_text(_MODEL)
        _write_rows(directory / "rows.npz", 32 * steps)
        text = _PROJECT.format(steps=steps, block=steps // BLOCKS, blocks=BLOCKS)
        (directory / "zkdescent.toml").write_text(text)
        project, quiet = load_project(directory), Reporter()
        compile_project(project, quiet)
        progress(f"circuits of {steps} steps")
        prove_project(project, quiet)
        submit_project(project, quiet)
        progress(f"{steps} steps on chain")
        store = project.open_store()
        circuits = store.read_manifest().circuits
        assert circuits.aggregate is not None
        made = store.read_json(MEASUREMENTS)
        ((_, gas),) = read_gas(store).items()
        (transaction,) = (used for name, used in gas.items() if name.startswith("submit"))
        return WholeRun(
            steps=steps,
            block_proofs=BLOCKS,
            step_logrows=circuits.step.logrows,
            logrows=circuits.aggregate.logrows,
            seconds=sum(proof["seconds"] for proof in made.values()),
            peak_memory_mb=max(proof["peak_memory_mb"] for proof in made.values()),
            gas=transaction,
        )


def _write_rows(path: Path, count: int) -> None:
    """Standard normal features and a noisy linear target."""
    draw = np.random.default_rng(0)
    features = draw.standard_normal((count, 8))
    targets = features @ draw.standard_normal(8) + 0.1 * draw.standard_normal(count)
    np.savez(path, features=features, targets=targets)
