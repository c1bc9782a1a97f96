"""What a setting reaches and what it costs, without a proof.

The metric is that of the reference executor's trajectory, which is bit for bit the one that is
proven, in the order of `train`; the order of a run is drawn later. The cost is the prover's model.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from zkdescent.core.config import Project
from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.hyperparameters.findings import Setting
from zkdescent.pipeline.hyperparameters.space import declared
from zkdescent.train.metrics import HEADLINE, Metrics, evaluate
from zkdescent.train.model import with_parameters


def evaluated(project: Project, setting: Setting) -> Setting:
    """Return a setting with its figures; one that can't be proven with the reason."""
    try:
        blueprint = make_blueprint(declared(project, setting))
        metrics, name = final_metrics(blueprint)
        blueprint.requests()  # what the circuits refuse
    except ZkDescentError as error:
        return replace(setting, error=str(error))
    found, choice = metrics.get(name), blueprint.tuning.choice
    if not isfinite(found) or not isfinite(metrics.loss):
        return replace(setting, error="the loss is not finite")
    return replace(
        setting,
        metric=found,
        loss=metrics.loss,
        seconds=choice.proving_seconds,
        gas=choice.gas,
        steps_per_proof=choice.steps_per_proof,
        block_proofs=choice.block_proofs,
        peak_memory_mb=choice.memory_mb,
    )


def final_metrics(blueprint: Blueprint) -> tuple[Metrics, str]:
    """Return the metrics of the fixed-point model after the last step, and the headline's name.

    Raises:
        RangeOverflow: a value leaves the declared range on the way.
    """
    state, blocks = blueprint.genesis, len(blueprint.fixed_blocks)
    for index in range(blueprint.total_proofs):
        state = blueprint.advance(state, index % blocks)
    module = with_parameters(blueprint.module, blueprint.parameters_of(state))
    data = blueprint.data
    steps = blueprint.project.config.train.steps
    found = evaluate(module, blueprint.loss, data.train, data.validation, step=steps)
    return found.validation or found.train, HEADLINE[blueprint.loss.task]
