"""What a story came to, as data for a table, a picture and JSON."""

from __future__ import annotations

from dataclasses import dataclass

from zkdescent.core.records import Record


@dataclass(frozen=True, slots=True)
class Decision(Record):
    """One proven output and what the contract made of it.

    Attributes:
        answer: forecast in percent, error of reconstruction, or log-odds.
        truth: what was found out later, in the same unit, or 1 (fraud; paid back) and 0.
        outcome: in the contract's words.
        amount: margin as a share, or ether that was paid out or may be drawn.
        gas: of the transaction that brought the proof.
    """

    number: int
    answer: float
    truth: float
    outcome: str
    amount: float
    gas: int
    proving_s: float


@dataclass(frozen=True, slots=True)
class Refusal(Record):
    """A transaction that must not do anything: what was tried, and the error that refused it."""

    attempt: str
    refused_by: str


@dataclass(frozen=True, slots=True)
class Story(Record):
    """A consumer's decisions; ``threshold`` is where it decides the other way, 0 if nowhere."""

    FORMAT = "zkdescent.defi.v1"

    example: str
    chain: str
    model_id: str
    consumer: str
    steps: int
    threshold: float
    decisions: tuple[Decision, ...]
    refusals: tuple[Refusal, ...]
    findings: tuple[tuple[str, str], ...]

    @property
    def gas(self) -> int:
        """Of a decision, mean."""
        return sum(d.gas for d in self.decisions) // max(1, len(self.decisions))

    @property
    def proving_s(self) -> float:
        """Of a decision, mean."""
        return sum(d.proving_s for d in self.decisions) / max(1, len(self.decisions))
