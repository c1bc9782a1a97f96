"""False witnesses of every gadget, by the hundred: the constraints refuse each of them.

The oracle evaluates the circuit's file (checker.py), and test_checker.py compares it with bb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from . import lies
from .dishonest import Lie, Prover
from .samples import gadgets, inference, layers, products


@pytest.fixture(scope="module")
def provers() -> dict[str, Prover]:
    made = {
        "gadgets": Prover(gadgets()),
        "inference": Prover(inference()),
        "layers": Prover(layers()),
        "products": Prover(products()),
        "products written out": Prover(products(), freivalds=False),
    }
    for prover in made.values():
        assert prover.solve() == prover.honest
        assert prover.checker(prover.honest) is None
    return made


CAMPAIGNS: dict[str, tuple[Callable[[Prover], Iterable[Lie]], dict[str, int]]] = {
    "results": (
        lies.about_results,
        {
            "gadgets": 130,
            "inference": 11,
            "layers": 80,
            "products": 100,
            "products written out": 100,
        },
    ),
    "the field": (
        lambda p: lies.about_divisions_in_the_field(p, 1),
        {"gadgets": 180, "inference": 15, "layers": 150, "products": 150},
    ),
    "tables": (lambda p: lies.about_tables(p, 2), {"gadgets": 800}),
    "packing": (lies.about_packing, {"gadgets": 150, "inference": 90, "products": 400}),
    "the statement": (lies.about_the_statement, {"gadgets": 30, "inference": 40, "products": 50}),
    "products": (lambda p: lies.about_products(p, 4), {"layers": 160, "products": 160}),
    "single witnesses": (
        lambda p: lies.about_single_witnesses(p, 3),
        {"gadgets": 1000, "inference": 110, "products": 1600},
    ),
}


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_lies_are_refused(provers: dict[str, Prover], campaign: str) -> None:
    tell, expected = CAMPAIGNS[campaign]
    for name, least in expected.items():
        tally = provers[name].judge(tell(provers[name]))
        assert tally.failures == [], name
        assert tally.rejected >= least, name


def test_the_context_alone_is_free(provers: dict[str, Prover]) -> None:
    """It enters no constraint: a proof is bound to it as to any other public input."""
    for prover in provers.values():
        witness = prover.changed({0: 5})
        assert prover.checker(witness) is None
        assert prover.checker.public[0] == 0


def test_a_lie_that_is_none_is_noticed(provers: dict[str, Prover]) -> None:
    """The twin: the judge does not take whatever it is given for refused."""
    prover = provers["gadgets"]
    other = prover.solve(salt=7)  # an honest witness of another statement
    tally = prover.judge(
        [Lie("same", prover.honest, lies.ANY), Lie("true", other, lies.RANGE_TELLS)]
    )
    assert tally.rejected == 0
    assert tally.failures == ["same: no lie", "true: accepted"]
    wrong_kind = prover.judge([Lie("public", prover.changed({1: 1}), lies.RANGE_TELLS)])
    assert wrong_kind.failures == ["public: ['AssertZero'], not ['RANGE']"]
