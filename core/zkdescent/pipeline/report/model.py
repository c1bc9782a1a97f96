"""What a report says, as data: the same for the page, for ``--json`` and for the explorer.

Numbers are finite or None. Strings are as the project's files have them, which may come from
somebody else: whoever renders them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zkdescent.core.records import Record

CheckState = Literal["passed", "failed", "not reached", "not asked"]
VerdictState = Literal["verified", "rejected", "incomplete", "unreadable", "not made", "running"]
Stage = Literal["not compiled", "compiled", "proving", "proven", "minted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Record):
    """A curve: (update step, value). ``run`` is float, fixed point or proven."""

    run: str
    part: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves(Record):
    """Loss and headline metric by update step; ``gap`` is proven against float, of the loss."""

    loss: str
    metric: str
    losses: tuple[Series, ...]
    metrics: tuple[Series, ...]
    gap: tuple[tuple[int, float], ...] = ()

    def last(self, run: str) -> float | None:
        """The last value of the headline metric, on validation data where there is any."""
        found = [s for s in self.metrics if s.run == run and s.points]
        held = [s for s in found if s.part == "validation"] or found
        return held[0].points[-1][1] if held else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Record):
    """The same steps at other fraction bits; ``gap`` is the metric's distance from float's."""

    fraction_bits: int
    metric: float | None
    gap: float | None
    within: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """Something that the fidelity measurement says should be acted on."""

    kind: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityFacts(Record):
    """Float against fixed point before proving, from the stored fidelity report."""

    fraction_bits: int
    steps: int
    total_steps: int
    metric: str
    part: str
    float_metric: float | None
    fixed_metric: float | None
    tolerance: float | None
    sufficient_bits: int | None
    differences: tuple[tuple[int, float], ...]
    worst: str
    headroom: str
    trials: tuple[Trial, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitFacts(Record):
    """A compiled circuit. ``key_bytes`` and ``verifier_bytes`` are None where not in the store."""

    role: str
    backend: str
    rows: int
    logrows: int
    steps_per_proof: int
    fraction_bits: int
    proof_bytes: int
    public_values: int
    zero_knowledge: bool
    srs: str
    vk_sha256: bytes
    key_bytes: int | None
    verifier_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFacts(Record):
    """A position of the run: which batch block is due, and where its proof leads, if there is one.

    ``state_out`` is what the proof says, not what somebody verified.
    """

    index: int
    batch: int | None
    state_out: bytes | None
    artefact: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceFacts(Record):
    """A stored inference; ``outputs`` are real values."""

    artefact: str
    requester: str
    nonce: int
    outputs: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody(Record):
    """The chain of custody: data and genesis, every block proof, the final state, its uses."""

    dataset_root: bytes
    rows: int
    features: int
    targets: int
    batch_blocks: int
    genesis: bytes
    final: bytes | None
    steps_per_proof: int
    total_proofs: int
    task_id: bytes | None
    run_id: bytes | None
    seed: bytes | None
    seed_source: str | None
    seed_block: int | None
    chain_id: int | None
    blocks: tuple[BlockFacts, ...]
    inferences: tuple[InferenceFacts, ...]

    @property
    def proven(self) -> int:
        """Positions that have a proof."""
        return sum(block.artefact is not None for block in self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFacts(Record):
    """A stored proof and what making it took, where that was measured (seconds, mebibytes)."""

    artefact: str
    role: str
    index: int
    seconds: float | None
    verify_seconds: float | None
    peak_memory_mb: float | None
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GasItem(Record):
    """An action on a chain, or several of one kind, as recorded when they were sent."""

    action: str
    times: int
    gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract(Record):
    """A contract that a chain held when the project was deployed."""

    name: str
    address: str
    code_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts(Record):
    """What was recorded of one chain."""

    name: str
    chain_id: str
    items: tuple[GasItem, ...]
    contracts: tuple[Contract, ...]
    minted: bool

    @property
    def gas(self) -> int:
        """Gas of all that is recorded."""
        return sum(item.gas for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Record):
    """A numbered step of the audit."""

    number: int
    title: str
    state: CheckState


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Record):
    """The audit that was made for this report; or why there was none."""

    state: VerdictState
    engine: str | None = None
    checks: tuple[Check, ...] = ()
    proofs: int = 0
    seconds: float | None = None
    error: str | None = None
    hint: str | None = None
    unsafe_srs: bool | None = None
    compared_with_chain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Record):
    """Something the report could not show, and the command that makes it ("" if none does)."""

    what: str
    why: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData(Record):
    """A whole report. ``made_at`` is UTC, ISO 8601; ``declared`` are names and values to show."""

    FORMAT: ClassVar[str | None] = "zkdescent.report/1"

    project: str
    version: str
    made_at: str
    stage: Stage
    declared: tuple[tuple[str, str], ...]
    custody: Custody | None
    curves: Curves | None
    fidelity: FidelityFacts | None
    circuits: tuple[CircuitFacts, ...]
    proofs: tuple[ProofFacts, ...]
    chains: tuple[ChainFacts, ...]
    verdict: Verdict
    gaps: tuple[Gap, ...]
