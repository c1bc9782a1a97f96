"""Use gas on a development chain, so that its base fee moves as a market's does.

A contract of five instructions grows its memory by as much as it is told: gas for megabytes of
zeros, in a microsecond of work and with no state left behind.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zkdescent.verifier.twins.header import read_header

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

# PUSH0 PUSH0 CALLDATALOAD MSTORE STOP: memory up to the word that call data names.
_RUNTIME = bytes.fromhex("5f5f355200")
_INIT_CODE = bytes.fromhex("64") + _RUNTIME + bytes.fromhex("5f526005601bf3")
_FIXED_GAS = 21_000 + 32 * 4 + 4 * 12 + 20
_LARGEST = 16_000_000  # below EIP-7825's 16,777,216
_MARGIN = 4_000
_POLL_S = 0.02

Wanted = Callable[[int, int], int]
"""Gas that the next block is to use, by its base fee (wei) and the gas limit."""


class Load:
    """Transactions of one account, block after block; nobody else may send from it.

    Args:
        chain: acts as an account with ether.
        burner: from :func:`deploy_burner`.
        wanted: how much gas to use.
    """

    def __init__(self, chain: Chain, burner: str, wanted: Wanted) -> None:
        self._chain, self._burner, self._wanted = chain, burner, wanted

    def queue(self, *, reserve: int = 0) -> int:
        """Hand over transactions for the next block; return the gas that they will use.

        Args:
            reserve: gas of the block to leave for others.
        """
        head = read_header(self._chain.header_rlp(self._chain.block_number))
        base_fee = self._chain.next_base_fee()
        left = min(self._wanted(base_fee, head.gas_limit), head.gas_limit - reserve - _MARGIN)
        used, nonce = 0, self._chain.nonce()
        while left - used > _FIXED_GAS + _MARGIN:
            gas = min(left - used, _LARGEST)
            self._chain.queue(
                self._burner,
                growth(gas).to_bytes(32, "big"),
                gas=gas + _MARGIN,
                nonce=nonce,
                max_fee=3 * base_fee + 10**9,
            )
            nonce += 1
            used += gas + _MARGIN
        return used


@contextmanager
def blocks_on_demand(chain: Chain) -> Iterator[None]:
    """Inside, a local chain makes a block when its account sends something, or when told to.

    What others have queued comes with it, so that a submission is among a load at any speed.
    """
    if chain.name == "tester":  # it always does so
        yield
        return
    done = threading.Event()

    def mine() -> None:
        mined = chain.nonce(pending=False)
        while not done.is_set():
            if chain.nonce() > mined:
                chain.mine(1)
                mined = chain.nonce(pending=False)
            done.wait(_POLL_S)

    with chain.holding_blocks():
        miner = threading.Thread(target=mine, daemon=True)
        miner.start()
        try:
            yield
        finally:
            done.set()
            miner.join()


def growth(gas: int) -> int:
    """Return the offset at which a word's storing costs about `gas`, the transaction included.

    Memory of w words costs 3 w + w^2 / 512 (Yellow Paper, appendix H).
    """
    left = max(0, gas - _FIXED_GAS)
    words = int((math.sqrt(9.0 + left / 128.0) - 3.0) * 256.0)
    return max(0, 32 * words - 32)


def deploy_burner(chain: Chain) -> str:
    """Deploy the contract, unless it is there; return its address."""
    from zkdescent.verifier import deploy_code
    from zkdescent.verifier._create2 import predict_address

    deploy_code(chain, _INIT_CODE, action="deploy load")
    return predict_address(_INIT_CODE)
