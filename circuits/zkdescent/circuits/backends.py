"""The provers by the name under which a project file asks for them."""

from __future__ import annotations

from collections.abc import Callable

from zkdescent.circuits.proof_system import ProofSystem
from zkdescent.core.errors import ConfigError


def make_backend(
    name: str,
    *,
    salt: Callable[[], int] = int,
    zero_knowledge: bool = True,
    threads: int | None = None,
) -> ProofSystem:
    """Return a prover.

    Args:
        salt: a secret that hides committed tensors, for provers whose commitments need one.
        zero_knowledge: whether proofs hide all but their public inputs, for provers that can do
            without.
        threads: how many a proof may use; None: as many as there are cores.

    Raises:
        ConfigError: there is no such prover.
    """
    if name == "ezkl":
        from zkdescent.circuits.ezkl_backend.backend import EzklBackend

        return EzklBackend(threads=threads)
    if name == "barretenberg":
        from zkdescent.circuits.barretenberg.backend import BarretenbergBackend

        return BarretenbergBackend(salt, zero_knowledge=zero_knowledge, threads=threads)
    raise ConfigError("there is no such prover", expected=["barretenberg", "ezkl"], got=name)
