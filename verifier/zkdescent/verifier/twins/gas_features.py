"""What a gas feed's model reads of the last blocks, and what its output means (GasFeatures.sol).

Exact integers with ``fraction_bits`` fraction bits f. Of a window of n blocks, oldest first, with
base fees b, gas used u and gas limits g:

- n numbers ``((2u - g) * 2^f) / g``, truncated toward zero: how full a block was, from -1 to 1;
- n - 1 numbers ``floor(b * 2^f / b_newest) - 2^f``, of all blocks but the newest.

The model's output y predicts ``b / b_newest - 1`` some blocks ahead.

>>> from zkdescent.verifier.twins.header import HeaderFields
>>> def block(used, fee):
...     return HeaderFields(bytes(32), 1, 30, used, 0, bytes(32), fee, 16)
>>> gas_features([block(30, 9), block(14, 8)], 8)
(256, -17, 32)
>>> gas_answer(800, -17, 8)
747
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zkdescent.core.errors import ChainError

MAX_FRACTION_BITS = 32


class FeeBlock(Protocol):
    """What is read of a block: gas in units, the base fee in wei for each gas."""

    @property
    def gas_used(self) -> int: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def base_fee_wei(self) -> int: ...


def feature_count(blocks: int) -> int:
    """Return how many features a window of ``blocks`` blocks has."""
    return 2 * blocks - 1


def gas_features(blocks: Sequence[FeeBlock], fraction_bits: int) -> tuple[int, ...]:
    """Return the features of consecutive blocks, oldest first: 2n - 1 integers.

    Raises:
        ChainError: no blocks, or one without a gas limit, or a newest one without a base fee.
    """
    if not blocks or not 0 <= fraction_bits <= MAX_FRACTION_BITS:
        raise ChainError(
            "no window of blocks",
            expected=f"one block or more, at most {MAX_FRACTION_BITS} fraction bits",
            got=(len(blocks), fraction_bits),
        )
    newest, one = blocks[-1].base_fee_wei, 1 << fraction_bits
    if newest <= 0 or any(block.gas_limit <= 0 for block in blocks):
        raise ChainError(
            "a block has no base fee or no gas limit",
            expected="above zero",
            got=[(block.base_fee_wei, block.gas_limit) for block in blocks],
            hint="the feed needs a chain with EIP-1559",
        )
    fullness = (
        _toward_zero((2 * block.gas_used - block.gas_limit) * one, block.gas_limit)
        for block in blocks
    )
    ratios = (block.base_fee_wei * one // newest - one for block in blocks[:-1])
    return (*fullness, *ratios)


def gas_answer(base_fee_wei: int, output: int, fraction_bits: int) -> int:
    """Return the base fee, wei, that a model's output predicts from the newest block's."""
    return base_fee_wei + _toward_zero(base_fee_wei * output, 1 << fraction_bits)


def next_base_fee(block: FeeBlock) -> int:
    """Return the base fee of the block after, wei (EIP-1559, elasticity 2, denominator 8)."""
    target, fee = block.gas_limit // 2, block.base_fee_wei
    if block.gas_used == target:
        return fee
    change = fee * abs(block.gas_used - target) // target // 8
    return fee + max(change, 1) if block.gas_used > target else fee - change


def _toward_zero(numerator: int, denominator: int) -> int:
    """Quotient truncated toward zero, as Solidity divides; the denominator is positive."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient
