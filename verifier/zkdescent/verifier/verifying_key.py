"""Does a circuit's verifier artefact (its vka words) belong to the verifying key it names?

Proofs are checked against the words; people compare the key, whose sha256 a recompilation
reproduces. A manifest that names an honest key beside another circuit's words would pass every
check that looks at one of the two only, so both are compared here as far as they overlap.

Layout of ezkl 23.0.5's key file (measured, not documented):

     1 byte    format version, 3
     1 byte    logrows
     1 byte    whether selectors are compressed
     4 bytes   number of fixed commitments n, little endian
    64 bytes   each of the n fixed commitments: x, y little endian in Montgomery form
    64 bytes   each of the permutation commitments, likewise
     2^logrows / 8 bytes   each selector, one bit a row

The words hold the same points, in the same order, x and y big endian, in one run. Constants of a
circuit, the weights of a fixed model among them, are in the fixed commitments, and its copy
constraints in the permutation's. What this can't see is the rest of the words, the program that
combines them: the words are pinned whole only by their digest, which reports therefore name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from py_ecc.optimized_bn128 import field_modulus

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import CircuitRecord

_HEADER_BYTES = 7
_VERSION = 3
_POINT_BYTES = 64
_MONTGOMERY_INVERSE = pow(1 << 256, -1, field_modulus)


def key_commitments(key: bytes, *, path: str | None = None) -> tuple[bytes, ...]:
    """Return the coordinates (32 bytes each, big endian) of the key's commitments, in order.

    Raises:
        ProofRejected: the bytes are not a verifying key of the known layout.
    """
    if len(key) < _HEADER_BYTES or key[0] != _VERSION or not 3 <= key[1] <= 30:
        raise ProofRejected("not a verifying key of ezkl 23.0.5", got=key[:8], path=path)
    fixed = int.from_bytes(key[3:_HEADER_BYTES], "little") * _POINT_BYTES
    selector = max(1, (1 << key[1]) // 8)
    # The number of permutation commitments is not written: it is what whole selectors leave.
    rest = len(key) - _HEADER_BYTES - fixed
    if rest < 0 or (rest % selector) % _POINT_BYTES:
        raise ProofRejected("not a verifying key of ezkl 23.0.5", got=len(key), path=path)
    stop = _HEADER_BYTES + fixed + rest % selector
    words = (key[i : i + 32] for i in range(_HEADER_BYTES, stop, 32))
    return tuple(
        (int.from_bytes(word, "little") * _MONTGOMERY_INVERSE % field_modulus).to_bytes(32, "big")
        for word in words
    )


def check_key(circuit: CircuitRecord, key: bytes, *, path: str | None = None) -> None:
    """Check that ``key`` is the key the circuit names, and that its words are made from it.

    Raises:
        ProofRejected: another key, or words that hold other commitments.
    """
    digest = hashlib.sha256(key).digest()
    if digest != circuit.vk_sha256:
        raise ProofRejected(
            "the verifying key is not the one the circuit names",
            expected=circuit.vk_sha256,
            got=digest,
            path=path,
        )
    commitments = key_commitments(key, path=path)
    if not commitments or not _holds(circuit.vka, commitments):
        raise ProofRejected(
            "the verifier's words are not those of the verifying key",
            expected=f"the {len(commitments) // 2} commitments of the key",
            got=circuit.vka_digest,
            path=path,
            hint="the circuit names one key, and its proofs are checked against another",
        )


def _holds(words: Sequence[bytes], run: Sequence[bytes]) -> bool:
    """Whether ``run`` stands somewhere in ``words``, whole and in order."""
    length = len(run)
    return any(tuple(words[i : i + length]) == tuple(run) for i in range(len(words) - length + 1))
