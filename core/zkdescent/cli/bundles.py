"""Commands around what a run leaves: bundle, gc, status; and `verify BUNDLE`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import Output, duration, pairs, short, table
from zkdescent.core.config import load_project

if TYPE_CHECKING:
    from zkdescent.pipeline.watching import Status

HERE = Path()


def bundle(
    directory: Directory = HERE,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write. Default: NAME.zkbundle.")
    ] = None,
    inferences: Annotated[
        bool,
        typer.Option("--inferences", help="Also its inferences, whose rows can be read in it."),
    ] = False,
    ipfs: Annotated[
        str | None,
        typer.Option("--ipfs", help="Add it to the IPFS node with this HTTP API as well."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write the proven run as one file that anybody can verify with the base install."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.bundling import default_path, export_bundle
    from zkdescent.pipeline.publishing import publish

    project = load_project(directory)
    written = export_bundle(project, out or default_path(project), inferences=inferences)
    published = None if ipfs is None else publish(written.path, ipfs)
    payload = {**asdict(written), "ipfs": None if published is None else asdict(published)}
    rows: list[tuple[str, object]] = [
        ("file", written.path),
        ("bytes", written.bytes),
        ("sha256", written.sha256),
        ("CID, one raw block", written.cid),
        ("proofs", written.proofs),
        ("inferences", written.inferences),
    ]
    if published is not None:
        rows.append(("CID on the node", published.cid))
    output.result(payload, pairs("Bundle", rows))


def verify_bundle_file(output: Output, path: Path) -> None:
    """Verify a bundle, and say who is bound to what."""
    from zkdescent.cli.stages import audit_result
    from zkdescent.pipeline.bundle_reading import verify_bundle

    with output.reporter() as report:
        result = verify_bundle(path, report)
    payload, *tables = audit_result(result.audit)
    about = {"bytes": result.bytes, "sha256": result.sha256, "cid": result.cid}
    rows = [
        (name.replace("_", " "), short(value) if isinstance(value, bytes) else value)
        for name, value in result.bound.items()
        if name != "requesters"
    ]
    rows += [("proven inference for", who) for who in result.bound["requesters"]]
    bound = pairs("Bound to", rows)
    payload = {**payload, "bundle": about, "bound": result.bound}
    output.result(payload, tables[0], bound, *tables[1:])


def gc(
    directory: Directory = HERE,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove what is found; without it, only list.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List what the store holds and nothing names; with --delete, remove it."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.collecting import collect_garbage

    found = collect_garbage(load_project(directory), delete=delete)
    payload = {"files": dict(found.files), "bytes": found.bytes, "removed": found.removed}
    title = "Removed" if found.removed else "Named by nothing (kept: say --delete to remove)"
    rows = [*found.files, ("in all", found.bytes)]
    output.result(payload, table(title, ("file", "bytes"), rows))


def status(
    directory: Directory = HERE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again until nobody writes the project.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.1, max=3600, help="Seconds between looks.")
    ] = 1.0,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say how far a project is, and what is being done to it in another terminal."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.watching import status_of

    project = load_project(directory)
    seen = status_of(project)
    while watch and not seen.over:
        show_status(output, seen)
        time.sleep(every)
        seen = status_of(project)
    show_status(output, seen)


def show_status(output: Output, seen: Status) -> None:
    """One look; with --json, one object a line."""
    rows: list[tuple[str, object]] = [
        ("stage", seen.stage),
        ("written by", seen.holder or "nobody"),
        *(
            (f"{kind} proofs", f"{seen.proofs.get(kind, 0)} of {of}")
            for kind, of in seen.wanted.items()
        ),
    ]
    if seen.proof_seconds is not None:
        rows.append(("seconds of a proof", seen.proof_seconds))
    if seen.state is not None:
        rows.append((f"last {seen.command}", f"{seen.state} after {duration(seen.elapsed_s)}"))
    for name, task in seen.tasks.items():
        left = "" if not task["left_s"] else f", about {duration(task['left_s'])} left"
        rows.append((name, f"{task['done']} of {task['total']}{left}"))
    if seen.note:
        rows.append(("said", seen.note))
    output.result(seen.to_json(), pairs(seen.project, rows))


COMMANDS = (bundle, gc, status)
