"""The intermediate representation: shapes, sharing of equal nodes, dropping of dead ones."""

from __future__ import annotations

import pytest

from zkdescent.circuits.program import Builder, Op


def test_equal_nodes_are_shared_and_inputs_never() -> None:
    b = Builder()
    x, y = b.input("x", 4), b.input("y", 4)
    assert x != y
    assert b.add(x, y, "one name") == b.add(x, y, "another name")
    assert b.add(x, y) != b.add(y, x)
    assert b.constant(3) == b.constant(3)
    assert b.constant(3) != b.constant(-3)


def test_what_no_output_needs_is_dropped_and_inputs_stay() -> None:
    b = Builder()
    context, x = b.input("context", 1), b.input("x", 4)
    b.mul(x, x)
    program = b.finish(b.sum(x, (0,)))
    assert [n.op for n in program.nodes] == [Op.INPUT, Op.INPUT, Op.SUM]
    assert program.inputs == {"context": context, "x": x}
    assert program.nodes[program.output].shape == (1,)


def test_an_input_may_be_the_output() -> None:
    b = Builder()
    program = b.finish(b.input("x", 4))
    assert program.output == program.inputs["x"] == 0


def test_operations_that_change_nothing_are_no_nodes() -> None:
    b = Builder()
    x = b.input("x", 6)
    assert b.slice(x, 0, 6) == x
    assert b.reshape(x, (6,)) == x
    assert b.shift_left(x, 0) == x
    assert b.rescale(x, 0, 20) == x
    assert b.concat([x]) == x
    matrix = b.reshape(x, (2, 3))
    assert b.reshape(matrix, (6,)) == x
    assert b.transpose(b.transpose(matrix)) == matrix


def test_shapes() -> None:
    b = Builder()
    x = b.input("x", 6)
    matrix = b.reshape(x, (2, 3))
    assert b.shape(b.transpose(matrix)) == (3, 2)
    assert b.shape(b.matmul(matrix, b.transpose(matrix))) == (2, 2)
    assert b.shape(b.sum(matrix, (0,))) == (1, 3)
    assert b.shape(b.add(matrix, b.sum(matrix, (1,)))) == (2, 3)
    assert b.shape(b.mul(matrix, b.constant(2))) == (2, 3)
    assert b.shape(b.concat([x, b.slice(x, 1, 3)])) == (8,)
    assert b.node(b.is_positive(matrix, 20)).size == 6
    assert b.shape(b.take(matrix, (0, -1, 5, 5), (2, 2))) == (2, 2)


def test_impossible_shapes_are_refused() -> None:
    b = Builder()
    x = b.input("x", 6)
    with pytest.raises(ValueError, match="broadcast"):
        b.add(x, b.input("y", 4))
    with pytest.raises(ValueError, match="6 elements"):
        b.reshape(x, (4, 2))
    with pytest.raises(ValueError, match="inner"):
        b.matmul(b.reshape(x, (2, 3)), b.reshape(x, (2, 3)))
    with pytest.raises(ValueError, match="indices"):
        b.take(x, (0, 1), (3,))
    with pytest.raises(ValueError, match="outside"):
        b.take(x, (0, 6), (2,))
    with pytest.raises(ValueError, match="shape"):
        b.constant(1, 2, shape=(3,))
    with pytest.raises(ValueError, match="not a table"):
        b.table(Op.MUL, x, 10)
    with pytest.raises(ValueError, match="slice"):
        b.slice(x, 4, 8)


def test_counting_elements_by_operation() -> None:
    b = Builder()
    x = b.input("x", 6)
    program = b.finish(b.rescale(b.mul(x, x), 4, 20))
    assert program.count(Op.RESCALE) == 6
    assert program.count(Op.SQRT) == 0


def test_a_rearrangement_of_a_rearrangement_is_one() -> None:
    b = Builder()
    x = b.input("x", 4)
    twice = b.take(b.take(x, (3, 2, -1), (3,)), (1, 2, -1, 0), (4,))
    assert b.node(twice).inputs == (x,)
    assert b.node(twice).attributes == (2, -1, -1, 3)
    assert b.take(x, (0, 1, 2, 3), (4,)) == x, "the identity is no node"
