"""The provers by the name under which a project file asks for them."""

from __future__ import annotations

from zkdescent.circuits.proof_system import ProofSystem
from zkdescent.core.errors import ConfigError


def make_backend(name: str) -> ProofSystem:
    """Return a prover.

    Raises:
        ConfigError: there is no such prover.
    """
    from zkdescent.circuits.ezkl_backend.backend import EzklBackend

    backends: dict[str, type[ProofSystem]] = {EzklBackend.name: EzklBackend}
    if name not in backends:
        raise ConfigError("there is no such prover", expected=sorted(backends), got=name)
    return backends[name]()
