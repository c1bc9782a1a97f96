"""Prove inferences from exact integers: what `infer` does with rows, and a feed with features.

A contract that derives a model's inputs itself compares integers, so nothing here goes through
floating point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.proof_system import ProofSystem
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, DataError, ProverError
from zkdescent.core.records import InferenceRecord, Manifest, ProofRecord
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import load_trajectory
from zkdescent.pipeline.provers import project_prover
from zkdescent.verifier.twins.layout import layout_of

if TYPE_CHECKING:
    from zkdescent.verifier import RunPlan

    Evidence = tuple[bytes, list[int], list[bytes]]


@dataclass(frozen=True, slots=True)
class ProvenInference:
    """A proof as it is handed in, the model's outputs in fixed point, and the seconds it took."""

    record: InferenceRecord
    outputs: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class InferenceProver:
    """A proven model, opened once to prove many inferences."""

    manifest: Manifest
    plan: RunPlan
    store: ArtefactStore
    backend: ProofSystem
    final: IntegerArray

    @classmethod
    def open(cls, project: Project, manifest: Manifest, plan: RunPlan) -> InferenceProver:
        """Open a project's model.

        Raises:
            ArtefactError: there is no finished run.
        """
        store = project.open_store()
        require_model(store, manifest)
        final = load_trajectory(store)[-1]
        return cls(manifest, plan, store, project_prover(project), final)

    @property
    def fraction_bits(self) -> int:
        """Of inputs and outputs."""
        return self.manifest.circuits.inference.fraction_bits

    def prove(
        self, integers: Sequence[int] | IntegerArray, *, requester: str, nonce: int
    ) -> ProvenInference:
        """Prove the model on one row of the circuit's own integers, for a requester and a nonce.

        Args:
            integers: features with ``fraction_bits`` fraction bits, in the model's order.
            requester: address that the proof is bound to; nobody else can use it.

        Raises:
            DataError: another number of features than the model has.
            ProverError: the prover failed, or the stored weights are not the proven ones.
        """
        circuit = self.manifest.circuits.inference
        row = np.array([int(value) for value in integers], dtype=object)
        if len(row) != circuit.features:
            raise DataError(
                "the row has another number of features than the model",
                expected=circuit.features,
                got=len(row),
            )
        context = self.plan.inference_context(requester, nonce)
        proof = self.backend.prove(
            circuit, self.store.path_of, [np.array([context], dtype=object), self.final, row]
        )
        layout = layout_of(circuit.backend, circuit.role)
        weights = layout.read(proof.proof, layout.state_in)
        if weights != self.manifest.final:
            raise ProverError(
                "the inference was not made with the proven weights",
                expected=self.manifest.final,
                got=weights,
                hint="the stored trajectory belongs to another run: run `zkdescent prove` again",
            )
        if list(proof.output[: circuit.features]) != list(row):
            raise ProverError("the inference repeats another input than it was given")
        record = InferenceRecord(
            chain_id=self.plan.chain_id,
            registry=self.plan.addresses.registry,
            model_id=self.plan.model_id,
            requester=requester,
            nonce=nonce,
            proof=ProofRecord(
                role="inference",
                index=nonce,
                circuit=circuit.vk_sha256,
                context=context,
                proof=proof.proof,
                public_values=proof.public_values,
            ),
        )
        outputs = tuple(int(value) for value in proof.output[circuit.features :])
        return ProvenInference(record, outputs, proof.seconds)

    @property
    def is_reusable(self) -> bool:
        """Whether the verifier is ezkl's reusable one, which is handed the key's words."""
        return self.plan.specs.inference.prover == "ezkl-reusable"

    def evidence(self, record: InferenceRecord) -> Evidence:
        """Return the struct Evidence of a proof, as contracts take it."""
        from zkdescent.verifier.actions import evidence

        return evidence(self.manifest.circuits.inference, record.proof, reusable=self.is_reusable)


def require_model(store: ArtefactStore, manifest: Manifest) -> None:
    """Refuse a project whose run is not finished.

    Raises:
        ArtefactError: there is no proven model.
    """
    if manifest.final is None:
        raise ArtefactError(
            "there is no proven model yet",
            path=store.root,
            hint="run `zkdescent run` (or `zkdescent prove`) first",
        )
