"""Circuits that verify proofs, as data: which witness stands where, what is refused."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import msgpack
import pytest

from zkdescent.circuits.barretenberg.poseidon2 import sponge
from zkdescent.circuits.barretenberg.recursion import (
    PROOF_FIELDS,
    Aggregate,
    ChildKey,
    ChildProof,
)
from zkdescent.core.errors import ChainOfProofsBroken, ConfigError, ProverError
from zkdescent.core.records import FIELD_MODULUS
from zkdescent.verifier.twins.layout import layout_of

_LIMBS = 8


def _vk(words: int, seed: int = 0) -> bytes:
    """A key by its form: size 2**12, so many public inputs, 28 points that are none."""
    header = [12, words + _LIMBS, 5]
    coordinates = [(seed + 1) << 200 | i << 140 | 5 + i for i in range(56)]
    return b"".join(value.to_bytes(32, "big") for value in header + coordinates)


def _proof(*words: int) -> ChildProof:
    return ChildProof(words, tuple(range(PROOF_FIELDS)))


def _opcodes(aggregate: Aggregate) -> list[Any]:
    packed = gzip.decompress(base64.b64decode(json.loads(aggregate.circuit())["bytecode"]))
    functions, _ = msgpack.unpackb(packed[1:], strict_map_key=False)
    opcodes = functions[0][1]
    assert isinstance(opcodes, list)
    return opcodes


def _indices(inputs: list[dict[str, int]]) -> list[int]:
    return [entry["Witness"] for entry in inputs]


def test_a_key_is_read_in_limbs_and_hashed() -> None:
    key = ChildKey.of(_vk(4))
    assert key.words == 4
    assert key.fields[:3] == (12, 12, 5)
    assert len(key.fields) == 3 + 4 * 28
    low, high = key.fields[3:5]
    assert (low, high) == (5, 1 << 64)
    assert low + (high << 136) == 1 << 200 | 5
    assert key.digest == sponge(len(key.fields) << 64, key.fields)
    assert key.file() == b"".join(field.to_bytes(32, "big") for field in key.fields)
    assert ChildKey.of(_vk(4, seed=1)).digest != key.digest


@pytest.mark.parametrize("size", [0, 32, 1887, 1889, 3680])
def test_what_is_no_key_is_refused(size: int) -> None:
    with pytest.raises(ProverError, match="not a verifying key"):
        ChildKey.of(bytes(size))


def test_proofs_are_read_word_by_word() -> None:
    fields = [FIELD_MODULUS - 1 - i for i in range(PROOF_FIELDS)]
    proof = b"".join(field.to_bytes(32, "big") for field in fields)
    inputs = (7).to_bytes(32, "big") + (8).to_bytes(32, "big")
    child = ChildProof.of(inputs, proof)
    assert child == ChildProof((7, 8), tuple(fields))
    assert (child.public_inputs(), child.file()) == (inputs, proof)
    too_large = FIELD_MODULUS.to_bytes(32, "big")
    for wrong in (
        (inputs, proof[:-1]),
        (inputs, proof[:-32]),
        (inputs, proof + bytes(32)),
        (inputs, too_large + proof[32:]),
        (too_large, proof),
        (inputs[:-1], proof),
    ):
        with pytest.raises(ProverError, match="not a proof"):
            ChildProof.of(*wrong)


def test_the_words_of_blocks_are_shared_by_what_they_mean() -> None:
    aggregate = Aggregate(ChildKey.of(_vk(4)), 3)
    outer = aggregate.layout
    assert outer == layout_of("barretenberg", "aggregate", 3)
    for child in range(3):
        context, state_in, batch, state_out = aggregate.child_words(child)
        block = outer.blocks[child]
        assert (context, batch, state_out) == (block.context, block.batch, block.state_out)
        assert state_in == (outer.blocks[child - 1].state_out if child else outer.state_in)


def test_an_aggregate_of_aggregates_has_the_words_of_all_blocks() -> None:
    tree = Aggregate(ChildKey.of(_vk(7)), 2, child_blocks=2)
    assert tree.blocks == 4
    assert tree.layout == layout_of("barretenberg", "aggregate", 4)
    assert tree.child_words(0) == [0, 1, 2, 3, 4, 5, 6]
    assert tree.child_words(1) == [6, 7, 8, 9, 10, 11, 12]


def test_the_circuit_fixes_the_key_and_verifies_every_proof() -> None:
    key = ChildKey.of(_vk(4))
    aggregate = Aggregate(key, 2)
    opcodes = _opcodes(aggregate)
    fixed = {}
    for opcode in opcodes[:-2]:
        products, linear, constant = opcode["AssertZero"]
        ((coefficient, witness),) = linear
        assert (products, int.from_bytes(coefficient, "big")) == ([], 1)
        fixed[witness] = -int.from_bytes(constant, "big") % FIELD_MODULUS
    assert list(fixed.values()) == [*key.fields, key.digest]
    seen: set[int] = set()
    for child, opcode in enumerate(opcodes[-2:]):
        call = opcode["BlackBoxFuncCall"]["RecursiveAggregation"]
        vk, proof, words, digest, kind, predicate = call
        assert _indices([*vk, digest]) == list(fixed)
        assert _indices(words) == aggregate.child_words(child)
        assert kind == 6
        assert predicate == {"Constant": (1).to_bytes(32, "big")}
        own = set(_indices(proof))
        assert len(own) == PROOF_FIELDS
        assert not own & (seen | set(fixed) | set(range(aggregate.layout.slots)))
        seen |= own
    assert aggregate.circuit() == Aggregate(ChildKey.of(_vk(4)), 2).circuit()
    assert aggregate.circuit() != Aggregate(ChildKey.of(_vk(4, seed=1)), 2).circuit()


def test_the_witness_has_words_key_and_proofs_where_the_circuit_reads_them() -> None:
    aggregate = Aggregate(ChildKey.of(_vk(4)), 2)
    first, second = _proof(10, 1, 20, 2), _proof(11, 2, 21, 3)
    assert aggregate.words([first, second]) == [1, 10, 20, 2, 11, 21, 3]
    packed = gzip.decompress(aggregate.witness([first, second]))
    ((_, stack),) = msgpack.unpackb(packed[1:], strict_map_key=False)[0]
    values = [int.from_bytes(stack[i], "big") for i in range(len(stack))]
    expected = [1, 10, 20, 2, 11, 21, 3, *aggregate.key.fields, aggregate.key.digest]
    assert values == [*expected, *first.fields, *second.fields]


def test_states_that_do_not_chain_are_refused() -> None:
    aggregate = Aggregate(ChildKey.of(_vk(4)), 2)
    with pytest.raises(ChainOfProofsBroken, match="proof 1 starts from another state"):
        aggregate.witness([_proof(10, 1, 20, 2), _proof(11, 9, 21, 3)])
    tree = Aggregate(ChildKey.of(_vk(7)), 2, child_blocks=2)
    halves = _proof(1, 10, 20, 2, 11, 21, 3), _proof(3, 12, 22, 4, 13, 23, 5)
    assert tree.words(halves) == [1, 10, 20, 2, 11, 21, 3, 12, 22, 4, 13, 23, 5]
    with pytest.raises(ChainOfProofsBroken, match="proof 1"):
        tree.words(halves[::-1])


def test_other_numbers_of_proofs_words_and_blocks_are_refused() -> None:
    aggregate = Aggregate(ChildKey.of(_vk(4)), 2)
    for proofs in ([], [_proof(10, 1, 20, 2)], [_proof(10, 1, 20, 2)] * 3):
        with pytest.raises(ProverError, match="another number of proofs"):
            aggregate.words(proofs)
    with pytest.raises(ProverError, match="proof 1 is not the child's"):
        aggregate.words([_proof(10, 1, 20, 2), _proof(11, 2, 21)])
    for words, children, blocks in ((5, 2, 1), (4, 2, 2), (7, 2, 1)):
        with pytest.raises(ConfigError, match="no circuit of this many blocks"):
            Aggregate(ChildKey.of(_vk(words)), children, blocks)
    for children, blocks in ((0, 1), (2, 0)):
        with pytest.raises(ConfigError, match="at least one"):
            Aggregate(ChildKey.of(_vk(4)), children, blocks)
