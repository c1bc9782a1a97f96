"""Fetch a ceremony's reference string, with progress, and say how it is put to use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zkdescent.circuits.barretenberg.srs import CRS_ENV
from zkdescent.circuits.ceremonies import Prover, fetch_string
from zkdescent.circuits.ezkl_backend.srs import SRS_ENV
from zkdescent.circuits.npm import sha256_of
from zkdescent.pipeline.reporting import Reporter

_UNIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A string in the cache; circuits compiled under `use` are proven under it."""

    path: Path
    sha256: str
    use: str


def fetch_with_progress(
    prover: Prover,
    logrows: int,
    report: Reporter,
    *,
    url: str | None = None,
    file: Path | None = None,
    sha256: str | None = None,
) -> Fetched:
    """Fetch, check, keep; raises as `zkdescent.circuits.ceremonies.fetch_string`."""
    begun = False

    def progress(done: int, of: int) -> None:
        nonlocal begun
        if not begun:
            report.start("fetch, MiB", -(-of // _UNIT))
            begun = True
        report.advance("fetch, MiB", -(-done // _UNIT))

    path = fetch_string(prover, logrows, url=url, file=file, sha256=sha256, progress=progress)
    variable = CRS_ENV if prover == "barretenberg" else SRS_ENV
    return Fetched(path, sha256_of(path), f"export {variable}={path.parent}")
