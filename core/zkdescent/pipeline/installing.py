"""Fetch what pip cannot bring: the native prover and the Solidity compiler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zkdescent.pipeline.reporting import Reporter


@dataclass(frozen=True, slots=True)
class BarretenbergTools:
    """What proving with Barretenberg needs; all of it works offline from now on.

    Attributes:
        prover: the native program `bb`.
        version: what it calls itself.
        compiler: the command that starts the Solidity compiler.
    """

    prover: Path
    version: str
    compiler: list[str]


def install_barretenberg(report: Reporter) -> BarretenbergTools:
    """Fetch the pinned prover and the pinned compiler, unless they are here.

    Raises:
        ToolMissing: there is no npm, npm could not fetch a package, or this platform has no prover.
        ProverError: what npm fetched is not what is pinned.
    """
    from zkdescent.circuits import solc
    from zkdescent.circuits.barretenberg import toolchain

    prover = toolchain.install(report.note)
    version = toolchain.run(["--version"], timeout=60).stdout.strip()
    solc.install_compiler(report.note)
    return BarretenbergTools(prover, version, solc.find_compiler())
