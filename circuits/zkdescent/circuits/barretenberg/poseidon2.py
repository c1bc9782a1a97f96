"""Poseidon2 over the scalar field of BN254 with width 4, as the circuits compute it.

The permutation is the opcode `Poseidon2Permutation` of ACIR: Grassi, Khovratovich, Schofnegger,
"Poseidon2: A Faster Version of the Poseidon Hash Function" (AFRICACRYPT 2023), section 5: S-box
x**5, 4 + 4 full rounds and 56 partial ones, 128 bits of security. The round constants come out of
the Grain shift register that the authors' reference script defines, seeded with these numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from zkdescent.core.records import FIELD_MODULUS

WIDTH: Final = 4
RATE: Final = 3

State: TypeAlias = tuple[int, int, int, int]

_FULL_ROUNDS: Final = 8
_PARTIAL_ROUNDS: Final = 56
_FIELD_BITS: Final = FIELD_MODULUS.bit_length()

# Matrix of the partial rounds, less the matrix of ones: the four numbers that HorizenLabs publish
# beside the paper. Their script draws them after the constants, until no subspace is invariant.
_DIAGONAL: Final[State] = (
    0x10DC6E9C006EA38B04B1E03B4BD9490C0D03F98929CA1D7FB56821FD19D3B6E7,
    0x0C28145B6A44DF3E0149B3D0A30B3BB599DF9756D4DD9B84A86B38CFB45A740B,
    0x00544B8338791518B2C7645A50392798B21F75BB60E3596170067D00141CAC15,
    0x222C01175718386F2E2E82EB122789E352E105A3B8FA852613BC534433EE428B,
)


@dataclass(frozen=True, slots=True)
class RoundConstants:
    """What each round adds: to all four elements, to the first one, to all four again."""

    first: tuple[State, ...]
    partial: tuple[int, ...]
    last: tuple[State, ...]


def _grain_bits() -> Iterator[int]:
    """Yield the shift register's output: of every two bits the second, if the first is one."""
    seed = (
        "01"  # prime field
        "0000"  # S-box x**5
        f"{_FIELD_BITS:012b}{WIDTH:012b}{_FULL_ROUNDS:010b}{_PARTIAL_ROUNDS:010b}"
        f"{'1' * 30}"
    )
    # Bit i is the register's i-th; its last tap is 62 of 80, so that 16 steps make one.
    register = int(seed[::-1], 2)

    def clock() -> int:
        nonlocal register
        fed = 0
        for tap in (62, 51, 38, 23, 13, 0):
            fed ^= register >> tap
        fed &= 0xFFFF
        register = register >> 16 | fed << 64
        return fed

    for _ in range(160 // 16):
        clock()
    while True:
        fed = clock()
        for pair in range(8):
            if fed >> 2 * pair & 1:
                yield fed >> 2 * pair + 1 & 1


@cache
def round_constants() -> RoundConstants:
    """Derive the constants of all rounds."""
    bits = _grain_bits()

    def element() -> int:
        while True:
            value = 0
            for _ in range(_FIELD_BITS):
                value = value << 1 | next(bits)
            if value < FIELD_MODULUS:
                return value

    def full() -> tuple[State, ...]:
        return tuple((element(), element(), element(), element()) for _ in range(_FULL_ROUNDS // 2))

    return RoundConstants(full(), tuple(element() for _ in range(_PARTIAL_ROUNDS)), full())


def permute(state: State) -> State:
    """Return the permutation of four field elements, each in [0, r)."""
    constants = round_constants()
    p = FIELD_MODULUS
    d0, d1, d2, d3 = _DIAGONAL
    a, b, c, d = _full_rounds(*_mix(*state), constants.first)
    for constant in constants.partial:
        a += constant
        square = a * a % p
        a = square * square * a % p
        total = a + b + c + d
        a = (a * d0 + total) % p
        b = (b * d1 + total) % p
        c = (c * d2 + total) % p
        d = (d * d3 + total) % p
    return _full_rounds(a, b, c, d, constants.last)


def _mix(a: int, b: int, c: int, d: int) -> State:
    """Multiply by the matrix of the full rounds: the paper's M4, eight additions; not reduced."""
    ab, cd = a + b, c + d
    low, high = 2 * d + ab, 2 * b + cd
    fourth, second = 4 * cd + low, 4 * ab + high
    return low + second, second, high + fourth, fourth


def _full_rounds(a: int, b: int, c: int, d: int, constants: tuple[State, ...]) -> State:
    p = FIELD_MODULUS
    for ka, kb, kc, kd in constants:
        a += ka
        b += kb
        c += kc
        d += kd
        square = a * a % p
        a = square * square * a % p
        square = b * b % p
        b = square * square * b % p
        square = c * c % p
        c = square * square * c % p
        square = d * d % p
        d = square * square * d % p
        a, b, c, d = _mix(a, b, c, d)
    return a % p, b % p, c % p, d % p


def sponge(iv: int, elements: Sequence[int]) -> int:
    """Absorb field elements three at a time into (0, 0, 0, iv) and return the first element.

    The last, partial group is filled up with zeros: the initial capacity element `iv` must say how
    many elements there are. No elements are absorbed as three zeros.
    """
    a, b, c, capacity = 0, 0, 0, iv
    for start in range(0, max(len(elements), 1), RATE):
        x, y, z, *_ = (*elements[start : start + RATE], 0, 0, 0)
        a, b, c, capacity = permute(
            ((a + x) % FIELD_MODULUS, (b + y) % FIELD_MODULUS, (c + z) % FIELD_MODULUS, capacity)
        )
    return a
