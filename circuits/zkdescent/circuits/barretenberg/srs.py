"""Reference strings for Barretenberg: a folder with `bn254_g1.dat`, a point of the second group.

The *unsafe* string has the secret tau = 2: anybody can make it again, byte for byte, and forge
every proof under it. It is what tests, demos and local chains use, under a name that says so. The
*ceremony's* string is a file that the user provides; it is never taken on trust.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zkdescent.circuits.barretenberg.ceremony import check_ceremony
from zkdescent.circuits.barretenberg.doubling import POINT_BYTES, doubled_points
from zkdescent.circuits.cache import cache_directory, made_whole
from zkdescent.core.errors import ArtefactError, ProverError, ToolMissing

CRS_ENV = "ZKDESCENT_BB_CRS"
FILE = "bn254_g1.dat"
SMALLEST, LARGEST = 13, 22  # log2 of the numbers of points that are kept
# log2 of n -> sha256 of the n + 1 points with tau = 2.
UNSAFE_SHA256 = {
    13: "8cd13dd5f8b5f2aa3e7c51382a4e18809b05c0318a0d1caaa07ad9db11c26e29",
    14: "4c5f549e5bbfacccaf8f2960abd79eaa387c2cfb720677dbd1b186cdf4176226",
    15: "e6491f7850f3f16ed6121dba78a3f58e9e0c8964a75c76886a8c8c02725e0570",
    16: "d7ff49df2791bbda66cd32ead058c807c72955e564417c3dfdfcb9d58121bd3c",
    17: "b0c323456a020b1332bf2e25356cf2017f247fc3cf77e3f2a620d5ceb487731f",
    18: "ee63274d1812e14b28d4c962a6e1aa5b8eaf441f77436a5f0360f2eaa3fdd4d7",
    19: "29349efd414c3750e4af8f9332c176a34a2285f0639378838acbb4d2b02a8154",
    20: "77c20bf27bb19caed2e1a8cd87609dd1539ff30b7b15cd5b982552d09cbad115",
    21: "084b6e88a599c18dc68827b49cd63aeed6022eb80329f2250ed0a07879c74bbe",
    22: "17c14aa860d55f64c5c1af4a40f2978c182f8d6bcd910672d5936a4969f4c9cd",
}
# tau in the second group, four words as the pairing precompile takes them (EIP-197): imaginary and
# real part of x, then of y. [2]_2:
UNSAFE_G2_WORDS = (
    bytes.fromhex("203e205db4f19b37b60121b83a7333706db86431c6d835849957ed8c3928ad79"),
    bytes.fromhex("27dc7234fd11d3e8c36c59277c3e6f149d5cd3cfa9a62aee49f8130962b4b3b9"),
    bytes.fromhex("195e8aa5b7827463722b8c153931579d3505566b4edf48d498e185f0509de152"),
    bytes.fromhex("04bb53b8977e5f92a0bc372742c4830944a59b4fe6b1c0466e2a6dad122b5d2e"),
)
# [tau]_2 of the Aztec Ignition ceremony (2020), which bb writes into every verifier.
CEREMONY_G2_WORDS = (
    bytes.fromhex("260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1"),
    bytes.fromhex("0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0"),
    bytes.fromhex("04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4"),
    bytes.fromhex("22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55"),
)
# Rows that bb adds to a circuit before it takes the next power of two.
_ADDED_ROWS = 5

Source = Literal["unsafe-local", "ceremony"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReferenceString:
    """A string to prove under.

    Attributes:
        directory: what bb takes as `-c`.
        source: who knows tau: everybody, or nobody if one of the ceremony's parties was honest.
        g2_words: [tau]_2, four words of 32 bytes, as a verifier contract holds them.
    """

    directory: Path
    source: Source
    g2_words: tuple[bytes, bytes, bytes, bytes]


def points_for(gates: int) -> int:
    """Return how many points a circuit of so many gates needs (`circuit_size` of `bb gates`).

    >>> points_for(4091), points_for(4092)
    (4096, 8192)
    """
    return 1 << (gates + _ADDED_ROWS - 1).bit_length()


def select(points: int, progress: Progress | None = None) -> ReferenceString:
    """Return the ceremony's string if `$ZKDESCENT_BB_CRS` names one, else the unsafe local one.

    Raises:
        ArtefactError: the ceremony's string is not what it should be, or too short.
        ProverError: more points are asked for than the unsafe string has.
    """
    if os.environ.get(CRS_ENV):
        return ReferenceString(ceremony_srs(points), "ceremony", CEREMONY_G2_WORDS)
    return ReferenceString(unsafe_srs(points, progress), "unsafe-local", UNSAFE_G2_WORDS)


def unsafe_srs(points: int, progress: Progress | None = None) -> Path:
    """Return a folder with at least so many points for tau = 2, computed on first use.

    Args:
        progress: is told how many points of how many are there; 2**18 take about two seconds.

    Raises:
        ProverError: more than 2**LARGEST + 1 points, or the points came out wrong.
    """
    power = max(SMALLEST, (points - 2).bit_length())
    if power > LARGEST:
        raise ProverError(
            "the unsafe reference string is too short for this circuit",
            expected=f"at most {(1 << LARGEST) + 1} points",
            got=points,
            hint=f"name the ceremony's string with {CRS_ENV}, or make the circuit smaller",
        )
    folder = cache_directory() / "barretenberg" / "srs" / f"unsafe-{power}"
    count = (1 << power) + 1
    file = folder / FILE
    if not file.is_file() or file.stat().st_size != count * POINT_BYTES:
        with made_whole(folder) as partial:
            _write(partial / FILE, power, count, progress)
    return folder


def ceremony_srs(points: int) -> Path:
    """Return the folder that `$ZKDESCENT_BB_CRS` names, checked.

    Raises:
        ToolMissing: the variable is not set.
        ArtefactError: it is not the ceremony's string, or has too few points.
    """
    named = os.environ.get(CRS_ENV)
    if not named:
        raise ToolMissing(
            "no ceremony string is named",
            expected=f"{CRS_ENV}=FOLDER with {FILE}",
            hint="without the variable circuits use the unsafe local string, and say so",
        )
    folder = Path(named)
    file = folder / FILE
    if not file.is_file():
        raise ArtefactError(f"{CRS_ENV} names no folder with {FILE}", path=folder)
    check_ceremony(file, CEREMONY_G2_WORDS)
    there = file.stat().st_size // POINT_BYTES
    if there < points:
        raise ArtefactError(
            "the ceremony's string is too short for this circuit",
            expected=f"at least {points} points of {POINT_BYTES} bytes",
            got=there,
            path=file,
            hint="fetch more of the string, from its first byte on",
        )
    return folder


def _write(file: Path, power: int, count: int, progress: Progress | None) -> None:
    digest = hashlib.sha256()
    done = 0
    with file.open("wb") as out:
        for piece in doubled_points(count):
            out.write(piece)
            digest.update(piece)
            done += len(piece) // POINT_BYTES
            if progress is not None:
                progress(done, count)
    if digest.hexdigest() != UNSAFE_SHA256[power]:
        raise ProverError(
            "the unsafe reference string came out wrong",
            expected=UNSAFE_SHA256[power],
            got=digest.hexdigest(),
            hint="a fault of this machine: its memory, or its Python",
        )
