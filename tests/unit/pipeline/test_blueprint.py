"""The blueprint: what is fixed before any proof, as a pure function of the user's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.fixed_point import dequantize
from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import RangeOverflow
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.planning import is_local, seed_delay, uses_beacon

Write = Callable[..., Path]
ULP = 2.0**-12


@pytest.fixture
def project(tmp_path: Path, write_project: Write) -> Project:
    return load_project(write_project(tmp_path))


def test_the_same_files_give_the_same_blueprint(project: Project) -> None:
    one, other = make_blueprint(project), make_blueprint(project)
    assert (one.step, one.inference, one.range) == (other.step, other.inference, other.range)
    assert one.genesis.tolist() == other.genesis.tolist()
    assert all(
        a.tolist() == b.tolist() for a, b in zip(one.fixed_blocks, other.fixed_blocks, strict=True)
    )
    assert one.hyperparameters() == other.hyperparameters()


def test_blocks_are_features_then_targets_of_each_mini_batch(project: Project) -> None:
    blueprint = make_blueprint(project)
    assert blueprint.total_proofs == 2
    assert len(blueprint.fixed_blocks) == 2
    for real, fixed in zip(blueprint.blocks, blueprint.fixed_blocks, strict=True):
        assert fixed.shape == (2 * 4 * (3 + 1),)
        values = dequantize(fixed, 12)
        for k in range(2):
            part = values[16 * k : 16 * (k + 1)]
            assert np.abs(part[:12] - real[k, :, :3].reshape(-1)).max() <= ULP / 2
            assert np.abs(part[12:] - real[k, :, 3]).max() <= ULP / 2


def test_the_genesis_is_the_seeded_model_and_zero_slots(
    tmp_path: Path, write_project: Write
) -> None:
    directory = write_project(tmp_path, train='optimizer = "momentum"')
    blueprint = make_blueprint(load_project(directory))
    assert blueprint.layout.names == ("weight", "bias", "velocity.weight", "velocity.bias")
    assert blueprint.genesis[4:].tolist() == [0, 0, 0, 0]
    parameters = np.concatenate(
        [p.detach().numpy().reshape(-1) for p in blueprint.module.parameters()]
    )
    assert np.abs(blueprint.parameters_of(blueprint.genesis) - parameters).max() <= ULP / 2


def test_advancing_is_training(project: Project) -> None:
    from zkdescent.train.loop import train_float

    blueprint = make_blueprint(project)
    state = blueprint.advance(blueprint.advance(blueprint.genesis, 1), 0)
    result = train_float(
        blueprint.module,
        blueprint.loss,
        blueprint.data,
        blocks=blueprint.blocks,
        order=[1, 0],
        settings=project.config.train,
    )
    assert np.abs(blueprint.parameters_of(state) - result.final.vector).max() <= 4 * 2 * ULP


def test_the_three_requests_fit_each_other(project: Project) -> None:
    step, range_, inference = make_blueprint(project).requests()
    assert [r.role for r in (step, range_, inference)] == ["step", "range", "inference"]
    assert (step.steps_per_proof, inference.features, inference.outputs) == (2, 3, 1)
    assert [r.public_output for r in (step, range_, inference)] == [False, False, True]
    sizes = [r.program.nodes[r.program.inputs["state"]].size for r in (step, range_, inference)]
    assert sizes == [4, 4, 4]


def test_hyperparameters_change_with_what_they_name(tmp_path: Path, write_project: Write) -> None:
    one = make_blueprint(load_project(write_project(tmp_path / "a")))
    other = make_blueprint(load_project(write_project(tmp_path / "b", learning_rate=0.2)))
    assert one.hyperparameters() != other.hyperparameters()
    assert one.hyperparameters()["standardizer"] == other.hyperparameters()["standardizer"]


def test_genesis_weights_out_of_range_are_refused(tmp_path: Path, write_project: Write) -> None:
    model = (
        "from torch import nn\n\n\ndef build(n=3):\n    m = nn.Linear(n, 1)\n"
        "    nn.init.constant_(m.bias, 300.0)\n    return m\n"
    )
    blueprint = make_blueprint(load_project(write_project(tmp_path, model=model)))
    with pytest.raises(RangeOverflow, match="genesis state is too large to be range-checked"):
        blueprint.requests()


@pytest.mark.parametrize(
    ("chain", "local", "beacon"),
    [
        ("", True, False),
        ('[chain]\nrpc = "anvil"', True, False),
        ('[chain]\nseed = "beacon"', True, True),
        ('[chain]\nrpc = "http://127.0.0.1:1"\nkey_env = "KEY"', False, True),
        ('[chain]\nrpc = "http://127.0.0.1:1"\nkey_env = "KEY"\nseed = "declared"', False, False),
    ],
)
def test_where_the_seed_comes_from(
    tmp_path: Path, write_project: Write, chain: str, local: bool, beacon: bool
) -> None:
    project = load_project(write_project(tmp_path, extra=chain))
    assert (is_local(project), uses_beacon(project)) == (local, beacon)


@pytest.mark.parametrize(
    ("said", "chain_id", "delay"),
    [("", None, 2), ("", 31337, 2), ("", 1, 128), ("seed_delay = 64", 1, 64)],
)
def test_the_seed_block_is_far_where_others_propose_blocks(
    tmp_path: Path, write_project: Write, said: str, chain_id: int | None, delay: int
) -> None:
    project = load_project(write_project(tmp_path, extra=f'[chain]\nseed = "beacon"\n{said}'))
    chain: Any = None if chain_id is None else SimpleNamespace(chain_id=chain_id)
    assert seed_delay(project, chain) == delay
