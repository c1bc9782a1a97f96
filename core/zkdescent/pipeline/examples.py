"""Example projects that ship with the package, for `zkdescent init`."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import tomlkit

from zkdescent.core.config import PROJECT_FILE
from zkdescent.core.errors import ConfigError, suggestion


def examples_directory() -> Path:
    """Where the examples are: beside the package when installed, in `examples/` of a checkout."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "examples"
    return installed if installed.is_dir() else here.parents[3] / "examples"


def example_names() -> list[str]:
    """Names of the examples, sorted."""
    return sorted(p.parent.name for p in examples_directory().glob(f"*/{PROJECT_FILE}"))


def create_project(directory: Path, example: str, *, backend: str | None = None) -> list[str]:
    """Copy an example to a new directory, whole or not at all, and name the project after it.

    Args:
        backend: the prover, if not the example's own.

    Returns:
        The files, relative to the directory.

    Raises:
        ConfigError: no such example, or the directory is not empty.
    """
    names = example_names()
    if example not in names:
        raise ConfigError(
            "there is no such example",
            expected=names,
            got=example,
            hint=suggestion(example, names, what="examples"),
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError("the directory is not empty", path=directory, hint="name a new directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".zkdescent-") as scratch:
        copy = Path(scratch) / "project"
        shutil.copytree(
            examples_directory() / example,
            copy,
            ignore=shutil.ignore_patterns("__pycache__", ".zkdescent"),
        )
        _rename(copy / PROJECT_FILE, directory.resolve().name)
        if backend is not None:
            _choose_backend(copy / PROJECT_FILE, backend)
        if directory.exists():
            directory.rmdir()
        os.replace(copy, directory)
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def _rename(project_file: Path, name: str) -> None:
    allowed = re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:64]
    if allowed:
        text = project_file.read_text(encoding="utf-8")
        renamed = re.sub(r'(?m)^name = "[^"]*"', f'name = "{allowed}"', text, count=1)
        project_file.write_text(renamed, encoding="utf-8")


def _choose_backend(project_file: Path, backend: str) -> None:
    """Name another prover; how large its circuits are was a choice for the example's own."""
    document = tomlkit.parse(project_file.read_text(encoding="utf-8"))
    circuit = document.setdefault("circuit", tomlkit.table())
    if circuit.get("backend") != backend:
        circuit.pop("logrows", None)
    circuit["backend"] = backend
    project_file.write_text(tomlkit.dumps(document), encoding="utf-8")
