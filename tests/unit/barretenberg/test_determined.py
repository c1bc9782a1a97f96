"""Nothing in a circuit is the prover's choice: every witness follows from what is committed to.

Two claims about circuit files, shown by the rules of determined.py for all witnesses at once, not
for the lies that somebody thought of. With products written out, all witnesses follow from state,
batch block and salt. With Freivalds' checks, everything that enters them follows from what the
challenge is a hash of, without the checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.program import Op

from .absorbed import NotInjectiveError, sponges, unbound
from .checker import HASH, RANGE, ZERO, Checker
from .determined import Analysis, undetermined
from .models import FIXED, Model
from .samples import Sample, gadgets, inference, layers, products

SAMPLES: dict[str, Callable[[], Sample]] = {
    "gadgets": gadgets, "inference": inference, "layers": layers, "products": products
}  # fmt: skip
WIDE = Model(features=10, hidden=12, outputs=8, batch_size=12)
slow = pytest.mark.slow
WRITTEN_OUT = [
    Model(steps=2, optimizer="momentum", loss="cross_entropy", function="tanh", outputs=3),
    Model(function="norm", hidden=4, optimizer="rmsprop"),
    Model(function="sigmoid", optimizer="lamb", rounds_products=False),
    pytest.param(Model(function="gelu"), marks=slow),
    pytest.param(Model(function="elu"), marks=slow),
    pytest.param(Model(function="softplus", loss="bce"), marks=slow),
    pytest.param(Model(steps=2, optimizer="adam", loss="bce", function="relu"), marks=slow),
    pytest.param(Model(steps=3, optimizer="nesterov", function="relu"), marks=slow),
    pytest.param(Model(optimizer="adamw", function="sigmoid"), marks=slow),
    pytest.param(Model(optimizer="adagrad", function="relu"), marks=slow),
    pytest.param(Model(optimizer="lion", loss="cross_entropy", outputs=3), marks=slow),
    pytest.param(Model(optimizer="signsgd", function="tanh", loss="bce"), marks=slow),
]
CHECKED = [
    replace(WIDE, function="relu", rounds_products=False),
    replace(WIDE, function="tanh", loss="cross_entropy"),
    pytest.param(replace(WIDE, steps=2, function="relu"), marks=slow),
    pytest.param(replace(WIDE, function="relu", optimizer="adam"), marks=slow),
    pytest.param(replace(WIDE, function="norm", optimizer="momentum"), marks=slow),
    pytest.param(
        replace(WIDE, steps=3, function="relu", rounds_products=False, optimizer="nesterov"),
        marks=slow,
    ),
]


def circuit_of(model: Model, *, freivalds: bool) -> Checker:
    program, _ = model.lowered()
    made = emit(program, FIXED, public_output=False, freivalds=freivalds)
    assert bool(made.walk.freivalds.products) == freivalds
    return Checker(made.program_file())


def given(checker: Checker, features: int = 0) -> set[int]:
    """Context, state and salt; then the batch block, or the public features of an inference."""
    (_, state), *others = sponges(Analysis(checker, []))
    if features:
        assert not others
        return {0, *state, *checker.public[2 : 2 + features]}
    (_, batch), _ = others
    return {0, *state, *batch}


@pytest.mark.parametrize("name", SAMPLES)
def test_all_witnesses_follow_from_the_inputs(name: str) -> None:
    checker = Checker(SAMPLES[name]().emit(freivalds=False).program_file())
    inputs = given(checker, 4 if name == "inference" else 0)
    assert len(inputs) < checker.witnesses // 2
    assert undetermined(checker, inputs) == set()


@pytest.mark.parametrize("model", WRITTEN_OUT, ids=str)
def test_all_witnesses_of_a_step_follow_from_its_inputs(model: Model) -> None:
    checker = circuit_of(model, freivalds=False)
    assert undetermined(checker, given(checker)) == set()


@pytest.mark.parametrize("name", ["layers", "products"])
def test_the_challenge_binds_what_enters_the_checks(name: str) -> None:
    assert unbound(Checker(SAMPLES[name]().emit().program_file())) == set()


@pytest.mark.parametrize("model", CHECKED, ids=str)
def test_the_challenge_of_a_step_binds_what_enters_the_checks(model: Model) -> None:
    assert unbound(circuit_of(model, freivalds=True)) == set()


def is_missed(checker: Checker, inputs: set[int], opcode: int) -> bool:
    """Whether nobody would notice that an opcode is not there."""
    without = frozenset({opcode})
    try:
        sponges(Analysis(checker, [], without))
    except NotInjectiveError:
        return False
    return not undetermined(checker, inputs, without)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=slow)])
def test_without_an_opcode_something_is_open(step: int) -> None:
    """The twin: every kind of opcode is needed, wherever it stands, but for two range checks.

    A divisor is above zero because r and 2 y - 1 - r are not below, and the argument of a table of
    exponentials is bounded before (zkdescent.circuits.bounds).
    """
    sample = gadgets(4)
    made = sample.emit()
    spare = {
        witness
        for index, node in enumerate(sample.program.nodes)
        if node.op in (Op.DIVIDE, Op.EXP)
        for witness in made.walk.hints[index].rest[2].witnesses()
    }
    checker = Checker(made.program_file())
    inputs = given(checker)
    for index in range(0, len(checker.opcodes), step):
        kind, witness, *_ = checker.opcodes[index]
        is_spare = kind == RANGE and witness in spare
        assert is_missed(checker, inputs, index) == is_spare, checker.opcodes[index]


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=slow)])
@pytest.mark.parametrize("name", ["layers", "products"])
def test_what_the_challenge_leaves_out_is_unbound(name: str, step: int) -> None:
    """The twin: each hint that is hashed is one that the prover could choose otherwise."""
    checker = Checker(SAMPLES[name]().emit().program_file())
    hashed = sponges(Analysis(checker, []))[-1][1]
    words = {word for kind, inputs, *_ in checker.opcodes if kind == HASH for word in inputs}
    places = [
        (index, term)
        for index, (kind, _, linear, _) in enumerate(checker.opcodes)
        if kind == ZERO and words & {w for _, w in linear} and len(linear) > 2
        for term in linear
        if term[1] in hashed
    ]
    for index, term in places[::step]:
        kind, products, linear, constant = checker.opcodes[index]
        checker.opcodes[index] = kind, products, [t for t in linear if t != term], constant
        assert unbound(checker), term
        checker.opcodes[index] = kind, products, linear, constant
    assert len(places) > 8 * step
