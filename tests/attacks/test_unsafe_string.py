"""A circuit under a reference string whose secret somebody knows, registered for production.

The attacker has made the string himself, so he can prove anything. He wants consumers who ask for
production circuits to take his. He registers a real verifier of his string with the flag, an ezkl
circuit, code that has the ceremony's words where they are no instruction, a task that mixes both
kinds; and at last code that pushes the words and does not use them.

He fails because the flag is part of the circuit's id and granted only if the verifier's code pushes
the ceremony's point (``NotCeremonyVerifier``); ezkl's circuits get none (``SpecInvalid``); a task's
circuits agree on it (``CircuitsIncompatible``). The last trick passes the gateway, as
docs/soundness.md says: the code's hash is another than that of a published build, which an audit
compares.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from zkdescent.core.errors import ZkDescentError
from zkdescent.verifier import TrainingClient, audit_run
from zkdescent.verifier.honk_code import CEREMONY_G2, pushes_ceremony_point
from zkdescent.verifier.twins import circuit_id, circuit_tuple
from zkdescent.verifier.twins.specs import task_tuple

from .actors import deploy_runtime, verdict

YES = bytes.fromhex("60015f5260205ff3")
PUSHES = b"".join(b"\x7f" + word for word in CEREMONY_G2)


def register(client: TrainingClient, spec: Any) -> str:
    function = client.gateway.contract.functions.register(circuit_tuple(spec))
    return verdict(client.chain.send, function)


def behind(client: TrainingClient, spec: Any, code: bytes) -> Any:
    """The registration of a circuit whose verifier is this code, for production."""
    at = to_checksum_address(deploy_runtime(client, code))
    return replace(spec, verifier=at, verifier_code_hash=keccak(code), production=True)


@pytest.mark.prover
@pytest.mark.barretenberg
def test_a_real_verifier_of_a_local_string(honest: Any, client: TrainingClient) -> None:
    honest.verifiers.deploy(client.chain)
    for spec in honest.verifiers.specs.present():
        assert not spec.production
        code = client.chain.code(spec.verifier)
        assert not pushes_ceremony_point(code)
        assert register(client, replace(spec, production=True)) == "NotCeremonyVerifier"
        assert register(client, spec) == "accepted"


def test_only_instructions_that_push_the_words_count(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(backend="barretenberg")
    spec = world.specs.step
    words = b"".join(CEREMONY_G2)
    halves = [b"\x6f" + w[:16] + b"\x6f" + w[16:] for w in CEREMONY_G2]
    for code in (
        YES,
        YES + words,
        YES + b"".join(halves),
        YES + PUSHES[:-33],
        YES + PUSHES[: 3 * 33] + PUSHES[: 1 * 33],
        YES + PUSHES[:-1],
        YES + PUSHES[:-1] + b"\x00",
        # A push before shifts the sweep by a byte: the words are its data then.
        YES + b"\x60" + PUSHES,
        YES + b"\x61\x00" + PUSHES,
    ):
        hostile = behind(client, spec, code)
        assert not pushes_ceremony_point(code)
        assert register(client, hostile) == "NotCeremonyVerifier", code.hex()
        assert register(client, replace(hostile, production=False)) == "accepted"
    ceremony = synthetic.World(backend="barretenberg", ceremony=True)
    synthetic.lead(client, ceremony)
    assert all(s.production for s in ceremony.specs.present())


def test_no_flag_for_ezkl(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    for spec in world.specs.present():
        assert register(client, replace(spec, production=True)) == "SpecInvalid"
        assert register(client, spec) == "accepted"


def test_a_task_of_both_kinds(client: TrainingClient, synthetic: ModuleType) -> None:
    unsafe = synthetic.World(backend="barretenberg")
    ceremony = synthetic.World(backend="barretenberg", ceremony=True)
    synthetic.lead(client, unsafe)
    synthetic.lead(client, ceremony)
    create = client.ledger.contract.functions.createTask
    good, bad = ceremony.plan.task, unsafe.plan.task
    for mixed in (
        replace(good, step_circuit=bad.step_circuit, salt=b"\x01" * 32),
        replace(good, inference_circuit=bad.inference_circuit, salt=b"\x01" * 32),
    ):
        answer = verdict(client.chain.send, create(task_tuple(mixed)))
        assert answer == "CircuitsIncompatible"
    fresh = replace(good, salt=b"\x01" * 32)
    assert verdict(client.chain.send, create(task_tuple(fresh))) == "accepted"


def test_words_that_are_pushed_and_not_used_fail_the_audit(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """The gateway reads code, not minds: this is what an auditor's comparison is for."""
    world = synthetic.World(backend="barretenberg", ceremony=True)
    code = YES + PUSHES
    hostile = behind(client, world.specs.step, code)
    assert register(client, hostile) == "accepted", "known, and said in docs/soundness.md"
    assert circuit_id(hostile) != circuit_id(world.specs.step)
    manifest = world.manifest(specs=replace(world.specs, step=hostile))
    with pytest.raises(ZkDescentError):
        audit_run(manifest, world.load, synthetic.verify_synthetic, load_object=world.load_object)
    report = audit_run(
        world.manifest(), world.load, synthetic.verify_synthetic, load_object=world.load_object
    )
    assert not report.unsafe_srs
