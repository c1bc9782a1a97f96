"""Gather what a report says from a project: everything that is there, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from zkdescent.core.config import Project
from zkdescent.core.records import Manifest
from zkdescent.pipeline.report.model import ChainFacts, Custody, Gap, ReportData, Stage, Verdict
from zkdescent.pipeline.report.on_chain import read_chains
from zkdescent.pipeline.report.reading import Reading
from zkdescent.pipeline.report.statement import (
    read_circuits,
    read_custody,
    read_manifest,
    read_proofs,
)
from zkdescent.pipeline.report.training import read_curves, read_fidelity


def gather(project: Project, verdict: Verdict, *, now: datetime | None = None) -> ReportData:
    """Return everything that a report of the project's current state says; changes nothing.

    What is missing, unreadable or of a wrong form is listed in ``gaps``; nothing of it is raised.

    Args:
        verdict: what an audit found, or that there was none.
        now: when the report is made; the current time if not given.
    """
    reading = Reading(project.open_store())
    manifest = read_manifest(reading)
    custody = None if manifest is None else reading.attempt(
        "the chain of custody", lambda: read_custody(reading, manifest)
    )  # fmt: skip
    circuits = () if manifest is None else read_circuits(reading, manifest)
    curves, fidelity = read_curves(reading), read_fidelity(reading)
    chains = read_chains(reading)
    return ReportData(
        project=project.config.project.name if manifest is None else manifest.project,
        version=package_version(),
        made_at=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        stage=_stage(custody, chains),
        declared=_declared(project),
        custody=custody,
        curves=curves,
        fidelity=fidelity,
        circuits=circuits,
        proofs=read_proofs(reading),
        chains=chains,
        verdict=verdict,
        gaps=(*reading.gaps, *_unfinished(manifest, custody, chains)),
    )


def package_version() -> str:
    """Version of the installed package."""
    try:
        return version("zkdescent")
    except PackageNotFoundError:
        return "unknown"


def _stage(custody: Custody | None, chains: tuple[ChainFacts, ...]) -> Stage:
    if custody is None:
        return "not compiled"
    if custody.final is None:
        return "proving" if custody.proven else "compiled"
    return "minted" if any(chain.minted for chain in chains) else "proven"


def _declared(project: Project) -> tuple[tuple[str, str], ...]:
    config, train = project.config, project.config.train
    settings = ", ".join(f"{k} {v:g}" for k, v in train.optimizer_settings.items())
    source = config.data.name or config.data.path or config.data.factory
    return (
        ("data", f"{config.data.source}: {source}"),
        ("model", config.model.factory),
        ("loss", train.loss),
        ("optimizer", train.optimizer + (f" ({settings})" if settings else "")),
        ("learning rate", f"{train.learning_rate:g}"),
        ("batch size", str(train.batch_size)),
        ("update steps", str(train.steps)),
        ("fixed point", f"{config.circuit.fraction_bits} fraction bits"),
        ("prover", config.circuit.backend),
    )


def _unfinished(
    manifest: Manifest | None, custody: Custody | None, chains: tuple[ChainFacts, ...]
) -> list[Gap]:
    """What a run still lacks, in the order in which it is made."""
    if manifest is None or custody is None:
        return []
    gaps = []
    if custody.final is None:
        why = f"{custody.proven} of {custody.total_proofs} block proofs are there"
        gaps.append(Gap(what="the proven model", why=why, command="zkdescent prove"))
    elif chains and not any(chain.minted for chain in chains):
        gaps.append(Gap(what="the minted model", why="not minted", command="zkdescent submit"))
    if custody.final is not None and not custody.inferences:
        command = "zkdescent infer --input ROWS.csv"
        gaps.append(Gap(what="proven inferences", why="none were made", command=command))
    return gaps
