"""Serve a workload through a batcher on a chain, and measure what it cost from the receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError
from zkdescent.core.records import Record
from zkdescent.pipeline.tuning.workload import Workload

if TYPE_CHECKING:
    from zkdescent.verifier import Chain
    from zkdescent.verifier.batchers import BatcherClient, Payment
    from zkdescent.verifier.chain import Receipt


@dataclass(frozen=True, slots=True)
class Measurement(Record):
    """What serving a workload cost.

    ``waits`` are blocks from the request of a payment until its recipient has the money, in the
    order of the requests. ``transactions`` are all that were sent, ``gas`` is the sum of their
    receipts; money put in and accounts made beforehand are not in it.
    """

    workload: str
    batch_size: int
    hold: int
    gas: int
    transactions: tuple[str, ...]
    waits: tuple[int, ...]

    @property
    def payments(self) -> int:
        """How many payments were made."""
        return len(self.waits)

    @property
    def gas_per_payment(self) -> float:
        """Gas of the receipts over payments."""
        return self.gas / self.payments

    @property
    def mean_wait(self) -> float:
        """Mean wait of a payment, blocks."""
        return sum(self.waits) / self.payments

    @property
    def longest_wait(self) -> int:
        """Longest wait of a payment, blocks."""
        return max(self.waits)

    def cost(self, gas_per_block: float) -> float:
        """Gas of a payment, and its mean wait at ``gas_per_block`` a block."""
        return self.gas_per_payment + gas_per_block * self.mean_wait


@dataclass(slots=True)
class _Credit:
    """What is booked for a recipient: (position in the workload, block of the request)."""

    quanta: int = 0
    since: int = 0
    waiting: list[tuple[int, int]] = field(default_factory=list)


class _Books:
    """What the operator knows: who waits, and who is due. Checked against the chain's books."""

    def __init__(self, payments: int, hold: int) -> None:
        self.waits = [-1] * payments
        self.credits: dict[str, _Credit] = {}
        self._hold = hold

    def book(self, first: int, batch: list[Payment]) -> None:
        """Book a batch whose first payment has this position."""
        for position, payment in enumerate(batch, start=first):
            new = _Credit(since=payment.requested)
            credit = self.credits.setdefault(payment.recipient, new)
            credit.quanta += payment.quanta
            credit.waiting.append((position, payment.requested))

    def due(self, block: int) -> list[str]:
        """Recipients whose credits have waited their time in ``block``."""
        return [who for who, c in self.credits.items() if c.since + self._hold <= block]

    def settle(self, recipients: list[str], block: int) -> None:
        """Credits were sent in ``block``."""
        for who in recipients:
            for position, requested in self.credits.pop(who).waiting:
                self.waits[position] = block - requested

    def owed(self) -> int:
        """Quanta in all credits."""
        return sum(credit.quanta for credit in self.credits.values())


def recipients_of(label: str, count: int) -> list[str]:
    """Return addresses that belong to nobody, the same for the same label."""
    digests = (keccak(text=f"zkdescent recipient {label} {k}") for k in range(count))
    return [to_checksum_address(digest[12:]) for digest in digests]


def serve(chain: Chain, batcher: BatcherClient, workload: Workload, *, label: str) -> Measurement:
    """Pay every payment of a workload, each as soon as the batcher's live parameters allow.

    Payments are asked for block by block. A batch leaves when it is large enough or its oldest
    payment has waited ``flushAge``; credits are sent when due, with a batch if there is one.

    Args:
        label: names the recipients: other ones for each measurement on a chain, so that none finds
            storage that an earlier one has paid for.

    Raises:
        ChainError: the chain's books or a recipient's balance are not what they should be.
    """
    from zkdescent.verifier.batchers import MOST_PAYMENTS, QUANTUM_WEI, Payment

    who = recipients_of(label, workload.recipients)
    _make_accounts(chain, who)
    before = [chain.balance(address) for address in who]
    batcher.fund(workload.quanta * QUANTUM_WEI)
    flush_age, (size, hold) = batcher.flush_age(), batcher.limits()
    start, offset = chain.block_number, batcher.next_payment()
    payments = [Payment(who[a.recipient], a.quanta, start + a.tick) for a in workload.arrivals]
    books, sent = _Books(len(payments), hold), 0
    receipts: list[Receipt] = []
    while sent < len(payments) or books.credits:
        # Where what is sent now will be; a node estimates its gas on the newest block, so that what
        # is due in the next one only would be estimated as if it were not.
        block = chain.block_number + (1 if chain.name == "tester" else 0)
        arrived = next((k for k, p in enumerate(payments) if p.requested >= block), len(payments))
        batch = payments[sent : min(arrived, sent + MOST_PAYMENTS)]
        if batch and (len(batch) >= size or batch[0].requested + flush_age <= block):
            books.book(sent, batch)
            due = list(dict.fromkeys(p.recipient for p in batch)) if hold <= 1 else books.due(block)
            receipts.append(batcher.flush(offset + sent, batch, due if hold > 1 else []))
            sent += len(batch)
        elif due := books.due(block if sent == len(payments) else block - flush_age):
            # Alone only when no batch will take them along in time.
            receipts.append(batcher.settle(due))
        else:
            chain.wait_for_block(chain.block_number + 1)
            continue
        books.settle(due, receipts[-1].block_number)
        if books.owed() != batcher.owed():
            raise ChainError(
                "the batcher's books differ", expected=books.owed(), got=batcher.owed()
            )
    _check_paid(chain, workload, who, before)
    return Measurement(
        workload=workload.name,
        batch_size=size,
        hold=hold,
        gas=sum(receipt.gas_used for receipt in receipts),
        transactions=tuple(receipt.transaction for receipt in receipts),
        waits=tuple(books.waits),
    )


def _make_accounts(chain: Chain, who: list[str]) -> None:
    """Give every recipient a quantum: payments go to accounts that exist."""
    from zkdescent.verifier.batchers import QUANTUM_WEI, BatcherClient, Payment

    opener = BatcherClient.configured(chain, 1, (0, 0))
    opener.fund(len(who) * QUANTUM_WEI)
    now = chain.block_number
    opener.flush(opener.next_payment(), [Payment(address, 1, now) for address in who])


def _check_paid(chain: Chain, workload: Workload, who: list[str], before: list[int]) -> None:
    """Compare what every recipient has received with what was asked for."""
    from zkdescent.verifier.batchers import QUANTUM_WEI

    for k, address in enumerate(who):
        asked = sum(a.quanta for a in workload.arrivals if a.recipient == k)
        expected = before[k] + asked * QUANTUM_WEI
        if (got := chain.balance(address)) != expected:
            raise ChainError(
                "a recipient was not paid in full", expected=expected, got=got, path=address
            )
