"""Sizes of a project's circuits: what the project file asks for, or what suits the whole run."""

from __future__ import annotations

from zkdescent.circuits.tuner import (
    Job,
    Limits,
    Objective,
    Overheads,
    Tuning,
    tune,
    usable_memory_mb,
)
from zkdescent.circuits.tuner.models import cost_model
from zkdescent.circuits.tuner.programs import CircuitPrograms
from zkdescent.core.config import Project

OBJECTIVE = "circuits/objective.json"
"""What the compiled circuits' sizes were chosen for, by artefact name."""

TRANSACTION_GAS = 1 << 24
"""Most gas of a transaction (EIP-7825)."""

OVERHEADS = Overheads(submit=91_000, admit=68_000, run=2_000_000)
"""Ledger and gateway, by receipts on the tester chain (docs/onchain.md): a receipt of `submit` or
`admit` less that of the bare verification, and keys, circuits, task, run and mint together."""


def size_circuits(
    project: Project, programs: CircuitPrograms, rows: int, objective: Objective | None = None
) -> Tuning:
    """Choose logrows and steps per proof for `rows` rows of training data.

    Args:
        objective: as remembered or declared if not given.

    Raises:
        CircuitTooLarge: no circuit holds the job on this machine.
    """
    train, circuit = project.config.train, project.config.circuit
    return tune(
        Job(train.steps, train.batch_size, rows),
        programs,
        cost_model(circuit.backend, zero_knowledge=circuit.zero_knowledge),
        sizes=programs.backend.sizes(),
        limits=Limits(memory_mb=usable_memory_mb(), gas=TRANSACTION_GAS),
        overheads=OVERHEADS,
        objective=objective or remembered_objective(project),
        size=None if circuit.logrows == "auto" else circuit.logrows,
        steps_per_proof=None if circuit.steps_per_proof == "auto" else circuit.steps_per_proof,
    )


def remembered_objective(project: Project) -> Objective:
    """What `compile` was last asked for this project file, or else the file's own.

    Later stages must find the circuits that were compiled.
    """
    store = project.open_store()
    if OBJECTIVE in store.names(OBJECTIVE):
        stored = store.read_json(OBJECTIVE)
        if stored["config_sha256"] == project.config_sha256:
            remembered: Objective = stored["objective"]
            return remembered
    return project.config.circuit.objective


def remember_objective(project: Project, objective: Objective) -> None:
    """Have later stages choose for this objective, until the project file changes."""
    record = {"config_sha256": project.config_sha256, "objective": objective}
    project.open_store().write_json(OBJECTIVE, record)
