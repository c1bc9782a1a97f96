"""The auditor on runs of barretenberg's circuits: words, verifiers' code, aggregates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ArtefactError, ChainOfProofsBroken, ProofRejected, ZkDescentError
from zkdescent.core.records import Manifest
from zkdescent.verifier import AuditReport, EvmProofVerifier, audit_run
from zkdescent.verifier.plan import honk_specs
from zkdescent.verifier.twins import (
    SCALAR_FIELD,
    AggregateWord,
    InferenceWord,
    StepWord,
    circuit_id,
)


def make(synthetic: ModuleType, **options: Any) -> Any:
    return synthetic.World(**{"backend": "barretenberg", "total": 5, "aggregate": 2, **options})


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return make(synthetic)


def audit(synthetic: ModuleType, world: Any, **options: Any) -> AuditReport:
    manifest = options.pop("manifest", None) or world.manifest()
    options.setdefault("load_object", world.load_object)
    return audit_run(manifest, world.load, synthetic.verify_synthetic, **options)


@pytest.mark.parametrize("firsts", [(), (0,), (1, 3), (0, 2)])
def test_audit_accepts_block_proofs_and_aggregates(
    synthetic: ModuleType, world: Any, firsts: tuple[int, ...]
) -> None:
    world.combine(*firsts)
    told: list[tuple[str, int, int]] = []
    report = audit(
        synthetic, world, inferences=[world.inference()], progress=lambda *s: told.append(s)
    )
    assert (report.range_proofs, report.block_proofs, report.steps) == (0, 5, 20)
    assert report.aggregates == len(firsts)
    assert report.order == world.plan.order()
    assert report.final == world.final
    assert report.inferences[0].outputs == (-123,)
    assert told[-1][1:] == (5, 5)
    assert [circuit.role for circuit in report.circuits] == ["step", "inference", "aggregate"]
    assert AuditReport.from_json(report.to_json()) == report
    plain = make(synthetic)
    assert audit(synthetic, plain).transcript == report.transcript


def test_a_state_between_has_one_name_whatever_verifies_the_proofs(
    synthetic: ModuleType, world: Any
) -> None:
    """The word and the word plus R are one number to a prover's own verifier, and two states."""
    second = (int.from_bytes(world.tensor(102), "big") + SCALAR_FIELD).to_bytes(32, "big")
    world.set_slot("step", 1, StepWord.STATE_OUT, second)
    world.set_slot("step", 2, StepWord.STATE_IN, second)
    with pytest.raises(ProofRejected, match="state after block proof 1 is not a canonical"):
        audit(synthetic, world)


def test_audit_verifies_every_proof_once(world: Any) -> None:
    world.combine(0)
    seen: list[tuple[str, int]] = []
    audit_run(
        world.manifest(),
        world.load,
        lambda circuit, proof: seen.append((circuit.role, proof.index)),
        load_object=world.load_object,
    )
    assert sorted(seen) == sorted(world.proofs)


def test_audit_runs_the_verifiers_of_the_circuits(world: Any) -> None:
    world.combine(2)
    audit_run(
        world.manifest(),
        world.load,
        EvmProofVerifier(world.load_object),
        load_object=world.load_object,
    )


@pytest.mark.parametrize("ceremony", [True, False])
def test_the_code_says_whether_the_string_is_the_ceremonys(
    synthetic: ModuleType, ceremony: bool
) -> None:
    world = make(synthetic, ceremony=ceremony)
    assert audit(synthetic, world).unsafe_srs == (not ceremony)
    source = "unsafe-local" if ceremony else "ceremony"
    circuits = replace(
        world.circuits,
        **{c.role: replace(c, srs=source) for c in world.circuits.present()},
    )
    with pytest.raises(ChainOfProofsBroken, match="reference string"):
        audit(synthetic, world, manifest=world.manifest(circuits=circuits))


def test_a_production_flag_without_the_point_is_refused(synthetic: ModuleType, world: Any) -> None:
    specs = replace(world.specs, step=replace(world.specs.step, production=True))
    with pytest.raises(ChainOfProofsBroken) as error:
        audit(synthetic, world, manifest=world.manifest(specs=specs))
    assert (
        "step circuit that it aggregates" in error.value.message
    )  # another id of the step circuit
    plain = make(synthetic, aggregate=0)
    specs = replace(plain.specs, step=replace(plain.specs.step, production=True))
    with pytest.raises(ChainOfProofsBroken, match="production"):
        audit(synthetic, plain, manifest=plain.manifest(specs=specs))


def swap(world: Any) -> None:
    first, second = world.proofs["aggregate", 0], world.proofs["aggregate", 2]
    world.proofs["aggregate", 0] = replace(second, index=0)
    world.proofs["aggregate", 2] = replace(first, index=2)


def other_state_in(world: Any) -> None:
    world.set_slot("aggregate", 0, AggregateWord.STATE_IN, world.tensor(5))


def other_batch(world: Any) -> None:
    world.set_slot("aggregate", 0, 3 + AggregateWord.BATCH, world.tensor(5))


def other_context(world: Any) -> None:
    world.proofs["aggregate", 0] = world.aggregate_proof(0, contexts={1: world.plan.context(3)})


def other_run(world: Any) -> None:
    elsewhere = type(world)(backend="barretenberg", total=5, aggregate=2, nonce=1)
    world.proofs["aggregate", 0] = elsewhere.aggregate_proof(0)


def fork(world: Any) -> None:
    world.set_slot("aggregate", 2, 3 + AggregateWord.STATE_OUT, world.tensor(5))


def gap(world: Any) -> None:
    del world.proofs["aggregate", 2]


def overlap(world: Any) -> None:
    world.proofs["aggregate", 4] = replace(world.proofs["aggregate", 2], index=4)


def named_context(world: Any) -> None:
    world.change("aggregate", 0, context=1)


def wrong_index(world: Any) -> None:
    world.change("aggregate", 2, index=3)


def wrong_circuit(world: Any) -> None:
    world.change("aggregate", 2, circuit=world.circuits.step.vk_sha256)


def beyond(world: Any) -> None:
    world.proofs["aggregate", 5] = replace(world.proofs["aggregate", 2], index=5)


def flipped(world: Any) -> None:
    world.change("aggregate", 2, proof=world.proofs["aggregate", 2].proof[:-1] + b"\x00")


def step_context(world: Any) -> None:
    wrong = world.block_proof(4, world.plan.order()[4], context=3)
    world.proofs["step", 4] = replace(wrong, context=world.plan.context(4))


@pytest.mark.parametrize(
    ("attack", "what", "where"),
    [
        (swap, "state before the step", "aggregate 0"),
        (other_state_in, "state before the step", "aggregate 0"),
        (other_batch, "batch", "aggregate 0, block proof 1"),
        (other_context, "another context", "aggregate 0, block proof 1"),
        (other_run, "differs|another context", "aggregate 0, block proof 0"),
        (fork, "state before the step", "block proof 4"),
        (gap, "missing", "block proof 2"),
        (overlap, "past the end", "aggregate 4"),
        (named_context, "context", "aggregate 0"),
        (wrong_index, "index of the proof", "aggregate 2"),
        (wrong_circuit, "circuit of the proof", "aggregate 2"),
        (beyond, "more block proofs", "block proof 5"),
        (flipped, "rejected", "aggregate 2"),
        (step_context, "another context", "block proof 4"),
    ],
)
def test_every_attack_on_aggregates_is_named(
    synthetic: ModuleType, world: Any, attack: Callable[[Any], None], what: str, where: str
) -> None:
    world.combine(0, 2)
    attack(world)
    with pytest.raises((ChainOfProofsBroken, ProofRejected), match=what) as error:
        audit(synthetic, world)
    assert error.value.path == where
    assert error.value.exit_code == 3


def rejected(synthetic: ModuleType, world: Any, **options: Any) -> ZkDescentError:
    with pytest.raises((ChainOfProofsBroken, ProofRejected, ArtefactError)) as error:
        audit(synthetic, world, **options)
    return error.value


def test_words_stand_for_tensors_and_contexts(synthetic: ModuleType, world: Any) -> None:
    world.set_slot("step", 3, StepWord.STATE_OUT, world.tensor(5))
    assert "state before the step" in rejected(synthetic, world).message
    other = make(synthetic)
    bad = other.inference(weights=other.tensor(5))
    assert "weights" in rejected(synthetic, other, inferences=[bad]).message
    good = other.inference()
    proof = good.proof.proof
    slot = 32 * InferenceWord.CONTEXT
    word = (int.from_bytes(proof[slot : slot + 32], "big") ^ 1).to_bytes(32, "big")
    changed = proof[:slot] + word + proof[slot + 32 :]
    bad = replace(good, proof=replace(good.proof, proof=changed))
    assert "another context" in rejected(synthetic, other, inferences=[bad]).message


def with_aggregate(world: Any, **changes: Any) -> Manifest:
    circuits = replace(world.circuits, aggregate=replace(world.circuits.aggregate, **changes))
    manifest: Manifest = world.manifest(circuits=circuits)
    return manifest


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"child": b"\x07" * 32}, "step circuit that it aggregates"),
        ({"blocks": 3}, "steps per proof"),
        ({"steps_per_proof": 9}, "steps per proof"),
        ({"fraction_bits": 11}, "fraction bits"),
        ({"backend": "ezkl"}, "backend"),
        ({"opening": (1, 2, 1, 2)}, "opening"),
        ({"vk_sha256": b"\x07" * 32}, "verifying key"),
        ({"logrows": 9}, "size of the circuit"),
        ({"objects": {}}, "no such object"),
    ],
)
def test_an_aggregate_of_something_else_is_rejected(
    synthetic: ModuleType, world: Any, changes: dict[str, Any], what: str
) -> None:
    manifest = with_aggregate(world, **changes)
    assert what in rejected(synthetic, world, manifest=manifest).message


def test_a_registered_child_that_is_another_circuit_is_rejected(
    synthetic: ModuleType, world: Any
) -> None:
    spec = replace(world.specs.aggregate, child=circuit_id(world.specs.inference))
    manifest = world.manifest(specs=replace(world.specs, aggregate=spec))
    assert (
        "step circuit that it aggregates" in rejected(synthetic, world, manifest=manifest).message
    )


def test_a_verifier_of_another_key_is_rejected(synthetic: ModuleType) -> None:
    """An honest key beside the code of a circuit that checks something else."""
    world = make(synthetic, aggregate=0)
    key = synthetic.honk_key("step", logrows=14, inputs=4, salt="another circuit")
    code = synthetic.honk_verifier(key, point=synthetic.UNSAFE_POINT)
    content = synthetic.compiled(code)
    digest = hashlib.sha256(content).hexdigest()
    world.objects[digest] = content
    step = world.circuits.step
    circuits = replace(
        world.circuits, step=replace(step, objects={**step.objects, "verifier": digest})
    )
    manifest = world.manifest(circuits=circuits)
    error = rejected(synthetic, world, manifest=manifest)
    assert "verifier code" in error.message
    world.verifiers["step"] = code
    specs = honk_specs(
        circuits,
        {
            role: (synthetic.predict_address(synthetic.init_code(c)), synthetic.keccak(c))
            for role, c in world.verifiers.items()
        },
    )
    manifest = world.manifest(circuits=circuits, specs=specs)
    assert (
        "does not hold the verifying key" in rejected(synthetic, world, manifest=manifest).message
    )


def test_objects_are_needed(synthetic: ModuleType, world: Any) -> None:
    assert "code is needed" in rejected(synthetic, world, load_object=None).message


def test_commitments_that_are_no_words_are_rejected(synthetic: ModuleType, world: Any) -> None:
    order = 21888242871839275222246405745257275088548364400416034343698204186575808495617
    for name in ("genesis", "final"):
        manifest = world.manifest(**{name: order.to_bytes(32, "big")})
        error = rejected(synthetic, world, manifest=manifest)
    assert "canonical" in error.message
    other = synthetic.World()
    manifest = replace(world.manifest(), circuits=other.circuits, specs=other.specs)
    error = rejected(synthetic, world, manifest=manifest)
    assert "not a G1 point" in error.message


def test_a_range_circuit_is_ezkls_alone(synthetic: ModuleType, world: Any) -> None:
    circuits = replace(world.circuits, range=replace(world.circuits.step, role="range"))
    manifest = world.manifest(circuits=circuits)
    error = rejected(synthetic, world, manifest=manifest)
    assert "no proofs of this kind" in error.message
    ezkl = synthetic.World()
    manifest = ezkl.manifest(circuits=replace(ezkl.circuits, range=None))
    assert "no range circuit" in rejected(synthetic, ezkl, manifest=manifest).message
