"""The shipped examples: valid project files, data as generated, models that learn in float."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from zkdescent.core.config import load_callable, load_project
from zkdescent.train.blocks import batch_blocks
from zkdescent.train.data import prepare
from zkdescent.train.loop import train_float
from zkdescent.train.losses import load_loss
from zkdescent.train.metrics import HEADLINE
from zkdescent.train.model import build_model

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.parametrize(
    ("name", "parameters", "at_least"),
    [("breast-cancer", 11, 0.9), ("mlp-csv", 81, 0.8)],
)
def test_an_example_learns_in_float(
    name: str, parameters: int, at_least: float, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLES / name, tmp_path / name)
    project = load_project(tmp_path / name)
    data, loss = prepare(project), load_loss(project)
    module = build_model(project, data.train, loss)
    assert sum(p.numel() for p in module.parameters()) == parameters
    train = project.config.train
    blocks = batch_blocks(data.train, train.batch_size, 2, train.seed)
    order = [i % len(blocks) for i in range(train.steps // 2)]
    result = train_float(module, loss, data, blocks=blocks, order=order, settings=train)
    assert result.history.last.validation is not None
    assert result.history.last.validation.get(HEADLINE[loss.task]) >= at_least


def test_the_examples_rows_are_what_their_generator_writes(tmp_path: Path) -> None:
    write = load_callable("make_rows.py:write", EXAMPLES / "mlp-csv")
    write(tmp_path / "rows.csv")
    committed = (EXAMPLES / "mlp-csv" / "rows.csv").read_bytes()
    assert (tmp_path / "rows.csv").read_bytes() == committed
