"""Compare what slither finds in the contracts with what was looked at.

``python scripts/triage_slither.py SLITHER`` runs that program over ``contracts/`` and compares its
results with ``contracts/slither.triage.json``, where each has a reason to stay. It exits 1 if there
is one that is not in the file, one in the file that slither does not find any more, or one without
a reason; with ``--write`` it writes the file anew first, with the reasons that it had.

Slither's own triage file names lines: a change above a result makes it come up again. Here a result
is its text without places in files, so it comes up again when what it says of the code changes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parent.parent / "contracts"
TRIAGE = CONTRACTS / "slither.triage.json"
CONFIG = "slither.config.json"
PLACE = re.compile(r" \((?:src|test)/[^()]*\)")

Finding = tuple[str, str]
"""The detector's name, and what it says."""


def normalised(description: str) -> str:
    """What a detector says, on one line and without places in files."""
    return " ".join(PLACE.sub("", description).split())


def found(slither: Path) -> set[Finding]:
    """All results of a run over the contracts.

    Raises:
        SystemExit: slither did not analyse them.
    """
    command = [str(slither), ".", "--config-file", CONFIG, "--fail-none", "--json", "-"]
    done = subprocess.run(command, cwd=CONTRACTS, stdout=subprocess.PIPE, text=True, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"slither gave no results (exit code {done.returncode})")
    if not answer["success"]:
        sys.exit(f"slither failed: {answer['error']}")
    results: list[dict[str, Any]] = answer["results"].get("detectors", [])
    return {(r["check"], normalised(r["description"])) for r in results}


def read_triage(path: Path) -> dict[Finding, str]:
    """The reasons by result; none if there is no file."""
    if not path.exists():
        return {}
    groups: list[dict[str, Any]] = json.loads(path.read_text())
    return {(g["check"], text): g["reason"] for g in groups for text in g["findings"]}


def write_triage(path: Path, reasons: dict[Finding, str]) -> None:
    """One group for each detector and reason, all sorted."""
    groups: dict[tuple[str, str], list[str]] = {}
    for (check, text), reason in sorted(reasons.items()):
        groups.setdefault((check, reason), []).append(text)
    listed = [
        {"check": check, "reason": reason, "findings": findings}
        for (check, reason), findings in groups.items()
    ]
    path.write_text(json.dumps(listed, indent=2) + "\n")


def complaints(results: set[Finding], reasons: dict[Finding, str]) -> list[str]:
    """What is wrong between results and triage, a line each."""
    new = [f"new: {check}: {text}" for check, text in sorted(results - reasons.keys())]
    stale = sorted(reasons.keys() - results)
    gone = [f"not found any more: {check}: {text}" for check, text in stale]
    bare = [
        f"no reason given: {check}: {text}"
        for (check, text), reason in sorted(reasons.items())
        if not reason.strip()
    ]
    return new + gone + bare


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("slither", type=Path, help="slither's program")
    parser.add_argument("--write", action="store_true", help="write the triage file anew")
    options = parser.parse_args()
    results, reasons = found(options.slither.absolute()), read_triage(TRIAGE)
    if options.write:
        reasons = {result: reasons.get(result, "") for result in results}
        write_triage(TRIAGE, reasons)
    wrong = complaints(results, reasons)
    print("\n".join([*wrong, f"{len(results)} results, {len(wrong)} to look at"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
