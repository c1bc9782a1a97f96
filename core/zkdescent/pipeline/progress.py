"""What a second terminal sees: ``.zkdescent/progress.json``, beside the artefacts and not one.

Written by the command that works on the project, whole or not at all, and never a reason for it to
fail. Durations are of the monotonic clock, so that a clock that jumps changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from zkdescent.core.store import PROGRESS, ArtefactStore
from zkdescent.pipeline.reporting import Reporter, Reporters

FORMAT = "zkdescent.progress/1"
_EVERY_S = 0.2


class ProgressFile(Reporter):
    """Keeps the file up to date; at most five times a second."""

    def __init__(self, store: ArtefactStore, command: str) -> None:
        self._path = store.root / PROGRESS
        self._began = time.monotonic()
        self._written = 0.0
        self.content: dict[str, Any] = {
            "format": FORMAT,
            "command": command,
            "state": "running",
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "elapsed_s": 0.0,
            "tasks": {},
            "counts": {},
            "note": None,
        }

    def start(self, task: str, total: int) -> None:
        """See `Reporter`."""
        self.content["tasks"][task] = {"done": 0, "total": total, "left_s": None}
        self.write()

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        """See `Reporter`."""
        known = self.content["tasks"].setdefault(task, {"done": 0, "total": done})
        known.update(done=done, left_s=None if left_s is None else round(left_s, 1))
        self.write(only_sometimes=done != known["total"])

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self.content["note"] = text
        self.write()

    def event(self, name: str, **fields: object) -> None:
        """See `Reporter`."""
        self.content["counts"][name] = self.content["counts"].get(name, 0) + 1

    def write(self, *, only_sometimes: bool = False) -> None:
        """Write the file; a full disk is the artefacts' to report."""
        now = time.monotonic()
        if only_sometimes and now - self._written < _EVERY_S:
            return
        self._written = now
        self.content["elapsed_s"] = round(now - self._began, 1)
        temporary = self._path.with_name(f".{PROGRESS}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self.content))
            os.replace(temporary, self._path)


@contextlib.contextmanager
def following(store: ArtefactStore, report: Reporter, command: str = "prove") -> Iterator[Reporter]:
    """Tell the reporter, and whoever reads the progress file, until the block ends."""
    file = ProgressFile(store, command)
    file.write()
    try:
        yield Reporters(report, file)
    except BaseException as error:
        file.content["state"] = "failed" if isinstance(error, Exception) else "interrupted"
        file.content["note"] = str(error) or type(error).__name__
        file.write()
        raise
    file.content["state"] = "done"
    file.write()
