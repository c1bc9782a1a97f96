"""Projects in a temporary directory, written from keyword arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.core.config import Project, load_project

TEMPLATE = """
[project]
name = "test"
[model]
factory = "{factory}"
args = {args}
[data]
{data}
[train]
learning_rate = 0.1
batch_size = 4
steps = 8
{train}
"""
LINEAR = """
from torch import nn
def build(n=2, outputs=1):
    return nn.Linear(n, outputs)
"""

MakeProject = Callable[..., Project]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    def make(
        *,
        data: str = 'source = "factory"\nfactory = "data.py:load"',
        train: str = "",
        args: str = "{}",
        factory: str = "model.py:build",
        files: dict[str, str] | None = None,
    ) -> Project:
        text = TEMPLATE.format(data=data, train=train, args=args, factory=factory)
        (tmp_path / "zkdescent.toml").write_text(text)
        for name, content in {"model.py": LINEAR, **(files or {})}.items():
            (tmp_path / name).write_text(content)
        return load_project(tmp_path)

    return make
