"""How well a model foretells base fees: beside the last value, and beside the rule of EIP-1559."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zkdescent.core.errors import DataError
from zkdescent.core.records import Record
from zkdescent.pipeline.fees.market import Block, contiguous, features_of, next_base_fee

Predict = Callable[[list[int]], int]
"""The model in the circuit's integers: features of a window to the output, all fixed point."""


@dataclass(frozen=True, slots=True)
class Judgement(Record):
    """Mean absolute errors in wei over `windows` windows, `horizon` blocks ahead.

    ``last_value`` says that nothing changes; ``rule`` applies EIP-1559 to the newest block, which
    gives the next base fee exactly, and says that nothing changes after.
    """

    horizon: int
    windows: int
    model: float
    last_value: float
    rule: float

    @property
    def gain(self) -> float:
        """How much smaller the model's error is than the better baseline's, as a part of it."""
        return 1.0 - self.model / min(self.last_value, self.rule)


def answer_of(base_fee: int, output: int, fraction_bits: int) -> int:
    """Return the feed's answer in wei: the newest base fee, changed by the model's output.

    Truncated toward zero, as the contract does (IGasFeed).
    """
    change = abs(base_fee * output) >> fraction_bits
    return base_fee + (change if output >= 0 else -change)


def judge(
    predict: Predict, blocks: Sequence[Block], *, window: int, horizon: int, fraction_bits: int
) -> Judgement:
    """Compare a model's answers with what the base fee became, over all windows of a series.

    Raises:
        DataError: there is no window of consecutive blocks.
    """
    errors = [0, 0, 0]
    count = 0
    for run in contiguous(blocks, window + horizon):
        seen, true = run[:window], run[-1].base_fee
        newest = seen[-1]
        output = predict(features_of(seen, fraction_bits))
        answers = (
            answer_of(newest.base_fee, output, fraction_bits),
            newest.base_fee,
            next_base_fee(newest.base_fee, newest.gas_used, newest.gas_limit),
        )
        errors = [e + abs(a - true) for e, a in zip(errors, answers, strict=True)]
        count += 1
    if not count:
        raise DataError(
            "there is no window of consecutive blocks to judge by",
            expected=f"{window + horizon} blocks in a row",
            got=f"{len(blocks)} blocks",
        )
    model, last_value, rule = (error / count for error in errors)
    return Judgement(horizon, count, model, last_value, rule)
