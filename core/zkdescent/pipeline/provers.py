"""The prover that a project asks for, with the project's own secret."""

from __future__ import annotations

import secrets

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.proof_system import ProofSystem
from zkdescent.core.config import Project

SALT = "salt"
"""Hides the committed tensors where commitments are hashes; by artefact name. Never published."""

_SALT_BITS = 248


def project_prover(project: Project) -> ProofSystem:
    """Return the prover of a project."""
    circuit = project.config.circuit
    return make_backend(
        circuit.backend, salt=lambda: project_salt(project), zero_knowledge=circuit.zero_knowledge
    )


def project_salt(project: Project) -> int:
    """The project's salt, drawn on first use."""
    store = project.open_store()
    if SALT not in store.names(SALT):
        store.write_bytes(SALT, secrets.token_bytes(_SALT_BITS // 8))
    return int.from_bytes(store.read_bytes(SALT), "big")
