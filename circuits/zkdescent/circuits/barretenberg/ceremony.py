"""Is a file of points the ceremony's reference string?

Of points G, tau G, tau^2 G, ... only the second group's [tau]_2 is known in advance. A pairing says
whether two points differ by the factor tau: e(B, [1]_2) = e(A, [tau]_2) exactly if B = tau A.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path
from typing import Any

from zkdescent.circuits.barretenberg.doubling import POINT_BYTES, Q
from zkdescent.core.errors import ArtefactError

_SAMPLE = 48
_COEFFICIENT_BITS = 128
_GENERATOR = (1, 2)
_HINT = "give the file as the ceremony published it: 64-byte points, big endian, from the first on"


def check_ceremony(file: Path, g2_words: tuple[bytes, bytes, bytes, bytes]) -> None:
    """Return if the file begins as the string of [tau]_2 must, and a random sample continues so.

    The sample is new in every process: pairs of neighbours, all points on the curve, and a random
    combination of the pairs passes the pairing. One wrong point among very many may escape it; a
    proof made with such a point fails its own verification, so no false statement can come of it.

    Raises:
        ArtefactError: a check fails; it says which.
    """
    state = file.stat()
    _checked(file, state.st_size, state.st_mtime_ns, g2_words)


@lru_cache(maxsize=4)
def _checked(
    file: Path, size: int, modified_ns: int, g2_words: tuple[bytes, bytes, bytes, bytes]
) -> None:
    """The check itself; size and time are in the key so that a replaced file is read again."""
    if size % POINT_BYTES or size < 2 * POINT_BYTES:
        raise ArtefactError(
            "the reference string is cut off",
            expected=f"two points or more of {POINT_BYTES} bytes",
            got=f"{size} bytes",
            path=file,
            hint=_HINT,
        )
    count = size // POINT_BYTES
    chosen = random.SystemRandom().sample(range(count - 1), min(_SAMPLE, count - 1))
    pairs = [_pair(file, place) for place in sorted({0, *chosen})]
    if pairs[0][0] != _GENERATOR:
        raise ArtefactError(
            "the reference string does not begin with the group's generator",
            expected=_GENERATOR,
            got=pairs[0][0],
            path=file,
            hint=_HINT,
        )
    if not _related([pairs[0]], g2_words):
        raise ArtefactError(
            "this is not the ceremony's reference string: its second point is not tau G",
            got=f"({pairs[0][1][0]:#x}, {pairs[0][1][1]:#x})",
            path=file,
            hint="bb's verifiers hold the Aztec Ignition ceremony's tau and no other",
        )
    if not _related(pairs, g2_words):
        raise ArtefactError(
            "points of the reference string do not follow from each other", path=file, hint=_HINT
        )


def _pair(file: Path, place: int) -> tuple[tuple[int, int], tuple[int, int]]:
    with file.open("rb") as data:
        data.seek(place * POINT_BYTES)
        words = [int.from_bytes(data.read(32), "big") for _ in range(4)]
    first, second = (words[0], words[1]), (words[2], words[3])
    for offset, (x, y) in enumerate((first, second)):
        if x >= Q or y >= Q or (y * y - x * x * x - 3) % Q:
            raise ArtefactError(
                f"point {place + offset} of the reference string is not on the curve",
                expected="y^2 = x^3 + 3, coordinates below the field's order",
                got=f"({x:#x}, {y:#x})",
                path=file,
                hint=_HINT,
            )
    return first, second


def _related(
    pairs: list[tuple[tuple[int, int], tuple[int, int]]],
    g2_words: tuple[bytes, bytes, bytes, bytes],
) -> bool:
    """Whether every second point is tau times its first, but for a chance of 2**-128."""
    from py_ecc.optimized_bn128 import FQ, FQ2, G2, Z1, add, multiply, pairing

    x1, x0, y1, y0 = (int.from_bytes(word, "big") for word in g2_words)
    tau: Any = (FQ2([x0, x1]), FQ2([y0, y1]), FQ2.one())
    left: Any = Z1
    right: Any = Z1
    for first, second in pairs:
        factor = 1 + random.SystemRandom().getrandbits(_COEFFICIENT_BITS)
        a, b = ((FQ(x), FQ(y), FQ(1)) for x, y in (first, second))
        left = add(left, multiply(a, factor))
        right = add(right, multiply(b, factor))
    return bool(pairing(G2, right) == pairing(tau, left))
