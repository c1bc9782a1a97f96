"""An arena: what behaviour decides is what the contract counts, and money is conserved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zkdescent.core.errors import ChainError
from zkdescent.pipeline.staking.arena import ETHER, Arena, Setting
from zkdescent.pipeline.staking.blocks import making_blocks
from zkdescent.verifier import Chain
from zkdescent.verifier.stake import StakeParameters, aggregate

PARAMETERS = StakeParameters(100, 2, 2)
COUNT = 5


class Plan:
    """Who sends and when it arrives, as told."""

    def __init__(self, sends: list[int], arrival: list[int]) -> None:
        self.said = np.array(sends, dtype=bool), np.array(arrival)

    def decide(self, epoch: int, parameters: StakeParameters) -> tuple[Any, Any]:
        """The same in every epoch."""
        return self.said


@pytest.fixture(scope="module")
def played() -> Any:
    """Six epochs of five validators: one stays away, one is late, one leaves and comes back."""
    setting = Setting(PARAMETERS, COUNT, 32, 8, changing=frozenset({4}), withdrawal_delay=1, pot=1)
    behaviour = Plan([1, 1, 0, 1, 1], [0, 1, 0, 3, 0])
    with Chain.tester() as chain:
        arena = Arena.found(chain, setting, "test")
        with making_blocks(chain) as blocks:
            arena.populate(blocks)
            book = 4, arena.encode("settle", 4, 100), 0
            extra = {
                1: [book, (4, arena.encode("exit"), 0)],
                4: [
                    book, (4, arena.encode("claimExit"), 0), (4, arena.encode("withdraw"), 0),
                    (4, arena.encode("deposit"), 32 * ETHER),
                ],
            }  # fmt: skip
            for epoch in range(1, 7):
                arena.play(blocks, behaviour, epoch, PARAMETERS, extra=extra.get(epoch, ()))
            for seat in range(COUNT):
                blocks.put(chain.account, arena.terms.address, arena.encode("settle", seat, 100))
            blocks.mine()
        yield arena


def test_votes_count_as_decided(played: Arena) -> None:
    first = played.records[0]
    assert (first.active, first.attesting, first.late) == (160, 96, 1)
    assert list(first.timely) == [True, True, False, False, True]
    assert first.gas > 100_000


def test_who_left_has_no_duty_until_back(played: Arena) -> None:
    assert [record.active for record in played.records] == [160, 128, 128, 128, 160, 160]
    assert [bool(record.timely[4]) for record in played.records] == [
        True, False, False, False, True, True,
    ]  # fmt: skip


def test_money_is_conserved(played: Arena) -> None:
    call, functions = played.chain.call, played.registry.functions
    pot, reserved, owed = call(functions.books())
    held = pot + reserved + owed
    for seat, account in enumerate(played.accounts):
        held += call(functions.validator(seat)).stakeGwei + call(
            functions.creditOf(account.address)
        )
    node: Any = played.chain._node
    assert held * 10**9 == node.w3.eth.get_balance(played.terms.address)
    # Six epochs are over: seat 0 earned in each, seat 2 missed each.
    assert call(functions.creditOf(played.accounts[0].address)) == 6 * 3200
    assert call(functions.validator(2)).stakeGwei == 32 * 10**9 - 6 * 3200


def test_gas_is_what_the_receipt_says(played: Arena) -> None:
    spent: list[int] = []
    with making_blocks(played.chain) as blocks:
        blocks.put(
            played.chain.account, str(played.accounts[0].address), b"", value=1, gas_used=spent
        )
        assert spent == [], "nothing is mined yet"
        blocks.mine()
        blocks.mine()
    assert spent == [21_000]


def test_an_epoch_under_other_parameters_than_expected_is_an_error(played: Arena) -> None:
    with making_blocks(played.chain) as blocks:
        start = played.terms.start_of(8)
        while blocks.number < start - 1:
            played._mine(blocks)
        other = StakeParameters(101, 2, 2)
        with pytest.raises(ChainError, match="opened otherwise"):
            played.play(blocks, Plan([1, 1, 1, 1, 0], [0] * 5), 8, other)


def test_aggregate_rejects_votes_of_another_length() -> None:
    from zkdescent.core.errors import DataError

    with pytest.raises(DataError):
        aggregate(0, {0: bytes(65)})
    with pytest.raises(DataError):
        aggregate(0, {})
