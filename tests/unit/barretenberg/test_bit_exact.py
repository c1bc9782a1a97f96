"""Circuit and reference executor agree on every element of every value, step after step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkdescent.circuits.assemble import BATCH, STATE, state_capacity
from zkdescent.circuits.barretenberg.circuits import EmittedCircuit, emit
from zkdescent.circuits.barretenberg.commitment import HashRole, tensor_digest
from zkdescent.circuits.barretenberg.expression import Expression
from zkdescent.circuits.executor import evaluate, execute
from zkdescent.circuits.fixed_point import IntegerArray

from .checker import Checker, R
from .dishonest import integers_of
from .models import FIXED, Model, named
from .samples import CONTEXT_VALUE, SALT

PROOFS = 3  # in a row, each from the state that the one before it left


Settled = Mapping[int, tuple[int, Expression]]


def meant(expression: Expression, witness: Sequence[int], settled: Settled) -> int:
    """Value of an expression, as the integer nearest to zero."""

    def value(name: int) -> int:
        if name >= 0:
            return witness[name]
        factor, e = settled[name]  # an element of a product that has no witness
        return meant(e, witness, settled) * pow(factor, -1, R)

    total = expression.constant
    total += sum(c * value(a) for c, a in expression.linear)
    total += sum(c * witness[a] * witness[b] for c, a, b in expression.products)
    return (total + R // 2) % R - R // 2


def agrees(circuit: EmittedCircuit, witness: Sequence[int], values: list[IntegerArray]) -> None:
    """Every element of every node, but for the context, which is in no arithmetic."""
    program = circuit.program
    for index, (elements, value) in enumerate(zip(circuit.walk.elements, values, strict=True)):
        if index != program.inputs["context"]:
            expected = integers_of(value)
            got = [meant(e, witness, circuit.walk.freivalds.settled) for e in elements]
            assert got == expected, program.nodes[index].label


MODELS = st.builds(
    Model,
    features=st.integers(1, 4),
    hidden=st.integers(2, 3),
    outputs=st.just(1),
    function=st.sampled_from(["", "", "relu", "tanh", "sigmoid"]),
    loss=st.sampled_from(["mse", "bce"]),
    optimizer=st.sampled_from(["sgd", "momentum", "adam", "rmsprop"]),
    batch_size=st.integers(1, 3),
    steps=st.integers(1, 2),
    rounds_products=st.booleans(),
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(MODELS, st.integers(0, 1 << 30))
def test_every_state_of_random_runs_of_random_models(model: Model, seed: int) -> None:
    follow(model, seed)


@pytest.mark.parametrize(
    "model",
    [
        Model(outputs=3, loss="cross_entropy", optimizer="momentum"),
        Model(outputs=3, function="relu", loss="cross_entropy", optimizer="adam"),
        Model(function="norm", hidden=4, optimizer="sgd"),
        Model(function="tanh", loss="bce", optimizer="lamb"),
        Model(features=12, hidden=12, function="relu", batch_size=10),
    ],
    ids=str,
)
def test_every_state_of_models_with_each_gadget(model: Model) -> None:
    follow(model, 1)


def follow(model: Model, seed: int) -> None:
    """Prove nothing, but compute and check all witnesses of several proofs in a row."""
    program, layout = model.lowered()
    circuit = emit(program, FIXED, public_output=False)
    checker = Checker(circuit.program_file())
    assert checker.public == [0, 1, 2, 3]
    state, digest = model.genesis(layout, seed), None
    for number in range(PROOFS):
        inputs = named(state, model.block(seed + number))
        witness = circuit.witness(inputs, SALT + number)
        assert checker(witness) is None
        agrees(circuit, witness, evaluate(program, inputs, FIXED))
        after = execute(program, inputs, FIXED)
        wide, data = state_capacity(layout, FIXED), FIXED.data_capacity
        digest = [
            tensor_digest(role, integers_of(tensor), capacity, SALT + number)
            for role, tensor, capacity in (
                (HashRole.STATE, inputs[STATE], wide),
                (HashRole.BATCH, inputs[BATCH], data),
                (HashRole.STATE, after, wide),
            )
        ]
        assert witness[:4] == [CONTEXT_VALUE, *digest]
        lied = [*witness]
        lied[3] = tensor_digest(HashRole.STATE, [*integers_of(after)[:-1], 1 << 9], wide, SALT)
        assert checker(lied) is not None
        assert np.any(after != state)
        state = after
