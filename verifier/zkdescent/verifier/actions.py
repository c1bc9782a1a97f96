"""What the clients report: each thing that was done on chain, and what it cost.

Every method of the clients reads the chain first and sends only what is missing, so a command
that was interrupted can be run again. An :class:`Action` that found its work done has gas 0 and
no transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from web3.contract.contract import ContractFunction

from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.core.records import CircuitRecord, ProofRecord, Record
from zkdescent.verifier.chain import Chain, Receipt

Progress = Callable[[str, int, int], None]
"""Told (action, items done, items in all) after each transaction."""


@dataclass(frozen=True, slots=True)
class Action(Record):
    """One step on chain: its name, the gas it used now, and its transaction (None if found done).

    ``items`` counts the proofs in it, where it carries any.
    """

    name: str
    gas: int = 0
    transaction: str | None = None
    items: int = 0

    @property
    def sent(self) -> bool:
        """Whether a transaction was needed."""
        return self.transaction is not None


def done(name: str, receipt: Receipt, *, items: int = 0) -> Action:
    """Return the action that a receipt stands for."""
    return Action(name, receipt.gas_used, receipt.transaction, items)


def ensure(
    chain: Chain,
    name: str,
    settled: Callable[[], bool],
    function: Callable[[], ContractFunction],
    *,
    items: int = 0,
    value: int = 0,
) -> Action:
    """Send a call unless its effect is on the chain already.

    Also where it turns out only while sending: an earlier process, or somebody else, may have
    sent it before, and it was mined in between.

    Args:
        settled: whether the chain shows the effect; asked before, and again after a refusal.
        function: the call, encoded only if it is needed.
        value: wei that go with it.

    Raises:
        ContractRejected, ChainError: refused, and the effect is not there.
    """
    if settled():
        return Action(name, items=items)
    try:
        receipt = chain.send(function(), action=name, value=value)
    except (ContractRejected, ChainError):
        if settled():
            return Action(name, items=items)
        raise
    return done(name, receipt, items=items)


def evidence(
    circuit: CircuitRecord, proof: ProofRecord, *, reusable: bool = True
) -> tuple[bytes, list[int], list[bytes]]:
    """Return the struct Evidence (proof, public values, verifying-key words) for the contracts."""
    return proof.proof, list(proof.public_values), list(circuit.vka) if reusable else []
