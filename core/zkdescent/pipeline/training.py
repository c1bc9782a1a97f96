"""Stage `train`: float training, to see whether the hyperparameters work before anything is proven.

After the proofs, `compare_trajectories` puts the proven fixed-point trajectory beside a float one
over the same blocks in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkdescent.core.config import Project
from zkdescent.pipeline.artefacts import (
    CURVES,
    FIDELITY,
    FIDELITY_PICTURE,
    METRICS,
    MODEL,
    load_trajectory,
)
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.fidelity import FidelityReport, measure_fidelity
from zkdescent.pipeline.reporting import Reporter
from zkdescent.train.curves import plot_curves
from zkdescent.train.export import export_onnx
from zkdescent.train.fidelity_plot import FidelityCurves, plot_fidelity
from zkdescent.train.loop import FloatTraining, Progress, train_float
from zkdescent.train.metrics import HEADLINE, Evaluation, History, evaluate
from zkdescent.train.model import with_parameters


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Float training: its trajectory, the best step, and what the headline metric is called.

    `fidelity` says how closely fixed point will follow it.
    """

    history: History
    best_step: int
    stopped_early: bool
    headline: str
    fidelity: FidelityReport


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The proven run beside float training over the same blocks in the same order."""

    floats: History
    proven: History
    headline: str

    def final(self, history: History) -> float:
        """Headline metric after the last step, on validation data if any is held back."""
        return _headline(history.last, self.headline)


def train_project(
    project: Project, report: Reporter, *, blueprint: Blueprint | None = None
) -> TrainingResult:
    """Train in float, store curves, metrics, the inference graph as ONNX, and the fidelity report.

    The order of blocks is 0, 1, 2, ... here: the real one is known once the run is planned.
    """
    blueprint = blueprint or make_blueprint(project)
    count = len(blueprint.blocks)
    order = [i % count for i in range(blueprint.total_proofs)]
    result = _train(blueprint, order, report)
    store = project.open_store()
    store.write_json(METRICS, {"float": result.history.to_json(), "best_step": result.best_step})
    store.write_bytes(CURVES, plot_curves(result.history, title=project.config.project.name))
    trained = with_parameters(blueprint.module, result.final.vector)
    store.write_bytes(MODEL, export_onnx(trained, blueprint.data.train.features[:8]))
    headline = HEADLINE[blueprint.loss.task]
    return TrainingResult(
        history=result.history,
        best_step=result.best_step,
        stopped_early=result.stopped_early,
        headline=headline,
        fidelity=store_fidelity(blueprint, report),
    )


def store_fidelity(blueprint: Blueprint, report: Reporter) -> FidelityReport:
    """Measure how closely fixed point follows float, and store the figures and the picture."""
    found = measure_fidelity(blueprint, report)
    project = blueprint.project
    store = project.open_store()
    store.write_json(FIDELITY, found)
    curves = FidelityCurves(
        title=f"{project.config.project.name}: fixed point against float",
        fraction_bits=found.fraction_bits,
        metric=f"{found.headline}, {found.part}",
        steps=[e.step for e in found.trajectory],
        float_loss=[e.float_loss for e in found.trajectory],
        fixed_loss=[e.fixed_loss for e in found.trajectory],
        max_difference=[e.max_difference for e in found.trajectory],
        mean_difference=[e.mean_difference for e in found.trajectory],
        trial_bits=[t.fraction_bits for t in found.trials],
        trial_gaps=[found.gap(t.metric) for t in found.trials],
        tolerance=found.tolerance,
    )
    store.write_bytes(FIDELITY_PICTURE, plot_fidelity(curves))
    return found


def compare_trajectories(
    project: Project, order: tuple[int, ...], report: Reporter, *, blueprint: Blueprint
) -> Fidelity:
    """Train in float along the proven order, evaluate the proven states, store both.

    The exported ONNX becomes the proven model's.
    """
    store = project.open_store()
    result = _train(blueprint, list(order), report)
    states = load_trajectory(store)
    steps = blueprint.steps_per_proof
    evaluations = tuple(
        evaluate(
            with_parameters(blueprint.module, blueprint.parameters_of(state)),
            blueprint.loss,
            blueprint.data.train,
            blueprint.data.validation,
            step=index * steps,
        )
        for index, state in enumerate(states)
    )
    proven = History(task=result.history.task, loss=result.history.loss, evaluations=evaluations)
    store.write_json(METRICS, {"float": result.history.to_json(), "proven": proven.to_json()})
    title = f"{project.config.project.name}: {steps * (len(states) - 1)} proven steps"
    store.write_bytes(CURVES, plot_curves(result.history, proven, title=title))
    model = with_parameters(blueprint.module, blueprint.parameters_of(states[-1]))
    store.write_bytes(MODEL, export_onnx(model, blueprint.data.train.features[:8]))
    return Fidelity(result.history, proven, HEADLINE[blueprint.loss.task])


def _train(blueprint: Blueprint, order: list[int], report: Reporter) -> FloatTraining:
    settings = blueprint.project.config.train
    report.start("float training", len(order) * blueprint.steps_per_proof)

    def progress(now: Progress) -> None:
        report.advance("float training", now.step, f"loss {now.batch_loss:.4f}")

    return train_float(
        blueprint.module,
        blueprint.loss,
        blueprint.data,
        blocks=blueprint.blocks,
        order=order,
        settings=settings,
        fraction_bits=blueprint.fixed.fraction_bits,
        progress=progress,
    )


def _headline(evaluation: Evaluation, name: str) -> float:
    return (evaluation.validation or evaluation.train).get(name)
