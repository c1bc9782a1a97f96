"""Barretenberg's input format, as far as our circuits need it.

A circuit is a JSON file whose `bytecode` is base64 of gzip of one format byte and msgpack; a
witness is gzip of the same. Field elements are 32 bytes, big endian; witnesses are numbered from 0,
and public ones come in the order of their numbers. Golden circuits guard the encoding
(tests/prover/golden).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgpack

from zkdescent.core.records import FIELD_MODULUS

Opcode = dict[str, Any]
_FORMAT = b"\x03"
_FASTEST = 1


def field_bytes(value: int) -> bytes:
    """An integer modulo the field's order."""
    return (value % FIELD_MODULUS).to_bytes(32, "big")


def assert_zero(
    products: Iterable[tuple[int, int, int]], linear: Iterable[tuple[int, int]], constant: int
) -> Opcode:
    """Sum of coefficient * w * w', coefficient * w and a constant is zero."""
    return {
        "AssertZero": [
            [[_coefficient(c), a, b] for c, a, b in products],
            [[_coefficient(c), w] for c, w in linear],
            field_bytes(constant),
        ]
    }


def range_check(witness: int, bits: int) -> Opcode:
    """A witness is below 2**bits."""
    return {"BlackBoxFuncCall": {"RANGE": [{"Witness": witness}, bits]}}


def poseidon2(inputs: Sequence[int], outputs: Sequence[int]) -> Opcode:
    """Four witnesses are the permutation of four others."""
    arguments = [[{"Witness": w} for w in inputs], list(outputs)]
    return {"BlackBoxFuncCall": {"Poseidon2Permutation": arguments}}


def memory(block: int, witnesses: Sequence[int]) -> Opcode:
    """A table in memory, by its entries' witnesses."""
    return {"MemoryInit": [block, list(witnesses), "Memory"]}


def read(block: int, index: int, value: int) -> Opcode:
    """A witness is the entry of a table that another witness names (the flag: it is no write)."""
    return {"MemoryOp": [block, [False, index, value]]}


def bytecode(opcodes: list[Opcode], witnesses: int, public: int) -> bytes:
    """A circuit whose first `public` witnesses are its public inputs; bb reads it as it is.

    The file's name must not end in .json, or bb expects `program_file`.
    """
    function = ["main", opcodes, list(range(public, witnesses)), list(range(public)), [], []]
    packed = msgpack.packb([[function], []])
    return gzip.compress(_FORMAT + packed, _FASTEST, mtime=0)


def program_file(opcodes: list[Opcode], witnesses: int, public: int) -> bytes:
    """The same as the JSON file that Noir's compiler writes."""
    code = bytecode(opcodes, witnesses, public)
    return json.dumps(
        {
            "noir_version": "1.0.0-beta.26",
            "hash": 0,
            "abi": {"parameters": [], "return_type": None, "error_types": {}},
            "bytecode": base64.b64encode(code).decode(),
            "debug_symbols": "",
            "file_map": {},
        }
    ).encode()


def witness_file(values: Sequence[int]) -> bytes:
    """The values of all witnesses, canonical or not."""
    stack = {i: field_bytes(v) for i, v in enumerate(values)}
    return gzip.compress(_FORMAT + bytes(msgpack.packb([[[0, stack]]])), _FASTEST, mtime=0)


_SMALL: dict[int, bytes] = {}


def _coefficient(value: int) -> bytes:
    found = _SMALL.get(value)
    if found is None:
        found = _SMALL[value] = field_bytes(value)
        if len(_SMALL) > 1 << 16:
            _SMALL.clear()
    return found
