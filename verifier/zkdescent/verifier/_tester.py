"""The in-process chain: eth-tester on py-evm, made like anvil and made to last.

Differences from eth-tester's stock backend, each with its reason:
- chain id 31337 and the development mnemonic, so that contexts, and so proofs, are those of anvil;
- a transaction that reverts raises with its revert data and is not mined (stock: data is lost);
- reads are plain messages: any sender, no balance needed, revert data kept;
- the state can live in a file between processes;
- 60M gas per block (stock: 30M).
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import rlp
from eth_tester import EthereumTester
from eth_tester.backends.pyevm.main import PyEVMBackend, get_account_keys_from_mnemonic
from eth_utils.address import to_canonical_address
from web3 import EthereumTesterProvider, Web3

from zkdescent.core.errors import ChainError
from zkdescent.verifier._fees import GWEI, Market
from zkdescent.verifier._keys import DEVELOPMENT_MNEMONIC
from zkdescent.verifier._pyevm import (
    LOCAL_CHAIN_ID,
    PragueChain,
    genesis_chain,
    open_chain,
    send_message,
)
from zkdescent.verifier._tester_state import TesterFile

_ACCOUNTS = 10
_BALANCE_WEI = 10_000 * 10**18
_TRANSACTION_GAS = 16_777_216  # EIP-7825, the cap on chains after Prague


@cache
def _account_keys() -> Any:
    """The accounts with a balance at genesis; deriving them takes longer than opening a chain."""
    return get_account_keys_from_mnemonic(
        DEVELOPMENT_MNEMONIC, quantity=_ACCOUNTS, hd_path="m/44'/60'/0'/0"
    )


class TesterBackend(PyEVMBackend):  # type: ignore[misc]
    """eth-tester backend over :class:`PragueChain`, saved to a file after each block."""

    def __init__(self, file: TesterFile | None = None) -> None:
        self._file = file
        self.account_keys = _account_keys()
        stored = file.read() if file is not None else None
        self._store: dict[bytes, bytes] = stored if stored is not None else {}
        self.chain: PragueChain = open_chain(self._store) if stored else self._genesis()

    def _genesis(self) -> PragueChain:
        account = {"balance": _BALANCE_WEI, "nonce": 0, "code": b"", "storage": {}}
        accounts = {key.public_key.to_canonical_address(): account for key in self.account_keys}
        return genesis_chain(self._store, accounts, timestamp=int(time.time()))

    def mine_blocks(self, num_blocks: int = 1, *args: Any, **kwargs: Any) -> Any:
        """Mine and save: after this returns, the block survives the process."""
        hashes = super().mine_blocks(num_blocks, *args, **kwargs)
        if self._file is not None:
            self._file.write(self._store)
        return hashes

    def call(self, transaction: dict[str, Any], block_number: Any = "latest") -> bytes:
        """Run a read as a plain message on the latest state; raises Reverted with the data."""
        vm = self.chain.get_vm(at_header=self.chain.get_canonical_head())
        sender, data = transaction["from"], transaction.get("data", b"")
        return send_message(vm, transaction["to"], data, sender=sender).output


class TesterNode:
    """The in-process chain behind the interface that :class:`~.chain.Chain` uses."""

    is_local = True
    chain_id = LOCAL_CHAIN_ID
    gas_limit: int | None = _TRANSACTION_GAS

    def __init__(self, path: Path | None = None) -> None:
        self.name = "tester"
        self._file = TesterFile(path) if path is not None else None
        try:
            self.backend = TesterBackend(self._file)
            provider = EthereumTesterProvider(EthereumTester(self.backend))
            # Only a chain id nobody checks: signatures are made for LOCAL_CHAIN_ID here.
            self.w3 = Web3(provider)
        except BaseException:
            self.close()
            raise

    def mine(self, blocks: int) -> None:
        """Mine empty blocks, each with a fresh random mixHash."""
        self.backend.mine_blocks(blocks)

    def automine(self, on: bool) -> None:
        """Nothing to do: what is queued waits for what is sent or mined."""

    def queue(self, raw: bytes) -> None:
        """Put a signed transaction into the next block, which the next mined one brings."""
        self.backend.send_raw_transaction(raw)

    def market(self) -> Market:
        """Return what gas costs: nobody competes for the blocks of this chain."""
        head = self.backend.chain.get_canonical_head()
        return Market(int(head.base_fee_per_gas), GWEI)

    def genesis(self) -> str:
        """Return the hash of block 0."""
        block = self.backend.chain.get_canonical_block_header_by_number(0)
        return "0x" + bytes(block.hash).hex()

    def header_rlp(self, number: int) -> bytes:
        """Return a block's header as py-evm holds it; eth-tester pads extraData in its JSON."""
        head = self.backend.chain.get_canonical_head().block_number
        if not 0 <= number <= head:
            raise ChainError("no such block", expected=f"0 <= number <= {head}", got=number)
        header = self.backend.chain.get_canonical_block_header_by_number(number)
        return bytes(rlp.encode(header))

    def code(self, address: str) -> bytes:
        """Return the runtime code at an address."""
        return bytes(self.backend.get_code(to_canonical_address(address)))

    def close(self) -> None:
        """Release the state file; the state stays on disk."""
        if self._file is not None:
            self._file.close()
