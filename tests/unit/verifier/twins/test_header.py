"""Headers rebuilt from JSON have the hash of the block, or are refused."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError
from zkdescent.verifier import Chain
from zkdescent.verifier.twins import header_rlp, mix_hash

NAMES = [
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot",
    "logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData",
    "mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas",
    "parentBeaconBlockRoot", "requestsHash",
]  # fmt: skip
QUANTITIES = {
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed",
    "excessBlobGas",
}  # fmt: skip


def as_json(encoded: bytes) -> dict[str, Any]:
    """A header as a node shows it in eth_getBlockByNumber."""
    block: dict[str, Any] = {"hash": "0x" + keccak(encoded).hex(), "transactions": []}
    for name, value in zip(NAMES, rlp.decode(encoded), strict=False):
        number = name in QUANTITIES
        block[name] = hex(int.from_bytes(value, "big")) if number else "0x" + value.hex()
    return block


@pytest.fixture(scope="module")
def header() -> bytes:
    with Chain.tester() as chain:
        chain.mine(2)
        return chain.header_rlp(2)


def test_header_rlp_rebuilds_a_prague_header(header: bytes) -> None:
    assert len(rlp.decode(header)) == len(NAMES)
    assert header_rlp(as_json(header)) == header


@pytest.mark.parametrize("fields", [15, 16, 17, 20])
def test_header_rlp_rebuilds_headers_of_earlier_forks(header: bytes, fields: int) -> None:
    earlier = rlp.encode(rlp.decode(header)[:fields])
    assert header_rlp(as_json(earlier)) == earlier


def test_header_rlp_ignores_fields_that_are_none(header: bytes) -> None:
    london = rlp.encode(rlp.decode(header)[:16])
    assert header_rlp({**as_json(london), "withdrawalsRoot": None}) == london


def test_mix_hash_reads_field_13(header: bytes) -> None:
    assert "0x" + mix_hash(header).hex() == as_json(header)["mixHash"]


@pytest.mark.parametrize("name", NAMES)
def test_header_rlp_rejects_any_changed_field(header: bytes, name: str) -> None:
    block = as_json(header)
    value = str(block[name])
    last = "1" if value[-1] != "1" else "2"
    changed = "0x01" if name == "extraData" else value[:-1] + last
    with pytest.raises(ChainError, match="another hash"):
        header_rlp({**block, name: changed})


def test_header_rlp_names_unknown_later_fields(header: bytes) -> None:
    later = rlp.encode([*rlp.decode(header), b"\x01" * 32, b"\x02" * 32])
    with pytest.raises(ChainError, match="another hash") as error:
        header_rlp({**as_json(later), "slotNumber": "0x1"})
    assert "slotNumber" in str(error.value.hint)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixHash": None}, "incomplete"),
        ({"hash": None}, "incomplete"),
        ({"number": "ten"}, "unreadable"),
        ({"extraData": "0xzz"}, "unreadable"),
        ({"stateRoot": "0x00"}, "another width"),
    ],
)
def test_header_rlp_rejects_incomplete_blocks(
    header: bytes, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ChainError, match=message):
        header_rlp({**as_json(header), **change})


@pytest.mark.parametrize("bad", [b"", b"\xc0", b"\xf9\x02", rlp.encode([b"a"] * 20)])
def test_mix_hash_rejects_what_is_no_header(bad: bytes) -> None:
    with pytest.raises(ChainError):
        mix_hash(bad)
