"""A run of 64 blocks: through kills, a full disk, damage and a jumping clock; and for a stranger.

Slow: some minutes. What is said of two blocks or four elsewhere is said here of a whole run.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import Project, load_project
from zkdescent.pipeline.artefacts import load_proof, proof_name
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.bundle_reading import verify_bundle
from zkdescent.pipeline.bundling import export_bundle
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.verifier.twins.layout import layout_of

from .honk import WriteProject

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
BLOCKS, KILLS = 64, 24
# The interpreter of the disturbed run imports this first: every look at the clock is another year.
JUMPING_CLOCK = """
import random, time
_true, _draw = time.time, random.Random(7)
time.time = lambda: _true() + _draw.choice((-1, 1)) * _draw.random() * 3e8
"""
FULL_AT_BYTES = 20_000  # a proof fits, the manifest does not


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, write_project: WriteProject) -> Path:
    """The project before any proof."""
    directory = write_project(
        tmp_path_factory.mktemp("long") / "tiny",
        logrows="auto",
        steps=2 * BLOCKS,
        extra='backend = "barretenberg"',
    )
    project = load_project(directory)
    blueprint = make_blueprint(project)
    compile_project(project, Reporter(), blueprint=blueprint)
    return directory


@pytest.fixture(scope="module")
def undisturbed(compiled: Path) -> Project:
    """The same project, proven in peace."""
    target = compiled.parent / "undisturbed"
    shutil.copytree(compiled, target)
    project = load_project(target)
    result = prove_project(project, Reporter(), limits=Limits(jobs=2))
    assert (result.made, result.kept, result.retried) == (BLOCKS, 0, 0)
    return project


def commitments_of(project: Project) -> list[tuple[bytes, ...]]:
    """What each block proof speaks of; the rest of a proof is different in every run."""
    store, slots = project.open_store(), []
    for index in range(BLOCKS):
        record = load_proof(store, "step", index)
        assert record is not None
        slots.append(layout_of("barretenberg", "step").split(record.proof))
    return slots


def below(parent: int) -> dict[int, bytes]:
    """Processes that descend from one, with their command lines."""
    parents: dict[int, tuple[int, bytes]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        parents[int(folder.name)] = (above, words)
    found: dict[int, bytes] = {}
    for pid in parents:
        above = pid
        while above in parents and above != parent:
            above = parents[above][0]
        if above == parent and pid != parent:
            found[pid] = parents[pid][1]
    return found


@dataclass
class Chaos:
    """Runs `prove` again and again, and disturbs it."""

    project: Project
    clock: Path
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    kills: Counter[str] = field(default_factory=Counter)
    lost: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    @property
    def events(self) -> Path:
        return self.project.directory / "events.jsonl"

    def start(self, *, full_disk: bool = False) -> subprocess.Popen[str]:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, FULL_AT_BYTES))

        code = "from zkdescent.cli import main; main()"
        words = ["prove", "-C", self.project.directory, "--jobs", "2", "--json"]
        if not full_disk:
            words += ["--events", self.events]
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(self.clock), *sys.path])},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            preexec_fn=limit if full_disk else None,
        )

    def stored(self) -> int:
        return len(self.project.open_store().names("proofs/block-"))

    def disturb(self, process: subprocess.Popen[str], *, main_after: int) -> None:
        """Kill workers and provers at random moments, and the main process at last."""
        done, stored = 0, self.stored()
        while process.poll() is None and sum(self.kills.values()) < KILLS:
            time.sleep(self.draw.uniform(0.1, 1.0))
            if self.stored() == stored:
                continue  # a proof that is lost as often as it may be would end the command
            workers = [
                p
                for p, words in below(process.pid).items()
                if b"loky" in words or words.partition(b"\0")[0].endswith(b"/bb")
            ]
            if not workers:
                continue
            if done == main_after:
                process.kill()
                self.kills["main"] += 1
                break
            victim = self.draw.choice(sorted(workers))
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.kills["worker"] += 1
            done, stored = done + 1, self.stored()
        self.end(process)

    def end(self, process: subprocess.Popen[str]) -> None:
        said, _ = process.communicate(timeout=600)
        if process.returncode not in (0, -signal.SIGKILL):
            self.errors.append(json.loads(said)["message"])

    def plant(self, spoil: Callable[[bytes], bytes]) -> None:
        """Damage a proof that is there."""
        names = self.project.open_store().names("proofs/block-")
        name = self.draw.choice([n for n in names if int(n[13:18]) not in self.lost])
        path = self.project.store_directory / name
        path.write_bytes(spoil(path.read_bytes()))
        os.utime(path, (2**31, 2**31))  # and it is from the future
        self.lost.add(int(name[13:18]))


def test_chaos_changes_nothing(compiled: Path, undisturbed: Project, tmp_path: Path) -> None:
    target = tmp_path / "disturbed"
    shutil.copytree(compiled, target)
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(JUMPING_CLOCK)
    chaos = Chaos(load_project(target), tmp_path / "clock")

    chaos.disturb(chaos.start(), main_after=2)
    while sum(chaos.kills.values()) < KILLS:
        before = chaos.stored()
        assert before < BLOCKS, "too quick to be killed often enough"
        if before > 4 and not chaos.lost:
            chaos.plant(lambda data: data[: len(data) // 2])
            chaos.plant(lambda data: data.replace(b"0", b"1", 40))
            full = chaos.start(full_disk=True)
            chaos.end(full)
            assert full.returncode == 1
            assert "artefact store" in chaos.errors[-1]
        chaos.disturb(chaos.start(), main_after=chaos.draw.randint(1, 3))
    last = chaos.start()
    chaos.end(last)
    assert last.returncode == 0, chaos.errors

    assert sum(chaos.kills.values()) >= 20
    assert chaos.kills["main"] >= 3
    assert len(chaos.lost) == 2
    made: Counter[int] = Counter()
    for line in chaos.events.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "proof made":
            made[event["index"]] += 1
    assert {index for index, count in made.items() if count > 1} <= chaos.lost
    assert max(made.values()) <= 2
    assert commitments_of(chaos.project) == commitments_of(undisturbed)
    manifests = [p.open_store().read_manifest() for p in (chaos.project, undisturbed)]
    assert manifests[0].final == manifests[1].final
    assert manifests[0].run == manifests[1].run
    bundle = export_bundle(chaos.project, tmp_path / "run.zkbundle")
    assert verify_bundle(bundle.path, Reporter()).audit.block_proofs == BLOCKS
    print(f"kills {dict(chaos.kills)}, planted {sorted(chaos.lost)}, errors {chaos.errors}")


def test_a_stranger_verifies_with_the_base_install(undisturbed: Project, tmp_path: Path) -> None:
    """A wheel, a fresh environment without extras, and the bundle: nothing else."""
    bundle = export_bundle(undisturbed, tmp_path / "run.zkbundle").path
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*pip, "-w", tmp_path / "wheel", ROOT], check=True)
    (wheel,) = (tmp_path / "wheel").glob("zkdescent-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    constraints = ["--constraint", ROOT / "requirements.lock"]
    install = [python, "-m", "pip", "install", "-q", *constraints, wheel]
    subprocess.run([str(word) for word in install], check=True)
    heavy = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    absent = heavy.format(["torch", "ezkl", "onnx", "sklearn", "joblib", "ray"])
    found = subprocess.run([python, "-c", absent], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"

    empty = tmp_path / "empty"
    empty.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(python.parent / "zkdescent"), "verify", str(bundle), "--json"]
    answer = subprocess.run(
        command, cwd=empty, env={"HOME": str(empty), "PATH": os.defpath},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert answer.returncode == 0, answer.stderr
    said: dict[str, Any] = json.loads(answer.stdout)
    run = undisturbed.open_store().read_manifest().run
    assert run is not None
    assert (said["verified"], said["block_proofs"]) == (True, BLOCKS)
    assert said["bound"]["payee"] == run.payee
    assert said["bound"]["run_id"] == "0x" + run.run_id.hex()
    seconds = after.ru_utime - before.ru_utime
    print(f"verified {BLOCKS} block proofs in {seconds:.1f} s of one core")
    assert seconds < 60
    assert proof_name("step", 0) not in {p.name for p in empty.iterdir()}
