"""The search: trials of a multi-objective Optuna study, which is kept and continued.

Each trial is drawn by a sampler that is seeded with the search's seed and the number of trials
told before it, so a search that was killed and continued is the search that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ConfigError
from zkdescent.core.records import canonical_json
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.hyperparameters.evaluating import evaluated
from zkdescent.pipeline.hyperparameters.findings import (
    Cost,
    Setting,
    TuneResult,
    choice_of,
    front_of,
)
from zkdescent.pipeline.hyperparameters.front_plot import plot_front
from zkdescent.pipeline.hyperparameters.space import Space
from zkdescent.pipeline.reporting import Reporter
from zkdescent.train.metrics import HEADLINE

if TYPE_CHECKING:
    from optuna import Study

STUDIES = "tune/studies.sqlite3"
FRONT, FRONT_PICTURE = "tune/front.json", "tune/front.png"
_SETTING = "setting"  # attribute of a trial: the setting with its figures


def tune_project(
    project: Project, report: Reporter, *, trials: int = 60, seed: int = 0, cost: Cost = "seconds"
) -> TuneResult:
    """Search settings until so many trials are made, those of earlier calls counted.

    Trial 0 is the project file's own setting. Stores the front and its picture.

    Raises:
        ConfigError: fewer than one trial.
        ZkDescentError: what the project's own files need to change.
        ToolMissing: Optuna is not installed.
    """
    if trials < 1:
        raise ConfigError("a search needs a trial", expected="1 or more", got=trials)
    blueprint = make_blueprint(project)
    space = Space(project.config, len(blueprint.data.train))
    with _study(project, blueprint, seed, cost) as study:
        settings = _told(study)
        report.start("trials", trials)
        report.advance("trials", len(settings))
        while len(settings) < trials:
            settings.append(_trial(project, study, space, len(settings), seed, cost))
            report.advance("trials", len(settings), _shown(settings[-1]))
    result = _result(blueprint, settings, seed, cost)
    store = project.open_store()
    store.write_json(FRONT, result)
    store.write_bytes(FRONT_PICTURE, plot_front(result, title=project.config.project.name))
    return result


def stored_search(project: Project, *, seed: int = 0, cost: Cost = "seconds") -> TuneResult:
    """Return the search that was made for the project as it is now.

    Raises:
        ArtefactError: there is none.
    """
    blueprint = make_blueprint(project)
    with _study(project, blueprint, seed, cost) as study:
        settings = _told(study)
    if not settings:
        raise ArtefactError(
            "no search was made for the project as it is now",
            path=project.store_directory / STUDIES,
            hint="run `zkdescent tune` first, with the same --seed and --cost",
        )
    return _result(blueprint, settings, seed, cost)


def _result(blueprint: Blueprint, settings: list[Setting], seed: int, cost: Cost) -> TuneResult:
    metric = HEADLINE[blueprint.loss.task]
    larger, whole = metric != "loss", tuple(settings)
    chosen = choice_of(whole, cost, larger_is_better=larger)
    return TuneResult(
        metric=metric,
        part="validation" if len(blueprint.data.validation) else "training",
        larger_is_better=larger,
        cost=cost,
        seed=seed,
        settings=whole,
        front=tuple(s.number for s in front_of(whole, cost, larger_is_better=larger)),
        chosen=None if chosen is None else chosen.number,
    )


@contextmanager
def _study(project: Project, blueprint: Blueprint, seed: int, cost: Cost) -> Iterator[Study]:
    """Open the study of a search; another project, data, seed or cost has another one."""
    import optuna
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = project.store_directory / STUDIES
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = RDBStorage(f"sqlite:///{path}")
    metric = HEADLINE[blueprint.loss.task]
    try:
        yield optuna.create_study(
            study_name=_name(blueprint, seed, cost),
            storage=storage,
            directions=["minimize" if metric == "loss" else "maximize", "minimize"],
            load_if_exists=True,
        )
    finally:
        storage.engine.dispose()


def _name(blueprint: Blueprint, seed: int, cost: Cost) -> str:
    """What a search depends on, as a digest: project file, data, initial weights, seed, cost."""
    data = blueprint.data
    digest = hashlib.sha256(blueprint.project.config_sha256.encode())
    for array in (data.train.features, data.train.targets, data.validation.features):
        digest.update(array.tobytes())
    digest.update(canonical_json([[int(v) for v in blueprint.genesis], seed, cost]))
    return digest.hexdigest()[:32]


def _told(study: Study) -> list[Setting]:
    """Settings of the trials that were told to the end, by number.

    One that was running when its process was killed is forgotten, and drawn again.
    """
    from optuna.trial import TrialState

    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        elif _SETTING in trial.user_attrs:
            found.append(Setting.from_json(trial.user_attrs[_SETTING], path="trial"))
    return [replace(setting, number=number) for number, setting in enumerate(found)]


def _trial(
    project: Project, study: Study, space: Space, number: int, seed: int, cost: Cost
) -> Setting:
    """Draw a setting, evaluate it, and tell the study."""
    from optuna.samplers import TPESampler

    study.sampler = TPESampler(seed=(seed << 20) + number)
    if number == 0:
        study.enqueue_trial(space.own, skip_if_exists=True)
    trial = study.ask()
    point = space.round(space.suggest(trial))
    setting = evaluated(project, space.setting(number, point))
    trial.set_user_attr(_SETTING, setting.to_json())
    price = setting.cost(cost)
    # What can't be proven is told as well, as a violation of a constraint, so that the sampler
    # learns where not to look; its values count for nothing.
    provable = setting.metric is not None and price is not None
    trial.set_constraint("provable", 0.0 if provable else 1.0)
    study.tell(trial, [setting.metric or 0.0, float(price or 0.0)] if provable else [0.0, 0.0])
    return setting


def _shown(setting: Setting) -> str:
    if setting.metric is None:
        return "can't be proven"
    return f"{setting.optimizer}, {setting.metric:.4f}, {setting.seconds or 0:.1f} s"
