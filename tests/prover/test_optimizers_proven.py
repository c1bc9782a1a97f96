"""Each optimizer, with its state, schedule and clipping, proven and verified on real data.

Two update steps of a logistic regression on rows of the breast cancer data in one block proof, its
range proof, and the audit of the run from public artefacts.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from zkdescent.core.config import load_project
from zkdescent.pipeline.auditing import verify_project
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.proving import load_trajectory, prove_project
from zkdescent.pipeline.reporting import Reporter

pytestmark = [pytest.mark.prover, pytest.mark.slow]

PROJECT = """
[project]
name = "proven-{optimizer}"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
validation = 0.0
[train]
loss = "bce"
optimizer = "{optimizer}"
learning_rate = 0.01
batch_size = 4
steps = 2
{extra}
[circuit]
steps_per_proof = 2
"""

EXTRA = {
    "sgd": "clip_norm = 0.25\n[train.schedule]\nkind = 'cosine'\nt_max = 8",
    "momentum": "clip_value = 0.2",
    "nesterov": "l1 = 0.01",
    "adagrad": "",
    "rmsprop": "[train.schedule]\nkind = 'exponential'\ngamma = 0.9",
    "adam": "[train.schedule]\nkind = 'step'\nstep_size = 1\ngamma = 0.5",
    "adamw": "weight_decay = 0.1",
    "lamb": "weight_decay = 0.1",
    "signsgd": "l2 = 0.01",
    "lion": "weight_decay = 0.1",
}


@pytest.mark.parametrize("optimizer", EXTRA)
def test_two_steps_are_proven(tmp_path_factory: pytest.TempPathFactory, optimizer: str) -> None:
    directory = tmp_path_factory.mktemp(optimizer)
    (directory / "zkdescent.toml").write_text(
        PROJECT.format(optimizer=optimizer, extra=EXTRA[optimizer])
    )
    (directory / "model.py").write_text(
        "from torch import nn\n\n\ndef build():\n    return nn.Linear(3, 1)\n"
    )
    features, targets = load_breast_cancer(return_X_y=True)
    chosen = np.r_[0:4, 19:23]  # four rows of each class
    table = np.column_stack([features[chosen, :3], targets[chosen]])
    np.savetxt(directory / "rows.csv", table, delimiter=",", header="a,b,c,y", comments="")

    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    result = prove_project(project, report, blueprint=blueprint)
    assert (result.made, result.kept) == (2, 0)
    before, after = load_trajectory(project.open_store())
    parameters = blueprint.layout.parameter_size
    assert (before[:parameters] != after[:parameters]).any()
    verify_project(project, report)
