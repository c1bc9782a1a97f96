"""Ask a node for blocks, and believe nothing that contradicts itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from zkdescent.core.errors import ChainError
from zkdescent.pipeline.fees._journal import Seen
from zkdescent.pipeline.fees.market import Block

_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_AT_ONCE = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 15.0

T = TypeVar("T")


class BlockSource:
    """A node behind a URL, asked again and again while it does not answer, or answers nonsense.

    Args:
        patience_s: how long one question is repeated before its error is raised.

    Raises:
        ConfigError: the URL is none. ChainError: the node does not answer.
    """

    def __init__(
        self, url: str, *, patience_s: float, notice: Callable[[str], None] = lambda text: None
    ) -> None:
        from zkdescent.verifier._http import HttpNode

        self._patience_s, self._notice = patience_s, notice
        self._node = self._until_answered("reach the node", lambda: HttpNode(url))
        self.name, self.chain_id = self._node.name, self._node.chain_id

    def newest(self) -> int:
        """Return the number of the newest block."""

        def ask() -> int:
            return _whole(self._node.rpc("eth_blockNumber"), "the newest block's number")

        return self._until_answered("ask for the newest block", ask)

    def blocks(self, first: int, last: int) -> list[Seen]:
        """Return the blocks first .. last (1,024 at most), which follow each other.

        Headers give gas used and limit; eth_feeHistory tells the base fees once more.

        Raises:
            ChainError: it did not answer, or contradicts itself, for all of ``patience_s``.
        """
        return self._until_answered(
            f"read blocks {first} to {last}", lambda: self._blocks(first, last)
        )

    def _blocks(self, first: int, last: int) -> list[Seen]:
        count = last - first + 1
        history = self._node.rpc("eth_feeHistory", hex(count), hex(last), [])
        with _readable("the fee history", history):
            oldest = _whole(history["oldestBlock"], "the fee history's oldest block")
            fees = [_whole(fee, "a base fee") for fee in history["baseFeePerGas"]]
        if oldest != first or len(fees) not in (count, count + 1):
            raise _nonsense(
                "the fee history is of other blocks",
                f"blocks {first} to {last}",
                f"{len(fees)} from block {oldest}",
            )
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            seen = list(pool.map(self._block, range(first, last + 1)))
        for i, ((found, parent), fee) in enumerate(zip(seen, fees, strict=False)):
            if found.block.base_fee_wei != fee:
                raise _nonsense(
                    f"header and fee history differ about block {found.block.number}",
                    fee,
                    found.block.base_fee_wei,
                )
            if i and parent != seen[i - 1][0].hash:
                raise _nonsense(
                    f"block {found.block.number} does not follow the block before it",
                    seen[i - 1][0].hash,
                    parent,
                )
        return [found for found, _ in seen]

    def parent_of(self, number: int) -> str:
        """Return the hash of the block before one, as that block says."""
        return self._until_answered(f"read block {number}", lambda: self._block(number)[1])

    def _block(self, number: int) -> tuple[Seen, str]:
        """A block and its parent's hash."""
        raw = self._node.rpc("eth_getBlockByNumber", hex(number), False)
        if raw is None:
            raise _nonsense(f"the node has no block {number}", "a block", "null")
        with _readable(f"block {number}", raw):
            if raw.get("baseFeePerGas") is None:
                raise ChainError(
                    "the chain has no base fees",
                    expected="blocks after EIP-1559",
                    got=f"block {number} without baseFeePerGas",
                )
            names = ("number", "timestamp", "baseFeePerGas", "gasUsed", "gasLimit")
            block = Block(*(_whole(raw[name], name) for name in names))
            hash_, parent = str(raw["hash"]), str(raw["parentHash"])
        if block.number != number or block.gas_limit == 0 or block.gas_used > block.gas_limit:
            raise _nonsense("the node's answer is no block", f"block {number}", block)
        if not (_HASH.fullmatch(hash_) and _HASH.fullmatch(parent)):
            raise _nonsense(f"block {number} has no hash", "32 bytes", (hash_, parent))
        return Seen(block, hash_.lower()), parent.lower()

    def _until_answered(self, what: str, ask: Callable[[], T]) -> T:
        started, pause = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return ask()
            except ChainError as error:
                if time.monotonic() - started + pause > self._patience_s:
                    error.hint = (
                        f"nothing that was collected is lost: run the command again, or "
                        f"with another node; it gave up to {what} after {self._patience_s:g} s"
                    )
                    raise
                self._notice(f"{what}: {error.message}; asking again")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


@contextmanager
def _readable(what: str, got: object) -> Iterator[None]:
    """Turn an answer of another shape into an error that says so."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise _nonsense(f"the node's answer is not {what}", what, got) from error


def _whole(value: Any, what: str) -> int:
    try:
        number = int(value, 16)
    except (TypeError, ValueError) as error:
        raise _nonsense(
            f"the node's answer is not {what}", "a hexadecimal number", value
        ) from error
    if number < 0:
        raise _nonsense(f"the node's answer is not {what}", "0 or more", number)
    return number


def _nonsense(message: str, expected: object, got: object) -> ChainError:
    return ChainError(message, expected=expected, got=str(got)[:200])
