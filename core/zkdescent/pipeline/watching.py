"""What a project is doing and how far it is, read from its store alone; changes nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError
from zkdescent.core.records import Manifest, parse_json
from zkdescent.core.store import PROGRESS, ArtefactStore
from zkdescent.pipeline.artefacts import MEASUREMENTS
from zkdescent.pipeline.progress import FORMAT

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Status:
    """A project at one moment.

    Attributes:
        holder: who writes it now; None: nobody.
        state: "running", "done", "failed", "interrupted" or "killed" of the last command that was
            followed; None: there was none. Killed: it did not say how it ended.
        proofs: proofs stored, by kind; `wanted` how many a complete run has.
        proof_seconds: mean of the measured proofs; None: none.
        tasks: items done and in all, and seconds left, of that command.
    """

    project: str
    holder: str | None
    command: str | None
    state: str | None
    elapsed_s: float
    note: str | None
    stage: str
    proofs: dict[str, int]
    wanted: dict[str, int]
    proof_seconds: float | None
    tasks: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)

    @property
    def over(self) -> bool:
        """Whether watching on would show nothing new."""
        return self.holder is None


def status_of(project: Project) -> Status:
    """Read the status of a project."""
    store = project.open_store()
    followed = _followed(store)
    holder = store.holder()
    state = followed.get("state")
    if state == "running" and holder is None:
        state = "killed"
    try:
        manifest: Manifest | None = store.read_manifest()
    except ArtefactError:
        manifest = None
    return Status(
        project=project.config.project.name,
        holder=holder,
        command=followed.get("command"),
        state=state,
        elapsed_s=float(followed.get("elapsed_s", 0.0)),
        note=followed.get("note"),
        stage=_stage(manifest),
        proofs=_stored(store),
        wanted=_wanted(manifest),
        proof_seconds=_mean_seconds(store),
        tasks=followed.get("tasks", {}),
    )


def _followed(store: ArtefactStore) -> dict[str, Any]:
    """The progress file, if it is one: nobody vouches for it."""
    path = store.root / PROGRESS
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        content = parse_json(path.read_bytes())
    except (OSError, ArtefactError):
        return {}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return {}
    shapes: dict[str, Any] = {
        "command": str,
        "state": str,
        "elapsed_s": (int, float),
        "tasks": dict,
    }
    if not all(isinstance(content.get(key), kind) for key, kind in shapes.items()):
        return {}
    tasks = {
        str(name): task
        for name, task in content["tasks"].items()
        if isinstance(task, dict)
        and all(isinstance(task.get(key), int) for key in ("done", "total"))
        and isinstance(task.get("left_s"), int | float | None)
    }
    note = content.get("note")
    return {**content, "tasks": tasks, "note": note if isinstance(note, str) else None}


def _stage(manifest: Manifest | None) -> str:
    if manifest is None:
        return "not compiled"
    if manifest.run is None:
        return "compiled"
    return "planned" if manifest.final is None else "proven"


def _stored(store: ArtefactStore) -> dict[str, int]:
    try:
        names = store.names("proofs/")
    except ArtefactError:
        return {}
    kinds = ("block", "range", "aggregate")
    counts = {k: sum(n.startswith(f"proofs/{k}-") for n in names) for k in kinds}
    return {kind: count for kind, count in counts.items() if count}


def _wanted(manifest: Manifest | None) -> dict[str, int]:
    if manifest is None:
        return {}
    wanted = {"block": manifest.total_proofs}
    several = manifest.circuits.aggregate
    if several is not None:
        wanted["aggregate"], wanted["block"] = divmod(manifest.total_proofs, several.blocks)
    if manifest.circuits.range is not None:
        wanted["range"] = len(manifest.dataset.leaves)
    return wanted


def _mean_seconds(store: ArtefactStore) -> float | None:
    try:
        measured = store.read_json(MEASUREMENTS)
        seconds = [float(m["seconds"]) for m in measured.values()]
    except (ArtefactError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return round(sum(seconds) / len(seconds), 3) if seconds else None
