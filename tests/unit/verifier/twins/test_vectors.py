"""The vectors that Solidity and Python share: contracts/test/vectors/twins.json.

This test says what stands in the file, ``contracts/test/Vectors.t.sol`` what the contracts make of
it. ``python tests/unit/verifier/twins/test_vectors.py`` writes it. Words are 32 bytes in hex;
integers are two's complement.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import rlp

from zkdescent.verifier.twins.fixed import SCALAR_FIELD, from_field
from zkdescent.verifier.twins.hashing import input_commitment, step_context
from zkdescent.verifier.twins.header import mix_hash
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


def word(value: int | bytes) -> str:
    """One word in hex."""
    if isinstance(value, bytes):
        return f"0x{value.rjust(32, bytes(1)).hex()}"
    return f"0x{value % 2**256:064x}"


def header_fields() -> list[bytes]:
    """A header of 21 fields: what comes after the mix hash is any number of fields."""
    lengths = (32, 32, 20, 32, 32, 32, 256, 0, 3, 4, 4, 4, 9, 32, 8, 4, 32, 1, 3, 32, 32)
    fields = [bytes(1 + (7 * k + i) % 255 for i in range(n)) for k, n in enumerate(lengths)]
    fields[17] = b"\x80"
    return fields


def vectors() -> dict[str, Any]:
    """What the file holds."""
    tensors = [bytes([k]) * 32 for k in range(1, 6)]
    leaves = [leaf(k, tensor) for k, tensor in enumerate(tensors)]
    fields = header_fields()
    header = rlp.encode(fields)
    assert mix_hash(header) == fields[13]
    elements = [value % SCALAR_FIELD for value in NUMBERS]
    assert [from_field(element) for element in elements] == list(NUMBERS)
    inputs = [5, -7, 0]
    return {
        "shuffleSeed": word(SEED),
        "shuffleEpoch": word(EPOCH),
        "shuffleSizes": [word(n) for n in SIZES],
        "shuffleOrders": [word(permute(SEED, EPOCH, k, n)) for n in SIZES for k in range(n)],
        "header": f"0x{header.hex()}",
        "headerNumber": word(fields[8]),
        "headerMixHash": word(fields[13]),
        "elements": [word(element) for element in elements],
        "integers": [word(value) for value in NUMBERS],
        "tensors": [word(tensor) for tensor in tensors],
        "leaves": [word(one) for one in leaves],
        "root": word(merkle_root(leaves)),
        "path3": [word(node) for node in merkle_proof(leaves, 3)],
        "chainId": word(5),
        "ledger": word(int(LEDGER, 16)),
        "payee": word(int(PAYEE, 16)),
        "run": word(RUN),
        "contexts": [word(step_context(5, LEDGER, RUN, index, PAYEE)) for index in range(3)],
        "inputs": [word(value) for value in inputs],
        "inputCommitment": word(input_commitment(5, LEDGER, 9, PAYEE, 2, inputs)),
    }


def test_the_file_holds_what_python_computes() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == vectors()


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
