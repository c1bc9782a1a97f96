"""`zkdescent demo`: the main job from nothing, with a batch order drawn on the chain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from zkdescent.core.config import PROJECT_FILE, load_project
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.running import RunSummary, run_project

EXAMPLE = "breast-cancer"
_ROW = "patient.json"


def run_demo(directory: Path, report: Reporter, *, backend: str | None = None) -> RunSummary:
    """Make the breast-cancer project, run it, and have a contract accept one inference.

    A directory that a demo was interrupted in is continued.
    """
    if not (directory / PROJECT_FILE).exists():
        create_project(directory, EXAMPLE, backend=backend)
    project = load_project(directory)
    summary = run_project(project, report)

    # One patient whom training never saw, in the raw units of the data set.
    data = make_blueprint(project).data
    raw = data.standardizer
    patient = data.validation.features[0] * np.array(raw.feature_scale) + np.array(raw.feature_mean)
    row_file = directory / _ROW
    row_file.write_text(
        json.dumps([dict(zip(raw.feature_names, (float(v) for v in patient), strict=True))])
    )
    (inference,) = infer_project(project, row_file, report, submit=True)
    benign = inference.output[0] > 0
    truth = bool(data.validation.targets[0, 0] > 0.5)
    text = (
        f"logit {inference.output[0]:+.3f}: {'benign' if benign else 'malignant'} "
        f"(truth: {'benign' if truth else 'malignant'}), accepted by the consumer contract"
    )
    return replace(summary, inference=text, inference_gas=inference.gas)
