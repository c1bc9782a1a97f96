"""The whole story: measure, train and prove, pin, move, and measure again on other payments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from zkdescent.core.config import PROJECT_FILE, Project, load_project
from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.core.records import Record
from zkdescent.pipeline.artefacts import load_trajectory
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.running import run_project
from zkdescent.pipeline.tuning.design import (
    COLUMNS,
    FLUSH_AGE,
    GAS_PER_BLOCK,
    Design,
    Point,
    measure_design,
    specs,
    training_rows,
)
from zkdescent.pipeline.tuning.moving import Move, Mover, Poison
from zkdescent.pipeline.tuning.serving import Measurement, serve

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

COOLDOWN = 4
GUARDIAN = "0x" + "6a" * 20
"""Nobody's: a real deployment names somebody who can be woken up."""


@dataclass(frozen=True, slots=True)
class TuningResult(Record):
    """Everything that was measured and moved; ``path`` are the weights after each block proof."""

    FORMAT = "zkdescent.tuning.v1"

    chain: str
    design: Design
    gas_per_block: int
    points: tuple[Point, ...]
    model_id: str
    controller: str
    block_proofs: int
    steps: int
    path: tuple[tuple[float, ...], ...]
    before: Measurement
    after: Measurement
    start: tuple[int, ...]
    moves: tuple[Move, ...]
    poisons: tuple[Poison, ...]

    @property
    def saving(self) -> float:
        """Share of the gas of a held-out payment that the moved parameters save."""
        return 1 - self.after.gas_per_payment / self.before.gas_per_payment


def run_tuning(
    directory: Path,
    chain: Chain,
    report: Reporter,
    *,
    design: Design | None = None,
    rpc: str = "tester",
    key_env: str | None = None,
) -> TuningResult:
    """Tune a payment batcher by proven gradient descent, and measure what it has saved.

    Args:
        directory: where the project is made; it must be new or empty.
        chain: where everything happens.
        rpc, key_env: how the project file names that chain.

    Raises:
        ChainError: a payment was not made, or a poisoned proposal was accepted.
    """
    from zkdescent.verifier import RegistryClient, ensure_deployed
    from zkdescent.verifier.batchers import BatcherClient
    from zkdescent.verifier.controllers import ModelPin

    if directory.exists() and any(directory.iterdir()):
        raise ConfigError(
            "the directory is not empty", path=directory, hint="name a new one with --out"
        )
    design = design or Design()
    ensure_deployed(chain)
    points = measure_design(chain, design, report)
    project = make_project(directory, points, rpc=rpc, key_env=key_env)
    summary = run_project(project, report, chain=chain)
    model_id = int(summary.model_id, 16)
    model = RegistryClient(chain).model(model_id)
    if model is None:
        raise ChainError("the model was not minted", got=summary.model_id)
    pin = ModelPin.of(model, owner=chain.address, guardian=GUARDIAN)
    batcher = BatcherClient.tuned(chain, FLUSH_AGE, pin, specs(), cooldown=COOLDOWN)
    controller, held_out = batcher.controller, design.held_out()
    start = controller.parameters()
    report.note("measure before, on the held-out workload")
    before = serve(chain, batcher, held_out, label="before")
    mover = Mover(project, controller, COLUMNS[:3], report)
    moves = mover.follow()
    poisons = mover.poison()
    report.note("measure after, on the held-out workload")
    after = serve(chain, batcher, held_out, label="after")
    return TuningResult(
        chain=chain.name,
        design=design,
        gas_per_block=GAS_PER_BLOCK,
        points=tuple(points),
        model_id=summary.model_id,
        controller=controller.address,
        block_proofs=summary.block_proofs,
        steps=summary.steps,
        path=_path(project),
        before=before,
        after=after,
        start=start,
        moves=tuple(moves),
        poisons=tuple(poisons),
    )


def make_project(
    directory: Path, points: list[Point], *, rpc: str = "tester", key_env: str | None = None
) -> Project:
    """Make the surrogate's project in a new directory, with its data and on a chain."""
    import tomlkit

    directory.mkdir(parents=True, exist_ok=True)
    template = files("zkdescent.pipeline.tuning") / "surrogate"
    document = tomlkit.parse((template / PROJECT_FILE).read_text(encoding="utf-8"))
    table = tomlkit.table()
    table["rpc"] = rpc
    if key_env is not None:
        table["key_env"] = key_env
    # The measurements are the sponsor's in any case: a beacon would protect nobody.
    table["seed"] = "declared"
    document["chain"] = table
    measured = [point.to_json() for point in points]
    for name, text in (
        ("model.py", (template / "model.py").read_text(encoding="utf-8")),
        (PROJECT_FILE, tomlkit.dumps(document)),
        ("rows.csv", training_rows(points)),
        ("measurements.json", json.dumps(measured, indent=1)),
    ):
        (directory / name).write_text(text, encoding="utf-8")
    return load_project(directory)


def _path(project: Project) -> tuple[tuple[float, ...], ...]:
    """Weights (cost, slopes, curvatures) at genesis and after each block proof."""
    store = project.open_store()
    unit = 2.0 ** -store.read_manifest().circuits.inference.fraction_bits
    states = load_trajectory(store)
    return tuple(tuple(float(value) * unit for value in state[:5]) for state in states)
