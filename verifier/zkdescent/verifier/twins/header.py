"""Block headers: RLP from the JSON-RPC fields of any node, and fields from RLP (Header.sol).

RLP is the input of TrainingLedger.seal and of ChainHistory.record.

Not every node serves raw headers (anvil has no debug_getRawHeader), so the RLP list is rebuilt
from eth_getBlockByNumber and its keccak256 compared with the block hash the node reports. Fields
are appended by forks in a fixed order; a node that leaves out a later one predates its fork.

Order: Yellow Paper section 4.4 (0-14), EIP-1559 (15), EIP-4895 (16), EIP-4844 (17, 18),
EIP-4788 (19), EIP-7685 (20), EIP-7928 (21).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import rlp
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError

MIX_HASH_FIELD = 13
NUMBER_FIELD = 8

# (JSON name, width in bytes or None for an integer without leading zeros, 0 for free length)
_FIELDS: tuple[tuple[str, int | None], ...] = (
    ("parentHash", 32), ("sha3Uncles", 32), ("miner", 20), ("stateRoot", 32),
    ("transactionsRoot", 32), ("receiptsRoot", 32), ("logsBloom", 256), ("difficulty", None),
    ("number", None), ("gasLimit", None), ("gasUsed", None), ("timestamp", None),
    ("extraData", 0), ("mixHash", 32), ("nonce", 8), ("baseFeePerGas", None),
    ("withdrawalsRoot", 32), ("blobGasUsed", None), ("excessBlobGas", None),
    ("parentBeaconBlockRoot", 32), ("requestsHash", 32), ("blockAccessListHash", 32),
)  # fmt: skip
_REQUIRED = 15
_LONGEST = 0xFFFF + 3  # two bytes of length, and the prefix before them


def _bytes(name: str, value: object, width: int | None) -> bytes:
    """One header field as RLP content; JSON-RPC writes both kinds as 0x-hex."""
    try:
        text = value if isinstance(value, str) else str(value)
        if width is None:
            number = int(text, 16)
            return number.to_bytes((number.bit_length() + 7) // 8, "big")
        content = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise ChainError("unreadable header field", expected="0x-hex", got={name: value}) from error
    if width and len(content) != width:
        raise ChainError(f"header field {name} has another width", expected=width, got=len(content))
    return content


def header_rlp(block: Mapping[str, object]) -> bytes:
    """Return the RLP of a block's header, checked against the hash in the same reply.

    Args:
        block: the result of eth_getBlockByNumber, 0x-hex strings under JSON-RPC names.

    Raises:
        ChainError: a field is missing or unreadable, or the rebuilt header has another hash than
            the node says (the node has header fields unknown to this version).
    """
    absent = [name for name, _ in _FIELDS[:_REQUIRED] if block.get(name) is None]
    if absent or block.get("hash") is None:
        raise ChainError(
            "incomplete block header",
            expected=[n for n, _ in _FIELDS[:_REQUIRED]],
            got=f"missing {absent or ['hash']}",
        )
    fields: list[bytes] = []
    for name, width in _FIELDS:
        if block.get(name) is None:
            break  # later forks only append
        fields.append(_bytes(name, block[name], width))
    encoded = cast("bytes", rlp.encode(fields))
    stated = _bytes("hash", block["hash"], 32)
    if keccak(encoded) != stated:
        raise ChainError(
            "rebuilt block header has another hash",
            expected=f"0x{stated.hex()}",
            got=f"0x{keccak(encoded).hex()}",
            hint=f"the node's header may hold fields of a later fork; it sent {sorted(block)}",
        )
    return encoded


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """What contracts read of a block header (struct HeaderFields).

    Gas in units, ``base_fee_wei`` in wei for each gas (0 before EIP-1559), ``timestamp_s`` in
    seconds, ``count`` fields in all.
    """

    parent_hash: bytes
    number: int
    gas_limit: int
    gas_used: int
    timestamp_s: int
    mix_hash: bytes
    base_fee_wei: int
    count: int


def read_header(header: bytes) -> HeaderFields:
    """Return the fields of a header's RLP, as strictly as Header.sol reads it.

    Canonical RLP only, hashes of 32 bytes, integers without leading zeros and below 2^64 (the base
    fee below 2^256); fields of later forks are walked over.

    Raises:
        ChainError: not the RLP of a block header.
    """
    try:
        fields = rlp.decode(header)
    except (rlp.exceptions.DecodingError, TypeError) as error:
        raise ChainError(
            "not an RLP list", expected="block header", got=header[:8].hex()
        ) from error
    if not isinstance(fields, list) or len(fields) < _REQUIRED - 1 or len(header) > _LONGEST:
        raise ChainError(
            "not a block header", expected=f">= {_REQUIRED - 1} fields", got=type(fields).__name__
        )
    if any(not isinstance(field, bytes) or len(field) > 0xFFFF for field in fields):
        raise ChainError("not a block header", expected="byte strings", got="a nested list")
    return HeaderFields(
        parent_hash=_hash(fields, 0),
        number=_integer(fields, NUMBER_FIELD),
        gas_limit=_integer(fields, 9),
        gas_used=_integer(fields, 10),
        timestamp_s=_integer(fields, 11),
        mix_hash=_hash(fields, MIX_HASH_FIELD),
        base_fee_wei=_integer(fields, 15, 32) if len(fields) > 15 else 0,
        count=len(fields),
    )


def _hash(fields: list[bytes], place: int) -> bytes:
    if len(fields[place]) != 32:
        raise ChainError(f"header field {place}", expected="32 bytes", got=len(fields[place]))
    return fields[place]


def _integer(fields: list[bytes], place: int, longest: int = 8) -> int:
    field = fields[place]
    if len(field) > longest or field[:1] == b"\0":
        expected = f"an integer of up to {longest} bytes without leading zeros"
        raise ChainError(f"header field {place}", expected=expected, got=field.hex())
    return int.from_bytes(field, "big")


def mix_hash(header: bytes) -> bytes:
    """Return field 13 (mixHash, since the Merge prevRandao; 32 bytes) of a header's RLP.

    Raises:
        ChainError: not the RLP of a block header.
    """
    return read_header(header).mix_hash
