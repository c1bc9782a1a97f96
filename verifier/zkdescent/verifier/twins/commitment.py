"""Commitments at the front of a proof, and the opening of a context (twin of Commitment.sol).

Byte layout: a proof begins with one BN254 G1 point per committed tensor, 64 bytes each
(x then y, big endian, affine), inputs first, then outputs. On chain and in Merkle leaves a
tensor is named by keccak256 of those 64 bytes, its *tensor hash*.

The generator (1, 2) as a slice: 31 zero bytes, 01, 31 zero bytes, 02.

A context c is one field element in a tensor of its own. KZG commitments are linear, so its
commitment is ``c * L0 + U`` with U the commitment of the all-zero tensor (the constant part of
the unusable rows) and L0 the Lagrange point of row 0. Both are pinned at registration; anybody
recomputes the slice with two curve operations.
"""

from __future__ import annotations

from enum import IntEnum

from eth_utils.crypto import keccak
from py_ecc.optimized_bn128 import (
    FQ,
    add,
    b,
    field_modulus,
    is_inf,
    is_on_curve,
    multiply,
    normalize,
)

from zkdescent.core.errors import ProofRejected

POINT_BYTES = 64
CONTEXT_BITS = 248

_Point = tuple[FQ, FQ, FQ]


class StepSlot(IntEnum):
    """The committed tensors at the front of a step proof, in order (enum StepSlot).

    Hints are the quotients and digits that the prover supplies and the circuit checks; nobody
    reads their slot.
    """

    CONTEXT = 0
    STATE_IN = 1
    BATCH = 2
    HINTS = 3
    STATE_OUT = 4


class RangeSlot(IntEnum):
    """The same for a range proof (enum RangeSlot); only the first two are read."""

    STATE = 0
    BATCH = 1
    HINTS = 2
    OUT = 3


class InferenceSlot(IntEnum):
    """The same for an inference proof (enum InferenceSlot); only the first two are read."""

    CONTEXT = 0
    STATE = 1
    FEATURES = 2
    HINTS = 3


Slot = StepSlot | RangeSlot | InferenceSlot


def _parse(point: bytes, what: str) -> _Point:
    """Read a slice as a projective point, refusing what the precompiles would refuse."""
    if len(point) != POINT_BYTES:
        raise ProofRejected(f"{what} is not a G1 point", expected=POINT_BYTES, got=len(point))
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    if x >= field_modulus or y >= field_modulus:
        raise ProofRejected(
            f"{what} has a coordinate outside the base field",
            expected=f"coordinates < {field_modulus}",
            got=f"0x{point.hex()}",
        )
    if x == 0 and y == 0:  # EIP-196 writes the point at infinity as two zeros
        return (FQ(1), FQ(1), FQ(0))
    parsed = (FQ(x), FQ(y), FQ(1))
    if not is_on_curve(parsed, b):
        raise ProofRejected(
            f"{what} is not on the curve", expected="y^2 = x^3 + 3", got=f"0x{point.hex()}"
        )
    return parsed


def _serialise(point: _Point) -> bytes:
    if is_inf(point):
        return bytes(POINT_BYTES)
    x, y = normalize(point)
    return int(x.n).to_bytes(32, "big") + int(y.n).to_bytes(32, "big")


def check_point(point: bytes, *, what: str = "commitment") -> bytes:
    """Return the 64 bytes if they are a G1 point in canonical affine form.

    Raises:
        ProofRejected: another length, a coordinate >= the base field order, not on the curve.
    """
    _parse(point, what)
    return point


def split_proof(proof: bytes, slots: int) -> tuple[bytes, ...]:
    """Return the first ``slots`` commitments of a proof, 64 bytes each.

    Raises:
        ProofRejected: the proof is shorter than its commitments.
    """
    if len(proof) < slots * POINT_BYTES:
        raise ProofRejected(
            "proof is shorter than its commitments",
            expected=f">= {slots * POINT_BYTES} bytes",
            got=len(proof),
        )
    return tuple(proof[i * POINT_BYTES : (i + 1) * POINT_BYTES] for i in range(slots))


def read_slot(proof: bytes, slot: Slot) -> bytes:
    """Return one commitment (64 bytes) of a proof of the slot's role.

    Raises:
        ProofRejected: the proof is shorter than the commitments of its role, also where the
            slot itself would be there.
    """
    return split_proof(proof, len(type(slot)))[slot]


def tensor_hash(commitment: bytes) -> bytes:
    """Return the 32-byte name of a committed tensor: keccak256 of its 64-byte commitment.

    Raises:
        ProofRejected: the commitment has another length.
    """
    if len(commitment) != POINT_BYTES:
        raise ProofRejected("not a commitment", expected=POINT_BYTES, got=len(commitment))
    return keccak(commitment)


def open_context(opening: tuple[int, int, int, int], context: int) -> bytes:
    """Return the commitment (64 bytes) of the one-element tensor [context].

    Args:
        opening: L0.x, L0.y, U.x, U.y as pinned by the circuit.
        context: the expected field element, < 2**248.

    Raises:
        ProofRejected: the opening is not two curve points or the context is too large.
    """
    if not 0 <= context < 1 << CONTEXT_BITS:
        raise ProofRejected("context out of range", expected="0 <= context < 2**248", got=context)
    words = [v.to_bytes(32, "big") for v in opening]
    lagrange = _parse(words[0] + words[1], "L0 of the circuit")
    constant = _parse(words[2] + words[3], "U of the circuit")
    return _serialise(add(multiply(lagrange, context), constant))


def check_context(opening: tuple[int, int, int, int], context: int, commitment: bytes) -> bytes:
    """Return the commitment if it is that of the expected context.

    Raises:
        ProofRejected: the proof was made for another context (run, index, payee, request, chain).
    """
    expected = open_context(opening, context)
    if commitment != expected:
        raise ProofRejected(
            "the proof was made in another context",
            expected=f"0x{expected.hex()}",
            got=f"0x{commitment.hex()}",
            hint="a context binds chain, ledger, run, proof index and payee; prove again for this",
        )
    return commitment
