"""Measure proving at scale: threads against processes, joblib against Ray, cold and warm setup.

    python scripts/measure_scale.py --blocks 64 --repeat 3 --out build/scale

Every setting proves the same compiled project from nothing, in a process of its own, one setting
after the other and then all again (so that a machine that is busy for a while is not one setting's
misfortune). Wall-clock and CPU seconds are those of the proving phase, from the first proof's start
to the last proof's end, by the command's own events; the whole command is listed beside it. Writes
scale.json and scale.md; the tables of docs/scale.md are the latter's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROJECT = """
[project]
name = "scale"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
validation = 0.0
[train]
loss = "mse"
learning_rate = 0.1
batch_size = {batch}
steps = {steps}
[circuit]
steps_per_proof = {steps_per_proof}
logrows = "auto"
backend = "{backend}"
"""
MODEL = "from torch import nn\n\n\ndef build(n={features}):\n    return nn.Linear(n, 1)\n"
_MODEL_CORES = (1, 2, 4, 8, 16)
# Modules are compiled once, as on any machine, whatever the shell that we were started from says.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is proven."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one setting; seconds.

    Attributes:
        proving: from the first proof's start to the last one's end.
        whole: of the command, with the interpreter's start and the trajectory.
        cpu: of the command with all that it started.
        proofs: sum over the proofs, as each worker saw it.
        peak_mb: largest sum of resident memory of all its processes, sampled.
    """

    setting: str
    proving: float
    whole: float
    cpu: float
    proofs: float
    at_once: int
    peak_mb: float


def make_project(folder: Path, options: argparse.Namespace) -> None:
    """A linear model on drawn rows."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    names = [f"x{i}" for i in range(options.features)]
    lines = [",".join([*names, "y"])]
    for _ in range(options.batch * options.steps_per_proof * 4):
        row = [draw.gauss(0, 1) for _ in names]
        target = sum(v * (i % 3 - 1) for i, v in enumerate(row)) / len(row)
        lines.append(",".join(f"{v:.4f}" for v in [*row, target]))
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "model.py").write_text(MODEL.format(features=options.features))
    text = PROJECT.format(
        batch=options.batch,
        steps=options.blocks * options.steps_per_proof,
        steps_per_proof=options.steps_per_proof,
        backend=options.backend,
    )
    (folder / "zkdescent.toml").write_text(text)


def command(*words: object, environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Run a command of ours; wall-clock and CPU seconds."""
    code = "from zkdescent.cli import main; main()"
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code, *map(str, words), "--json"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**_ENVIRONMENT, **(environment or {})},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


def measure(compiled: Path, setting: Setting, scratch: Path) -> Measurement:
    """Prove a copy of the compiled project."""
    project, events = scratch / "project", scratch / "events"
    shutil.rmtree(project, ignore_errors=True)
    events.unlink(missing_ok=True)
    shutil.copytree(compiled, project, copy_function=os.link)
    # Hard links are for the objects; what is written again must be a file of its own.
    for name in ("manifest.json", "progress.json", "lock"):
        path = project / ".zkdescent" / name
        if path.exists():
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)
    words = ["prove", "-C", project, "--events", events, *setting.arguments]
    whole, cpu, peak = watched(words)
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    started = [e["elapsed_s"] for e in lines if e["event"] == "proof started"]
    made = [e for e in lines if e["event"] == "proof made"]
    return Measurement(
        setting=setting.name,
        proving=max(e["elapsed_s"] for e in made) - min(started),
        whole=whole,
        cpu=cpu,
        proofs=sum(e["seconds"] + e["verify_seconds"] for e in made),
        at_once=max(e["at_once"] for e in lines if e["event"] == "engine"),
        peak_mb=peak,
    )


def watched(words: list[Any]) -> tuple[float, float, float]:
    """As `command`, and the largest sum of memory of the process and all below it, MiB."""
    code = "from zkdescent.cli import main; main()"
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words), "--json"],
        stdout=subprocess.DEVNULL,
        env=_ENVIRONMENT,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_below(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"failed: {words}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu, peak


def memory_below(parent: int) -> float:
    """Proportional set size of a process and its descendants, MiB (shared pages counted once)."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except (OSError, ValueError):
            continue
    total = 0
    for pid in parents:
        above = pid
        while above in parents and above != parent:
            above = parents[above]
        if above != parent:
            continue
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:"))
    return total / 1024


def settings_for(cores: int, ray: bool) -> list[Setting]:
    """One process with 1, 2, 4, ... threads; as many processes as cores; the same through Ray."""
    threads = sorted({1, *(t for t in (2, 4, 8, 16) if t <= cores)})
    found = [
        Setting(f"1 process, {t} thread{'s' * (t > 1)}", ("--jobs", "1", "--threads", str(t)))
        for t in threads
    ]
    at_once = sorted({t for t in (2, 4, 8, 16) if t <= cores} | {cores})
    found += [
        Setting(f"{n} processes, 1 thread", ("--jobs", str(n), "--threads", "1"))
        for n in at_once
        if n > 1
    ]
    if ray:
        words = ("--jobs", str(cores), "--threads", "1", "--ray", "local")
        found.append(Setting(f"Ray, {cores} workers, 1 thread", words))
    return found


def model(best: dict[int, float], blocks: int) -> dict[int, float]:
    """Seconds at n processes: start + work / n * (1 + contention (n - 1)), fitted to one and two.

    A model, not a measurement: what cores share (memory, caches, the parent's disk) is one number.
    """
    if 1 not in best or 2 not in best:
        return {}
    start = best[1] / blocks  # the first proof is made alone
    work = best[1] - start
    contention = max(0.0, (best[2] - start) * 2 / work - 1)
    return {n: start + work / n * (1 + contention * (n - 1)) for n in _MODEL_CORES}


def setup_times(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """`compile` with an empty cache of circuits, with a full one, and again in one project."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        for name in ("cold", "warm: another project, same circuits"):
            project = folder / f"setup-{len(found)}"
            make_project(project, options)
            shared = shared_cache(Path(cache))
            wall, cpu = command("compile", "-C", project, environment=shared)
            found[name] = {"wall": wall, "cpu": cpu}
        wall, cpu = command("compile", "-C", project, environment=shared)
        found["again: same project"] = {"wall": wall, "cpu": cpu}
    return found


def shared_cache(folder: Path) -> dict[str, str]:
    """A cache of its own for circuits; tools and reference strings are the user's."""
    from zkdescent.circuits.cache import cache_directory

    for path in cache_directory().iterdir():
        link = folder / path.name
        if path.name != "circuits" and not link.exists():
            link.symlink_to(path)
    return {"ZKDESCENT_CACHE": str(folder)}


def tables(
    measured: list[Measurement], setups: dict[str, dict[str, float]], blocks: int
) -> tuple[str, dict[int, float]]:
    """Markdown, and the model's seconds."""
    lines = [
        "| setting | proving, s (min, median) | CPU, s (min) | command, s | beside proving | MB |",
        "|---|---|---|---|---|---|",
    ]
    best: dict[int, float] = {}
    for name in dict.fromkeys(m.setting for m in measured):
        mine = [m for m in measured if m.setting == name]
        fastest = min(mine, key=lambda m: m.proving)
        beside = 1 - fastest.proofs / fastest.at_once / fastest.proving
        if "1 thread" in name and "Ray" not in name:
            best[fastest.at_once] = fastest.proving
        lines.append(
            f"| {name} | {fastest.proving:.1f}, "
            f"{statistics.median(m.proving for m in mine):.1f} | {min(m.cpu for m in mine):.1f} "
            f"| {fastest.whole:.1f} | {100 * max(0.0, beside):.0f} % "
            f"| {max(m.peak_mb for m in mine):.0f} |"
        )
    lines += ["", "| setup | wall, s | CPU, s |", "|---|---|---|"]
    lines += [f"| {n} | {t['wall']:.1f} | {t['cpu']:.1f} |" for n, t in setups.items()]
    predicted = model(best, blocks)
    if predicted:
        lines += ["", "| cores | seconds (model) |", "|---|---|"]
        lines += [f"| {n} | {s:.1f} |" for n, s in predicted.items()]
    return "\n".join(lines) + "\n", predicted


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--backend", default="barretenberg", choices=["barretenberg", "ezkl"])
    parser.add_argument("--features", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps-per-proof", type=int, default=2)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--no-setup", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("build/scale"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    measured: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="zkdescent-scale-") as name:
        folder = Path(name)
        compiled = folder / "compiled"
        make_project(compiled, options)
        command("compile", "-C", compiled)
        setups = {} if options.no_setup else setup_times(options, folder)
        for turn in range(options.repeat):
            for setting in settings_for(options.cores, not options.no_ray):
                measured.append(measure(compiled, setting, folder))
                last = measured[-1]
                print(f"{turn + 1}: {last.setting}: {last.proving:.1f} s, CPU {last.cpu:.1f} s")
                # Written after each, so that an interrupted measurement is not lost.
                text, predicted = tables(measured, setups, options.blocks)
                (options.out / "scale.md").write_text(text)
                content = {
                    "options": {k: str(v) for k, v in vars(options).items()},
                    "measurements": [asdict(m) for m in measured],
                    "setup": setups,
                    "model": predicted,
                }
                (options.out / "scale.json").write_text(json.dumps(content, indent=1))
    print(text)


if __name__ == "__main__":
    main()
