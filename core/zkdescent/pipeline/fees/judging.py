"""How well a model foretells base fees: beside the last value, and beside the rule of EIP-1559."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zkdescent.core.errors import DataError
from zkdescent.core.records import Record
from zkdescent.pipeline.fees.market import Block, contiguous
from zkdescent.verifier.twins.gas_features import gas_answer, gas_features, next_base_fee

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
        seen, true = run[:window], run[-1].base_fee_wei
        newest = seen[-1]
        output = predict(list(gas_features(seen, fraction_bits)))
        answers = (
            gas_answer(newest.base_fee_wei, output, fraction_bits),
            newest.base_fee_wei,
            next_base_fee(newest),
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
