"""Thousands of changed proofs, words, values and calls against the gateway and the verifiers.

On anvil, by eth_call: its precompiles are native, so one verification takes milliseconds. Every
family says how many variants it must at least have, and by which errors they are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode

from zkdescent.circuits.barretenberg.doubling import Q
from zkdescent.core.records import Role
from zkdescent.verifier import Chain, TrainingClient
from zkdescent.verifier.twins import from_field
from zkdescent.verifier.twins.fixed import SCALAR_FIELD as R

from .campaign import (
    ARGUMENT,
    COORDINATE,
    COUNT,
    LENGTH,
    LIMB,
    LIMBS,
    ROLES,
    SCALAR,
    SHPLEMINI,
    SUMCHECK,
    TRUE,
    VERIFY,
    WORD,
    Evidence,
    Target,
    affine,
    changed_words,
    evidence_of,
    joined,
    limbs,
    numbers,
    points_of,
    refused,
    replaced,
)
from .honk import HonkRun, deploy_foreign, foreign_circuit, foreign_proof

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.chain]


@pytest.fixture(scope="module")
def client(honest: HonkRun) -> Iterator[TrainingClient]:
    with Chain.anvil() as chain:
        yield honest.open_on(chain)


@pytest.fixture(scope="module", params=ROLES)
def target(
    request: pytest.FixtureRequest, honest: HonkRun, client: TrainingClient
) -> Iterator[Target]:
    """Each circuit; its honest proof is accepted before and after everything done to it."""
    role: Role = request.param
    record = honest.proof() if role == "step" else honest.inference.proof
    made = Target(
        client.chain,
        client.addresses.circuits,
        getattr(honest.verifiers.specs, role).verifier,
        getattr(honest.plan.task, f"{role}_circuit"),
        evidence_of(role, record),
    )
    made.require_honest()
    yield made
    made.require_honest()


def test_every_word_of_the_argument(target: Target) -> None:
    words = numbers(target.honest.proof)
    variants = [target.honest.with_proof(joined(new)) for new in changed_words(words)]
    direct = refused(target, target.verifier, map(target.verified, variants), 2_000)
    assert direct == ARGUMENT
    through = refused(target, target.gateway, map(target.checked, variants), 2_000)
    assert through == {"ProofRejected"}


def test_every_public_input(target: Target) -> None:
    inputs = list(target.honest.inputs)
    variants = [target.honest.with_inputs(new) for new in changed_words(inputs)]
    pairs = [(i, j) for i in range(len(inputs)) for j in range(i) if inputs[i] != inputs[j]]
    for i, j in pairs:
        swapped = list(inputs)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        variants.append(target.honest.with_inputs(swapped))
    variants.append(target.honest.with_inputs([*inputs[1:], inputs[0]]))
    variants.append(target.honest.with_inputs([0] * len(inputs)))
    variants.append(target.honest.with_inputs([R] * len(inputs)))
    least = 9 * len(inputs) + len(inputs) - 1
    direct = refused(target, target.verifier, map(target.verified, variants), least)
    assert direct == {SUMCHECK, SCALAR}
    through = refused(target, target.gateway, map(target.checked, variants), least)
    assert {"ProofRejected", "WordNotInField"} <= through
    assert through <= {"ProofRejected", "WordNotInField", "ValueNotInField"}
    asked = target.honest.words[0]
    contexts = [target.checked(target.honest, context=asked ^ 1 << bit) for bit in range(256)]
    contexts.append(target.checked(target.honest, context=asked + R))
    assert refused(target, target.gateway, contexts, 257) == {"ContextMismatch"}


def test_every_point(target: Target) -> None:
    """Infinity, the negative, the generator, any other point of the proof: all on the curve."""
    words = numbers(target.honest.proof)
    places = points_of(words)
    assert len(places) >= 25
    variants = []
    for number, place in enumerate(places):
        x, y = words[place], words[place + 1]
        after = places[(number + 1) % len(places)]
        others = [(0, 0), (x, Q - y), affine(1), affine(2), (words[after], words[after + 1])]
        variants += [replaced(words, place, *other) for other in others]
    negated, nothing = list(words), list(words)
    for place in places:
        negated[place + 1] = Q - words[place + 1]
        nothing[place] = nothing[place + 1] = 0
    variants += [negated, nothing]
    calls = [target.honest.with_proof(joined(new)) for new in variants if new != words]
    direct = refused(target, target.verifier, map(target.verified, calls), 5 * len(places))
    assert {SUMCHECK, SHPLEMINI} <= direct <= ARGUMENT - {LIMB, COORDINATE, SCALAR}
    through = refused(target, target.gateway, map(target.checked, calls), 5 * len(places))
    assert through == {"ProofRejected"}


def test_every_limb_and_another_accumulator(target: Target) -> None:
    """Pairing points that would pass the pairing by themselves: the string's secret is 2."""
    words = numbers(target.honest.proof)
    variants = [
        replaced(words, place, value)
        for place in range(LIMBS)
        for value in (1, 2, 1 << 64, (1 << 120) - 1, 1 << 120, (1 << 136) - 1, 1 << 136, R, Q)
        if words[place] != value
    ]
    for scalar in (1, 2, 3, 7):
        for first, second in ((-2, 1), (2, -1), (1, -2), (1, 1)):
            pair = limbs(affine(first * scalar), affine(second * scalar))
            variants.append(replaced(words, 0, *pair))
    calls = [target.honest.with_proof(joined(new)) for new in variants]
    direct = refused(target, target.verifier, map(target.verified, calls), 80)
    assert {SUMCHECK, LIMB} <= direct
    through = refused(target, target.gateway, map(target.checked, calls), 80)
    assert through == {"ProofRejected"}


def test_every_length(target: Target) -> None:
    whole, inputs = target.honest.proof, target.honest.inputs
    sizes = (1, 31, 32, 33, 63, 64, 320, len(whole) - 1, len(whole))
    shorter = [whole[:-n] for n in sizes] + [whole[n:] for n in sizes]
    longer = [whole + bytes(n) for n in sizes] + [bytes(n) + whole for n in sizes]
    longer += [whole + whole[:n] for n in sizes]
    calls = [target.honest.with_proof(proof) for proof in shorter + longer]
    least = 4 * len(sizes)
    direct = refused(target, target.verifier, map(target.verified, calls), least)
    assert LENGTH in direct <= {LENGTH, ""}
    through = refused(target, target.gateway, map(target.checked, calls), least)
    assert through == {"ProofLength"}
    counts = [[], inputs[:-1], inputs[1:], (*inputs, 0), (*inputs, inputs[-1]), inputs + inputs]
    numbered = [Evidence(tuple(given), (), whole) for given in counts]
    assert refused(target, target.verifier, map(target.verified, numbered), 6) == {""}
    values = target.honest.values
    valued = [Evidence(target.honest.words, given, whole) for given in ((*values, 0), (*values, 1))]
    assert refused(target, target.gateway, map(target.checked, valued), 2) == {"PublicValueCount"}
    # A word that moves between the words and the values, or between the words and the argument.
    words = target.honest.words
    moved = Evidence(words[:-1], (words[-1], *values), whole)
    assert refused(target, target.gateway, [target.checked(moved)], 1) == {"ProofLength"}
    early = Evidence(words[1:], values, joined(words[:1]) + whole)
    assert refused(target, target.gateway, [target.checked(early)], 1) == {"ProofRejected"}


def test_parts_of_other_good_proofs(
    target: Target, honest: HonkRun, write_project: Callable[..., Path]
) -> None:
    """Each word of a second proof of the same statement; whole proofs of something else."""
    role: Role = "inference" if target.honest.values else "step"
    ours = target.honest
    if role == "step":
        batch = honest.blueprint.fixed_blocks[honest.plan.order()[0]]
        again = honest.prove_block(honest.plan.context(0), honest.states[0], batch)
        others = [honest.proof(1), foreign_proof(honest, write_project)]
    else:
        row = [from_field(v) for v in ours.values[: honest.circuit("inference").features]]
        made = honest.prove("inference", [ours.words[0]], honest.states[-1], row)
        record = honest.inference.proof
        again = replace(record, proof=made.proof)
        turned = honest.prove("inference", [ours.words[0]], honest.states[-1], row[::-1])
        others = [replace(record, proof=turned.proof, public_values=turned.public_values)]
    second = evidence_of(role, again)
    assert second.inputs == ours.inputs
    assert target.answer(target.gateway, target.checked(second))[0] == "accepted"
    words, fresh = numbers(ours.proof), numbers(second.proof)
    singles = [replaced(words, i, fresh[i]) for i in range(len(words)) if fresh[i] != words[i]]
    halves = [words[:i] + fresh[i:] for i in range(0, len(words), 8)]
    halves = [new for new in halves if new not in (words, fresh)]
    mixed = [ours.with_proof(joined(new)) for new in singles + halves]
    least = len(words) - LIMBS
    assert refused(target, target.verifier, map(target.verified, mixed), least) <= ARGUMENT
    assert refused(target, target.gateway, map(target.checked, mixed), least) == {"ProofRejected"}
    for record in others:
        other = evidence_of(role, record)
        crossed = [ours.with_proof(other.proof), other.with_proof(ours.proof)]
        if record.circuit != honest.circuit(role).vk_sha256:
            crossed.append(other)
        assert refused(target, target.verifier, map(target.verified, crossed), 2) <= ARGUMENT
        assert refused(target, target.gateway, map(target.checked, crossed), 2) == {"ProofRejected"}


def test_the_verifier_takes_one_encoding(target: Target) -> None:
    """Each bit of the selector, offsets and lengths; gaps, overlaps, orders, trailing bytes."""
    call = target.verified(target.honest)
    proof = len(target.honest.proof)
    heads = [*range(4), *range(4, 4 + 96), *range(4 + 96 + proof, 4 + 128 + proof)]
    calls = []
    for place in heads:
        for bit in range(8):
            changed = bytearray(call)
            changed[place] ^= 1 << bit
            calls.append(bytes(changed))
    calls += [call + bytes(n) for n in (1, 4, 31, 32, 33, 64, 1024)]
    calls += [call + b"\xff", call + call, call[:4] + call]
    calls += [call[:-n] for n in (1, 31, 32, 33, 64, proof)] + [call[:n] for n in (0, 1, 3, 4, 36)]
    words = [call[i : i + WORD] for i in range(4, len(call), WORD)]
    split = 3 + proof // WORD
    body, given = words[2:split], words[split:]

    def offsets(*places: int) -> list[bytes]:
        return [place.to_bytes(WORD, "big") for place in places]

    size, count = WORD * len(body), WORD * len(given)
    for gap in (1, 2, 8):
        hole = [bytes(WORD)] * gap
        start, after = 64 + WORD * gap, 64 + size + WORD * gap
        calls.append(VERIFY + b"".join([*offsets(start, start + size), *hole, *body, *given]))
        calls.append(VERIFY + b"".join([*offsets(64, after), *body, *hole, *given]))
    calls.append(VERIFY + b"".join([*offsets(64 + count, 64), *given, *body]))
    calls.append(VERIFY + b"".join([*offsets(64 + size, 64), *body, *given]))
    calls.append(VERIFY + b"".join([*offsets(64, 64), *body]))
    calls.append(VERIFY + b"".join([*offsets(64, 64 + size + count), *body, *given, *given]))
    calls.append(VERIFY + b"".join([*offsets(1 << 255 | 64, 64 + size), *body, *given]))
    assert refused(target, target.verifier, calls, 1050) <= {"", LENGTH, COUNT}


def test_the_gateway_reads_any_encoding_and_forwards_one(target: Target) -> None:
    """It decodes and encodes again: an odd encoding of the honest statement is that statement."""
    call = target.checked(target.honest)
    _, claim = target.answer(target.gateway, call)
    odd = [call + bytes(n) for n in (1, 31, 32)]
    gap = call[: 4 + 64] + (0x80).to_bytes(WORD, "big") + bytes(WORD) + call[4 + 96 :]
    for encoding in (*odd, gap):
        assert target.answer(target.gateway, encoding) == ("accepted", claim)
    state_in, batch, _ = decode(["bytes32", "bytes32", "bytes32"], claim)
    assert any(state_in)
    assert any(batch) == (not target.honest.values)
    # Each bit of what it is asked: circuit, context, where the evidence and its proof are, and how
    # long. (The offset of an empty list may point to any zero.)
    heads = [*range(4 + 128), *range(4 + 192, 4 + 224)]
    if target.honest.values:
        heads += range(4 + 128, 4 + 160)
    calls = []
    for place in heads:
        for bit in range(8):
            changed = bytearray(call)
            changed[place] ^= 1 << bit
            calls.append(bytes(changed))
    calls += [call[:-n] for n in (33, 64, 96, 1024, 5000)] + [call[:n] for n in (0, 3, 4, 36, 68)]
    reasons = refused(target, target.gateway, calls, 1280)
    assert {"CircuitUnknown", "ContextMismatch", "ProofLength", ""} <= reasons


def test_other_code_at_the_verifiers_address(target: Target) -> None:
    """Code that says yes to everything, where the registered code was."""
    node: Any = target.chain._node
    code = target.chain.code(target.verifier)
    yes = "0x60015f5260205ff3"
    nonsense = target.honest.with_proof(bytes(len(target.honest.proof)))
    assert target.answer(target.gateway, target.checked(nonsense))[0] == "ProofRejected"
    try:
        node.rpc("anvil_setCode", target.verifier, yes)
        assert target.answer(target.verifier, target.verified(nonsense)) == ("accepted", TRUE)
        for evidence in (nonsense, target.honest):
            call = target.checked(evidence)
            assert target.answer(target.gateway, call)[0] == "VerifierChanged"
        node.rpc("anvil_setCode", target.verifier, "0x")
        assert target.answer(target.gateway, target.checked(nonsense))[0] == "VerifierChanged"
    finally:
        node.rpc("anvil_setCode", target.verifier, "0x" + code.hex())


def test_a_foreign_circuit_at_the_verifiers(
    honest: HonkRun, client: TrainingClient, write_project: Callable[..., Path]
) -> None:
    """Its proof is good at its own verifier, and at no other."""
    address = deploy_foreign(client, foreign_circuit(honest, write_project))
    evidence = evidence_of("step", foreign_proof(honest, write_project))
    spec = honest.verifiers.specs.step
    circuit = honest.plan.task.step_circuit
    home = Target(client.chain, client.addresses.circuits, address, circuit, evidence)
    assert home.answer(address, home.verified(evidence)) == ("accepted", TRUE)
    assert home.answer(spec.verifier, home.verified(evidence))[0] == SUMCHECK
    ours = evidence_of("step", honest.proof())
    assert home.answer(address, home.verified(ours))[0] == SUMCHECK
    assert home.answer(home.gateway, home.checked(evidence))[0] == "ProofRejected"
