"""How a stage tells what it is doing; the library itself never prints."""

from __future__ import annotations


class Reporter:
    """Receives progress; this one ignores it. The command line has one that draws bars."""

    def start(self, task: str, total: int) -> None:
        """A countable task begins; `total` items, some of which may be done at once."""

    def advance(self, task: str, done: int, detail: str = "") -> None:
        """`done` items of the task are finished."""

    def note(self, text: str) -> None:
        """A sentence a person would want to read now."""
