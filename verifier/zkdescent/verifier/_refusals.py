"""Why a node did not take a transaction, read from what it says, and the errors of sending.

JSON-RPC has no codes for this: nodes are told apart by their words. Those of geth, Nethermind,
Erigon, reth and anvil are known here.
"""

from __future__ import annotations

from typing import Literal

from requests.exceptions import RequestException
from web3.exceptions import ContractLogicError

from zkdescent.core.errors import ChainError

Refusal = Literal["known", "nonce", "fees", "funds", "gas", "revert", "silence", "other"]

_WORDS: tuple[tuple[Refusal, tuple[str, ...]], ...] = (
    ("known", ("already known", "already imported", "alreadyknown", "known transaction")),
    ("nonce", ("nonce too low", "oldnonce", "nonce is too low")),
    ("fees", (
        "underpriced", "less than block base fee", "fee cap less than", "feetoolow",
        "fee too low", "max fee per gas less than",
    )),
    ("funds", ("insufficient funds", "insufficientfunds")),
    ("gas", (
        "gas required exceeds allowance", "exceeds block gas limit", "intrinsic gas too high",
        "gas limit too high", "exceeds maximum",
    )),
    ("revert", ("execution reverted",)),
)  # fmt: skip


def refusal_of(error: Exception) -> Refusal:
    """Return what a node's refusal is about."""
    if isinstance(error, RequestException):
        return "silence"
    text = str(error).lower()
    for refusal, phrases in _WORDS:
        if any(phrase in text for phrase in phrases):
            return refusal
    return "revert" if isinstance(error, ContractLogicError) else "other"


class GasCapExceeded(ChainError):  # noqa: N818 - named after what happened, like its siblings
    """A transaction would need more gas than EIP-7825 gives one; it was not sent."""

    def __init__(self, action: str, gas: object = None) -> None:
        super().__init__(
            f"{action}: more gas than a transaction may use",
            expected="at most 16,777,216 gas (EIP-7825)",
            got=f"{gas:,}" if isinstance(gas, int) else gas,
            hint="put fewer proofs into a transaction (per_transaction), or compile smaller "
            "circuits: fewer features, or another backend",
        )


class GasPriceTooHigh(ChainError):  # noqa: N818
    """Gas cost more than ``max_fee_gwei`` for as long as one was ready to wait."""

    def __init__(
        self, action: str, price: str = "", cap: float | None = None, waited_s: float = 0.0
    ) -> None:
        super().__init__(
            f"{action}: gas costs {price} gwei, above the limit",
            expected=f"at most {cap} gwei ([chain] max_fee_gwei)",
            got=f"{price} gwei after waiting {waited_s:g} s",
            hint="run the command again when gas is cheaper: it goes on where it stopped; "
            "or raise max_fee_gwei, or patience_s to wait longer",
        )
