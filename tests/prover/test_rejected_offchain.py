"""Rejected twins off-chain: `zkdescent verify` ends with 3 and names the first break.

Each test changes one thing in a copy of what was published, which by itself verifies.
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

from zkdescent.core.records import DatasetRecord, Manifest, ProofRecord, canonical_json
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder
from zkdescent.verifier.twins import leaf, merkle_root, tensor_hash, to_field

pytestmark = pytest.mark.prover
Cli = Callable[..., Any]


def rejected(cli: Cli, directory: Path, error: str, *said: str) -> None:
    """`verify` must end with 3 and name this error; in both forms of output."""
    answer = cli("verify", "-C", directory, "--json")
    assert answer.code == 3, answer.out + answer.err
    assert (answer.json["error"], answer.json["exit_code"]) == (error, 3)
    whole = answer.json["message"] + " at " + answer.json.get("path", "")
    for words in said:
        assert words in whole, f"{words!r} is not in {answer.json}"


def proof_file(directory: Path, name: str) -> Path:
    return directory / ".zkdescent" / "proofs" / f"{name}.proof.json"


def read(path: Path) -> ProofRecord:
    return ProofRecord.from_json(json.loads(path.read_text()))


def write(path: Path, record: Any) -> None:
    path.write_bytes(canonical_json(record.to_json()))


def flip(path: Path, position: int) -> None:
    record = read(path)
    data = bytearray(record.proof)
    data[position] ^= 1
    write(path, replace(record, proof=bytes(data)))


def manifest_of(directory: Path) -> tuple[ArtefactStore, Manifest]:
    store = ArtefactStore(directory / ".zkdescent")
    return store, store.read_manifest()


def test_what_was_published_verifies(cli: Cli, published: Path) -> None:
    answer = cli("verify", "-C", published, "--json")
    assert answer.code == 0, answer.out + answer.err
    assert answer.json["verified"] is True
    assert (answer.json["block_proofs"], answer.json["inferences"]) == (2, 1)
    assert answer.json["unsafe_srs"] is True


def test_it_verifies_without_torch_ezkl_data_model_and_weights(published: Path) -> None:
    kept = sorted(str(p.relative_to(published)) for p in published.rglob("*") if p.is_file())
    assert not [name for name in kept if name.endswith((".py", ".csv", ".npz"))]
    assert not (published / ".zkdescent" / "objects").exists()
    blocked = {"torch", "ezkl", "onnx", "onnxruntime", "onnxscript", "sklearn", "matplotlib"}
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {blocked!r}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "import zkdescent.verifier\n"
        "from zkdescent.cli import main\n"
        f"main(['verify', '-C', {str(published)!r}, '--json'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verified"] is True
    left = sorted(str(p.relative_to(published)) for p in published.rglob("*") if p.is_file())
    assert left == kept, "verifying writes nothing"


@pytest.mark.parametrize("name", ["range-00001", "block-00001"])
def test_a_flipped_byte(cli: Cli, published: Path, name: str) -> None:
    flip(proof_file(published, name), -1)
    role, index = name.split("-")
    where = f"{'step' if role == 'block' else role} proof {int(index)}"
    rejected(cli, published, "ProofRejected", "rejects the proof", where)


def test_a_flipped_byte_of_a_commitment(cli: Cli, published: Path) -> None:
    flip(proof_file(published, "block-00001"), 70)  # the state it starts from
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 1")


def test_swapped_blocks(cli: Cli, published: Path) -> None:
    first, second = (proof_file(published, f"block-0000{i}") for i in (0, 1))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    rejected(cli, published, "ChainOfProofsBroken", "index of the proof", "block proof 0")
    # And when the cheater writes the expected index, and then the expected context, into them.
    write(first, replace(read(first), index=0))
    write(second, replace(read(second), index=1))
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 0")


def test_a_skipped_block(cli: Cli, published: Path) -> None:
    store, manifest = manifest_of(published)
    store.remove("proofs/block-00000")
    rejected(cli, published, "ChainOfProofsBroken", "a proof is missing", "block proof 0")
    # Renumbered, so that nothing seems to be missing.
    record = read(proof_file(published, "block-00001"))
    store.write_json("proofs/block-00000.proof.json", replace(record, index=0))
    store.remove("proofs/block-00001")
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 0")
    # A shorter run is another task.
    store.write_manifest(replace(manifest, total_proofs=1))
    rejected(cli, published, "ChainOfProofsBroken", "number of proofs", "manifest.task")


def test_a_repeated_block(cli: Cli, published: Path) -> None:
    record = read(proof_file(published, "block-00000"))
    write(proof_file(published, "block-00001"), replace(record, index=1))
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 1")


def test_one_block_too_many(cli: Cli, published: Path) -> None:
    store, _ = manifest_of(published)
    record = read(proof_file(published, "block-00001"))
    store.write_json("proofs/block-00002.proof.json", replace(record, index=2))
    rejected(cli, published, "ChainOfProofsBroken", "more block proofs than the task allows")


def test_the_proofs_of_another_run(cli: Cli, proven: Any, published: Path) -> None:
    store, manifest = manifest_of(published)
    plan = proven.replanned(nonce=1)
    store.write_manifest(replace(manifest, run=plan.run_record()))
    rejected(cli, published, "ChainOfProofsBroken", "context differs", "block proof 0")
    # With contexts forged into the records, the proofs themselves say what they were made for.
    for index in (0, 1):
        path = proof_file(published, f"block-0000{index}")
        write(path, replace(read(path), context=plan.context(index)))
    rejected(cli, published, "ProofRejected", "in another context", "block proof 0")


def test_a_copied_run_does_not_pay_the_copier(cli: Cli, proven: Any, published: Path) -> None:
    store, manifest = manifest_of(published)
    plan = proven.replanned(payee="0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    store.write_manifest(replace(manifest, run=plan.run_record()))
    rejected(cli, published, "ChainOfProofsBroken", "context differs", "block proof 0")
    # The payee alone, put into the old run: then the run has another name.
    assert manifest.run is not None
    store.write_manifest(replace(manifest, run=replace(manifest.run, payee=plan.payee)))
    rejected(cli, published, "ChainOfProofsBroken", "run id", "manifest.run")


def test_the_order_of_another_seed(cli: Cli, proven: Any, published: Path) -> None:
    store, manifest = manifest_of(published)
    assert manifest.run is not None
    store.write_manifest(replace(manifest, run=replace(manifest.run, seed=bytes(32))))
    rejected(cli, published, "ChainOfProofsBroken", "seed", "manifest.run")


def _other_dataset(dataset: DatasetRecord) -> DatasetRecord:
    leaves = tuple(reversed(dataset.leaves))
    root = merkle_root([leaf(i, tensor_hash(c)) for i, c in enumerate(leaves)])
    return replace(dataset, leaves=leaves, root=root)


def test_another_dataset(cli: Cli, proven: Any, published: Path) -> None:
    store, manifest = manifest_of(published)
    dataset = _other_dataset(manifest.dataset)
    store.write_manifest(replace(manifest, dataset=dataset))
    rejected(cli, published, "ChainOfProofsBroken", "dataset root", "manifest.task")
    # A whole statement about the other data, with the proofs that were made for this data.
    plan = proven.replanned(dataset=dataset)
    store.write_manifest(replace(manifest, dataset=dataset, task=plan.task, run=plan.run_record()))
    rejected(cli, published, "ChainOfProofsBroken", "batch block 0", "range proof 0")


def test_a_valid_proof_over_another_batch(
    cli: Cli, published: Path, other_batch: ProofRecord
) -> None:
    write(proof_file(published, "block-00000"), other_batch)
    rejected(cli, published, "ChainOfProofsBroken", "batch (block", "block proof 0")


def test_another_genesis(cli: Cli, proven: Any, published: Path) -> None:
    store, manifest = manifest_of(published)
    assert manifest.final is not None
    store.write_manifest(replace(manifest, genesis=manifest.final))
    rejected(cli, published, "ChainOfProofsBroken", "genesis state", "manifest.task")
    plan = proven.replanned(genesis=manifest.final)
    store.write_manifest(
        replace(manifest, genesis=manifest.final, task=plan.task, run=plan.run_record())
    )
    rejected(cli, published, "ChainOfProofsBroken", "genesis state", "range proof 0")


def test_another_final_state(cli: Cli, published: Path) -> None:
    store, manifest = manifest_of(published)
    store.write_manifest(replace(manifest, final=manifest.genesis))
    rejected(cli, published, "ChainOfProofsBroken", "final state", "manifest.final")


def test_other_hyperparameters(cli: Cli, published: Path) -> None:
    store, manifest = manifest_of(published)
    other = {**manifest.hyperparameters, "learning_rate": 0.2}
    store.write_manifest(replace(manifest, hyperparameters=other))
    rejected(cli, published, "ChainOfProofsBroken", "hyperparameters", "manifest.task")


def test_a_verifier_that_is_not_the_hardened_one(cli: Cli, published: Path) -> None:
    store, manifest = manifest_of(published)
    assert manifest.specs is not None
    step = replace(manifest.specs.step, verifier_code_hash=bytes(32))
    store.write_manifest(replace(manifest, specs=replace(manifest.specs, step=step)))
    rejected(cli, published, "ChainOfProofsBroken", "verifier code", "registration of circuit step")


def test_another_verifying_key(cli: Cli, published: Path) -> None:
    store, manifest = manifest_of(published)
    circuit = manifest.circuits.step
    words = (bytes(32), *circuit.vka[1:])
    circuits = replace(manifest.circuits, step=replace(circuit, vka=words))
    store.write_manifest(replace(manifest, circuits=circuits))
    rejected(cli, published, "ChainOfProofsBroken", "digest is not that of the key's words")


def _inference_file(proven: Any, published: Path) -> Path:
    folder = published / ".zkdescent" / inference_folder(proven.plan.model_id)
    (path,) = folder.iterdir()
    return path


def test_an_inference_with_other_weights(
    cli: Cli, proven: Any, published: Path, other_weights: Any
) -> None:
    write(_inference_file(proven, published), other_weights)
    rejected(cli, published, "ChainOfProofsBroken", "weights", "inference 0")


@pytest.mark.parametrize("position", [0, -1], ids=["input", "output"])
def test_an_inference_with_a_changed_value(
    cli: Cli, proven: Any, published: Path, position: int
) -> None:
    inference = proven.inference
    values = list(inference.proof.public_values)
    values[position] = to_field(1234)
    changed = replace(inference.proof, public_values=tuple(values))
    write(_inference_file(proven, published), replace(inference, proof=changed))
    rejected(cli, published, "ProofRejected", "rejects the proof", "inference proof 0")


def test_an_inference_for_somebody_else(cli: Cli, proven: Any, published: Path) -> None:
    other = replace(proven.inference, requester="0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    write(_inference_file(proven, published), other)
    rejected(cli, published, "ChainOfProofsBroken", "context", "inference 0")


def test_a_damaged_record_is_no_rejection(cli: Cli, published: Path) -> None:
    proof_file(published, "range-00000").write_text("{")
    answer = cli("verify", "-C", published, "--json")
    assert (answer.code, answer.json["error"]) == (1, "ArtefactError")
