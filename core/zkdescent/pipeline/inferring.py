"""Stage `infer`: prove the trained model on rows in raw units, and have a contract accept it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.fixed_point import IntegerArray, dequantize, quantize
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ProverError
from zkdescent.core.records import InferenceRecord, Manifest, ProofRecord
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import FEATURES, STANDARDIZER
from zkdescent.pipeline.onchain import record_gas
from zkdescent.pipeline.planning import open_chain, plan_project
from zkdescent.pipeline.proving import load_trajectory
from zkdescent.pipeline.reporting import Reporter
from zkdescent.train.data import Standardizer
from zkdescent.train.rows import load_rows
from zkdescent.verifier.twins.commitment import split_proof

if TYPE_CHECKING:
    from zkdescent.verifier import Chain, RunPlan


@dataclass(frozen=True, slots=True)
class Inference:
    """One proven row: raw inputs, the model's output as proven, and where the proof is stored."""

    row: tuple[float, ...]
    output: tuple[float, ...]
    proof: str
    seconds: float
    accepted: bool = False
    gas: int = 0


def infer_project(
    project: Project, rows_file: Path, report: Reporter, *, submit: bool = False
) -> list[Inference]:
    """Prove and verify an inference for each row of a file; with `submit`, on chain as well.

    The requester is the project's account; its next nonce at the consumer contract is bound into
    each proof, so a proof is accepted once, and from nobody else.

    Raises:
        DataError: the rows don't fit the model.
        ArtefactError: there is no finished run.
        ContractRejected: the contract refuses the inference.
    """
    store = project.open_store()
    manifest = store.read_manifest()
    if manifest.final is None:
        raise ArtefactError(
            "there is no proven model yet",
            path=store.root,
            hint="run `zkdescent run` (or `zkdescent prove`) first",
        )
    names = tuple(store.read_json(FEATURES)["features"])
    rows = load_rows(rows_file, names, delimiter=project.config.data.delimiter)
    standardizer = Standardizer.from_json(store.read_json(STANDARDIZER))
    inputs = quantize(
        standardizer.transform_features(rows),
        manifest.circuits.inference.fraction_bits,
        what="the rows",
    )
    if not submit:
        plan, _ = plan_project(project, manifest)
        return _prove_all(store, manifest, plan, rows, inputs, report, chain=None)
    with open_chain(project) as chain:
        plan, _ = plan_project(project, manifest, chain=chain)
        return _prove_all(store, manifest, plan, rows, inputs, report, chain=chain)


def _prove_all(
    store: ArtefactStore,
    manifest: Manifest,
    plan: RunPlan,
    rows: np.ndarray,
    inputs: IntegerArray,
    report: Reporter,
    *,
    chain: Chain | None,
) -> list[Inference]:
    from zkdescent.verifier import TrainingClient

    consumer = actions = None
    first = len([n for n in store.names("inferences/") if n.endswith(".proof.json")])
    nonce = first
    if chain is not None:
        consumer = TrainingClient(chain).consumer(plan.model_id)
        actions = [consumer.deploy()]
        nonce = consumer.next_nonce()
    report.start("inferences", len(rows))
    results = []
    for index, (row, integers) in enumerate(zip(rows, inputs, strict=True)):
        record, output, seconds = _prove_row(store, manifest, plan, integers, nonce + index)
        name = f"inferences/{first + index:05d}.proof.json"
        store.write_json(name, record.to_json())
        gas = 0
        if consumer is not None and actions is not None:
            actions.append(consumer.accept(manifest.circuits.inference, record))
            gas = actions[-1].gas
        results.append(
            Inference(
                row=tuple(float(v) for v in row),
                output=tuple(float(v) for v in output),
                proof=name,
                seconds=seconds,
                accepted=consumer is not None,
                gas=gas,
            )
        )
        report.advance("inferences", index + 1)
    if chain is not None and actions is not None:
        record_gas(store, chain, tuple(actions))
    return results


def _prove_row(
    store: ArtefactStore, manifest: Manifest, plan: RunPlan, row: IntegerArray, nonce: int
) -> tuple[InferenceRecord, np.ndarray, float]:
    circuit = manifest.circuits.inference
    context = plan.inference_context(plan.payee, nonce)
    final = load_trajectory(store)[-1]
    proof = make_backend(circuit.backend).prove(
        circuit, store.path_of, [np.array([context], dtype=object), final, row]
    )
    weights = split_proof(proof.proof, 2)[1]
    if weights != manifest.final:
        raise ProverError(
            "the inference was not made with the proven weights",
            expected=manifest.final,
            got=weights,
            hint="the stored trajectory belongs to another run: run `zkdescent prove` again",
        )
    if list(proof.output[: circuit.features]) != list(row):
        raise ProverError("the inference repeats another input than it was given")
    record = InferenceRecord(
        chain_id=plan.chain_id,
        registry=plan.addresses.registry,
        model_id=plan.model_id,
        requester=plan.payee,
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
    outputs = dequantize(proof.output[circuit.features :], circuit.fraction_bits)
    return record, outputs, proof.seconds
