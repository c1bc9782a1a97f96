"""The declared update in a project: traced, lowered, committed to, and advanced as declared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zkdescent.core.config import load_project
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.train.loop import train_float

Write = Callable[..., Path]
UNIT = 2.0**-12


def blueprint(directory: Path, write_project: Write, train: str) -> Blueprint:
    return make_blueprint(load_project(write_project(directory, train=train, logrows="auto")))


@pytest.mark.parametrize(
    ("train", "bound"),
    [
        ('optimizer = "nesterov"\nweight_decay = 0.1', 6),
        ('optimizer = "adam"', 6),
        ('optimizer = "rmsprop"\nclip_value = 0.5', 10),
        ('optimizer = "adagrad"\nl1 = 0.01\nl2 = 0.01', 6),
        ('schedule = { kind = "cosine", warmup_steps = 2 }', 6),
    ],
)
def test_a_project_advances_as_float_training_does(
    tmp_path: Path, write_project: Write, train: str, bound: int
) -> None:
    made = blueprint(tmp_path, write_project, train)
    state = made.advance(made.advance(made.genesis, 1), 0)
    floats = train_float(
        made.module,
        made.loss,
        made.data,
        blocks=made.blocks,
        order=[1, 0],
        settings=made.project.config.train,
        fraction_bits=made.fixed.fraction_bits,
    )
    moved = np.abs(floats.final.vector - made.parameters_of(made.genesis)).max()
    assert np.abs(made.parameters_of(state) - floats.final.vector).max() <= bound * UNIT < moved


def test_the_genesis_has_each_scalar_at_its_own_scale(tmp_path: Path, write_project: Write) -> None:
    train = 'optimizer = "adam"\nschedule = { kind = "exponential", gamma = 0.9 }'
    made = blueprint(tmp_path, write_project, train)
    layout = made.layout
    assert layout.names[:2] == ("weight", "bias")
    starts = dict(zip(layout.names, np.cumsum((0, *layout.sizes[:-1])), strict=True))
    assert made.genesis[starts["rate.schedule"]] == 2**16
    assert (
        made.genesis[starts["decay.schedule"]]
        == 2 ** dict(zip(layout.names, layout.scales, strict=True))["decay.schedule"]
    )
    between = slice(layout.parameter_size, starts["rate.schedule"])
    assert not made.genesis[between].any()


def test_the_task_commits_to_the_whole_rule(tmp_path: Path, write_project: Write) -> None:
    said = blueprint(tmp_path / "a", write_project, 'optimizer = "adam"').hyperparameters()
    assert (said["optimizer"], said["epsilon"], said["epsilon_used"]) == ("adam", 1e-8, 2.0**-14)
    assert len(said["state_fraction_bits"]) == len(said["parameters"])
    assert max(said["state_fraction_bits"]) == 28
    other = 'optimizer = "adam"\nbeta2 = 0.99'
    assert blueprint(tmp_path / "b", write_project, other).hyperparameters() != said
    plain = blueprint(tmp_path / "c", write_project, "seed = 0").hyperparameters()
    assert set(plain["state_fraction_bits"]) == {12}
