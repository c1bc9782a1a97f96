"""Names and reading of what the stages store."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from zkdescent.core.records import ProofRecord, Role
from zkdescent.core.store import ArtefactStore

TRAJECTORY = "train/trajectory.npz"
MEASUREMENTS = "proofs/measurements.json"
METRICS = "train/metrics.json"
CURVES = "train/curves.png"
MODEL = "train/model.onnx"
FIDELITY = "train/fidelity.json"
FIDELITY_PICTURE = "train/fidelity.png"
GAS = "chain/gas.json"
DEPLOYMENTS = "chain/deployments.json"


def proof_name(role: Role, index: int) -> str:
    """Artefact name of a proof: proofs/block-00000.proof.json, proofs/range-00000.proof.json."""
    return f"proofs/{'block' if role == 'step' else role}-{index:05d}.proof.json"


def inference_folder(model_id: int) -> str:
    """Prefix of a model's inference proofs; each model of a project has its own."""
    return f"inferences/{model_id:064x}/"


def load_proof(store: ArtefactStore, role: Role, index: int) -> ProofRecord | None:
    """Read a stored proof; None if there is none.

    The store's checksum is not asked: whoever reads a proof verifies it, and a changed byte is a
    rejected proof then, not a damaged file.
    """
    name = proof_name(role, index)
    if name not in store.names("proofs/"):
        return None
    return ProofRecord.from_json(store.read_json(name, check=False), path=name)


def load_trajectory(store: ArtefactStore) -> npt.NDArray[Any]:
    """States of the proven run, (proofs + 1, state size), dtype object."""
    with np.load(io.BytesIO(store.read_bytes(TRAJECTORY)), allow_pickle=False) as archive:
        return np.asarray(archive["states"], dtype=object)
