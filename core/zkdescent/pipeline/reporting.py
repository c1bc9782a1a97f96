"""How a stage tells what it is doing; the library itself never prints."""

from __future__ import annotations


class Reporter:
    """Receives progress; this one ignores it. The command line has one that draws bars."""

    def start(self, task: str, total: int) -> None:
        """A countable task begins; `total` items, some of which may be done at once."""

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        """`done` items of the task are finished.

        Args:
            left_s: seconds that the rest will take, where that has been measured.
        """

    def note(self, text: str) -> None:
        """A sentence a person would want to read now."""

    def event(self, name: str, **fields: object) -> None:
        """Something happened that a program may want to count: JSON-like values by name."""


class Reporters(Reporter):
    """Tells several."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def start(self, task: str, total: int) -> None:
        """See `Reporter`."""
        for reporter in self._reporters:
            reporter.start(task, total)

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        """See `Reporter`."""
        for reporter in self._reporters:
            reporter.advance(task, done, detail, left_s=left_s)

    def note(self, text: str) -> None:
        """See `Reporter`."""
        for reporter in self._reporters:
            reporter.note(text)

    def event(self, name: str, **fields: object) -> None:
        """See `Reporter`."""
        for reporter in self._reporters:
            reporter.event(name, **fields)
