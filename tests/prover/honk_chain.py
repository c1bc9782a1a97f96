"""Chains with a run on the second prover, and the calls that its contracts are to refuse."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.errors import ContractRejected
from zkdescent.core.records import InferenceRecord, ProofRecord
from zkdescent.verifier import Chain, ContractRefused, RunPlan, TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import merkle_proof

from .honk import HonkRun, leaves_of

BlockProof = tuple[list[bytes], tuple[bytes, list[int], list[bytes]]]


@cache
def stages(run: HonkRun) -> dict[str, Path]:
    """Files of a chain with the run open and nothing submitted, and with the model minted."""
    folder = run.project.directory.parent / "chains"
    folder.mkdir()
    path = folder / "minted"
    with Chain.tester(path) as chain:
        client = run.open_on(chain)
        shutil.copy(path, folder / "opened")
        run.submit_to(client)
    return {"opened": folder / "opened", "minted": path}


@contextmanager
def copy_of(run: HonkRun, stage: str, folder: Path) -> Iterator[TrainingClient]:
    """A copy of a chain, to act on."""
    with Chain.tester(shutil.copy(stages(run)[stage], folder / stage)) as chain:
        yield TrainingClient(chain)


def block(honest: HonkRun, record: ProofRecord, index: int = 0) -> BlockProof:
    """The struct BlockProof for position `index`."""
    path = merkle_proof(leaves_of(honest.manifest.dataset), honest.plan.order()[index])
    return list(path), evidence(honest.circuit("step"), record)


def submit(client: TrainingClient, plan: RunPlan, blocks: Sequence[object]) -> None:
    """Submit as a call, which changes nothing."""
    function = client.ledger.contract.functions.submit(plan.run_id, list(blocks))
    client.chain.call(function, action="submit")


def refuses(name: str, action: Callable[..., object], *arguments: object) -> dict[str, Any]:
    """The values of the custom error that the action is rejected with; exit code 3."""
    with pytest.raises(ContractRejected) as error:
        action(*arguments)
    assert (error.value.error_name, error.value.exit_code) == (name, 3)
    return error.value.values


def declines(name: str, action: Callable[..., object], *arguments: object) -> dict[str, Any]:
    """The same for an action that is impossible for a reason other than a proof; exit code 1."""
    with pytest.raises(ContractRefused) as error:
        action(*arguments)
    assert (error.value.error_name, error.value.exit_code) == (name, 1)
    return error.value.values


def check_step(
    client: TrainingClient, plan: RunPlan, record: ProofRecord, context: int | None = None
) -> object:
    """The gateway alone."""
    function = client.gateway.contract.functions.check(
        plan.task.step_circuit,
        plan.context(0) if context is None else context,
        (record.proof, list(record.public_values), []),
    )
    return client.chain.call(function)


def check_inference(
    client: TrainingClient, honest: HonkRun, record: InferenceRecord, **claimed: list[int]
) -> None:
    """checkInference with the proof's own values, or with claimed ones."""
    inputs, outputs = split_values(honest.circuit("inference"), record)
    function = client.registry.contract.functions.checkInference(
        record.model_id,
        record.requester,
        record.nonce,
        claimed.get("inputs", inputs),
        claimed.get("outputs", outputs),
        evidence(honest.circuit("inference"), record.proof),
    )
    client.chain.call(function, action="check inference")
