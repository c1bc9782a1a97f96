"""Commitments to tensors and to contexts (twin of Commitment.sol and HashWords.sol).

On chain and in Merkle leaves a tensor is named by keccak256 of its commitment, its *tensor hash*.

*ezkl* (Commitment.sol): a BN254 G1 point, 64 bytes (x then y, big endian, affine). The generator
(1, 2): 31 zero bytes, 01, 31 zero bytes, 02. A context c is one field element in a tensor of its
own. KZG commitments are linear, so its commitment is ``c * L0 + U`` with U the commitment of the
all-zero tensor (the constant part of the unusable rows) and L0 the Lagrange point of row 0. Both
are pinned at registration; anybody recomputes the slot with two curve operations.

*barretenberg* (HashWords.sol): an element of BN254's scalar field, 32 bytes big endian, below its
order: a Poseidon2 hash that the circuit computes, or the context itself.
"""

from __future__ import annotations

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
from zkdescent.verifier.twins.fixed import check_field
from zkdescent.verifier.twins.layout import POINT_BYTES, WORD_BYTES

CONTEXT_BITS = 248

_Point = tuple[FQ, FQ, FQ]


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


def check_word(word: bytes, *, what: str = "commitment") -> bytes:
    """Return the 32 bytes if they are a canonical element of the scalar field.

    Raises:
        ProofRejected: another length, or a number >= the field's order.
    """
    if len(word) != WORD_BYTES:
        raise ProofRejected(f"{what} is not a field element", expected=WORD_BYTES, got=len(word))
    check_field(int.from_bytes(word, "big"), what=what)
    return word


def check_commitment(commitment: bytes, size: int, *, what: str = "commitment") -> bytes:
    """Return the commitment if it is canonical for slots of ``size`` bytes.

    Raises:
        ProofRejected: not a point (64), not a field element (32), or of another size.
    """
    return (check_point if size == POINT_BYTES else check_word)(commitment, what=what)


def tensor_hash(commitment: bytes) -> bytes:
    """Return the 32-byte name of a committed tensor: keccak256 of its 32 or 64 bytes.

    Raises:
        ProofRejected: the commitment has another length.
    """
    if len(commitment) not in (WORD_BYTES, POINT_BYTES):
        expected = (WORD_BYTES, POINT_BYTES)
        raise ProofRejected("not a commitment", expected=expected, got=len(commitment))
    return keccak(commitment)


def open_context(opening: tuple[int, int, int, int], context: int) -> bytes:
    """Return the commitment (64 bytes) of the one-element tensor [context].

    Args:
        opening: L0.x, L0.y, U.x, U.y as pinned by the circuit.
        context: the expected field element, < 2**248.

    Raises:
        ProofRejected: the opening is not two curve points or the context is too large.
    """
    _check_range(context)
    words = [v.to_bytes(32, "big") for v in opening]
    lagrange = _parse(words[0] + words[1], "L0 of the circuit")
    constant = _parse(words[2] + words[3], "U of the circuit")
    return _serialise(add(multiply(lagrange, context), constant))


def _check_range(context: int) -> None:
    if not 0 <= context < 1 << CONTEXT_BITS:
        raise ProofRejected("context out of range", expected="0 <= context < 2**248", got=context)


def context_slot(opening: tuple[int, int, int, int], context: int, size: int) -> bytes:
    """Return the slot of ``size`` bytes that holds a context: its commitment, or the word itself.

    Raises:
        ProofRejected: as :func:`open_context`; or an opening where words need none.
    """
    if size == POINT_BYTES:
        return open_context(opening, context)
    if any(opening):
        raise ProofRejected("words have no opening", expected=(0, 0, 0, 0), got=opening)
    _check_range(context)
    return context.to_bytes(WORD_BYTES, "big")


def check_context(opening: tuple[int, int, int, int], context: int, commitment: bytes) -> bytes:
    """Return the slot if it is that of the expected context.

    Args:
        opening: as pinned by the circuit; zeros for words.
        commitment: 64 bytes of ezkl's, 32 of barretenberg's (the circuit's layout says which).

    Raises:
        ProofRejected: the proof was made for another context (run, index, payee, request, chain).
    """
    expected = context_slot(opening, context, len(commitment))
    if commitment != expected:
        raise ProofRejected(
            "the proof was made in another context",
            expected=f"0x{expected.hex()}",
            got=f"0x{commitment.hex()}",
            hint="a context binds chain, ledger, run, proof index and payee; prove again for this",
        )
    return commitment
