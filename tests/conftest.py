"""What several folders of tests share: the command line in this process, and a tiny project."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run: a bound that only a rare draw exceeds fails here or never. To look
# for other draws: pytest --hypothesis-profile=default.
settings.register_profile("reproducible", derandomize=True)
settings.load_profile("reproducible")

LINEAR = "from torch import nn\n\n\ndef build(n=3):\n    return nn.Linear(n, 1)\n"

PROJECT = """
[project]
name = "tiny"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
validation = 0.0
[train]
loss = "{loss}"
learning_rate = {learning_rate}
batch_size = 4
steps = {steps}
{train}
[circuit]
steps_per_proof = 2
logrows = {logrows}
{extra}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """stdout, which must be one JSON object."""
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed


Cli = Callable[..., Answer]
WriteProject = Callable[..., Path]
ByPath = Callable[..., ModuleType]


@pytest.fixture(scope="session")
def by_path() -> ByPath:
    """Import a file of another folder of tests under a name, once; with `package`, its __init__.py.

    Under --import-mode=importlib folders of tests are no packages that others could import from.
    """

    def module(name: str, path: Path, *, package: bool = False) -> ModuleType:
        if name not in sys.modules:
            folders = [str(path.parent)] if package else None
            spec = importlib.util.spec_from_file_location(
                name, path, submodule_search_locations=folders
            )
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]

    return module


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `zkdescent ARGUMENTS` in this process."""
    from zkdescent.cli import main

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
        code = stopped.value.code
        assert code is None or isinstance(code, int)
        captured = capsys.readouterr()
        return Answer(code or 0, captured.out, captured.err)

    return run


def rows_csv(rows: int = 16) -> str:
    """Sixteen rows of three features and a linear target."""
    draw = random.Random(0)
    lines = ["a,b,c,y"]
    for _ in range(rows):
        a, b, c = (draw.gauss(0, 1) for _ in range(3))
        lines.append(f"{a:.4f},{b:.4f},{c:.4f},{0.5 * a - b + 0.2 * c:.4f}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def write_project() -> WriteProject:
    """Write the tiny project (linear 3 -> 1, two batch blocks of two steps) to a directory.

    `train` and `extra` are further lines of the tables [train] and [circuit].
    """

    def write(
        directory: Path,
        *,
        model: str = LINEAR,
        rows: str | None = None,
        loss: str = "mse",
        learning_rate: float = 0.1,
        steps: int = 4,
        train: str = "",
        logrows: int | str = 12,
        extra: str = "",
    ) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        text = PROJECT.format(
            loss=loss,
            learning_rate=learning_rate,
            steps=steps,
            train=train,
            logrows=json.dumps(logrows),
            extra=extra,
        )
        (directory / "zkdescent.toml").write_text(text)
        (directory / "model.py").write_text(model)
        (directory / "rows.csv").write_text(rows_csv() if rows is None else rows)
        return directory

    return write


@pytest.fixture(scope="session")
def honest(
    tmp_path_factory: pytest.TempPathFactory,
    write_project: Callable[..., Path],
    by_path: Callable[..., ModuleType],
) -> Any:
    """A tiny project with real proofs of barretenberg's: a HonkRun of tests/prover/honk.py."""
    prover = Path(__file__).parent / "prover"
    by_path("prover", prover / "__init__.py", package=True)
    honk = by_path("prover.honk", prover / "honk.py")
    return honk.honk_run(tmp_path_factory.getbasetemp(), write_project)
