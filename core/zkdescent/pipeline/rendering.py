"""Write a project's circuits in a language that auditors read."""

from __future__ import annotations

from pathlib import Path

from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.blueprint import Blueprint

NOIR_BACKEND = "barretenberg"


def check_renderable(project: Project) -> None:
    """Refuse a project whose prover commits in another way than the rendering does.

    Raises:
        ConfigError: its prover is not Barretenberg.
    """
    backend = project.config.circuit.backend
    if backend != NOIR_BACKEND:
        raise ConfigError(
            "only circuits of Barretenberg are rendered as Noir",
            expected=f'[circuit] backend = "{NOIR_BACKEND}"',
            got=backend,
            path=project.file,
        )


def write_noir(blueprint: Blueprint, folder: Path) -> list[Path]:
    """Write `step.nr` and `inference.nr` into a folder, which is made if it is not there.

    Returns:
        The files.

    Raises:
        ConfigError: as `check_renderable`, or the folder can't be written.
    """
    from zkdescent.circuits.barretenberg.noir import render

    check_renderable(blueprint.project)
    sources = {
        "step.nr": render(blueprint.step, blueprint.fixed, public_output=False),
        "inference.nr": render(blueprint.inference, blueprint.fixed, public_output=True),
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in sources.items():
            written.append(folder / name)
            written[-1].write_text(source, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "the rendering can't be written", got=error.strerror or str(error), path=folder
        ) from error
    return written
