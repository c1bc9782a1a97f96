"""The unsafe string is what its name says; the ceremony's is checked and not believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from py_ecc import optimized_bn128 as bn128

from zkdescent.circuits.barretenberg import srs
from zkdescent.circuits.barretenberg.doubling import POINT_BYTES, doubled_points
from zkdescent.core.errors import ArtefactError, ProverError, ToolMissing

GENERATOR = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
# tau G of the Aztec Ignition ceremony, as published: the second point of its g1.dat.
TAU = bytes.fromhex(
    "2d360628289ff943ff6bd1a87bbe4e62abe7fb61ba83effd266f22bdcf31e6f9"
    "26b92a79e563c3f48252cce7feeca2f0f8d33dcb4ef7b0643bf07bd405700aaa"
)


def words_of(point: object) -> tuple[bytes, ...]:
    x, y = bn128.normalize(point)
    parts = (x.coeffs[1], x.coeffs[0], y.coeffs[1], y.coeffs[0])
    return tuple(int(part).to_bytes(32, "big") for part in parts)


def test_points_are_doublings_of_the_generator() -> None:
    count = 4098  # beyond one batch
    string = b"".join(doubled_points(count))
    assert len(string) == count * POINT_BYTES
    for place in (0, 1, 2, 3, 100, 4095, 4096, 4097):
        x, y = bn128.normalize(bn128.multiply(bn128.G1, pow(2, place, bn128.curve_order)))
        expected = int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")
        assert string[POINT_BYTES * place :][:POINT_BYTES] == expected


def test_the_secret_of_the_unsafe_string_is_two() -> None:
    assert words_of(bn128.multiply(bn128.G2, 2)) == srs.UNSAFE_G2_WORDS


def test_the_ceremonys_point_is_in_the_group_and_another() -> None:
    x1, x0, y1, y0 = (int.from_bytes(word, "big") for word in srs.CEREMONY_G2_WORDS)
    tau = (bn128.FQ2([x0, x1]), bn128.FQ2([y0, y1]), bn128.FQ2.one())
    assert bn128.is_on_curve(tau, bn128.b2)
    assert bn128.is_inf(bn128.multiply(tau, bn128.curve_order))
    assert words_of(bn128.G2) != srs.CEREMONY_G2_WORDS != srs.UNSAFE_G2_WORDS


@pytest.mark.parametrize(("points", "power"), [(1, 13), (8193, 13), (8194, 14), (16385, 14)])
def test_an_unsafe_string_is_made_once_and_is_long_enough(
    cache: Path, points: int, power: int
) -> None:
    told: list[tuple[int, int]] = []
    folder = srs.unsafe_srs(points, lambda done, total: told.append((done, total)))
    assert folder == cache / "barretenberg" / "srs" / f"unsafe-{power}"
    content = (folder / srs.FILE).read_bytes()
    assert len(content) == ((1 << power) + 1) * POINT_BYTES >= points * POINT_BYTES
    assert hashlib.sha256(content).hexdigest() == srs.UNSAFE_SHA256[power]
    assert told[-1] == ((1 << power) + 1, (1 << power) + 1)
    told.clear()
    assert srs.unsafe_srs(points, lambda done, total: told.append((done, total))) == folder
    assert told == []


def test_a_string_of_another_size_is_made_again(cache: Path) -> None:
    file = srs.unsafe_srs(2) / srs.FILE
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert (srs.unsafe_srs(2) / srs.FILE).read_bytes() == content


def test_a_string_that_comes_out_wrong_is_not_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srs, "UNSAFE_SHA256", {13: "00"})
    with pytest.raises(ProverError, match="came out wrong"):
        srs.unsafe_srs(2)
    assert list((cache / "barretenberg" / "srs").iterdir()) == []


def test_a_circuit_that_is_too_large_for_the_unsafe_string(cache: Path) -> None:
    largest = (1 << srs.LARGEST) + 1
    with pytest.raises(ProverError, match="too short") as caught:
        srs.unsafe_srs(largest + 1)
    assert caught.value.expected == f"at most {largest} points"
    assert sorted(srs.UNSAFE_SHA256) == list(range(srs.SMALLEST, srs.LARGEST + 1))


def test_points_for_a_circuit() -> None:
    assert [srs.points_for(gates) for gates in (1, 3, 4, 4091, 4092)] == [8, 8, 16, 4096, 8192]


@pytest.fixture
def ceremony(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes], Path]:
    """Write a file and name its folder as the ceremony's."""

    def write(content: bytes) -> Path:
        (tmp_path / srs.FILE).write_bytes(content)
        monkeypatch.setenv(srs.CRS_ENV, str(tmp_path))
        return tmp_path

    return write


def test_the_ceremonys_first_points_are_accepted(ceremony: Callable[[bytes], Path]) -> None:
    folder = ceremony(GENERATOR + TAU)
    assert srs.select(2) == srs.ReferenceString(folder, "ceremony", srs.CEREMONY_G2_WORDS)
    with pytest.raises(ArtefactError, match="too short") as caught:
        srs.select(3)
    assert caught.value.got == 2


UNSAFE = b"".join(doubled_points(4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off"),
        (GENERATOR, "cut off"),
        (GENERATOR + TAU[:-1], "cut off"),
        (TAU + GENERATOR, "does not begin with"),
        (GENERATOR + GENERATOR, "second point is not tau G"),
        (UNSAFE, "second point is not tau G"),
        (GENERATOR + TAU[:-1] + b"\0", "point 1 of the reference string is not on the curve"),
        (GENERATOR + TAU + bytes(64), "point 2 of the reference string is not on the curve"),
        (
            GENERATOR + (bn128.field_modulus + 1).to_bytes(32, "big") + GENERATOR[32:],
            "point 1 of the reference string is not on the curve",
        ),
        (GENERATOR + TAU + TAU, "do not follow from each other"),
        (GENERATOR + TAU + UNSAFE[128:], "do not follow from each other"),
    ],
    ids=range(11),
)
def test_another_file_is_refused(
    ceremony: Callable[[bytes], Path], content: bytes, message: str
) -> None:
    ceremony(content)
    with pytest.raises(ArtefactError, match=message):
        srs.select(2)


def test_a_replaced_file_is_checked_again(ceremony: Callable[[bytes], Path]) -> None:
    ceremony(GENERATOR + TAU)
    srs.ceremony_srs(2)
    ceremony(UNSAFE)
    with pytest.raises(ArtefactError, match="second point"):
        srs.ceremony_srs(2)


def test_a_variable_that_names_no_string(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolMissing, match="no ceremony string"):
        srs.ceremony_srs(2)
    assert srs.select(2).source == "unsafe-local"
    monkeypatch.setenv(srs.CRS_ENV, str(tmp_path / "nowhere"))
    with pytest.raises(ArtefactError, match="names no folder"):
        srs.select(2)
