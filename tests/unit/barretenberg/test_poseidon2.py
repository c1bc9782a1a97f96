"""The permutation and the sponge against what Barretenberg itself computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zkdescent.circuits.barretenberg.poseidon2 import permute, round_constants, sponge
from zkdescent.core.records import FIELD_MODULUS

_VECTORS: dict[str, Any] = json.loads(
    Path(__file__).with_name("poseidon2_vectors.json").read_text(encoding="utf-8")
)


def _numbers(words: list[str]) -> list[int]:
    return [int(word, 16) for word in words]


@pytest.mark.parametrize("vector", _VECTORS["permutations"])
def test_the_permutation_is_barretenbergs(vector: dict[str, Any]) -> None:
    a, b, c, d = _numbers(vector["input"])
    assert list(permute((a, b, c, d))) == _numbers(vector["output"])


@pytest.mark.parametrize("vector", _VECTORS["hashes"])
def test_the_sponge_is_barretenbergs(vector: dict[str, Any]) -> None:
    message = _numbers(vector["input"])
    assert sponge(len(message) << 64, message) == int(vector["output"], 16)


def test_every_input_reaches_the_digest() -> None:
    message = list(range(10, 17))
    digest = sponge(5, message)
    others = {sponge(6, message)}
    for i in range(len(message)):
        for change in (1, FIELD_MODULUS - 1 - message[i]):
            others.add(sponge(5, [*message[:i], message[i] + change, *message[i + 1 :]]))
    assert len(others) == 1 + 2 * len(message)
    assert digest not in others


def test_constants_are_field_elements_and_differ() -> None:
    constants = round_constants()
    flat = [k for four in (*constants.first, *constants.last) for k in four] + [*constants.partial]
    assert len(set(flat)) == len(flat) == 8 * 4 + 56
    assert all(0 < k < FIELD_MODULUS for k in flat)


def test_a_partial_group_is_filled_with_zeros_and_the_capacity_tells_lengths_apart() -> None:
    assert sponge(1, [7]) == sponge(1, [7, 0, 0])
    assert sponge(1, [7]) != sponge(3, [7, 0, 0])
    assert sponge(1, []) == permute((0, 0, 0, 1))[0]
