"""Steps 1 to 4 of the audit: what the manifest says, before any proof is opened."""

from __future__ import annotations

from eth_utils.crypto import keccak

from zkdescent.core.errors import ArtefactError, ChainOfProofsBroken
from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    DatasetRecord,
    Manifest,
    Role,
    RunRecord,
    TaskRecord,
)
from zkdescent.verifier.addresses import Addresses, runtime_code_hashes
from zkdescent.verifier.honk_code import (
    LoadObject,
    check_honk_key,
    holds_ceremony_point,
    load_key,
    load_verifier,
)
from zkdescent.verifier.plan import ZERO_WORD, hyperparameters_hash
from zkdescent.verifier.twins.commitment import check_commitment, tensor_hash
from zkdescent.verifier.twins.hashing import circuit_id, run_id, seed, task_id
from zkdescent.verifier.twins.layout import layout_of
from zkdescent.verifier.twins.merkle import leaf, merkle_root

_SPEC_FIELDS = (
    "role", "proof_length", "public_values", "features", "outputs", "fraction_bits",
    "steps_per_proof", "blocks", "opening",
)  # fmt: skip
_BACKENDS = {
    "ezkl-reusable": "ezkl",
    "ezkl-dedicated": "ezkl",
    "ultra-honk": "barretenberg",
}
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
    size = layout_of(manifest.circuits.step.backend, "step").size
    check_commitment(manifest.genesis, size, what="genesis state")
    check_commitment(final, size, what="final state")
    return task, specs, run, final


def check_circuits(circuits: Circuits, specs: CircuitSpecs) -> None:
    """2. The circuits fit each other, and their registrations repeat them exactly."""
    step = circuits.step
    roles: dict[Role, CircuitRecord | None] = {
        "step": step,
        "range": circuits.range,
        "inference": circuits.inference,
        "aggregate": circuits.aggregate,
    }
    for role, circuit in roles.items():
        if circuit is None:
            continue
        path = f"circuit {role}"
        expect("role of the circuit", role, circuit.role, path)
        expect("backend", step.backend, circuit.backend, path)
        expect("fraction bits", step.fraction_bits, circuit.fraction_bits, path)
        expect("reference string", step.srs, circuit.srs, path)
        layout_of(circuit.backend, role, circuit.blocks)  # raises where there is no such circuit
    if step.backend == "ezkl":
        _check_points(circuits)
    else:
        _check_words(circuits, specs)
    if step.steps_per_proof == 0:
        raise ChainOfProofsBroken("the step circuit takes no step", got=0, path="circuit step")
    expect(
        "roles", [c.role for c in circuits.present()], [s.role for s in specs.present()], "specs"
    )
    for circuit, spec in zip(circuits.present(), specs.present(), strict=True):
        _check_spec(circuit, spec)


def _check_points(circuits: Circuits) -> None:
    """KZG commitments are comparable only under one string and one number of rows; who commits
    does not check ranges, so a range circuit must."""
    step, inference = circuits.step, circuits.inference
    if circuits.range is None:
        raise ChainOfProofsBroken("there is no range circuit", path="circuit range")
    for circuit in circuits.present():
        expect("logrows", step.logrows, circuit.logrows, f"circuit {circuit.role}")
    expect("context opening", step.opening, inference.opening, "circuit inference")
    expect("context opening", _NO_OPENING, circuits.range.opening, "circuit range")
    if step.opening[:2] == (0, 0):  # every context would open to U
        raise ChainOfProofsBroken(
            "the opening binds no context", got=step.opening, path="circuit step"
        )


def _check_words(circuits: Circuits, specs: CircuitSpecs) -> None:
    """Hashes are compared as they are; an aggregate must be one of this step circuit's proofs."""
    step, aggregate = circuits.step, circuits.aggregate
    for circuit in circuits.present():
        expect("context opening", _NO_OPENING, circuit.opening, f"circuit {circuit.role}")
    if aggregate is None:
        return
    path = "circuit aggregate"
    expect("step circuit that it aggregates", step.vk_sha256, aggregate.child, path)
    covered = aggregate.blocks * step.steps_per_proof
    expect("steps per proof", covered, aggregate.steps_per_proof, path)
    child = b"" if specs.aggregate is None else specs.aggregate.child
    expect(
        "step circuit that it aggregates", circuit_id(specs.step), child, f"registration of {path}"
    )


def _check_spec(circuit: CircuitRecord, spec: CircuitSpecRecord) -> None:
    path = f"registration of circuit {circuit.role}"
    expect("backend", circuit.backend, _BACKENDS[spec.prover], path)
    if circuit.backend == "ezkl" and keccak(b"".join(circuit.vka)) != circuit.vka_digest:
        raise ChainOfProofsBroken(
            "the verifying-key digest is not that of the key's words",
            expected=circuit.vka_digest,
            got=keccak(b"".join(circuit.vka)),
            path=f"circuit {circuit.role}",
        )
    expect("verifying key", circuit.vk_sha256, spec.vk_hash, path)
    for name in _SPEC_FIELDS:
        expect(name.replace("_", " "), getattr(circuit, name), getattr(spec, name), path)
    if circuit.role != "aggregate":
        expect("step circuit that it aggregates", ZERO_WORD, spec.child, path)
    if spec.prover == "ezkl-reusable":
        expect("verifying-key digest", circuit.vka_digest, spec.vka_digest, path)
        # The hardened verifier of this version, or else proofs mean something unknown.
        expect("verifier code", runtime_code_hashes()["verifier"], spec.verifier_code_hash, path)
    else:
        expect("verifying-key digest", ZERO_WORD, spec.vka_digest, path)


def check_codes(circuits: Circuits, specs: CircuitSpecs, load_object: LoadObject | None) -> bool:
    """2. Check each UltraHonk verifier: the registered code, and made from the circuit's key.

    Returns:
        Whether every circuit's proofs are checked under a ceremony's reference string.

    Raises:
        ChainOfProofsBroken: a registration names other code, or calls itself production without
            the ceremony's point.
        ProofRejected: the code holds another key.
        ArtefactError: a verifier or key is not there.
    """
    ceremony = True
    for circuit, spec in zip(circuits.present(), specs.present(), strict=True):
        if spec.prover != "ultra-honk":
            ceremony = False  # of ezkl's strings no ceremony's is known here
            continue
        path = f"registration of circuit {circuit.role}"
        if load_object is None:
            raise ArtefactError("the verifiers' code is needed to check these circuits", path=path)
        verifier = load_verifier(circuit, load_object)
        expect("verifier code", verifier.code_hash, spec.verifier_code_hash, path)
        check_honk_key(circuit, load_key(circuit, load_object), verifier.runtime_code)
        safe = holds_ceremony_point(verifier.runtime_code)
        expect("reference string", "ceremony" if safe else "unsafe-local", circuit.srs, path)
        expect("production", safe, spec.production, path)
        ceremony = ceremony and safe
    return ceremony


def check_dataset(dataset: DatasetRecord, task: TaskRecord, size: int) -> tuple[bytes, ...]:
    """3. Return the batch commitments (``size`` bytes each) that the dataset root stands for."""
    for index, commitment in enumerate(dataset.leaves):
        check_commitment(commitment, size, what=f"batch block {index}")
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
    for what, spec, named in (
        ("step circuit", specs.step, task.step_circuit),
        ("range circuit", specs.range, task.range_circuit),
        ("inference circuit", specs.inference, task.inference_circuit),
        ("aggregate circuit", specs.aggregate, task.aggregate_circuit),
    ):
        expect(what, ZERO_WORD if spec is None else circuit_id(spec), named, path)
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
