"""Programs as files: what is read is what was written, and what is no program is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Program
from zkdescent.circuits.program_file import FORMAT, load_program, save_program
from zkdescent.core.errors import ArtefactError, ZkDescentError

Trace = Callable[..., Any]
FIXED = FixedPoint(fraction_bits=11, headroom_bits=7)


def small() -> Program:
    b = Builder()
    y, x = b.input("y", 2), b.input("a", 2)
    taken = b.take(b.mul(x, b.constant(-(1 << 70))), (1, -1), (2,))
    return b.finish(b.rescale(b.add(taken, y), 65, 20, "the name of a value"))


def test_a_program_is_read_as_it_was_written(traced: Trace) -> None:
    model = traced(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), optimizer="momentum")
    for program in (small(), model.program(FIXED, model.products(), 2)):
        read, fixed = load_program(save_program(program, FIXED))
        assert (read, fixed) == (program, FIXED)
        assert list(read.inputs) == list(program.inputs), "the order in which circuits commit"
        assert [n.name for n in read.nodes] == [n.name for n in program.nodes]


def test_what_is_read_computes_the_same() -> None:
    inputs = {name: np.array([7, -3], dtype=object) for name in ("y", "a")}
    read, fixed = load_program(save_program(small(), FIXED))
    assert execute(read, inputs, fixed).tolist() == execute(small(), inputs, FIXED).tolist()


def test_bytes_are_canonical() -> None:
    raw = save_program(small(), FIXED)
    assert raw == save_program(small(), FIXED) == save_program(*load_program(raw))
    assert raw != save_program(small(), FixedPoint())


def damaged(change: Callable[[dict[str, Any]], object]) -> bytes:
    stored = json.loads(save_program(small(), FIXED))
    change(stored)
    return json.dumps(stored).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(format="zkdescent.program/0"),
        lambda s: s.pop("format"),
        lambda s: s.pop("nodes"),
        lambda s: s.pop("output"),
        lambda s: s.pop("arithmetic"),
        lambda s: s.update(nodes=3),
        lambda s: s["nodes"][0].pop(),
        lambda s: s["nodes"][0].__setitem__(0, "an operation of tomorrow"),
        lambda s: s["inputs"][0].append(1),
        lambda s: s["arithmetic"].update(another=1),
        lambda s: s["arithmetic"].update(fraction_bits="12"),
    ],
)
def test_a_damaged_file_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    load_program(damaged(lambda s: None))
    with pytest.raises(ArtefactError, match="a stored program cannot be read") as caught:
        load_program(damaged(change))
    assert caught.value.expected == FORMAT
    assert "compile" in (caught.value.hint or "")


@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_a_truncated_file_is_refused(cut: int) -> None:
    with pytest.raises(ZkDescentError):
        load_program(save_program(small(), FIXED)[:cut])


@pytest.mark.parametrize("raw", [b"[]", b"3", b"null", b'"text"', b"\xff\xfe"])
def test_other_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ZkDescentError):
        load_program(raw)
