"""The curve in plain integers is py-evm's; one pairing check for many proofs misses none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from eth.precompiles.ecadd import _ecadd
from eth.precompiles.ecmul import _ecmull
from eth.precompiles.ecpairing import _ecpairing

from zkdescent.core.records import FIELD_MODULUS
from zkdescent.verifier import _bn254 as curve
from zkdescent.verifier._bn254 import Q
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier.batched import _all_hold, _deferring_vm
from zkdescent.verifier.twins import POINT_BYTES

G = (1, 2)
# [1]_2 and [2]_2, as the precompile takes them (EIP-197).
G2 = bytes.fromhex(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def plain(point: Any) -> tuple[int, int]:
    return int(point[0].n), int(point[1].n)


def test_addition_and_multiplication_are_those_of_py_evm() -> None:
    draw = random.Random(3)
    points = [(0, 0), G, (1, Q - 2)]
    points += [curve.multiply(G, draw.getrandbits(256)) for _ in range(12)]
    edges = [0, 1, 2, 15, 16, FIELD_MODULUS - 1, FIELD_MODULUS, FIELD_MODULUS + 1, 2**256 - 1]
    for scalar in [*edges, *(draw.getrandbits(254) for _ in range(12))]:
        point = draw.choice(points)
        assert plain(_ecmull(words(*point, scalar))) == curve.multiply(point, scalar)
    for first in points:
        for second in (first, (first[0], -first[1] % Q), (0, 0), draw.choice(points)):
            assert plain(_ecadd(words(*first, *second))) == curve.add(first, second)


@pytest.mark.parametrize("point", [(1, 1), (0, 1), (Q, 0), (1, 2 + Q), (1 + Q, 2)])
def test_what_is_no_point_is_refused(point: tuple[int, int]) -> None:
    assert not curve.is_point(*point)
    assert curve.is_point(*G)
    assert curve.is_point(0, 0)


def equation(scalar: int, other: int) -> list[tuple[tuple[int, int], bytes]]:
    """e(s G, G2) e(o G, G2), which is one if s + o = 0."""
    return [(curve.multiply(G, scalar), G2), (curve.multiply(G, other), G2)]


def test_a_batch_holds_exactly_if_each_of_it_does() -> None:
    draw = random.Random(5)
    good = [equation(s, -s % FIELD_MODULUS) for s in (draw.getrandbits(250) for _ in range(4))]
    assert _all_hold(good)
    assert _all_hold([])
    assert not _all_hold([*good, equation(5, 5)])
    # Two wrongs that would cancel in a plain product.
    wrong = [equation(5, 0), equation(0, FIELD_MODULUS - 5)]
    assert _ecpairing(b"".join(words(*p) + g for e in wrong for p, g in e))
    assert not _all_hold(wrong)


@pytest.fixture(scope="module")
def calls() -> Callable[[int, bytes], tuple[Any, Any]]:
    """What a precompile answers to data, in py-evm's own EVM and in the one that defers."""
    plain_evm, deferring = Sandbox(), Sandbox(_deferring_vm([]))

    def call(address: int, data: bytes) -> tuple[Any, Any]:
        answers: list[tuple[Any, Any]] = []
        for evm in (plain_evm, deferring):
            try:
                sent = evm.send(f"0x{address:040x}", data)
                answers.append((sent.output, sent.gas_used))
            except Reverted as error:
                answers.append(("halted", error.data))
        return answers[0], answers[1]

    return call


@pytest.mark.parametrize(
    ("address", "data"),
    [
        (6, b""),
        (6, words(*G)),
        (6, words(*G, *G) + b"more"),
        (6, words(1, 1, *G)),
        (6, words(*G, 1 + Q, 2)),
        (7, b""),
        (7, words(*G, 9)),
        (7, words(*G, 9)[:70]),
        (7, words(*G, 2**256 - 1) + b"more"),
        (7, words(3, 4, 5)),
        (8, b""),
        (8, words(0, 0) + bytes(128)),
        (8, words(0, 0) + G2),
        (8, words(*G) + bytes(128)),
        (8, words(1, 1) + G2),
        (8, words(*G) + G2[:-1]),
        (8, words(*G) + G2[:-1] + b"\0"),
        (8, words(*G) + words(Q, 0, 0, 0)),
    ],
)
def test_precompiles_answer_and_cost_what_they_do_on_a_chain(
    calls: Callable[[int, bytes], tuple[Any, Any]], address: int, data: bytes
) -> None:
    ours, theirs = calls(address, data)
    assert ours == theirs
    assert POINT_BYTES == 64
