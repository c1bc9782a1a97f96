"""What a person or a program sees: progress on stderr, one result on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.reporting import Reporter

_MINIMUM_WIDTH = 100


@dataclass(slots=True)
class Output:
    """How results are printed; `as_json` puts one object on stdout and the rest on stderr."""

    as_json: bool = False
    verbose: bool = False

    def result(self, payload: dict[str, Any], *tables: RenderableType) -> None:
        """Print a command's result: the payload as JSON, or the tables for people."""
        if self.as_json:
            json.dump(payload, sys.stdout, default=_plain)
            sys.stdout.write("\n")
            return
        console = _console(sys.stdout)
        for table in tables:
            console.print(table, markup=not isinstance(table, str), highlight=False)

    def error(self, error: ZkDescentError) -> None:
        """Print an error: diagnostics on stderr, and the object on stdout with --json."""
        if self.as_json:
            json.dump(error.to_json(), sys.stdout, default=_plain)
            sys.stdout.write("\n")
        else:
            console = _console(sys.stderr)
            first, *rest = error.diagnostics().splitlines()
            console.print(f"error: {first}", style="bold red", markup=False, highlight=False)
            for line in rest:
                console.print(line, markup=False, highlight=False)

    @contextmanager
    def reporter(self) -> Iterator[Reporter]:
        """A reporter that draws progress bars on stderr."""
        console = _console(sys.stderr)
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            _TimeLeft(),
            TextColumn("{task.fields[detail]}"),
        )
        if not console.is_terminal:
            yield _LineReporter(console)
            return
        with Progress(*columns, console=console) as progress:
            yield _BarReporter(progress)


class _TimeLeft(TimeRemainingColumn):
    """Time left by measured proofs, where there are any: those kept from before took none."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left_s")
        if left is None:
            return super().render(task)
        return Text(duration(left), style="progress.remaining")


def duration(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _BarReporter(Reporter):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def start(self, task: str, total: int) -> None:
        self._tasks[task] = self._progress.add_task(task, total=total, detail="", left_s=None)

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        if task in self._tasks:
            self._progress.update(self._tasks[task], completed=done, detail=detail, left_s=left_s)

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


class _LineReporter(Reporter):
    """For logs: a line when a task begins, at every tenth of it, and at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._totals: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def start(self, task: str, total: int) -> None:
        self._totals[task], self._told[task] = total, -1

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        total = max(1, self._totals.get(task, done))
        tenth = 10 * done // total
        if tenth > self._told.get(task, -1):
            self._told[task] = tenth
            left = "" if left_s is None else f"about {duration(left_s)} left"
            line = " ".join(f"{task}: {done}/{total} {detail} {left}".split())
            self._console.print(line, markup=False, highlight=False)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; numbers right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        made.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*(_shown(cell) for cell in row))
    return made


def pairs(title: str, rows: Sequence[tuple[str, object]]) -> Table:
    """A table of names and values."""
    made = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, _shown(value))
    return made


def short(value: bytes | int, digits: int = 16) -> str:
    """The first hex digits of an id, which is how people compare them."""
    text = value.hex() if isinstance(value, bytes) else f"{value:064x}"
    return f"0x{text[:digits]}…"


def _console(stream: Any) -> Console:
    console = Console(file=stream)
    if not console.is_terminal:
        return Console(file=stream, width=max(console.width, _MINIMUM_WIDTH))
    return console


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)
