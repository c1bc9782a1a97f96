"""A run of four blocks on two workers, one of which is killed; its store, its bundle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.archive import Archive, write_archive
from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import ArtefactError, ChainOfProofsBroken, ProofRejected
from zkdescent.core.records import ProofRecord, canonical_json
from zkdescent.pipeline.artefacts import load_proof, proof_name
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.bundle_reading import verify_bundle
from zkdescent.pipeline.bundling import export_bundle
from zkdescent.pipeline.collecting import collect_garbage
from zkdescent.pipeline.proving import ProvingResult, prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.pipeline.watching import status_of

from .honk import WriteProject, flipped

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]
BLOCKS = 4


class Killing(Reporter):
    """Kills the first worker process that gets a proof, once; keeps events and notes."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.notes: list[str] = []
        self.killed = 0
        self._asked = False

    def note(self, text: str) -> None:
        """Keep."""
        self.notes.append(text)

    def event(self, name: str, **fields: object) -> None:
        """Keep, and kill."""
        self.events.append((name, fields))
        if name == "proof started" and fields["index"] == 1 and not self._asked:
            self._asked = True
            threading.Thread(target=self._kill).start()

    def _kill(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for pid in workers_of(os.getpid()):
                os.kill(pid, signal.SIGKILL)
                self.killed += 1
                return
            time.sleep(0.01)


def workers_of(parent: int) -> list[int]:
    """Process ids of a process's loky workers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if above == parent and b"loky" in words and b"resource_tracker" not in words:
            found.append(int(folder.name))
    return sorted(found)


@dataclass(frozen=True)
class Several:
    """The project, proven; what was said while it was."""

    project: Project
    result: ProvingResult
    report: Killing

    def copy_to(self, target: Path) -> Project:
        """A copy to change; objects are hard links."""

        def link(source: str, destination: str) -> None:
            copy: Callable[[str, str], object] = os.link if "/objects/" in source else shutil.copy2
            copy(source, destination)

        shutil.copytree(self.project.directory, target, copy_function=link)
        return load_project(target)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, write_project: WriteProject) -> Several:
    directory = write_project(
        tmp_path_factory.mktemp("several") / "tiny",
        logrows="auto",
        steps=2 * BLOCKS,
        extra='backend = "barretenberg"',
    )
    project, report = load_project(directory), Killing()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    result = prove_project(project, report, blueprint=blueprint, limits=Limits(jobs=2))
    return Several(project, result, report)


@pytest.fixture
def copied(several: Several, tmp_path: Path) -> Project:
    return several.copy_to(tmp_path / "copied")


@pytest.fixture(scope="module")
def bundle(several: Several, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_bundle(several.project, tmp_path_factory.mktemp("bundle") / "run.zkbundle").path


def test_a_killed_worker_costs_its_proof_and_no_other(several: Several) -> None:
    made = [f["index"] for n, f in several.report.events if n == "proof made"]
    retried = [f["index"] for n, f in several.report.events if n == "proof retried"]
    assert several.report.killed == 1
    assert sorted(made) == list(range(BLOCKS))
    assert set(retried) <= {1, 2}, "which of the two workers was found first"
    assert (several.result.made, several.result.kept) == (BLOCKS, 0)
    assert several.result.retried == len(retried) == 1
    assert workers_of(os.getpid()) == []
    assert several.project.open_store().read_manifest().final == several.result.final


def test_what_is_damaged_is_made_again_and_said(copied: Project) -> None:
    store, report = copied.open_store(), Killing()
    cut = store.root / proof_name("step", 0)
    cut.write_bytes(cut.read_bytes()[:-100])
    kept = {n: store.read_bytes(n) for n in store.names("proofs/block")[1:]}
    result = prove_project(copied, report, limits=Limits(jobs=1))
    assert (result.made, result.kept) == (1, BLOCKS - 1)
    assert any("block proof 0 is made again" in note for note in report.notes)
    assert {n: store.read_bytes(n) for n in kept} == kept
    bundle = export_bundle(copied, copied.directory / "mended").path
    assert verify_bundle(bundle, Reporter()).audit.block_proofs == BLOCKS


def test_status_says_how_it_ended_and_who_writes(copied: Project) -> None:
    seen = status_of(copied)
    assert (seen.stage, seen.state, seen.holder) == ("proven", "done", None)
    assert (seen.proofs, seen.wanted) == ({"block": BLOCKS}, {"block": BLOCKS})
    assert seen.proof_seconds is not None
    with copied.open_store().lock("test"):
        assert status_of(copied).holder == f"process {os.getpid()} (test)"
    progress = copied.open_store().root / "progress.json"
    progress.write_text(json.dumps(json.loads(progress.read_text()) | {"state": "running"}))
    assert status_of(copied).state == "killed", "it says that it runs, and nobody holds the lock"
    progress.write_text("[" * 100_000)
    assert status_of(copied).state is None


def test_garbage_is_what_nothing_names(copied: Project, tmp_path: Path) -> None:
    store = copied.open_store()
    before = export_bundle(copied, tmp_path / "before")
    digest = store.put_bytes(b"an object of no circuit")
    (store.root / "proofs" / "block-00099.proof.json").write_text("{}")
    os.symlink(tmp_path / "before", store.root / "proofs" / "link")
    expected = {f"objects/{digest}", "proofs/block-00099.proof.json"}
    found = collect_garbage(copied)
    assert ({name for name, _ in found.files}, found.removed) == (expected, False)
    assert all((store.root / name).is_file() for name in expected), "listing removes nothing"
    assert {name for name, _ in collect_garbage(copied, delete=True).files} == expected
    assert not any((store.root / name).exists() for name in expected)
    assert collect_garbage(copied).files == ()
    assert export_bundle(copied, tmp_path / "after").sha256 == before.sha256
    result = prove_project(copied, Reporter(), limits=Limits(jobs=1))
    assert (result.made, result.kept) == (0, BLOCKS)


def test_a_bundle_is_verified_by_itself_and_has_one_encoding(
    several: Several, bundle: Path, tmp_path: Path
) -> None:
    result = verify_bundle(bundle, Reporter())
    manifest = several.project.open_store().read_manifest()
    assert manifest.run is not None
    assert (result.audit.block_proofs, result.audit.steps) == (BLOCKS, 2 * BLOCKS)
    assert result.audit.final == several.result.final
    assert result.bound["payee"] == manifest.run.payee
    assert result.bound["final"] == several.result.final
    assert result.sha256 == hashlib.sha256(bundle.read_bytes()).hexdigest()
    again = export_bundle(several.project, tmp_path / "again")
    assert again.path.read_bytes() == bundle.read_bytes()
    secret = several.project.open_store().read_bytes("salt")
    assert secret not in bundle.read_bytes()
    assert secret.hex().encode() not in bundle.read_bytes()


def rewritten(bundle: Path, target: Path, changes: dict[str, bytes | None]) -> Path:
    """The bundle with members changed, added or (None) left out, and a truthful index."""
    with bundle.open("rb") as stream:
        archive = Archive(stream)
        members = {name: archive.read(name) for name in archive.names}
    index = json.loads(members.pop("bundle.json"))
    for name, data in changes.items():
        members.pop(name, None)
        if data is not None:
            members[name] = data
    manifest = json.loads(members["manifest.json"])
    hashes = {
        n: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for n, d in members.items()
    }
    manifest["artefacts"] = {n: h for n, h in hashes.items() if n.startswith(("proofs", "inf"))}
    members["manifest.json"] = canonical_json(manifest)
    data = members["manifest.json"]
    hashes["manifest.json"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    members["bundle.json"] = canonical_json({**index, "members": hashes})
    with target.open("wb") as out:
        write_archive(out, members)
    return target


def record_of(several: Several, index: int) -> ProofRecord:
    record = load_proof(several.project.open_store(), "step", index)
    assert record is not None
    return record


def test_a_bundle_with_a_false_proof_is_rejected_by_the_batch(
    several: Several, bundle: Path, tmp_path: Path
) -> None:
    """The last word of a proof is a point of its opening: only the pairing sees the change."""
    assert verify_bundle(rewritten(bundle, tmp_path / "same", {}), Reporter()).audit.steps == 8
    good, other = record_of(several, 2), record_of(several, 1)
    name = proof_name("step", 2)
    # Another proof's opening point: on the curve, so nothing before the pairing can object.
    swapped = replace(good, proof=good.proof[:-128] + other.proof[-128:])
    for false in (swapped, flipped(good)):
        changed: dict[str, bytes | None] = {name: canonical_json(false.to_json())}
        with pytest.raises(ProofRejected) as caught:
            verify_bundle(rewritten(bundle, tmp_path / "false", changed), Reporter())
        assert caught.value.path == "step proof 2"


def test_a_bundle_of_another_statement_is_rejected(
    several: Several, bundle: Path, tmp_path: Path
) -> None:
    proofs = [record_of(several, i) for i in range(2)]
    swapped: dict[str, bytes | None] = {
        proof_name("step", i): canonical_json(proofs[1 - i].to_json()) for i in range(2)
    }
    missing: dict[str, bytes | None] = {proof_name("step", 3): None}
    for changes in (swapped, missing):
        with pytest.raises(ChainOfProofsBroken):
            verify_bundle(rewritten(bundle, tmp_path / "other", changes), Reporter())
    with bundle.open("rb") as stream:
        manifest = json.loads(Archive(stream).read("manifest.json"))
    manifest["run"]["payee"] = "0x" + "11" * 20
    stolen: dict[str, bytes | None] = {"manifest.json": canonical_json(manifest)}
    with pytest.raises(ChainOfProofsBroken, match="run id"):
        verify_bundle(rewritten(bundle, tmp_path / "stolen", stolen), Reporter())


def test_a_damaged_bundle_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    damaged = tmp_path / "damaged"
    for bad in (b"", data[:-1], data[:-512], data + bytes(512), data[:5000], b"x" + data[1:]):
        damaged.write_bytes(bad)
        with pytest.raises(ArtefactError):
            verify_bundle(damaged, Reporter())
    stream = io.BytesIO(data)
    place = data.index(b"manifest.json", 1024)
    stream.seek(place)
    stream.write(b"manifest.jsom")
    damaged.write_bytes(stream.getvalue())
    with pytest.raises(ArtefactError):
        verify_bundle(damaged, Reporter())
