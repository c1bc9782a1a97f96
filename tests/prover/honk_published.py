"""What an auditor gets of a run on the second prover, changed in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    InferenceRecord,
    Manifest,
    ProofRecord,
    canonical_json,
)
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder, proof_name
from zkdescent.verifier import RunPlan

from .honk import HonkRun

Cli = Callable[..., Any]


def rejected(cli: Cli, directory: Path, error: str, *said: str) -> None:
    """`verify` must end with 3 and name this error."""
    answer = cli("verify", "-C", directory, "--json")
    assert answer.code == 3, answer.out + answer.err
    assert (answer.json["error"], answer.json["exit_code"]) == (error, 3), answer.json
    whole = answer.json["message"] + " at " + answer.json.get("path", "")
    for words in said:
        assert words in whole, f"{words!r} is not in {answer.json}"


def block_file(directory: Path, index: int) -> Path:
    return directory / ".zkdescent" / proof_name("step", index)


def inference_file(honest: HonkRun, directory: Path) -> Path:
    (path,) = (directory / ".zkdescent" / inference_folder(honest.plan.model_id)).iterdir()
    return path


def write(path: Path, record: ProofRecord | InferenceRecord) -> None:
    path.write_bytes(canonical_json(record.to_json()))


def change_manifest(directory: Path, **changes: Any) -> Manifest:
    store = ArtefactStore(directory / ".zkdescent")
    changed = replace(store.read_manifest(), **changes)
    store.write_manifest(changed)
    return changed


def restate(honest: HonkRun, directory: Path, **changes: Any) -> RunPlan:
    """A whole consistent statement about something else, over the old proofs."""
    plan = honest.replanned(**changes)
    fields = {k: changes[k] for k in ("dataset", "genesis", "specs") if k in changes}
    change_manifest(directory, task=plan.task, run=plan.run_record(), **fields)
    return plan


def with_step(
    honest: HonkRun, circuit: CircuitRecord, spec: CircuitSpecRecord
) -> tuple[Circuits, CircuitSpecs]:
    return replace(honest.manifest.circuits, step=circuit), replace(honest.specs, step=spec)
