"""Each optimizer, with its state, schedule and clipping, proven and verified on real data.

Two update steps of a logistic regression on rows of the breast cancer data in one block proof, its
range proof, and the audit of the run from public artefacts.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from zkdescent.core.config import load_project
from zkdescent.pipeline.artefacts import load_trajectory
from zkdescent.pipeline.auditing import verify_project
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter

pytestmark = [pytest.mark.prover, pytest.mark.slow]

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
def test_two_steps_are_proven(
    tmp_path: Path, write_project: Callable[..., Path], optimizer: str
) -> None:
    features, targets = load_breast_cancer(return_X_y=True)
    chosen = np.r_[0:4, 19:23]  # four rows of each class
    table = np.column_stack([features[chosen, :3], targets[chosen]])
    rows = io.StringIO()
    np.savetxt(rows, table, delimiter=",", header="a,b,c,y", comments="")
    directory = write_project(
        tmp_path,
        rows=rows.getvalue(),
        loss="bce",
        learning_rate=0.01,
        steps=2,
        train=f'optimizer = "{optimizer}"\n{EXTRA[optimizer]}',
        logrows="auto",
    )

    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    result = prove_project(project, report, blueprint=blueprint)
    assert (result.made, result.kept) == (2, 0)
    before, after = load_trajectory(project.open_store())
    parameters = blueprint.layout.parameter_size
    assert (before[:parameters] != after[:parameters]).any()
    verify_project(project, report)
