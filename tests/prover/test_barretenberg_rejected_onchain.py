"""Rejected twins of the second prover on chain, by revert: blocks, tasks, registrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.records import FIELD_MODULUS, CircuitSpecRecord
from zkdescent.verifier import TrainingClient, reusable_spec
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import circuit_id, circuit_tuple, merkle_proof, tensor_hash
from zkdescent.verifier.twins.layout import StepWord
from zkdescent.verifier.twins.specs import task_tuple

from .honk import (
    STRANGER,
    Foreign,
    HonkRun,
    deploy_foreign,
    flipped,
    leaves_of,
    other_batch,
    reversed_dataset,
    with_word,
    word_of,
)
from .honk_chain import block, check_step, copy_of, declines, refuses, submit

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]


@pytest.fixture(scope="module")
def opened(honest: HonkRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingClient]:
    """The open run, for calls that change nothing."""
    with copy_of(honest, "opened", tmp_path_factory.mktemp("opened")) as client:
        yield client


@pytest.fixture(scope="module")
def minted(honest: HonkRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingClient]:
    """The minted model, for calls that change nothing."""
    with copy_of(honest, "minted", tmp_path_factory.mktemp("minted")) as client:
        yield client


@pytest.fixture
def opened_copy(honest: HonkRun, tmp_path: Path) -> Iterator[TrainingClient]:
    """The open run, to act on."""
    with copy_of(honest, "opened", tmp_path) as client:
        yield client


@pytest.fixture
def minted_copy(honest: HonkRun, tmp_path: Path) -> Iterator[TrainingClient]:
    """The minted model, to act on."""
    with copy_of(honest, "minted", tmp_path) as client:
        yield client


def test_the_honest_run_was_accepted(honest: HonkRun, minted: TrainingClient) -> None:
    run = minted.ledger.run(honest.plan.run_id)
    assert run is not None
    assert (run.proofs, run.head) == (2, tensor_hash(honest.final))
    model = minted.model(honest.plan.model_id)
    assert model is not None
    assert model.model_hash == run.head


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (StepWord.CONTEXT, "ContextMismatch"),
        (StepWord.STATE_IN, "StateInMismatch"),
        (StepWord.BATCH, "ProofRejected"),
        (StepWord.STATE_OUT, "ProofRejected"),
    ],
)
def test_another_word(honest: HonkRun, opened: TrainingClient, place: StepWord, name: str) -> None:
    record, plan = honest.proof(), honest.plan
    refuses(name, submit, opened, plan, [block(honest, flipped(record, 32 * place + 31))])
    # A word plus the field's order is the same public input, and another tensor's name.
    second = with_word(record, place, word_of(record, place) + FIELD_MODULUS)
    again = "WordNotInField" if name == "ProofRejected" else name
    refuses(again, submit, opened, plan, [block(honest, second)])
    context = word_of(second, StepWord.CONTEXT)
    if place == StepWord.CONTEXT:
        refuses("WordNotInField", check_step, opened, plan, second, context)


@pytest.mark.parametrize("word", [4, 4 + 8, 4 + 28, 100])
def test_a_flipped_bit_of_the_provers_part_on_chain(
    honest: HonkRun, opened: TrainingClient, word: int
) -> None:
    bad = block(honest, flipped(honest.proof(), 32 * word + 31))
    values = refuses("ProofRejected", submit, opened, honest.plan, [bad])
    assert values["id"] == honest.plan.task.step_circuit


def test_copied_and_mixed_proofs(honest: HonkRun, opened_copy: TrainingClient) -> None:
    first, second, plan = honest.proof(0), honest.proof(1), honest.plan
    mixed = replace(first, proof=first.proof[:128] + second.proof[128:])
    refuses("ProofRejected", submit, opened_copy, plan, [block(honest, mixed)])
    for changes in ({"nonce": 1}, {"payee": STRANGER}):
        other = honest.replanned(**changes)
        opened_copy.open_run(other)
        values = refuses("ContextMismatch", submit, opened_copy, other, [block(honest, first)])
        assert values["context"] == other.context(0)
        adapted = with_word(first, StepWord.CONTEXT, other.context(0))
        refuses("ProofRejected", submit, opened_copy, other, [block(honest, adapted)])


def test_swapped_skipped_repeated_and_surplus_blocks_on_chain(
    honest: HonkRun, opened: TrainingClient
) -> None:
    first, second = (block(honest, honest.proof(i), i) for i in (0, 1))
    refuses("StateInMismatch", submit, opened, honest.plan, [second])
    refuses("StateInMismatch", submit, opened, honest.plan, [second, first])
    again = block(honest, honest.proof(0), 1)
    values = refuses("StateInMismatch", submit, opened, honest.plan, [first, again])
    assert values["got"] == tensor_hash(honest.manifest.genesis)
    refuses("TooManyProofs", submit, opened, honest.plan, [first, second, first])
    declines("BlockProofCount", submit, opened, honest.plan, [])
    assert refuses("RunIncomplete", opened.finalise, honest.plan) == {"done": 0, "total": 2}
    refuses("RunNotFinalised", opened.mint, honest.plan)


def test_a_stale_head(honest: HonkRun, minted_copy: TrainingClient) -> None:
    """Proofs that were good before others came: a second run, one proof in."""
    plan = honest.replanned(nonce=1)
    minted_copy.open_run(plan)
    batch = honest.blueprint.fixed_blocks[plan.order()[0]]
    record = honest.prove_block(plan.context(0), honest.states[0], batch)
    path = merkle_proof(leaves_of(honest.manifest.dataset), plan.order()[0])
    due = (list(path), evidence(honest.circuit("step"), record))
    function = minted_copy.ledger.contract.functions.submit(plan.run_id, [due])
    minted_copy.chain.send(function)
    values = refuses("StateInMismatch", submit, minted_copy, plan, [due])
    assert values["got"] == tensor_hash(honest.manifest.genesis)
    declines("RunNotOpen", submit, minted_copy, honest.plan, [block(honest, honest.proof())])


def test_valid_proofs_of_something_else(honest: HonkRun, opened: TrainingClient) -> None:
    plan, states, blocks = honest.plan, honest.states, honest.blueprint.fixed_blocks
    due, other = plan.order()
    lies = {
        "BlockNotInDataset": [
            other_batch(honest),
            honest.prove_block(plan.context(0), states[0], blocks[other]),
        ],
        "StateInMismatch": [honest.prove_block(plan.context(0), states[1], blocks[due])],
        "ContextMismatch": [honest.prove_block(plan.context(1), states[0], blocks[due])],
    }
    for name, records in lies.items():
        for record in records:
            refuses(name, submit, opened, plan, [block(honest, record)])
    # The first as such is a good proof: only the data set refuses it.
    assert check_step(opened, plan, other_batch(honest))


def test_another_dataset_and_another_genesis_on_chain(
    honest: HonkRun, opened_copy: TrainingClient
) -> None:
    dataset = reversed_dataset(honest.manifest.dataset)
    plan = honest.replanned(dataset=dataset)
    opened_copy.create_task(plan)
    opened_copy.open_run(plan)
    path = list(merkle_proof(leaves_of(dataset), plan.order()[0]))
    step = honest.circuit("step")
    batch = honest.blueprint.fixed_blocks[plan.order()[0]]
    wrong = honest.prove_block(plan.context(0), honest.states[0], batch)
    refuses("BlockNotInDataset", submit, opened_copy, plan, [(path, evidence(step, wrong))])

    plan = honest.replanned(genesis=honest.manifest.final)
    opened_copy.create_task(plan)
    opened_copy.open_run(plan)
    values = refuses("StateInMismatch", submit, opened_copy, plan, [block(honest, honest.proof())])
    assert values["expected"] == tensor_hash(honest.final)


def test_nothing_is_admitted_to_such_a_task(honest: HonkRun, opened: TrainingClient) -> None:
    path, proof = block(honest, honest.proof())
    admit = opened.ledger.contract.functions.admit(honest.plan.task_id, 0, path, proof)
    declines("NothingToAdmit", opened.chain.call, admit)


def test_the_range_circuit_of_a_task(honest: HonkRun, opened_copy: TrainingClient) -> None:
    """Hashes take none, for the step circuit checks ranges; points can't do without."""

    def create(**changes: object) -> object:
        task = replace(honest.plan.task, salt=b"\x01" * 32, **changes)  # type: ignore[arg-type]
        return opened_copy.chain.call(
            opened_copy.ledger.contract.functions.createTask(task_tuple(task))
        )

    assert create()
    task = honest.plan.task
    values = refuses("CircuitsIncompatible", lambda: create(range_circuit=task.step_circuit))
    assert bytes(values["what"]).rstrip(b"\0") == b"rangeCircuit"
    refuses("WrongRole", lambda: create(step_circuit=task.inference_circuit))
    refuses("WrongRole", lambda: create(inference_circuit=task.step_circuit))
    refuses("CircuitNotLive", lambda: create(step_circuit=b"\x07" * 32))
    points = replace(
        honest.circuit("step"),
        backend="ezkl",
        vka=(b"\x01" * 32,),
        vka_digest=keccak(b"\x01" * 32),
        opening=(1, 2, 1, 2),
        proof_length=3200,
    )
    spec = reusable_spec(points)
    gateway = opened_copy.gateway.contract.functions
    opened_copy.chain.send(gateway.register(circuit_tuple(spec)))
    values = declines("FieldIsZero", lambda: create(step_circuit=circuit_id(spec)))
    assert bytes(values["field"]).rstrip(b"\0") == b"rangeCircuit"


def test_a_foreign_circuits_proof(
    honest: HonkRun, opened_copy: TrainingClient, foreign: Foreign
) -> None:
    """Valid, of the same length, from the same state over the same batch; another learning rate."""
    run, record = foreign
    assert len(record.proof) == len(honest.proof().proof)
    same = (StepWord.CONTEXT, StepWord.STATE_IN, StepWord.BATCH)
    assert all(word_of(record, w) == word_of(honest.proof(), w) for w in same)
    refuses("ProofRejected", submit, opened_copy, honest.plan, [block(honest, record)])
    address = deploy_foreign(opened_copy, run)
    spec = run.verifiers.specs.step
    assert address == spec.verifier
    gateway = opened_copy.gateway.contract.functions
    opened_copy.chain.send(gateway.register(circuit_tuple(spec)))
    own = replace(honest.plan.task, step_circuit=circuit_id(spec))
    assert check_step(opened_copy, replace(honest.plan, task=own), record), "good where it belongs"
    refuses("ProofRejected", submit, opened_copy, honest.plan, [block(honest, record)])


def test_registrations_that_the_gateway_refuses(
    honest: HonkRun, opened: TrainingClient, foreign: Foreign
) -> None:
    spec, other = honest.specs.step, honest.specs.inference

    def register(changed: CircuitSpecRecord) -> object:
        return opened.chain.call(opened.gateway.contract.functions.register(circuit_tuple(changed)))

    values = declines("NotCeremonyVerifier", register, replace(spec, production=True))
    assert values["verifier"] == spec.verifier.lower()
    values = refuses("VerifierChanged", register, replace(spec, verifier=other.verifier))
    assert (values["expected"], values["got"]) == (
        spec.verifier_code_hash,
        other.verifier_code_hash,
    )
    for field, changed in (
        ("verifier", replace(spec, verifier=STRANGER)),
        ("vkaDigest", replace(spec, vka_digest=b"\x01" * 32)),
        ("vkHash", replace(spec, vk_hash=bytes(32))),
        ("role", replace(spec, role="range", steps_per_proof=0)),
        ("proofLength", replace(spec, proof_length=96)),
        ("production", replace(reusable_like(spec), production=True)),
    ):
        values = declines("SpecInvalid", register, changed)
        assert bytes(values["field"]).rstrip(b"\0").decode() == field
    declines("OpeningInvalid", register, replace(spec, opening=(1, 2, 1, 2)))
    # Another circuit's verifier can be registered, as a circuit of its own, which no task names.
    accomplice = replace(spec, verifier=other.verifier, verifier_code_hash=other.verifier_code_hash)
    assert register(accomplice) == circuit_id(accomplice) != circuit_id(spec)


def reusable_like(spec: CircuitSpecRecord) -> CircuitSpecRecord:
    return replace(
        spec, prover="ezkl-dedicated", opening=(1, 2, 1, 2), proof_length=spec.proof_length + 320
    )


def test_key_words_beside_a_verifier_that_holds_its_key(
    honest: HonkRun, opened: TrainingClient
) -> None:
    path, (proof, values, _) = block(honest, honest.proof())
    words = [b"\x01" * 32]
    got = refuses("VkaMismatch", submit, opened, honest.plan, [(path, (proof, values, words))])
    assert got["got"] == keccak(words[0])
