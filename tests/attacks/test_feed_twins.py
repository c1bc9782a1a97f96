"""A chain and a prover that read the same blocks differently.

An honest prover's features must be the contract's, number by number, or no round is ever accepted;
and what the contract reads of a header must be what PyPI's rlp reads of it, or somebody finds a
header that says two things. Solidity runs in an EVM of its own, on blocks that no chain has.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
import rlp
from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from zkdescent.core.errors import ChainError
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier.twins import HeaderFields, gas_answer, gas_features, read_header

FIELDS = "(bytes32,uint256,uint256,uint256,uint256,bytes32,uint256,uint256)"
RECORDS = "(uint40,uint40,uint40,uint40,uint96)[]"
READ = selector("read(bytes)")
DERIVE = selector(f"derive({RECORDS},uint256)")
ANSWER = selector("answer(uint256,int256,uint256)")


class Contract:
    """A compiled contract in a private EVM."""

    def __init__(self, compiled: dict[str, Any]) -> None:
        self._box = Sandbox()
        self._at = self._box.deploy(bytes.fromhex(compiled["bytecode"].removeprefix("0x")))

    def ask(self, function: bytes, types: list[str], values: list[object], answer: str) -> Any:
        """The answer, None if it reverts."""
        try:
            output = self._box.send(self._at, function + encode(types, values)).output
        except Reverted:
            return None
        return decode([answer], output)[0]


@pytest.fixture(scope="module")
def header_reader(attackers: dict[str, Any]) -> Contract:
    return Contract(attackers["HeaderReader"])


@pytest.fixture(scope="module")
def features_reader(attackers: dict[str, Any]) -> Contract:
    return Contract(attackers["GasFeaturesReader"])


def natural(draw: random.Random, bits: int) -> int:
    """Of any size: zero, small, large and the largest are all likely."""
    return draw.choice((0, 1, 127, 128, draw.getrandbits(draw.randrange(1, bits + 1)), 2**bits - 1))


def as_integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def random_header(draw: random.Random) -> list[bytes]:
    """The fields of a header of any fork, from Frontier to one that is to come."""
    fields = [draw.randbytes(32) for _ in range(draw.randrange(14, 25))]
    fields[2], fields[6], fields[12] = draw.randbytes(20), bytes(256), draw.randbytes(5)
    for place in (7, 8, 9, 10, 11):
        fields[place] = as_integer(natural(draw, 64))
    if len(fields) > 15:
        fields[14], fields[15] = bytes(8), as_integer(natural(draw, 256))
    return fields


def as_fields(answer: Any) -> HeaderFields | None:
    return None if answer is None else HeaderFields(*answer)


def test_headers_are_read_alike_and_like_rlp(header_reader: Contract) -> None:
    draw = random.Random(1)
    for _ in range(25):
        fields = random_header(draw)
        data = rlp.encode(fields)
        answer = as_fields(header_reader.ask(READ, ["bytes"], [data], FIELDS))
        assert answer == read_header(data)
        assert answer is not None
        assert answer.parent_hash == fields[0]
        numbers = [int.from_bytes(field, "big") for field in fields]
        assert [answer.number, answer.gas_limit, answer.gas_used] == numbers[8:11]
        assert answer.timestamp_s == numbers[11]
        assert answer.base_fee_wei == (numbers[15] if len(fields) > 15 else 0)


def test_what_one_refuses_so_does_the_other(header_reader: Contract) -> None:
    """Truncated, extended, another byte, a field of another type: both refuse or both agree."""
    draw = random.Random(2)
    refused = 0
    for turn in range(120):
        fields = random_header(draw)
        kind = turn % 4
        if kind == 0:
            fields[draw.randrange(len(fields))] = draw.randbytes(draw.randrange(40))
        data = bytearray(rlp.encode(fields))
        if kind == 1:
            del data[draw.randrange(len(data)) :]
        elif kind == 2:
            data += draw.randbytes(draw.randrange(1, 40))
        elif kind == 3:
            place = draw.choice((draw.randrange(4), draw.randrange(448, min(len(data), 520))))
            data[place] = draw.choice((0x00, 0x80, 0x81, 0xB7, 0xB8, 0xB9, 0xC0, 0xF8, 0xF9))
        answer = as_fields(header_reader.ask(READ, ["bytes"], [bytes(data)], FIELDS))
        try:
            expected: HeaderFields | None = read_header(bytes(data))
        except ChainError:
            expected = None
        assert answer == expected, data.hex()
        refused += expected is None
    assert 60 < refused < 120


def test_features_are_the_same_integers(features_reader: Contract) -> None:
    draw = random.Random(3)
    for _ in range(120):
        blocks, bits = random_window(draw), draw.randrange(33)
        records = [
            (b.number, b.timestamp_s, b.gas_used, b.gas_limit, b.base_fee_wei) for b in blocks
        ]
        answer = features_reader.ask(DERIVE, [RECORDS, "uint256"], [records, bits], "int256[]")
        try:
            expected: tuple[int, ...] | None = gas_features(blocks, bits)
        except ChainError:
            expected = None
        assert answer == expected


def random_window(draw: random.Random) -> list[HeaderFields]:
    blocks = []
    for number in range(1, draw.randrange(2, 10)):
        limit = max(natural(draw, 40), int(draw.randrange(20) != 0))
        used = draw.choice((0, limit, limit // 2, draw.randrange(limit + 1)))
        fee = max(natural(draw, 96), int(draw.randrange(20) != 0))
        blocks.append(HeaderFields(bytes(32), number, limit, used, 12 * number, bytes(32), fee, 21))
    return blocks


def test_answers_are_the_same_integers(features_reader: Contract) -> None:
    draw = random.Random(4)
    types = ["uint256", "int256", "uint256"]
    for _ in range(120):
        fee, output = natural(draw, 96), natural(draw, 126) * draw.choice((1, -1))
        bits = draw.randrange(33)
        answer = features_reader.ask(ANSWER, types, [fee, output, bits], "int256")
        assert answer == gas_answer(fee, output, bits)
