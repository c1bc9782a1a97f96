"""Steps 1 to 4 of the audit: what the manifest says, before any proof is opened."""

from __future__ import annotations

from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainOfProofsBroken
from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    DatasetRecord,
    Manifest,
    RunRecord,
    TaskRecord,
)
from zkdescent.verifier.addresses import Addresses, runtime_code_hashes
from zkdescent.verifier.plan import ZERO_WORD, hyperparameters_hash
from zkdescent.verifier.twins.commitment import check_point, tensor_hash
from zkdescent.verifier.twins.hashing import circuit_id, run_id, seed, task_id
from zkdescent.verifier.twins.merkle import leaf, merkle_root

_SPEC_FIELDS = (
    "role", "proof_length", "public_values", "features", "outputs", "fraction_bits",
    "steps_per_proof", "opening",
)  # fmt: skip
_NO_OPENING = (0, 0, 0, 0)


def expect(what: str, expected: object, got: object, path: str) -> None:
    """Raise ChainOfProofsBroken, naming what differs and where, unless the two are equal."""
    if expected != got:
        raise ChainOfProofsBroken(f"{what} differs", expected=expected, got=got, path=path)


def check_complete(manifest: Manifest) -> tuple[TaskRecord, CircuitSpecs, RunRecord, bytes]:
    """1. Return task, registrations, run and final state; all of them must be there."""
    task, specs, run, final = manifest.task, manifest.specs, manifest.run, manifest.final
    if task is None or specs is None or run is None or final is None:
        parts = {"task": task, "specs": specs, "run": run, "final": final}
        raise ChainOfProofsBroken(
            "the manifest does not describe a complete run",
            expected="task, specs, run and final state",
            got=f"without {', '.join(key for key, value in parts.items() if value is None)}",
            path="manifest",
            hint="finish proving, then verify again",
        )
    check_point(manifest.genesis, what="genesis state")
    check_point(final, what="final state")
    return task, specs, run, final


def check_circuits(circuits: Circuits, specs: CircuitSpecs) -> None:
    """2. The three circuits fit each other, and their registrations repeat them exactly."""
    step, range_, inference = circuits.step, circuits.range, circuits.inference
    for circuit, role in ((step, "step"), (range_, "range"), (inference, "inference")):
        expect("role of the circuit", role, circuit.role, f"circuit {role}")
        expect("backend", step.backend, circuit.backend, f"circuit {role}")
        # Commitments are comparable only under one SRS, one number of rows and one scale.
        expect("fraction bits", step.fraction_bits, circuit.fraction_bits, f"circuit {role}")
        expect("logrows", step.logrows, circuit.logrows, f"circuit {role}")
        expect("reference string", step.srs, circuit.srs, f"circuit {role}")
    expect("context opening", step.opening, inference.opening, "circuit inference")
    expect("context opening", _NO_OPENING, range_.opening, "circuit range")
    if step.opening[:2] == (0, 0):  # every context would open to U
        raise ChainOfProofsBroken(
            "the opening binds no context", got=step.opening, path="circuit step"
        )
    if step.steps_per_proof == 0:
        raise ChainOfProofsBroken("the step circuit takes no step", got=0, path="circuit step")
    for circuit, spec in ((step, specs.step), (range_, specs.range), (inference, specs.inference)):
        _check_spec(circuit, spec)


def _check_spec(circuit: CircuitRecord, spec: CircuitSpecRecord) -> None:
    path = f"registration of circuit {circuit.role}"
    if keccak(b"".join(circuit.vka)) != circuit.vka_digest:
        raise ChainOfProofsBroken(
            "the verifying-key digest is not that of the key's words",
            expected=circuit.vka_digest,
            got=keccak(b"".join(circuit.vka)),
            path=f"circuit {circuit.role}",
        )
    expect("verifying key", circuit.vk_sha256, spec.vk_hash, path)
    for name in _SPEC_FIELDS:
        expect(name.replace("_", " "), getattr(circuit, name), getattr(spec, name), path)
    if spec.prover == "ezkl-reusable":
        expect("verifying-key digest", circuit.vka_digest, spec.vka_digest, path)
        # The hardened verifier of this version, or else proofs mean something unknown.
        expect("verifier code", runtime_code_hashes()["verifier"], spec.verifier_code_hash, path)
    else:
        expect("verifying-key digest", ZERO_WORD, spec.vka_digest, path)


def check_dataset(dataset: DatasetRecord, task: TaskRecord) -> tuple[bytes, ...]:
    """3. Return the batch commitments (64 bytes each) that the dataset root stands for."""
    for index, commitment in enumerate(dataset.leaves):
        check_point(commitment, what=f"batch block {index}")
    hashes = [leaf(i, tensor_hash(commitment)) for i, commitment in enumerate(dataset.leaves)]
    expect("dataset root", merkle_root(hashes), dataset.root, "manifest.dataset")
    expect("dataset root", dataset.root, task.dataset_root, "manifest.task")
    expect("blocks per epoch", len(dataset.leaves), task.blocks_per_epoch, "manifest.task")
    return dataset.leaves


def check_names(
    manifest: Manifest,
    task: TaskRecord,
    specs: CircuitSpecs,
    run: RunRecord,
    addresses: Addresses,
) -> None:
    """4. The task says what the manifest says, and ids and seed are recomputed from it."""
    path = "manifest.task"
    expect("step circuit", circuit_id(specs.step), task.step_circuit, path)
    expect("range circuit", circuit_id(specs.range), task.range_circuit, path)
    expect("inference circuit", circuit_id(specs.inference), task.inference_circuit, path)
    expect("genesis state", tensor_hash(manifest.genesis), task.genesis, path)
    expect("number of proofs", manifest.total_proofs, task.total_proofs, path)
    digest = hyperparameters_hash(manifest.hyperparameters)
    expect("hyperparameters", digest, task.hyperparameters, path)
    if task.total_proofs == 0:
        raise ChainOfProofsBroken("a run of no proofs trains nothing", got=0, path=path)

    path, ledger = "manifest.run", run.ledger
    expect("ledger", addresses.ledger.lower(), ledger.lower(), path)
    expect("task id", task_id(run.chain_id, ledger, run.sponsor, task), run.task_id, path)
    name = run_id(run.chain_id, ledger, run.task_id, run.payee, run.nonce)
    expect("run id", name, run.run_id, path)
    expect("seed source", "beacon" if task.seed_delay else "declared", run.seed_source, path)
    source = run.mix_hash if task.seed_delay else task.declared_seed
    if source is None:
        raise ChainOfProofsBroken("the run names no seed block header", path=path)
    expect("seed", seed(run.chain_id, ledger, run.task_id, source), run.seed, path)
