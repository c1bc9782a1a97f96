"""The optimizers by their names in the project file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zkdescent.core.config import OPTIMIZER_DEFAULTS
from zkdescent.core.errors import ConfigError, suggestion
from zkdescent.train.optimizers.adam import Adam, AdamW
from zkdescent.train.optimizers.adaptive import Adagrad, RmsProp
from zkdescent.train.optimizers.base import Optimizer
from zkdescent.train.optimizers.descent import Momentum, Nesterov, Sgd
from zkdescent.train.optimizers.lamb import Lamb
from zkdescent.train.optimizers.sign import Lion, SignSgd

_CLASSES: dict[str, Callable[..., Optimizer]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RmsProp,
    "adam": Adam,
    "adamw": AdamW,
    "lamb": Lamb,
    "signsgd": SignSgd,
    "lion": Lion,
}
_FIELD = {"momentum": "mu"}
_KEYS = {key for keys in OPTIMIZER_DEFAULTS.values() for key in keys}

OPTIMIZERS = tuple(_CLASSES)
"""Names of the optimizers."""


def make_optimizer(name: str, **settings: float) -> Optimizer:
    """Return a declared optimizer by name.

    Args:
        settings: the keys of the project file, such as ``momentum`` or ``beta2``. Those that
            belong to other optimizers are not looked at; defaults are torch's.

    Raises:
        ConfigError: unknown name, or a key of no optimizer.
    """
    if name not in _CLASSES:
        raise ConfigError(
            "there is no such optimizer",
            got=name,
            hint=suggestion(name, OPTIMIZERS, what="optimizers"),
        )
    for key in settings.keys() - _KEYS:
        hint = suggestion(key, sorted(_KEYS), what="settings")
        raise ConfigError("no optimizer has such a setting", got=key, hint=hint)
    fields: dict[str, Any] = getattr(_CLASSES[name], "__dataclass_fields__", {})
    renamed = {_FIELD.get(key, key): value for key, value in settings.items()}
    return _CLASSES[name](**{key: v for key, v in renamed.items() if key in fields})
