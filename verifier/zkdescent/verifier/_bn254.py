"""The first group of BN254 with plain integers: what the precompiles 0x06 and 0x07 compute.

A verifier contract multiplies some fifty points. py-evm's own precompiles do so with objects of
field elements, ten times slower; tests compare the two. Doubling and addition in Jacobian
coordinates: Bernstein and Lange, Explicit-Formulas Database, dbl-2009-l and add-2007-bl.
"""

from __future__ import annotations

from zkdescent.core.records import FIELD_MODULUS

Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Order of the field of coordinates (EIP-196)."""

Point = tuple[int, int]
"""Affine; (0, 0) is the point at infinity, as the precompiles have it."""

_Jacobian = tuple[int, int, int]
_WINDOW = 4


def is_point(x: int, y: int) -> bool:
    """Whether these are coordinates of a point, each in its one encoding (EIP-196)."""
    if x >= Q or y >= Q:
        return False
    return (x, y) == (0, 0) or (y * y - x * x * x - 3) % Q == 0


def add(first: Point, second: Point) -> Point:
    """Sum of two points."""
    return _affine(_add(_lift(first), _lift(second)))


def multiply(point: Point, scalar: int) -> Point:
    """A multiple of a point, for any natural number."""
    return _affine(_multiply(_lift(point), scalar % FIELD_MODULUS))


def combine(points: list[Point], scalars: list[int]) -> Point:
    """Sum of multiples."""
    total: _Jacobian = (1, 1, 0)
    for point, scalar in zip(points, scalars, strict=True):
        total = _add(total, _multiply(_lift(point), scalar % FIELD_MODULUS))
    return _affine(total)


def _multiply(point: _Jacobian, scalar: int) -> _Jacobian:
    table = [(1, 1, 0), point]
    for _ in range((1 << _WINDOW) - 2):
        table.append(_add(table[-1], point))
    result: _Jacobian = (1, 1, 0)
    bits = -(-scalar.bit_length() // _WINDOW) * _WINDOW
    for shift in range(bits - _WINDOW, -1, -_WINDOW):
        for _ in range(_WINDOW):
            result = _double(result)
        digit = (scalar >> shift) & ((1 << _WINDOW) - 1)
        if digit:
            result = _add(result, table[digit])
    return result


def _double(point: _Jacobian) -> _Jacobian:
    x, y, z = point
    a, b = x * x % Q, y * y % Q
    c = b * b % Q
    d = 2 * ((x + b) * (x + b) - a - c) % Q
    e = 3 * a
    x3 = (e * e - 2 * d) % Q
    return x3, (e * (d - x3) - 8 * c) % Q, 2 * y * z % Q


def _add(first: _Jacobian, second: _Jacobian) -> _Jacobian:
    x1, y1, z1 = first
    x2, y2, z2 = second
    if z1 == 0:
        return second
    if z2 == 0:
        return first
    z1z1, z2z2 = z1 * z1 % Q, z2 * z2 % Q
    u1, u2 = x1 * z2z2 % Q, x2 * z1z1 % Q
    s1, s2 = y1 * z2 * z2z2 % Q, y2 * z1 * z1z1 % Q
    h, r = (u2 - u1) % Q, 2 * (s2 - s1) % Q
    if h == 0:
        return _double(first) if r == 0 else (1, 1, 0)
    i = 4 * h * h % Q
    j, v = h * i % Q, u1 * i % Q
    x3 = (r * r - j - 2 * v) % Q
    y3 = (r * (v - x3) - 2 * s1 * j) % Q
    return x3, y3, ((z1 + z2) * (z1 + z2) - z1z1 - z2z2) * h % Q


def _lift(point: Point) -> _Jacobian:
    return (1, 1, 0) if point == (0, 0) else (*point, 1)


def _affine(point: _Jacobian) -> Point:
    x, y, z = point
    if z == 0:
        return (0, 0)
    inverse = pow(z, -1, Q)
    square = inverse * inverse % Q
    return x * square % Q, y * square * inverse % Q
