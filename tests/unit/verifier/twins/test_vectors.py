"""The vectors that Solidity and Python share: contracts/test/vectors/twins.json.

This test says what stands in the file, ``contracts/test/Vectors.t.sol`` what the contracts make of
it. ``python tests/unit/verifier/twins/test_vectors.py`` writes it. Words are 32 bytes in hex;
integers are two's complement.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rlp

from zkdescent.core.errors import ZkDescentError
from zkdescent.verifier.twins.fixed import SCALAR_FIELD, from_field
from zkdescent.verifier.twins.hashing import inference_context, input_commitment, step_context
from zkdescent.verifier.twins.header import read_header
from zkdescent.verifier.twins.merkle import leaf, merkle_proof, merkle_root
from zkdescent.verifier.twins.shuffle import permute

FILE = Path(__file__).resolve().parents[4] / "contracts" / "test" / "vectors" / "twins.json"
SEED = bytes(range(32))
EPOCH = 3
SIZES = (1, 2, 3, 4, 5, 16, 17, 70)
LEDGER = "0x00000000000000000000000000000000000000A1"
PAYEE = "0x00000000000000000000000000000000000000b2"
RUN = bytes(range(64, 91)) + bytes(5)
NUMBERS = (0, 1, -1, 4096, -4096, 2**127 - 1, 1 - 2**127)
NO_NUMBERS = (2**127, SCALAR_FIELD - 2**127, SCALAR_FIELD, SCALAR_FIELD + 1, 2**256 - 1)
LEAVES = 9


def word(value: int | bytes) -> str:
    """One word in hex."""
    if isinstance(value, bytes):
        return f"0x{value.rjust(32, bytes(1)).hex()}"
    return f"0x{value % 2**256:064x}"


def header_fields() -> list[bytes]:
    """A header of 21 fields, as in Prague."""
    lengths = (32, 32, 20, 32, 32, 32, 256, 0, 3, 4, 4, 4, 9, 32, 8, 4, 32, 1, 3, 32, 32)
    fields = [bytes(1 + (7 * k + i) % 255 for i in range(n)) for k, n in enumerate(lengths)]
    fields[17] = b"\x80"
    return fields


def put(place: int, content: bytes) -> list[bytes]:
    """The header's fields with another one in a place."""
    fields = header_fields()
    fields[place] = content
    return fields


def headers() -> list[bytes]:
    """Headers of several forks, of block 0, and with the longest integers."""
    fields = header_fields()
    widest = [
        b"\xff" * 8 if 8 <= k <= 11 else field for k, field in enumerate(put(15, b"\xff" * 32))
    ]
    some = [fields, fields[:15], fields[:16], fields[:14], [*fields, bytes(32), b""]]
    return [rlp.encode(one) for one in (*some, put(8, b""), put(8, b"\x7f"), widest)]


def no_headers() -> list[bytes]:
    """What is no header, most of it a byte away from one."""
    good = rlp.encode(header_fields())
    wrong = [
        header_fields()[:13], put(0, bytes(31)), put(13, bytes(33)), put(8, bytes(1)),
        put(8, b"\0\1"), put(8, b"\1" * 9), put(10, b"\0\xff"), put(11, b"\1" * 9),
        put(15, b"\1" * 33), put(15, b"\0\1"),
    ]  # fmt: skip
    nested: list[Any] = [*header_fields()[:20], [b"\1"]]
    longer = b"\xfa\0" + good[1:]  # the length in three bytes
    stretched = (
        good[:1] + (len(good) - 2).to_bytes(2, "big") + good[3:]
    )  # one byte more than there is
    return [
        *(rlp.encode(one) for one in [*wrong, nested]), longer, stretched, good + b"\0", good[:-1],
        good[:3], good[:1], b"", b"\xc0", rlp.encode(b"a string"),
    ]  # fmt: skip


def vectors() -> dict[str, Any]:
    """What the file holds."""
    tensors = [bytes([k]) * 32 for k in range(1, LEAVES + 1)]
    leaves = [leaf(k, tensor) for k, tensor in enumerate(tensors)]
    paths = [merkle_proof(leaves[:n], k) for n in range(1, LEAVES + 1) for k in range(n)]
    read = [read_header(header) for header in headers()]
    elements = [value % SCALAR_FIELD for value in NUMBERS]
    assert [from_field(element) for element in elements] == list(NUMBERS)
    inputs = [5, -7, 0]
    return {
        "shuffleSeed": word(SEED),
        "shuffleEpoch": word(EPOCH),
        "shuffleSizes": [word(n) for n in SIZES],
        "shuffleOrders": [word(permute(SEED, EPOCH, k, n)) for n in SIZES for k in range(n)],
        "headers": [f"0x{header.hex()}" for header in headers()],
        "headerNumbers": [word(one.number) for one in read],
        "headerMixHashes": [word(one.mix_hash) for one in read],
        "headerTimes": [word(one.timestamp_s) for one in read],
        "headerBaseFees": [word(one.base_fee_wei) for one in read],
        "headerCounts": [word(one.count) for one in read],
        "noHeaders": [f"0x{header.hex()}" for header in no_headers()],
        "elements": [word(element) for element in elements],
        "integers": [word(value) for value in NUMBERS],
        "noIntegers": [word(element) for element in NO_NUMBERS],
        "tensors": [word(tensor) for tensor in tensors],
        "leaves": [word(one) for one in leaves],
        "roots": [word(merkle_root(leaves[:n])) for n in range(1, LEAVES + 1)],
        "pathLengths": [word(len(path)) for path in paths],
        "paths": [word(node) for path in paths for node in path],
        "chainId": word(5),
        "ledger": word(int(LEDGER, 16)),
        "payee": word(int(PAYEE, 16)),
        "run": word(RUN),
        "contexts": [word(step_context(5, LEDGER, RUN, index, PAYEE)) for index in range(3)],
        "inferenceContexts": [word(inference_context(5, LEDGER, 9, PAYEE, n)) for n in range(3)],
        "inputs": [word(value) for value in inputs],
        "inputCommitment": word(input_commitment(5, LEDGER, 9, PAYEE, 2, inputs)),
    }


@pytest.mark.parametrize("header", no_headers())
def test_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(ZkDescentError):
        read_header(header)


@pytest.mark.parametrize("element", NO_NUMBERS)
def test_what_is_no_number_is_refused(element: int) -> None:
    with pytest.raises(ZkDescentError):
        from_field(element)


def test_the_file_holds_what_python_computes() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == vectors()


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
