"""A rescale whose shift cancels a left shift must still be decomposed in the circuit.

The bounds that rule out wrap-around count on it: the result of every rescale is below the bound of
its digits for whatever witness a prover chooses. Moving labels instead of checking digits would
give the right integers to an honest prover and no bound at all to a dishonest one.
"""

from __future__ import annotations

import onnx
import pytest
from onnx import GraphProto

from zkdescent.circuits.bounds import magnitude_bounds
from zkdescent.circuits.ezkl_backend.codegen import HINTS, emit_onnx
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.gadgets import plan, wants
from zkdescent.circuits.program import Builder, Op, Program

DIGITS = Digits(12)
CAPACITY = 20


def shifted_and_back(left: int, right: int) -> Program:
    builder = Builder()
    x = builder.shift_left(builder.neg(builder.input("state", 4)), left)
    return builder.finish(builder.rescale(x, right, CAPACITY))


def sources(graph: GraphProto, name: str, *, through_sums: bool = True) -> set[str]:
    """Inputs of the graph that a tensor is computed from."""
    made = {output: node for node in graph.node for output in node.output}
    inputs = {i.name for i in graph.input}
    found: set[str] = set()
    seen: set[str] = set()
    stack = [name]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in inputs:
            found.add(current)
        elif current in made:
            node = made[current]
            is_nothing = node.op_type == "Sub" and len(set(node.input)) == 1
            stack.extend([] if is_nothing and not through_sums else node.input)
    return found


@pytest.mark.parametrize(("left", "right"), [(3, 3), (5, 3), (3, 5), (13, 13)])
def test_every_rescale_is_checked_by_look_ups(left: int, right: int) -> None:
    program = shifted_and_back(left, right)
    (node,) = (n for n in program.nodes if n.op is Op.RESCALE)
    supplied = wants(node, DIGITS).digits
    assert supplied >= DIGITS.signed_number(CAPACITY)
    assert plan(program, DIGITS).size == 4 * supplied
    graph = onnx.load_from_string(emit_onnx(program, DIGITS)).graph
    # The quotient comes from hints alone; what is left of the argument is looked up beside them.
    assert sources(graph, "output", through_sums=False) == {HINTS}
    looked_up = [n.input[0] for n in graph.node if n.op_type == "Tanh"]
    assert [sources(graph, name) for name in looked_up] == [{HINTS}, {HINTS, "state"}]


def test_a_shift_back_and_forth_is_a_rescale_still() -> None:
    """The builder must not take x * 8 / 8 for x, which nothing bounds."""
    assert shifted_and_back(3, 3).count(Op.RESCALE) == 4


def test_the_bound_that_relies_on_it() -> None:
    program = shifted_and_back(5, 3)
    bounds = magnitude_bounds(program, {"state": 1 << 40}, DIGITS.bound)
    assert bounds[program.output] == DIGITS.bound(CAPACITY) < 1 << 23
