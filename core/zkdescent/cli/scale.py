"""Options of the commands that prove: how much of which machines, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zkdescent.cli.output import Output
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.pipeline.scheduling.limits import Limits

Jobs = Annotated[
    str, typer.Option("--jobs", help="Proofs at once: a number, or auto: as many as cores.")
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of each proof. Default: cores / proofs."),
]
MemoryGb = Annotated[
    float | None,
    typer.Option("--memory-gb", help="Memory that may be used. Default: most of what is free."),
]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray", help="Prove on a Ray cluster at this address; local starts one."),
]
Events = Annotated[
    str | None, typer.Option("--events", help="Append JSON lines to this file; - is stderr.")
]
MetricsFile = Annotated[
    Path | None, typer.Option("--metrics", help="Keep Prometheus metrics in this file.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option("--metrics-port", min=1, max=65535, help="Serve them on this loopback port."),
]


def limits_of(jobs: str, threads: int | None, memory_gb: float | None, ray: str | None) -> Limits:
    """The options as the scheduler takes them; raises ConfigError."""
    from zkdescent.pipeline.scheduling.limits import Limits, parse_jobs

    memory_mb = None if memory_gb is None else 1024 * memory_gb
    return Limits(jobs=parse_jobs(jobs), threads=threads, memory_mb=memory_mb, ray=ray)


@contextmanager
def reporting(
    output: Output, events: str | None, metrics: Path | None, metrics_port: int | None
) -> Iterator[Reporter]:
    """Progress for people, and what programs asked for."""
    from zkdescent.pipeline.observing import observed

    with (
        output.reporter() as shown,
        observed(shown, events=events, metrics=metrics, metrics_port=metrics_port) as report,
    ):
        yield report
