"""Cost models by backend name."""

from __future__ import annotations

from zkdescent.circuits.tuner.costs import CostModel
from zkdescent.core.errors import ConfigError


def cost_model(backend: str, *, zero_knowledge: bool = True) -> CostModel:
    """The cost model of a prover, and of proofs that hide or don't where it can do either.

    Raises:
        ConfigError: there is none of that name.
    """
    if backend == "ezkl":
        from zkdescent.circuits.ezkl_backend.model import EzklModel

        return EzklModel()
    if backend == "barretenberg":
        from zkdescent.circuits.barretenberg.model import HonkModel

        return HonkModel(zero_knowledge=zero_knowledge)
    raise ConfigError(
        "no cost model of this backend", expected="'barretenberg' or 'ezkl'", got=backend
    )
