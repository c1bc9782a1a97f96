"""The verdict of a report: the audit, made now, step by step; or why it can't be made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.errors import (
    ArtefactError,
    ChainOfProofsBroken,
    ContractRejected,
    ProofRejected,
    ZkDescentError,
)
from zkdescent.pipeline.auditing import Engine, verify_project
from zkdescent.pipeline.report.model import Check, CheckState, Verdict, VerdictState
from zkdescent.pipeline.report.reading import Reading, brief
from zkdescent.pipeline.report.statement import read_manifest
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier.audit import PROCEDURE

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

_CHAIN_STEP = 10


def unverified(state: VerdictState, why: str, hint: str | None = None) -> Verdict:
    """A verdict without an audit."""
    return Verdict(state=state, error=why, hint=hint, checks=_checks(0, failed=False, asked=False))


def audit_verdict(
    project: Project, report: Reporter, *, engine: Engine = "evm", chain: Chain | None = None
) -> Verdict:
    """Audit a project as it is now and say what was checked; a break is a verdict, not an error.

    Raises:
        ToolMissing: the engine is not installed.
    """
    reading = Reading(project.open_store())
    manifest = read_manifest(reading)
    if manifest is None:
        gap = reading.gaps[-1]
        if gap.command:  # nothing is wrong, something is still to be done
            return unverified("incomplete", "Nothing is compiled yet", gap.command)
        return unverified("unreadable", f"{gap.what}: {gap.why}")
    if manifest.final is None:
        why = "The run is not proven to its end, so there is nothing to verify as a whole yet"
        return unverified("incomplete", why, "zkdescent prove")
    entered, started = [0], time.perf_counter()
    asked = chain is not None
    try:
        audit = verify_project(project, report, engine=engine, chain=chain, entered=entered.append)
    except (ProofRejected, ChainOfProofsBroken, ContractRejected, ArtefactError) as error:
        return Verdict(
            state="unreadable" if isinstance(error, ArtefactError) else "rejected",
            engine=engine,
            checks=_checks(entered[-1], failed=True, asked=asked),
            seconds=round(time.perf_counter() - started, 2),
            error=_named(error),
            hint=error.hint,
        )
    return Verdict(
        state="verified",
        engine=engine,
        checks=_checks(len(PROCEDURE) + 1, failed=False, asked=asked),
        proofs=audit.range_proofs + audit.block_proofs + len(audit.inferences),
        seconds=round(time.perf_counter() - started, 2),
        unsafe_srs=audit.unsafe_srs,
        compared_with_chain=audit.compared_with_chain,
    )


def _named(error: ZkDescentError) -> str:
    """The error with the proof it is about, if its path names one and not a file."""
    where = error.path or ""
    return brief(error) if where.startswith("/") or not where else f"{where}: {brief(error)}"


def _checks(at: int, *, failed: bool, asked: bool) -> tuple[Check, ...]:
    """The steps of the procedure, given the one that the audit was in when it ended (0: none)."""

    def state(number: int) -> CheckState:
        if number == _CHAIN_STEP and not asked:
            return "not asked"
        if number == at and failed:
            return "failed"
        return "passed" if number < at else "not reached"

    return tuple(
        Check(number=number, title=title, state=state(number))
        for number, title in enumerate(PROCEDURE, start=1)
    )
