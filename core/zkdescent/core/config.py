"""Read ``zkdescent.toml`` and resolve what it names.

Example:
    >>> import tempfile
    >>> directory = Path(tempfile.mkdtemp())
    >>> _ = (directory / "zkdescent.toml").write_text('''
    ... [project]
    ... name = "diagnosis"
    ... [model]
    ... factory = "model.py:build"
    ... [data]
    ... source = "sklearn"
    ... name = "breast_cancer"
    ... [train]
    ... learning_rate = 0.05
    ... batch_size = 32
    ... steps = 64
    ... ''')
    >>> load_project(directory).config.circuit.fraction_bits
    12
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zkdescent.core._codec import canonical_json
from zkdescent.core._importers import load_callable
from zkdescent.core._schema import (
    ChainTable,
    CircuitTable,
    Config,
    DataTable,
    ModelTable,
    ProjectTable,
    divisors_of,
)
from zkdescent.core._training import (
    DECLARED_LOSSES,
    OPTIMIZER_DEFAULTS,
    ScheduleTable,
    TrainTable,
)
from zkdescent.core.errors import ConfigError, nearest, suggestion
from zkdescent.core.store import STORE_DIRECTORY, ArtefactStore

__all__ = [
    "DECLARED_LOSSES",
    "OPTIMIZER_DEFAULTS",
    "PROJECT_FILE",
    "ChainTable",
    "CircuitTable",
    "Config",
    "DataTable",
    "ModelTable",
    "Project",
    "ProjectTable",
    "ScheduleTable",
    "TrainTable",
    "divisors_of",
    "load_callable",
    "load_project",
    "parse_config",
]

PROJECT_FILE = "zkdescent.toml"

# Where pydantic's own words about a union would puzzle.
_EXPECTED = {
    "data.features": "a number of columns, or a list of column names",
    "data.target": "a column name, or a list of column names",
    "circuit.steps_per_proof": "'auto', or a number of 1 or more",
    "circuit.logrows": "'auto', or a number from 9 to 26",
    "chain.confirmations": "'auto', or a number from 1 to 32",
    "chain.deadline": "a moment with its offset, for example 2030-01-31T12:00:00Z",
    "chain.max_fee_gwei": "a number above 0",
    "train.momentum": "a number from 0 to below 1",
    "train.beta1": "a number from 0 to below 1",
    "train.beta2": "a number from 0 to below 1",
    "train.alpha": "a number from 0 to below 1",
    "train.epsilon": "a number above 0",
    "train.initial_accumulator": "a number of 0 or more",
    "train.weight_decay": "a number of 0 or more",
    "train.clip_value": "a number above 0",
    "train.clip_norm": "a number above 0",
    "train.schedule.step_size": "a number of 1 or more",
    "train.schedule.gamma": "a number above 0 and below 1",
    "train.schedule.t_max": "a number of 1 or more",
    "train.schedule.eta_min": "a number of 0 or more",
}


@dataclass(frozen=True, slots=True)
class Project:
    """A project directory with its validated configuration. Paths are relative to ``directory``."""

    directory: Path
    config: Config

    @property
    def file(self) -> Path:
        """The project file."""
        return self.directory / PROJECT_FILE

    @property
    def config_sha256(self) -> str:
        """Digest (64 hex digits) of everything that decides the proofs: all tables but [chain].

        Taken over the validated values as canonical JSON, so comments, order and spelled-out
        defaults don't change it. The user's Python files are bound by the circuits, not by it.
        """
        tables = self.config.model_dump(mode="json", exclude={"chain"})
        return hashlib.sha256(canonical_json(tables)).hexdigest()

    @property
    def store_directory(self) -> Path:
        """Where the artefact store lives."""
        return self.directory / STORE_DIRECTORY

    def open_store(self) -> ArtefactStore:
        """Return the project's artefact store (nothing is written by opening it)."""
        return ArtefactStore(self.store_directory)

    def resolve(self, path: str) -> Path:
        """Return a path of the project file as an absolute one."""
        return (self.directory / Path(path).expanduser()).resolve()

    def model_factory(self) -> Callable[..., Any]:
        """Import the model factory; raises as :func:`load_callable`."""
        return load_callable(self.config.model.factory, self.directory, key="[model] factory")

    def data_factory(self) -> Callable[..., Any]:
        """Import the data factory; raises as :func:`load_callable`."""
        reference = self.config.data.factory
        if reference is None:
            raise ConfigError("[data] names no factory", got=f"source = {self.config.data.source}")
        return load_callable(reference, self.directory, key="[data] factory")

    def loss_function(self) -> Callable[..., Any] | None:
        """Import the user's own loss, or return None for a declared one, such as "mse"."""
        if ":" not in self.config.train.loss:
            return None
        return load_callable(self.config.train.loss, self.directory, key="[train] loss")


def load_project(directory: Path) -> Project:
    """Read and validate the project file of a directory.

    Files that it names are looked for when they are needed, so that verifying works without them.

    Raises:
        ConfigError: no such directory or file, not TOML, or a key or value that isn't allowed; the
            message names the key, what was expected and what to do.
    """
    path = directory / PROJECT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            "there is no project here",
            expected=PROJECT_FILE,
            path=directory,
            hint=f"make one with `zkdescent init {directory}`, or name its directory with -C",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the project file cannot be read", got=str(error), path=path) from error
    return Project(directory=directory.resolve(), config=parse_config(text, path=path))


def parse_config(text: str, *, path: Path | str = PROJECT_FILE) -> Config:
    """Validate the text of a project file; raises as :func:`load_project`."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            "the project file is not TOML",
            got=str(error),
            path=path,
            hint='strings need quotes, as in name = "diagnosis"',
        ) from error
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, path) from error


def _explain(error: ValidationError, path: Path | str) -> ConfigError:
    problems = error.errors(include_url=False)
    # A misspelt key often comes with a missing one: the misspelling is the cause, so it leads.
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    keys = _keys(first["loc"])
    also = {".".join(_keys(problem["loc"])) for problem in problems} - {"", ".".join(keys)}
    if first["type"] == "extra_forbidden":
        near = nearest(keys[-1], _known(keys[:-1]))
        also.discard(".".join([*keys[:-1], near or ""]))
        return ConfigError(
            f"unknown {'key' if len(keys) > 1 else 'table'} {_place(keys)}",
            got=keys[-1],
            path=path,
            hint=suggestion(keys[-1], _known(keys[:-1]), what="keys") + _also(also),
        )
    if first["type"] == "missing":
        hint = f"add {keys[-1]!r} to the project file{_also(also)}"
        return ConfigError(f"{_place(keys)} is missing", path=path, hint=hint)
    if first["type"] == "project_rule":
        expected, got = first["ctx"]["expected"], first["ctx"]["got"]
        keys = [*keys, *str(first["ctx"]["key"]).split(".")]
    else:
        expected, got = _EXPECTED.get(".".join(keys)) or _messages(problems, keys), first["input"]
    return ConfigError(
        f"{_place(keys)} is not allowed",
        expected=expected,
        got=got,
        path=path,
        hint=f"change {keys[-1] if keys else 'it'} in the project file{_also(also)}",
    )


def _place(keys: list[str]) -> str:
    """Write a key as a person finds it: ``[table] key``."""
    return f"[{keys[0]}] {'.'.join(keys[1:])}".strip() if keys else "the project file"


def _also(keys: set[str]) -> str:
    return f"; also look at {', '.join(sorted(keys))}" if keys else ""


def _messages(problems: list[ErrorDetails], keys: list[str]) -> str:
    """Join what pydantic says of one key; a union has a message per branch."""
    messages = [problem["msg"] for problem in problems if _keys(problem["loc"]) == keys]
    plain = [m.removeprefix("Input should be ").removeprefix("a valid ") for m in messages]
    return "; or ".join("a table" if "dictionary" in m else m for m in dict.fromkeys(plain))


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """Keep the parts of a pydantic location that are keys of the project file."""
    keys: list[str] = []
    model: type[BaseModel] | None = Config
    for part in location:
        if model is None:
            # Below a table pydantic appends names of union branches; only args nests further.
            break
        keys.append(str(part))
        field = model.model_fields.get(str(part))
        kind = field.annotation if field is not None else None
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return keys


def _known(tables: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for table in tables:
        annotation = model.model_fields[table].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
