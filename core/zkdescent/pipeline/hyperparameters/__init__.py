"""`zkdescent tune`: hyperparameters that prove cheaply and still learn, found before proving."""

from zkdescent.pipeline.hyperparameters.applying import apply_setting, snippet
from zkdescent.pipeline.hyperparameters.findings import Cost, Setting, TuneResult
from zkdescent.pipeline.hyperparameters.search import stored_search, tune_project

__all__ = [
    "Cost",
    "Setting",
    "TuneResult",
    "apply_setting",
    "snippet",
    "stored_search",
    "tune_project",
]
