"""Blocks made by hand: many transactions of many accounts in one block, on a development node.

The simulation decides what is in which block, because deadlines count blocks. A node that mines by
itself is told to stop while this goes on, and to go on afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from zkdescent.core.errors import ChainError
from zkdescent.verifier import Chain

_KEEPER_GAS, _OTHERS_GAS = 16_000_000, 1_000_000
_FEE = 2 * 10**10  # wei: offered, not paid


class BlockMaker:
    """Puts transactions into the pending block and mines it; see :func:`making_blocks`.

    A transaction that fails is an error: on the tester it raises as it is put in, elsewhere when
    the block is mined.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._node: Any = chain._node
        self._tester = chain.name == "tester"
        self._nonces: dict[str, int] = {}
        self._sent: list[Any] = []
        self._metered: list[tuple[Any, list[int]]] = []
        self.number = chain.block_number

    def put(
        self,
        account: LocalAccount,
        to: str,
        data: bytes,
        *,
        value: int = 0,
        gas_used: list[int] | None = None,
    ) -> None:
        """Put a transaction of an account into the block that is mined next.

        Args:
            gas_used: takes the gas that its receipt says, once the block is mined.
        """
        address = str(account.address)
        if address not in self._nonces:
            count = self._node.w3.eth.get_transaction_count(address, "latest")
            self._nonces[address] = int(count)
        gas = _KEEPER_GAS if address == self._chain.address else _OTHERS_GAS
        signed: Any = account.sign_transaction({
            "type": 2, "chainId": self._chain.chain_id, "to": to_checksum_address(to),
            "value": value, "data": data, "gas": gas,
            "nonce": self._nonces[address], "maxFeePerGas": _FEE, "maxPriorityFeePerGas": 1,
        })  # fmt: skip
        self._nonces[address] += 1
        with self._chain.translated("put a transaction"):
            if self._tester:
                sent = self._node.backend.send_raw_transaction(bytes(signed.raw_transaction))
            else:
                sent = self._node.w3.eth.send_raw_transaction(signed.raw_transaction)
                self._sent.append(sent)
        if gas_used is not None:
            self._metered.append((sent, gas_used))

    def mine(self) -> bytes:
        """Mine the block; returns its hash.

        Raises:
            ChainError: a transaction in it failed.
        """
        with self._chain.translated("mine a block"):
            if self._tester:
                (block_hash,) = self._node.backend.mine_blocks(1)
            else:
                self._node.rpc("evm_mine")
                block_hash = self._node.w3.eth.get_block("latest")["hash"]
        self.number += 1
        for sent in self._sent:
            receipt = self._node.w3.eth.get_transaction_receipt(sent)
            if receipt["status"] != 1 or receipt["blockNumber"] != self.number:
                raise ChainError(
                    "a transaction failed or fell out of its block",
                    expected=f"block {self.number}, status 1",
                    got=f"block {receipt['blockNumber']}, status {receipt['status']}",
                )
        self._sent.clear()
        for sent, gas_used in self._metered:
            gas_used.append(int(self._node.w3.eth.get_transaction_receipt(sent)["gasUsed"]))
        self._metered.clear()
        return bytes(block_hash)


@contextmanager
def making_blocks(chain: Chain) -> Iterator[BlockMaker]:
    """Make blocks by hand while the context lasts.

    Raises:
        ChainError: the node can't be told to stop mining: it is no development node.
    """
    node: Any = chain._node
    if chain.name != "tester":
        node.rpc("evm_setAutomine", False)
        try:
            yield BlockMaker(chain)
        finally:
            node.rpc("evm_setAutomine", True)
        return
    # The state file is written whole for each block: here once, at the end.
    backend = node.backend
    file, backend._file = backend._file, None
    try:
        yield BlockMaker(chain)
    finally:
        backend._file = file
        if file is not None:
            file.write(backend._store)
