"""Rejected twins of the second prover, with real proofs, off-chain: changed and misplaced proofs.

Each test changes one thing in a copy of what was published, which by itself verifies; `zkdescent
verify` ends with 3 and names the first break.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.records import FIELD_MODULUS
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import proof_name
from zkdescent.verifier.twins import to_field
from zkdescent.verifier.twins.layout import InferenceWord, StepWord

from .honk import STRANGER, HonkRun, flipped, other_batch, other_weights, with_word, word_of
from .honk_published import block_file, change_manifest, inference_file, rejected, restate, write

pytestmark = [
    pytest.mark.prover,
    pytest.mark.barretenberg,
    pytest.mark.usefixtures("acceptances"),
]

Cli = Callable[..., Any]


@pytest.fixture
def published(honest: HonkRun, tmp_path: Path) -> Path:
    return honest.publish_to(tmp_path / "published")


def test_what_was_published_verifies_without_prover_data_and_weights(published: Path) -> None:
    kept = sorted(str(p.relative_to(published)) for p in published.rglob("*") if p.is_file())
    assert not [name for name in kept if name.endswith((".py", ".csv", ".npz", "salt"))]
    blocked = {"torch", "ezkl", "msgpack", "onnx", "onnxruntime", "sklearn", "matplotlib"}
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {blocked!r} or 'barretenberg' in name:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from zkdescent.cli import main\n"
        f"main(['verify', '-C', {str(published)!r}, '--json'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert (answer["verified"], answer["block_proofs"], len(answer["order"])) == (True, 2, 2)
    assert answer["unsafe_srs"] is True
    assert (
        sorted(str(p.relative_to(published)) for p in published.rglob("*") if p.is_file()) == kept
    )


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        (StepWord.CONTEXT, "ProofRejected", "in another context"),
        (StepWord.STATE_IN, "ChainOfProofsBroken", "state before the step"),
        (StepWord.BATCH, "ChainOfProofsBroken", "batch (block"),
        (StepWord.STATE_OUT, "ProofRejected", "rejects the proof"),
    ],
)
def test_another_word_and_its_second_encoding(
    cli: Cli, honest: HonkRun, published: Path, place: StepWord, error: str, said: str
) -> None:
    record = honest.proof(1)
    write(block_file(published, 1), flipped(record, 32 * place + 31))
    rejected(cli, published, error, said, "proof 1")
    second = with_word(record, place, word_of(record, place) + FIELD_MODULUS)
    write(block_file(published, 1), second)
    rejected(cli, published, error, "" if place == StepWord.STATE_OUT else said, "proof 1")


@pytest.mark.parametrize("word", [4, 4 + 8, 4 + 28, 100, -1])
def test_a_flipped_bit_of_the_provers_part(
    cli: Cli, honest: HonkRun, published: Path, word: int
) -> None:
    """A limb of the pairing points, a coordinate, a scalar, something in between, the last."""
    record = honest.proof(0)
    position = -1 if word == -1 else 32 * word + 31
    write(block_file(published, 0), flipped(record, position))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")


def test_the_words_of_one_proof_before_the_argument_of_another(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    first, second = honest.proof(0), honest.proof(1)
    write(block_file(published, 0), replace(first, proof=first.proof[:128] + second.proof[128:]))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")


@pytest.mark.parametrize("change", [lambda p: p + bytes(32), lambda p: p[:-32], lambda p: p[:100]])
def test_another_length(
    cli: Cli, honest: HonkRun, published: Path, change: Callable[[bytes], bytes]
) -> None:
    record = honest.proof(0)
    write(block_file(published, 0), replace(record, proof=change(record.proof)))
    rejected(cli, published, "ChainOfProofsBroken", "length of the proof", "block proof 0")


def test_swapped_skipped_repeated_and_surplus_blocks(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    first, second = honest.proof(0), honest.proof(1)
    write(block_file(published, 0), second)
    write(block_file(published, 1), first)
    rejected(cli, published, "ChainOfProofsBroken", "index of the proof", "block proof 0")
    write(block_file(published, 0), replace(second, index=0))
    write(block_file(published, 1), replace(first, index=1))
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 0")
    write(block_file(published, 0), first)
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 1")
    store = ArtefactStore(published / ".zkdescent")
    write(block_file(published, 1), second)
    store.write_json(proof_name("step", 2), replace(second, index=2).to_json())
    rejected(cli, published, "ChainOfProofsBroken", "more block proofs than the task allows")
    store.remove(proof_name("step", 2))
    store.remove(proof_name("step", 1))
    rejected(cli, published, "ChainOfProofsBroken", "a proof is missing", "block proof 1")
    change_manifest(published, total_proofs=1)
    rejected(cli, published, "ChainOfProofsBroken", "number of proofs", "manifest.task")


@pytest.mark.parametrize("changes", [{"nonce": 1}, {"payee": STRANGER}], ids=["run", "payee"])
def test_the_proofs_of_another_run_do_not_pay_a_copier(
    cli: Cli, honest: HonkRun, published: Path, changes: dict[str, Any]
) -> None:
    plan = restate(honest, published, **changes)
    rejected(cli, published, "ChainOfProofsBroken", "context differs", "block proof 0")
    for index in (0, 1):  # forged in the records, and then in the proofs
        forged = replace(honest.proof(index), context=plan.context(index))
        write(block_file(published, index), forged)
    rejected(cli, published, "ProofRejected", "in another context", "block proof 0")
    record = replace(honest.proof(0), context=plan.context(0))
    write(block_file(published, 0), with_word(record, StepWord.CONTEXT, plan.context(0)))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")


def test_a_payee_seed_or_task_put_into_the_old_run(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    run = honest.manifest.run
    assert run is not None
    for changed, said in (
        (replace(run, payee=STRANGER), "run id"),
        (replace(run, nonce=1), "run id"),
        (replace(run, seed=bytes(32)), "seed"),
    ):
        change_manifest(published, run=changed)
        rejected(cli, published, "ChainOfProofsBroken", said, "manifest.run")


def test_a_valid_proof_of_something_else(cli: Cli, honest: HonkRun, published: Path) -> None:
    """Proofs of a cheater with the project's own salt: valid, and about something else."""
    plan, states, blocks = honest.plan, honest.states, honest.blueprint.fixed_blocks
    due, other = plan.order()
    lies = (
        (other_batch(honest), "ChainOfProofsBroken", "batch (block"),
        (
            honest.prove_block(plan.context(0), states[0], blocks[other]),
            "ChainOfProofsBroken",
            "batch (block",
        ),
        (
            honest.prove_block(plan.context(0), states[1], blocks[due]),
            "ChainOfProofsBroken",
            "state before the step",
        ),
        (
            honest.prove_block(plan.context(1), states[0], blocks[due]),
            "ProofRejected",
            "in another context",
        ),
    )
    for lie, error, said in lies:
        write(block_file(published, 0), lie)
        rejected(cli, published, error, said, "block proof 0")


@pytest.mark.parametrize("position", [0, -1], ids=["input", "output"])
def test_an_inference_with_a_changed_or_swapped_value(
    cli: Cli, honest: HonkRun, published: Path, position: int
) -> None:
    inference = honest.inference
    values = list(inference.proof.public_values)
    path = inference_file(honest, published)
    changed = [*values]
    changed[position] = to_field(1234)
    swapped = [*values]
    swapped[position], swapped[1] = swapped[1], swapped[position]
    for false in (changed, swapped):
        record = replace(inference.proof, public_values=tuple(false))
        write(path, replace(inference, proof=record))
        rejected(cli, published, "ProofRejected", "rejects the proof", "inference proof 0")


def test_an_inference_with_other_weights_or_for_somebody_else(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    path, inference = inference_file(honest, published), honest.inference
    write(path, other_weights(honest))
    rejected(cli, published, "ChainOfProofsBroken", "weights", "inference 0")
    write(path, replace(inference, requester=STRANGER))
    rejected(cli, published, "ChainOfProofsBroken", "context", "inference 0")
    context = honest.plan.inference_context(STRANGER, 0)
    record = replace(inference.proof, context=context)
    write(path, replace(inference, requester=STRANGER, proof=record))
    rejected(cli, published, "ProofRejected", "in another context", "inference 0")
    record = with_word(record, InferenceWord.CONTEXT, context)
    write(path, replace(inference, requester=STRANGER, proof=record))
    rejected(cli, published, "ProofRejected", "rejects the proof", "inference proof 0")
