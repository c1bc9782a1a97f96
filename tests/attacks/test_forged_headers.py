"""Forged, truncated, extended and oddly spelt block headers.

The attacker wants to choose the randomness of the batch order, or to have the ledger read another
field as the number or the randomness: he changes the bytes of the real header, its length prefixes
and the borders of its fields, cuts it and extends it.

In the ledger he fails at the hash: nothing but the real header has the seed block's hash
(``WrongHeader``). The parser is strict even so, and is attacked here by itself: whatever it takes,
PyPI's rlp decodes strictly to the same number and mixHash.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import rlp
from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.crypto import keccak
from rlp.exceptions import RLPException

from zkdescent.verifier import Chain, TrainingClient
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier.twins import mix_hash

from .actors import send

PARSE = function_signature_to_4byte_selector("parse(bytes)")
NUMBER, MIX_HASH, BASE_FEE = 8, 13, 15
EDGES = (0x00, 0x01, 0x7F, 0x80, 0x81, 0xA0, 0xB7, 0xB8, 0xB9, 0xBA, 0xBF, 0xC0, 0xF7, 0xF8, 0xF9,
         0xFA, 0xFF)  # fmt: skip


@pytest.fixture(scope="module")
def header() -> bytes:
    """A real header, of a block whose number has two bytes."""
    with Chain.tester() as chain:
        chain.mine(258)
        return chain.header_rlp(258)


def judged(data: bytes) -> tuple[int, bytes] | None:
    """What PyPI's rlp reads: number and mixHash of a list of canonical byte strings."""
    try:
        fields = rlp.decode(data, strict=True)
    except RLPException:
        return None
    if isinstance(fields, bytes) or any(not isinstance(field, bytes) for field in fields):
        return None
    if len(fields) <= MIX_HASH or any(len(fields[place]) != 32 for place in (0, MIX_HASH)):
        return None
    number = fields[NUMBER]
    if any(len(field) > 8 or field[:1] == b"\0" for field in fields[NUMBER : NUMBER + 4]):
        return None
    if any(len(fee) > 32 or fee[:1] == b"\0" for fee in fields[BASE_FEE : BASE_FEE + 1]):
        return None
    return int.from_bytes(number, "big"), fields[MIX_HASH]


class Reader:
    """Header.sol behind one function, in an EVM of its own."""

    def __init__(self, creation: bytes) -> None:
        self._box = Sandbox()
        self._at = self._box.deploy(creation)

    def read(self, data: bytes) -> tuple[int, bytes] | None:
        try:
            answer = self._box.send(self._at, PARSE + encode(["bytes"], [data])).output
        except Reverted:
            return None
        number, mixed = decode(["uint256", "bytes32"], answer)
        return number, mixed


@pytest.fixture(scope="module")
def reader(attackers: dict[str, Any]) -> Reader:
    return Reader(bytes.fromhex(attackers["HeaderReader"]["bytecode"].removeprefix("0x")))


def borders(header: bytes) -> list[int]:
    """Where the prefixes of the list and of all fields stand, and the bytes beside them."""
    places, cursor = {0, 1, 2}, 3
    while cursor < len(header):
        places |= {cursor - 1, cursor}
        prefix = header[cursor]
        if prefix < 0x80:
            cursor += 1
        elif prefix <= 0xB7:
            cursor += 1 + prefix - 0x80
        else:
            size = prefix - 0xB7
            places |= set(range(cursor, cursor + size + 1))
            cursor += 1 + size + int.from_bytes(header[cursor + 1 : cursor + 1 + size], "big")
    places.add(len(header) - 1)
    return sorted(places)


def with_byte(header: bytes, place: int, value: int) -> bytes:
    return header[:place] + bytes([value]) + header[place + 1 :]


def mutations(header: bytes, values: Any) -> Iterator[bytes]:
    """Each byte at a border replaced, dropped and doubled."""
    for place in borders(header):
        for value in {*values, header[place] ^ 1, (header[place] + 1) % 256} - {header[place]}:
            yield with_byte(header, place, value)
        yield header[:place] + header[place + 1 :]
        yield header[: place + 1] + header[place:]


def relists(header: bytes) -> Iterator[bytes]:
    """Other lists of the same and of other fields, with and without a right length."""
    fields = rlp.decode(header)
    for count in range(len(fields) + 1):
        yield rlp.encode(fields[:count])
        yield rlp.encode(fields[count:])
    for extra in (b"", b"\x01", b"\x01" * 32, [], [b"\x01"]):
        yield rlp.encode([*fields, extra])
        yield rlp.encode([extra, *fields])
        yield rlp.encode([*fields[:MIX_HASH], extra, *fields[MIX_HASH:]])
        yield rlp.encode([*fields[:MIX_HASH], extra, *fields[MIX_HASH + 1 :]])
        yield rlp.encode([*fields[:NUMBER], extra, *fields[NUMBER + 1 :]])
    for number in (b"\0\x01", b"\x01" * 8, b"\x01" * 9, b"\xff" * 32, bytes(8)):
        yield rlp.encode([*fields[:NUMBER], number, *fields[NUMBER + 1 :]])
    for size in (31, 33, 0, 64):
        yield rlp.encode([*fields[:MIX_HASH], bytes(size), *fields[MIX_HASH + 1 :]])
    yield rlp.encode([header])
    yield rlp.encode(header)
    body = header[3:]
    for prefix in (b"\xf8\xff", b"\xfa\x00" + header[1:3], b"\xfb\x00\x00" + header[1:3]):
        yield prefix + body
    yield b"\xb9" + header[1:]


def agree(reader: Reader, header: bytes, variants: Iterator[bytes]) -> tuple[int, int]:
    """Both read the same or the contract reads nothing; how many it read, of how many."""
    distinct = {v for v in variants if v != header}
    read = 0
    for variant in distinct:
        got = reader.read(variant)
        if got is not None:
            assert got == judged(variant), variant.hex()
            read += 1
    return read, len(distinct)


def test_the_real_header_is_read_as_the_judge_reads_it(reader: Reader, header: bytes) -> None:
    assert reader.read(header) == judged(header) == (258, mix_hash(header))
    assert len(borders(header)) > 40


def test_every_border_at_the_edges_of_the_encoding(reader: Reader, header: bytes) -> None:
    read, total = agree(reader, header, mutations(header, EDGES))
    assert total > 700
    assert 0 < read < total // 2, "other extra data or parents are headers; most are nothing"


@pytest.mark.slow
def test_every_byte_value_at_every_border(reader: Reader, header: bytes) -> None:
    _, total = agree(reader, header, mutations(header, range(256)))
    assert total > 9_000


@pytest.mark.slow
def test_every_bit_of_the_header(reader: Reader, header: bytes) -> None:
    flipped = (
        with_byte(header, i, header[i] ^ 1 << b) for i in range(len(header)) for b in range(8)
    )
    agree(reader, header, flipped)


def test_truncated_and_extended(reader: Reader, header: bytes) -> None:
    cuts = [0, 1, 2, 3, 4, *(n for n in borders(header) if n < len(header))]
    for variant in [header[:n] for n in cuts] + [header[n:] for n in cuts if n]:
        assert reader.read(variant) is None
    for tail in (b"\0", b"\x80", b"\x01", bytes(32), header):
        assert reader.read(header + tail) is None
        assert reader.read(tail + header) is None
    read, total = agree(reader, header, relists(header))
    assert 10 < read < total, "fields of later forks are walked over"


def test_the_ledger_takes_the_real_header_alone(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(seed_delay=2)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    state = client.ledger.task(world.plan.task_id)
    assert state is not None
    client.chain.wait_for_block(state.seed_block + 1)
    real = client.chain.header_rlp(state.seed_block)
    forged = list(mutations(real, [real[0]]))[::3] + list(relists(real))[::3]
    fields = rlp.decode(real)
    fields[MIX_HASH] = keccak(text="chosen")
    forged += [rlp.encode(fields), real + b"\0", real[:-1], b"", bytes(len(real))]
    tried = {header for header in forged if header != real}
    assert len(tried) > 40
    for header in tried:
        assert send(client, "seal", world.plan.task_id, header) == "WrongHeader"
    assert send(client, "seal", world.plan.task_id, real) == "accepted"
