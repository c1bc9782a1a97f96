"""The projects below a folder, their reports as of now, and their verdicts.

A report is gathered again when the project's files have changed. Audits take seconds to minutes,
so they run in one thread of their own, once for each state of a project; until then its report
says that it is being verified.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core.config import PROJECT_FILE, Project, load_project
from zkdescent.core.errors import ConfigError, ZkDescentError
from zkdescent.core.store import MANIFEST
from zkdescent.pipeline.report.gathering import gather
from zkdescent.pipeline.report.model import ReportData, Verdict
from zkdescent.pipeline.report.reading import Reading, brief
from zkdescent.pipeline.report.statement import read_manifest
from zkdescent.pipeline.report.verification import audit_verdict, unverified
from zkdescent.pipeline.report.writing import declined
from zkdescent.pipeline.reporting import Reporter

MOST_PROJECTS = 200
_MOST_FOLDERS = 5_000
_DEPTH = 3
_KEPT = 32  # reports in memory
_SKIPPED = {"node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A project of the folder: its report's data, or why there is none."""

    key: str
    state: str
    data: ReportData | None
    error: str = ""


class Projects:
    """The projects of a folder. Safe to use from several threads."""

    def __init__(self, folder: Path, *, verify: bool = True) -> None:
        self.folder = folder.resolve()
        if not self.folder.is_dir():
            raise ConfigError("there is no such folder", path=folder)
        self._verify = verify
        self._gathering = threading.Lock()
        self._kept: OrderedDict[str, Listed] = OrderedDict()
        self._auditor = _Auditor()

    def find(self) -> dict[str, Path]:
        """Return the project directories by key, their path below the folder, sorted.

        Links are not followed: what is outside the folder stays outside.
        """
        if (self.folder / PROJECT_FILE).is_file():
            return {self.folder.name or "project": self.folder}
        found: dict[str, Path] = {}
        for looked_at, (place, folders, files) in enumerate(os.walk(self.folder), start=1):
            below = Path(place).relative_to(self.folder)
            if PROJECT_FILE in files:
                found[below.as_posix()] = Path(place)
                folders.clear()
            depth = len(below.parts)
            folders[:] = sorted(
                f for f in folders if not f.startswith(".") and f not in _SKIPPED and depth < _DEPTH
            )
            if looked_at >= _MOST_FOLDERS or len(found) >= MOST_PROJECTS:
                break
        return dict(sorted(found.items()))

    def state(self, key: str) -> str | None:
        """Return what changes when a project's report would; None if there is no such project."""
        directory = self.find().get(key)
        return None if directory is None else self._state(directory)

    def read(self, key: str) -> Listed | None:
        """Return a project's report as of now; None if there is no such project."""
        directory = self.find().get(key)
        return None if directory is None else self._read(key, directory)

    def everything(self) -> list[Listed]:
        """Return all projects."""
        return [self._read(key, directory) for key, directory in self.find().items()]

    def close(self) -> None:
        """Start no further audit."""
        self._auditor.close()

    def _state(self, directory: Path) -> str:
        files = fingerprint(directory)
        return f"{files}-{self._auditor.progress(files)}"

    def _read(self, key: str, directory: Path) -> Listed:
        state = self._state(directory)
        with self._gathering:
            kept = self._kept.get(key)
            if kept is None or kept.state != state:
                kept = self._gather(key, directory, state)
                self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > max(_KEPT, MOST_PROJECTS):
                self._kept.popitem(last=False)
        return kept

    def _gather(self, key: str, directory: Path, state: str) -> Listed:
        try:
            project = load_project(directory)
            verdict = self._verdict(project, state.partition("-")[0])
            return Listed(key, state, gather(project, verdict))
        except ZkDescentError as error:
            return Listed(key, state, None, brief(error))

    def _verdict(self, project: Project, files: str) -> Verdict:
        if not self._verify:
            return declined()
        manifest = read_manifest(Reading(project.open_store()))
        if manifest is None or manifest.final is None:
            return audit_verdict(project, Reporter())  # says why, without an audit
        return self._auditor.verdict(files, lambda: audit_verdict(project, Reporter()))


def fingerprint(directory: Path) -> str:
    """Return a digest of when a project's file, manifest and artefacts last changed.

    Proofs are looked at one by one: one that was replaced behind the manifest's back changes it.
    """
    root = directory / ".zkdescent"
    places = [directory / PROJECT_FILE, root / MANIFEST]
    for folder in ("proofs", "inferences", "train", "chain", "circuits"):
        places += sorted(p for p in (root / folder).rglob("*.json"))
    digest = hashlib.sha256()
    for place in places:
        try:
            found = place.stat()
        except OSError:
            continue
        digest.update(
            f"{place.name}\0{found.st_mtime_ns}\0{found.st_size}\0{found.st_ino}\n".encode()
        )
    return digest.hexdigest()[:32]


class _Auditor:
    """Makes one audit after the other, in a thread; the newest states are remembered."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._waiting: OrderedDict[str, Callable[[], Verdict]] = OrderedDict()
        self._closed = False
        self._thread: threading.Thread | None = None

    def progress(self, files: str) -> str:
        with self._lock:
            return "audited" if files in self._verdicts else "waiting"

    def verdict(self, files: str, audit: Callable[[], Verdict]) -> Verdict:
        with self._lock:
            if files in self._verdicts:
                return self._verdicts[files]
            self._waiting[files] = audit
            if self._thread is None and not self._closed:
                # A daemon: an audit can't be interrupted, and should not keep the process alive.
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._lock.notify()
        return unverified("running", "The audit takes a moment; this page shows its end by itself.")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._waiting.clear()
            self._lock.notify()

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._waiting and not self._closed:
                    self._lock.wait()
                if self._closed:
                    return
                files, audit = self._waiting.popitem(last=False)
            try:
                verdict = audit()
            except ZkDescentError as error:
                verdict = unverified("unreadable", brief(error), error.hint)
            except Exception as error:  # whatever a hostile project provokes ends its audit only
                verdict = unverified("unreadable", f"the audit failed ({type(error).__name__})")
            with self._lock:
                self._verdicts[files] = verdict
                while len(self._verdicts) > MOST_PROJECTS:
                    self._verdicts.popitem(last=False)
