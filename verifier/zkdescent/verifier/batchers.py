"""Clients of PaymentBatcher.sol: many small payments of one operator, sent in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from web3.contract import Contract

from zkdescent.core.errors import ChainError
from zkdescent.core.records import Record
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.chain import Chain, Receipt
from zkdescent.verifier.controllers import ControllerClient, ModelPin, ParameterSpec
from zkdescent.verifier.deploy import deploy_code

QUANTUM_WEI = 10**12
MOST_PAYMENTS = 128
_SPEC = "(int64,int64,int64,uint56,uint8,int64,int64)"
_PIN = "(address,uint256,bytes32,address,address,uint32,uint32)"
_TABLE = tuple(round(2**16 * 2 ** (k / 8)) for k in range(8))


def exp2_eighths(eighths: int) -> int:
    """Return floor(2^(eighths / 8)) as Octaves.exp2 does.

    >>> exp2_eighths(24), exp2_eighths(28)
    (8, 11)
    """
    return (_TABLE[eighths % 8] << (eighths // 8)) >> 16


@dataclass(frozen=True, slots=True)
class Payment(Record):
    """One payment: to whom, how much in quanta (10^12 wei), and the block of its request."""

    recipient: str
    quanta: int
    requested: int

    @property
    def word(self) -> int:
        """Recipient (160 bits), quanta (64), block (32): one word of call data."""
        return int(self.recipient, 16) << 96 | self.quanta << 32 | self.requested


class BatcherClient:
    """Pays batches through a deployed batcher, and reads its books."""

    def __init__(self, chain: Chain, name: str, address: str) -> None:
        self._chain = chain
        self.name = name
        self.address = address

    @classmethod
    def configured(
        cls, chain: Chain, flush_age: int, parameters: Sequence[int], *, label: str = ""
    ) -> BatcherClient:
        """Deploy a ConfiguredBatcher of this account with (batch size, hold) in eighths.

        Args:
            flush_age: blocks after which a payment may be flushed however few there are.
            label: another label, another contract.
        """
        types = ["address", "uint32", "int64", "int64"]
        arguments = encode(types, [chain.address, flush_age, *parameters])
        return cls._deployed(chain, "ConfiguredBatcher", arguments, label)

    @classmethod
    def tuned(
        cls,
        chain: Chain,
        flush_age: int,
        pin: ModelPin,
        specs: Sequence[ParameterSpec],
        *,
        cooldown: int,
        label: str = "",
    ) -> BatcherClient:
        """Deploy a TunedBatcher of this account whose parameters follow the pinned model."""
        arguments = encode(
            ["address", "uint32", _PIN, "uint32", f"{_SPEC}[]"],
            [chain.address, flush_age, pin.values(), cooldown, [s.values() for s in specs]],
        )
        return cls._deployed(chain, "TunedBatcher", arguments, label)

    @classmethod
    def _deployed(cls, chain: Chain, name: str, arguments: bytes, label: str) -> BatcherClient:
        # What follows the arguments is read by nobody and makes another address.
        init_code = load_artifact(name).creation_code + arguments + label.encode()
        deploy_code(chain, init_code, action=f"deploy {name}")
        return cls(chain, name, predict_address(init_code))

    @property
    def contract(self) -> Contract:
        """The batcher contract."""
        return self._chain.contract(self.name, self.address)

    @property
    def controller(self) -> ControllerClient:
        """The controller that a TunedBatcher is.

        Raises:
            ChainError: the operator sets this batcher's parameters.
        """
        if self.name != "TunedBatcher":
            raise ChainError("this batcher has no controller", got=self.name)
        return ControllerClient(self._chain, self.name, self.address)

    def fund(self, amount_wei: int) -> Receipt:
        """Send the money that payments are made from."""
        return self._chain.send_data(self.address, b"", action="fund batcher", value=amount_wei)

    def limits(self) -> tuple[int, int]:
        """Return the live batch size, and the blocks that a credit is held."""
        size, hold = self._chain.call(self.contract.functions.limits())
        return int(size), int(hold)

    def flush_age(self) -> int:
        """Return the blocks after which a payment may be flushed however few there are."""
        return int(self._chain.call(self.contract.functions.flushAge()))

    def next_payment(self) -> int:
        """Return the number of the next payment."""
        return int(self._chain.call(self.contract.functions.nextPayment()))

    def owed(self) -> int:
        """Return what is booked for all recipients, quanta."""
        return int(self._chain.call(self.contract.functions.owed()))

    def credit(self, recipient: str) -> tuple[int, int]:
        """Return what is booked for a recipient, quanta, and the block of its oldest request."""
        quanta, since, _ = self._chain.call(self.contract.functions.creditOf(recipient))
        return int(quanta), int(since)

    def flush(self, first: int, payments: Sequence[Payment], due: Sequence[str] = ()) -> Receipt:
        """Pay a batch; see IPaymentBatcher.flush.

        Raises:
            ContractRejected: TooFewPayments, WrongFirst and so on, by the Solidity error's name.
        """
        words = [payment.word for payment in payments]
        return self._chain.send(self.contract.functions.flush(first, words, list(due)))

    def settle(self, due: Sequence[str]) -> Receipt:
        """Send credits that have waited long enough."""
        return self._chain.send(self.contract.functions.settle(list(due)))
