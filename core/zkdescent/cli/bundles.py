"""Commands around what a run leaves: bundle, gc, status; and `verify BUNDLE`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import Output, pairs, short
from zkdescent.core.config import load_project

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
    output.result(
        {**payload, "bundle": about, "bound": result.bound}, tables[0], bound, *tables[1:]
    )


COMMANDS = (bundle,)
