"""Stage `infer`: prove the trained model on rows in raw units, and have a contract accept it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray, dequantize, quantize
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ProverError
from zkdescent.core.records import InferenceRecord, Manifest, ProofRecord
from zkdescent.pipeline.artefacts import inference_folder
from zkdescent.pipeline.gas import record_gas
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.planning import open_chain, plan_project
from zkdescent.pipeline.provers import project_prover
from zkdescent.pipeline.proving import load_trajectory
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled
from zkdescent.train.data import Standardizer
from zkdescent.train.rows import load_rows
from zkdescent.verifier.twins.layout import layout_of

if TYPE_CHECKING:
    from zkdescent.verifier import RunPlan


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
    from zkdescent.verifier import TrainingClient

    store = project.open_store()
    manifest = store.read_manifest()
    if manifest.final is None:
        raise ArtefactError(
            "there is no proven model yet",
            path=store.root,
            hint="run `zkdescent run` (or `zkdescent prove`) first",
        )
    rows, inputs = _read_rows(project, rows_file, manifest)
    if not submit:
        plan, _ = plan_project(project, manifest)
        first = len(store.names(inference_folder(plan.model_id)))
        report.start("inferences", len(rows))
        results = []
        for index, (row, integers) in enumerate(zip(rows, inputs, strict=True)):
            results.append(_prove_row(project, manifest, plan, row, integers, first + index)[0])
            report.advance("inferences", index + 1)
        return results
    with open_chain(project, report) as chain:
        plan, _ = plan_project(project, manifest, chain=chain)
        client = TrainingClient(chain)
        known = bool(chain.code(plan.addresses.registry))
        if not known or client.model(plan.model_id) is None:
            # For example an anvil that was started just now: bring the run there first.
            submit_project(project, report, chain=chain)
        consumer = client.consumer(plan.model_id)
        actions = [consumer.deploy()]
        first = consumer.next_nonce()
        reusable = plan.specs.inference.prover == "ezkl-reusable"
        report.start("inferences", len(rows))
        results, records = [], []
        for index, (row, integers) in enumerate(zip(rows, inputs, strict=True)):
            proven, record = _prove_row(project, manifest, plan, row, integers, first + index)
            records.append(record)
            actions.append(consumer.accept(manifest.circuits.inference, record, reusable=reusable))
            results.append(replace(proven, accepted=True, gas=actions[-1].gas))
            report.advance("inferences", index + 1)
        circuit = manifest.circuits.inference
        actions += until_settled(
            chain, lambda: [consumer.accept(circuit, r, reusable=reusable) for r in records]
        )
        record_gas(store, chain, tuple(actions))
    return results


def _read_rows(
    project: Project, rows_file: Path, manifest: Manifest
) -> tuple[np.ndarray, IntegerArray]:
    """Rows in raw units (n, d), and as the fixed-point integers that the circuit takes.

    Standardised as the manifest says, which the task commits to: whatever float training, or an
    edited data file, has left behind since must not decide what the model is asked.
    """
    standardizer = Standardizer.from_json(manifest.hyperparameters["standardizer"])
    rows = load_rows(rows_file, standardizer.feature_names, delimiter=project.config.data.delimiter)
    bits = manifest.circuits.inference.fraction_bits
    return rows, quantize(standardizer.transform_features(rows), bits, what="the rows")


def _prove_row(
    project: Project,
    manifest: Manifest,
    plan: RunPlan,
    row: np.ndarray,
    integers: IntegerArray,
    nonce: int,
) -> tuple[Inference, InferenceRecord]:
    circuit, store = manifest.circuits.inference, project.open_store()
    context = plan.inference_context(plan.payee, nonce)
    final = load_trajectory(store)[-1]
    proof = project_prover(project).prove(
        circuit, store.path_of, [np.array([context], dtype=object), final, integers]
    )
    layout = layout_of(circuit.backend, circuit.role)
    weights = layout.read(proof.proof, layout.state_in)
    if weights != manifest.final:
        raise ProverError(
            "the inference was not made with the proven weights",
            expected=manifest.final,
            got=weights,
            hint="the stored trajectory belongs to another run: run `zkdescent prove` again",
        )
    if list(proof.output[: circuit.features]) != list(integers):
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
    name = f"{inference_folder(plan.model_id)}{nonce:05d}.proof.json"
    store.write_json(name, record.to_json())
    outputs = dequantize(proof.output[circuit.features :], circuit.fraction_bits)
    proven = Inference(
        row=tuple(float(v) for v in row),
        output=tuple(float(v) for v in outputs),
        proof=name,
        seconds=proof.seconds,
    )
    return proven, record
