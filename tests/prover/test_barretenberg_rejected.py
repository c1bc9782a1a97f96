"""Rejected twins of the second prover, with real proofs: by error off-chain, by revert on chain.

Off-chain, each test changes one thing in a copy of what was published, which by itself verifies;
`zkdescent verify` ends with 3 and names the first break.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError, ChainOfProofsBroken, ContractRejected, ProofRejected
from zkdescent.core.records import (
    FIELD_MODULUS,
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    DatasetRecord,
    InferenceRecord,
    Manifest,
    ProofRecord,
    canonical_json,
)
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder, proof_name
from zkdescent.verifier import (
    Chain,
    ContractRefused,
    EvmProofVerifier,
    RunPlan,
    TrainingClient,
    reusable_spec,
)
from zkdescent.verifier._audit_statement import check_circuits
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import (
    circuit_id,
    circuit_tuple,
    from_field,
    leaf,
    merkle_proof,
    merkle_root,
    tensor_hash,
    to_field,
)
from zkdescent.verifier.twins.layout import InferenceWord, StepWord
from zkdescent.verifier.twins.specs import task_tuple

from .honk import (
    OBJECTS_OF_AN_AUDIT,
    STRANGER,
    HonkRun,
    deploy_foreign,
    flipped,
    foreign_circuit,
    foreign_proof,
    honk_run,
    other_batch,
    other_weights,
    with_word,
    word_of,
)

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

Cli = Callable[..., Any]
Foreign = tuple[HonkRun, ProofRecord]
BlockProof = tuple[list[bytes], tuple[bytes, list[int], list[bytes]]]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> HonkRun:
    return honk_run(tmp_path_factory.getbasetemp(), write_project)


@pytest.fixture(scope="module")
def foreign(honest: HonkRun, write_project: Callable[..., Path]) -> Foreign:
    return foreign_circuit(honest, write_project), foreign_proof(honest, write_project)


@pytest.fixture(scope="module", autouse=True)
def acceptances() -> Iterator[None]:
    """An acceptance by the EVM is remembered for the same records, whose objects digests name."""
    accepted: set[tuple[bytes, bytes]] = set()
    original = EvmProofVerifier.verify

    def verify(self: EvmProofVerifier, circuit: CircuitRecord, proof: ProofRecord) -> None:
        key = canonical_json(circuit.to_json()), canonical_json(proof.to_json())
        if key not in accepted:
            original(self, circuit, proof)
            accepted.add(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvmProofVerifier, "verify", verify)
        yield


# --- off-chain ---


@pytest.fixture
def published(honest: HonkRun, tmp_path: Path) -> Path:
    return honest.publish_to(tmp_path / "published")


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


def specs_of(honest: HonkRun) -> CircuitSpecs:
    assert honest.manifest.specs is not None
    return honest.manifest.specs


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


def reversed_dataset(dataset: DatasetRecord) -> DatasetRecord:
    leaves = tuple(reversed(dataset.leaves))
    root = merkle_root([leaf(i, tensor_hash(c)) for i, c in enumerate(leaves)])
    return replace(dataset, leaves=leaves, root=root)


def test_another_dataset_genesis_final_state_or_hyperparameter(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    manifest = honest.manifest
    dataset = reversed_dataset(manifest.dataset)
    other = {**manifest.hyperparameters, "learning_rate": 0.2}
    for field, value, said in (
        ("dataset", dataset, "dataset root"),
        ("genesis", manifest.final, "genesis state"),
        ("final", manifest.genesis, "final state"),
        ("hyperparameters", other, "hyperparameters"),
    ):
        change_manifest(published, **{field: value})
        where = "manifest.final" if field == "final" else "manifest.task"
        rejected(cli, published, "ChainOfProofsBroken", said, where)
        change_manifest(published, **{field: getattr(manifest, field)})
    restate(honest, published, genesis=manifest.final)
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 0")


def test_a_whole_statement_about_the_reversed_dataset(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    dataset = reversed_dataset(honest.manifest.dataset)
    plan = restate(honest, published, dataset=dataset)
    context, (due, other) = plan.context(0), plan.order()
    record = replace(honest.proof(), context=context)
    record = with_word(record, StepWord.CONTEXT, context)
    for block_said, error, said in (
        (other, "ChainOfProofsBroken", "batch (block"),
        (due, "ProofRejected", "rejects the proof"),
    ):
        batch = int.from_bytes(dataset.leaves[block_said], "big")
        write(block_file(published, 0), with_word(record, StepWord.BATCH, batch))
        rejected(cli, published, error, said, "proof 0")


def with_step(
    honest: HonkRun, circuit: CircuitRecord, spec: CircuitSpecRecord
) -> tuple[Circuits, CircuitSpecs]:
    return replace(honest.manifest.circuits, step=circuit), replace(specs_of(honest), step=spec)


def test_a_foreign_circuit(cli: Cli, honest: HonkRun, published: Path, foreign: Foreign) -> None:
    """Another learning rate: its registration, a statement on it, its name on our proofs."""
    run, record = foreign
    circuit, step = run.circuit("step"), honest.circuit("step")
    for kind in OBJECTS_OF_AN_AUDIT:
        digest = circuit.objects[kind]
        shutil.copy(run.store.path_of(digest), published / ".zkdescent" / "objects" / digest)
    write(block_file(published, 0), record)
    rejected(cli, published, "ChainOfProofsBroken", "circuit of the proof", "block proof 0")
    write(block_file(published, 0), replace(record, circuit=step.vk_sha256))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")

    write(block_file(published, 0), honest.proof(0))
    circuits, specs = with_step(honest, circuit, specs_of(honest).step)
    change_manifest(published, circuits=circuits)
    rejected(cli, published, "ChainOfProofsBroken", "verifying key", "registration of circuit step")
    spec = run.verifiers.specs.step
    circuits, specs = with_step(honest, circuit, spec)
    change_manifest(published, circuits=circuits, specs=specs)
    rejected(cli, published, "ChainOfProofsBroken", "step circuit", "manifest.task")
    plan = restate(honest, published, specs=specs)
    for index, due in enumerate(plan.order()):
        context = plan.context(index)
        forged = replace(honest.proof(index), circuit=circuit.vk_sha256, context=context)
        forged = with_word(forged, StepWord.CONTEXT, context)
        leaf_due = int.from_bytes(honest.manifest.dataset.leaves[due], "big")
        write(block_file(published, index), with_word(forged, StepWord.BATCH, leaf_due))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")


def test_a_verifier_or_key_that_is_not_the_circuits(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    step, inference = honest.circuit("step"), honest.circuit("inference")
    spec, other = specs_of(honest).step, specs_of(honest).inference

    def state(circuit: CircuitRecord, registration: CircuitSpecRecord) -> None:
        circuits, specs = with_step(honest, circuit, registration)
        change_manifest(published, circuits=circuits, specs=specs)

    state(step, replace(spec, verifier_code_hash=bytes(32)))
    rejected(cli, published, "ChainOfProofsBroken", "verifier code", "registration of circuit step")
    elsewhere = replace(step, objects={**step.objects, "verifier": inference.objects["verifier"]})
    state(elsewhere, spec)
    rejected(cli, published, "ChainOfProofsBroken", "verifier code", "registration of circuit step")
    state(elsewhere, replace(spec, verifier_code_hash=other.verifier_code_hash))
    rejected(cli, published, "ProofRejected", "circuit step")
    state(replace(step, objects={**step.objects, "vk": inference.objects["vk"]}), spec)
    rejected(cli, published, "ProofRejected", "verifying key is not the one", "circuit step")
    vkless = {k: v for k, v in step.objects.items() if k != "vk"}
    state(replace(step, objects=vkless), spec)
    answer = cli("verify", "-C", published, "--json")
    assert (answer.code, answer.json["error"]) == (1, "ArtefactError"), "missing, not false"


def test_an_unsafe_circuit_that_calls_itself_production(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    specs, circuits = specs_of(honest), honest.manifest.circuits
    assert circuits.step.srs == "unsafe-local"
    change_manifest(published, specs=replace(specs, step=replace(specs.step, production=True)))
    rejected(cli, published, "ChainOfProofsBroken", "production", "registration of circuit step")
    ceremonial = replace(
        circuits,
        step=replace(circuits.step, srs="ceremony"),
        inference=replace(circuits.inference, srs="ceremony"),
    )
    change_manifest(published, circuits=ceremonial, specs=specs)
    rejected(cli, published, "ChainOfProofsBroken", "reference string")


def test_ezkl_needs_a_range_circuit_and_hashes_take_none(honest: HonkRun) -> None:
    circuits, specs = honest.manifest.circuits, specs_of(honest)
    check_circuits(circuits, specs)
    points = {
        c.role: replace(c, backend="ezkl", logrows=12, opening=(1, 2, 1, 2))
        for c in circuits.present()
    }
    pretended = replace(circuits, step=points["step"], inference=points["inference"])
    with pytest.raises(ChainOfProofsBroken, match="no range circuit"):
        check_circuits(pretended, specs)
    ranged = replace(circuits, range=replace(circuits.step, role="range"))
    with pytest.raises(ProofRejected, match="no proofs of this kind"):
        check_circuits(ranged, specs)


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


# --- on chain ---


@pytest.fixture(scope="module")
def stages(honest: HonkRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a chain with the run open and nothing submitted, and with the model minted."""
    folder = tmp_path_factory.mktemp("honk-chains")
    path = folder / "minted"
    with Chain.tester(path) as chain:
        client = honest.open_on(chain)
        shutil.copy(path, folder / "opened")
        honest.submit_to(client)
    return {"opened": folder / "opened", "minted": path}


def _copy(stages: dict[str, Path], stage: str, folder: Path) -> Iterator[TrainingClient]:
    with Chain.tester(shutil.copy(stages[stage], folder / stage)) as chain:
        yield TrainingClient(chain)


@pytest.fixture(scope="module")
def opened(
    stages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingClient]:
    """The open run, for calls that change nothing."""
    yield from _copy(stages, "opened", tmp_path_factory.mktemp("opened"))


@pytest.fixture(scope="module")
def minted(
    stages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingClient]:
    """The minted model, for calls that change nothing."""
    yield from _copy(stages, "minted", tmp_path_factory.mktemp("minted"))


@pytest.fixture
def opened_copy(stages: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """The open run, to act on."""
    yield from _copy(stages, "opened", tmp_path)


@pytest.fixture
def minted_copy(stages: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """The minted model, to act on."""
    yield from _copy(stages, "minted", tmp_path)


def leaves_of(dataset: DatasetRecord) -> list[bytes]:
    return [leaf(i, tensor_hash(c)) for i, c in enumerate(dataset.leaves)]


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


def test_a_proof_of_another_role(honest: HonkRun, minted: TrainingClient) -> None:
    """Of as many rows, so that only the words before it make the lengths differ."""
    check, task = minted.gateway.contract.functions.check, honest.plan.task
    step, inference = honest.proof(), honest.inference.proof
    values = list(inference.public_values)
    first, second = (4 * 32, 2 * 32)
    assert len(step.proof[first:]) == len(inference.proof[second:])
    for name, of_inference, of_step in (
        ("ProofLength", step.proof, inference.proof),
        (
            "ProofRejected",
            inference.proof[:second] + step.proof[first:],
            step.proof[:first] + inference.proof[second:],
        ),
    ):
        asked = check(task.inference_circuit, inference.context, (of_inference, values, []))
        refuses(name, minted.chain.call, asked)
        asked = check(task.step_circuit, step.context, (of_step, [], []))
        refuses(name, minted.chain.call, asked)


def test_a_retired_circuit(honest: HonkRun, minted_copy: TrainingClient) -> None:
    task, inference = honest.plan.task, honest.inference
    check_inference(minted_copy, honest, inference)
    minted_copy.gateway.retire(task.inference_circuit)
    values = refuses("CircuitRetired", check_inference, minted_copy, honest, inference)
    assert values["id"] == task.inference_circuit
    check_step(minted_copy, honest.plan, honest.proof())
    minted_copy.gateway.retire(task.step_circuit)
    refuses("CircuitRetired", check_step, minted_copy, honest.plan, honest.proof())
    refuses("CircuitNotLive", minted_copy.create_task, honest.replanned(salt=b"\x02" * 32))
    declines("AlreadyRetired", minted_copy.gateway.retire, task.step_circuit)


def test_registrations_that_the_gateway_refuses(
    honest: HonkRun, opened: TrainingClient, foreign: Foreign
) -> None:
    spec, other = specs_of(honest).step, specs_of(honest).inference

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


def test_inferences_that_the_registry_refuses(honest: HonkRun, minted: TrainingClient) -> None:
    record = honest.inference
    check_inference(minted, honest, record)
    values = refuses("StateDiffers", check_inference, minted, honest, other_weights(honest))
    assert values["expected"] == tensor_hash(honest.final)
    assert values["got"] == tensor_hash(honest.manifest.genesis)
    inputs, _ = split_values(honest.circuit("inference"), record)
    swapped = [inputs[1], inputs[0], inputs[2]]
    false_inputs = lambda: check_inference(minted, honest, record, inputs=swapped)  # noqa: E731
    false_output = lambda: check_inference(minted, honest, record, outputs=[7])  # noqa: E731
    assert refuses("InputDiffers", false_inputs)["claimed"] == inputs[1]
    assert refuses("OutputDiffers", false_output)["claimed"] == 7
    for other in (replace(record, requester=STRANGER), replace(record, nonce=1)):
        refuses("ContextMismatch", check_inference, minted, honest, other)
    context = honest.plan.inference_context(STRANGER, 0)
    adapted = replace(
        record,
        requester=STRANGER,
        proof=with_word(record.proof, InferenceWord.CONTEXT, context),
    )
    refuses("ProofRejected", check_inference, minted, honest, adapted)


def test_swapped_and_changed_public_values(honest: HonkRun, minted: TrainingClient) -> None:
    record = honest.inference
    values = list(record.proof.public_values)
    for false in (
        [values[1], values[0], *values[2:]],
        [*values[:-2], values[-1], values[-2]],
        [to_field(1234), *values[1:]],
        [*values[:-1], to_field(1234)],
    ):
        proof = replace(record.proof, public_values=tuple(false))
        refuses("ProofRejected", check_inference, minted, honest, replace(record, proof=proof))


def test_a_public_value_beside_the_field(honest: HonkRun, minted: TrainingClient) -> None:
    record = honest.inference.proof
    for place, value in enumerate(record.public_values):
        values = list(record.public_values)
        values[place] = value + FIELD_MODULUS
        check = minted.gateway.contract.functions.check(
            honest.plan.task.inference_circuit, record.context, (record.proof, values, [])
        )
        assert refuses("ValueNotInField", minted.chain.call, check)["index"] == place


def test_the_consumer_accepts_once(honest: HonkRun, minted_copy: TrainingClient) -> None:
    consumer = minted_copy.consumer(honest.plan.model_id)
    consumer.deploy()
    circuit, record = honest.circuit("inference"), honest.inference
    with pytest.raises(ChainError, match="another requester"):
        consumer.accept(circuit, replace(record, requester=STRANGER))
    assert consumer.accept(circuit, record).sent
    outputs = tuple(from_field(v) for v in record.proof.public_values[circuit.features :])
    assert consumer.decision() == outputs
    assert not consumer.accept(circuit, record).sent, "its nonce is used"
    accept = consumer.contract.functions.accept
    replay = accept(*split_values(circuit, record), evidence(circuit, record.proof))
    refuses("ContextMismatch", minted_copy.chain.call, replay)


def test_a_stranger_cannot_use_the_inference_of_another(
    honest: HonkRun, minted_copy: TrainingClient, stages: dict[str, Path], tmp_path: Path
) -> None:
    """The proof is on its way to the consumer, and somebody else sends it first."""
    with Chain.tester(shutil.copy(stages["minted"], tmp_path / "stranger"), account=1) as chain:
        assert chain.address == STRANGER
        consumer = TrainingClient(chain).consumer(honest.plan.model_id)
        consumer.deploy()
        circuit, record = honest.circuit("inference"), honest.inference
        accept = consumer.contract.functions.accept(
            *split_values(circuit, record), evidence(circuit, record.proof)
        )
        refuses("ContextMismatch", chain.call, accept)
