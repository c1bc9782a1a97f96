"""What a chain needs of a node, of any kind: in process, started here, or elsewhere."""

from __future__ import annotations

from typing import Protocol

from web3 import Web3

from zkdescent.verifier._fees import Market


class Node(Protocol):
    """What the kinds of chain do differently."""

    name: str
    is_local: bool
    chain_id: int
    gas_limit: int | None
    w3: Web3

    def mine(self, blocks: int) -> None: ...
    def market(self) -> Market: ...
    def queue(self, raw: bytes) -> None: ...
    def automine(self, on: bool) -> None: ...
    def genesis(self) -> str: ...
    def header_rlp(self, number: int) -> bytes: ...
    def code(self, address: str) -> bytes: ...
    def close(self) -> None: ...
