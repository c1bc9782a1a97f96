"""Stage `infer`: prove the trained model on rows in raw units, and have a contract accept it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray, dequantize, quantize
from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError
from zkdescent.core.records import InferenceRecord, Manifest
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder
from zkdescent.pipeline.gas import record_gas
from zkdescent.pipeline.inference import InferenceProver, require_model
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.planning import open_chain, plan_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled
from zkdescent.train.data import Standardizer
from zkdescent.train.rows import load_rows

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
    project: Project,
    rows_file: Path,
    report: Reporter,
    *,
    submit: bool = False,
    requester: str | None = None,
    nonce: int | None = None,
) -> list[Inference]:
    """Prove and verify an inference for each row of a file; with `submit`, on chain as well.

    The requester is the project's account; its next nonce at the consumer contract is bound into
    each proof, so a proof is accepted once, and from nobody else.

    Args:
        requester: prove for another address, which hands the proof in itself; not with `submit`.
        nonce: the requester's next one, of the first row; None for the number of proofs that are
            stored for it.

    Raises:
        ConfigError: no address, or both a requester and `submit`.
        DataError: the rows don't fit the model.
        ArtefactError: there is no finished run.
        ContractRejected: the contract refuses the inference.
    """
    from zkdescent.verifier import TrainingClient

    store = project.open_store()
    manifest = store.read_manifest()
    if submit and (requester, nonce) != (None, None):
        raise ConfigError(
            "what is submitted from this account is proven for it, and the contract counts",
            got=f"requester {requester}, nonce {nonce}",
            hint="leave out --submit and hand the file to the requester, who submits it",
        )
    someone = None if requester is None else _address(requester)
    require_model(store, manifest)
    rows, inputs = _read_rows(project, rows_file, manifest)
    if not submit:
        plan, _ = plan_project(project, manifest)
        prover = InferenceProver.open(project, manifest, plan)
        who = someone or plan.payee
        first = len(_stored(store, plan, who)) if nonce is None else nonce
        report.start("inferences", len(rows))
        results = []
        for index, (row, integers) in enumerate(zip(rows, inputs, strict=True)):
            place = (who, first + index)
            results.append(_prove_row(prover, row, integers, place)[0])
            report.advance("inferences", index + 1)
        return results
    with open_chain(project, report) as chain:
        plan, _ = plan_project(project, manifest, chain=chain)
        client = TrainingClient(chain)
        known = bool(chain.code(plan.addresses.registry))
        if not known or client.model(plan.model_id) is None:
            # For example an anvil that was started just now: bring the run there first.
            submit_project(project, report, chain=chain)
        prover = InferenceProver.open(project, manifest, plan)
        consumer = client.consumer(plan.model_id)
        actions = [consumer.deploy()]
        first = consumer.next_nonce()
        reusable = plan.specs.inference.prover == "ezkl-reusable"
        report.start("inferences", len(rows))
        results, records = [], []
        for index, (row, integers) in enumerate(zip(rows, inputs, strict=True)):
            place = (plan.payee, first + index)
            proven, record = _prove_row(prover, row, integers, place)
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
    prover: InferenceProver, row: np.ndarray, integers: IntegerArray, place: tuple[str, int]
) -> tuple[Inference, InferenceRecord]:
    """Prove one row for a place, requester and nonce, and store the proof."""
    requester, nonce = place
    made = prover.prove(integers, requester=requester, nonce=nonce)
    name = f"{_prefix(prover.plan, requester)}{nonce:05d}.proof.json"
    prover.store.write_json(name, made.record.to_json())
    outputs = dequantize(np.array(made.outputs, dtype=object), prover.fraction_bits)
    proven = Inference(
        row=tuple(float(v) for v in row),
        output=tuple(float(v) for v in outputs),
        proof=name,
        seconds=made.seconds,
    )
    return proven, made.record


def _prefix(plan: RunPlan, requester: str) -> str:
    """Where a requester's proofs are: the own account's by nonce, another's under its address."""
    own = requester.lower() == plan.payee.lower()
    return inference_folder(plan.model_id) + ("" if own else f"{requester.lower()}-")


def _stored(store: ArtefactStore, plan: RunPlan, requester: str) -> list[str]:
    prefix = _prefix(plan, requester)
    return [name for name in store.names(prefix) if "-" not in name.removeprefix(prefix)]


def _address(text: str) -> str:
    from eth_utils.address import is_address, to_checksum_address

    if not is_address(text):
        raise ConfigError(
            "not an address of a requester", expected="0x and 40 hex digits", got=text
        )
    return str(to_checksum_address(text))
