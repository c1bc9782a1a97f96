"""Points G, 2G, 4G, ... of BN254's first group: a reference string whose secret is 2.

Doubling in Jacobian coordinates (Bernstein and Lange, Explicit-Formulas Database, dbl-2009-l), then
one inversion for many points (Montgomery's trick; Cohen, A Course in Computational Algebraic Number
Theory, algorithm 10.3.4).
"""

from __future__ import annotations

from collections.abc import Iterator

# Order of the field of coordinates (EIP-196).
Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583
POINT_BYTES = 64
_BATCH = 4096


def doubled_points(count: int) -> Iterator[bytes]:
    """Yield `count` points in pieces: x, then y, 32 bytes big endian each; the first is (1, 2)."""
    x, y = 1, 2
    left = count
    while left:
        size = min(_BATCH, left)
        batch = _doublings(x, y, size)
        yield b"".join(x.to_bytes(32, "big") + y.to_bytes(32, "big") for x, y in batch)
        left -= size
        x, y = _double(*batch[-1])


def _doublings(x: int, y: int, count: int) -> list[tuple[int, int]]:
    """Return the point and what `count` - 1 doublings make of it, affine."""
    points = [(x, y, 1)]
    z = 1
    for _ in range(count - 1):
        a, b = x * x % Q, y * y % Q
        c = b * b % Q
        d = 2 * ((x + b) * (x + b) - a - c) % Q
        e = 3 * a
        z = 2 * y * z % Q
        x = (e * e - 2 * d) % Q
        y = (e * (d - x) - 8 * c) % Q
        points.append((x, y, z))
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % Q)
    inverse = pow(products[-1], -1, Q)
    affine = []
    for before, (x, y, z) in zip(products[-2::-1], reversed(points), strict=True):
        inverse_z, inverse = inverse * before % Q, inverse * z % Q
        square = inverse_z * inverse_z % Q
        affine.append((x * square % Q, y * square * inverse_z % Q))
    return affine[::-1]


def _double(x: int, y: int) -> tuple[int, int]:
    slope = 3 * x * x * pow(2 * y, -1, Q) % Q
    doubled = (slope * slope - 2 * x) % Q
    return doubled, (slope * (x - doubled) - y) % Q
