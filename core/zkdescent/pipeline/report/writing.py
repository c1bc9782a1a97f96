"""Make a report of a project and write it to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zkdescent.core._files import write_bytes_atomic
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError
from zkdescent.pipeline.auditing import Engine
from zkdescent.pipeline.report.gathering import gather
from zkdescent.pipeline.report.model import ReportData, Verdict
from zkdescent.pipeline.report.rendering import render_report
from zkdescent.pipeline.report.verification import audit_verdict, unverified
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where a report is, and what it says."""

    path: Path
    data: ReportData


def write_report(
    project: Project,
    report: Reporter,
    *,
    out: Path | None = None,
    verify: bool = True,
    engine: Engine = "evm",
    chain: Chain | None = None,
) -> WrittenReport:
    """Verify a run, gather what is stored of it, and write one HTML file.

    A run that is unfinished, or that does not verify, has a report as well: it says so.

    Args:
        out: the file; ``report.html`` in the project directory if not given.
        verify: audit the run now; without it the page says that nobody did.
        chain: compare with this chain as well.

    Raises:
        ArtefactError: the file can't be written.
        ToolMissing: the engine is not installed.
    """
    verdict = audit_verdict(project, report, engine=engine, chain=chain) if verify else declined()
    data = gather(project, verdict)
    path = out or project.directory / REPORT_FILE
    try:
        write_bytes_atomic(path, render_report(data).encode(), scratch=path.parent)
    except OSError as error:
        raise ArtefactError(
            "the report can't be written", got=error.strerror or str(error), path=path
        ) from error
    return WrittenReport(path, data)


def declined() -> Verdict:
    """The verdict where nobody asked for an audit."""
    return unverified("not made", "Whoever made this page did not ask for an audit.")
