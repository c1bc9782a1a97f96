"""What is searched: the dimensions, and the project that a point of them declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from zkdescent.core.config import OPTIMIZER_DEFAULTS, Config, Project
from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.hyperparameters.findings import Setting

if TYPE_CHECKING:
    from optuna import Trial

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "signsgd", "lion")
_BATCHES = (4, 8, 16, 32, 64, 128)
_REGULARISATION = (0.0, 1e-4, 1e-3, 1e-2)
_FRACTION_BITS = (8, 16)
_RATES = (1 / 32, 4.0)  # times the project's own
_OPTIMIZER_KEYS = sorted({key for keys in OPTIMIZER_DEFAULTS.values() for key in keys})


@dataclass(frozen=True, slots=True)
class Space:
    """The dimensions around a project's own setting, which is a point of them."""

    config: Config
    rows: int

    @property
    def own(self) -> dict[str, Any]:
        """The project file's point."""
        train = self.config.train
        return {
            "optimizer": train.optimizer,
            "learning_rate": train.learning_rate,
            "batch_size": train.batch_size,
            "l1": train.l1,
            "l2": train.l2,
            "fraction_bits": self.config.circuit.fraction_bits,
        }

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Draw a point for a trial."""
        own = self.own
        low, high = (factor * own["learning_rate"] for factor in _RATES)
        batches = {b for b in _BATCHES if b <= self.rows} | {own["batch_size"]}
        return {
            "optimizer": trial.suggest_categorical(
                "optimizer", tuple(dict.fromkeys((own["optimizer"], *OPTIMIZERS)))
            ),
            "learning_rate": trial.suggest_float("learning_rate", low, high, log=True),
            "batch_size": trial.suggest_categorical("batch_size", sorted(batches)),
            "l1": trial.suggest_categorical("l1", sorted({*_REGULARISATION, own["l1"]})),
            "l2": trial.suggest_categorical("l2", sorted({*_REGULARISATION, own["l2"]})),
            "fraction_bits": trial.suggest_int("fraction_bits", *_FRACTION_BITS),
        }

    def round(self, point: dict[str, Any]) -> dict[str, Any]:
        """Round the learning rate to three digits, as a person would write it."""
        if point["learning_rate"] == self.own["learning_rate"]:
            return point
        return {**point, "learning_rate": float(f"{point['learning_rate']:.3g}")}

    def setting(self, number: int, point: dict[str, Any], **found: Any) -> Setting:
        """Return a point as a setting."""
        return Setting(number=number, **{key: point[key] for key in self.own}, **found)


def declared(project: Project, setting: Setting) -> Project:
    """Return the project with a setting in the place of its own.

    Keys of the optimizer are kept if the optimizer is; another one has its defaults.

    Raises:
        ConfigError: the setting is not allowed, for example a learning rate that rounds to zero.
    """
    tables = project.config.model_dump()
    train = tables["train"]
    if setting.optimizer != train["optimizer"]:
        train |= dict.fromkeys(_OPTIMIZER_KEYS)
    train |= {
        "optimizer": setting.optimizer,
        "learning_rate": setting.learning_rate,
        "batch_size": setting.batch_size,
        "l1": setting.l1,
        "l2": setting.l2,
    }
    tables["circuit"]["fraction_bits"] = setting.fraction_bits
    try:
        return Project(project.directory, Config.model_validate(tables))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError("this setting is not allowed", got=first["msg"]) from error
