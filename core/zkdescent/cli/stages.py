"""Commands of the main job: train, compile, verify, deploy, submit, infer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zkdescent.cli.bundles import verify_bundle_file
from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import Output, pairs, short, table
from zkdescent.cli.sizing_tables import choice_tables, explanation_tables
from zkdescent.core.amounts import format_ether
from zkdescent.core.config import load_project
from zkdescent.core.errors import ConfigError

HERE = Path()


Objective = Literal["seconds", "gas", "memory"]
ObjectiveOption = Annotated[
    Objective | None,
    typer.Option("--objective", help="Choose sizes for this, over the whole run."),
]


class Language(StrEnum):
    """What circuits are rendered in, for readers."""

    noir = "noir"


class Engine(StrEnum):
    """Who checks proofs off-chain."""

    evm = "evm"
    native = "native"


def train(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Train in float, to see whether the hyperparameters work; writes curves and ONNX."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.artefacts import CURVES
    from zkdescent.pipeline.training import train_project

    project = load_project(directory)
    with output.reporter() as report:
        result = train_project(project, report)
    last = result.history.last
    part = last.validation or last.train
    payload = {
        "steps": last.step,
        "best_step": result.best_step,
        "stopped_early": result.stopped_early,
        "metric": result.headline,
        "validation": part.get(result.headline),
        "training": last.train.get(result.headline),
        "loss": part.loss,
        "curves": project.store_directory / CURVES,
    }
    tables = (pairs("Float training", list(payload.items())), *_fidelity_tables(result.fidelity))
    output.result(payload | {"fidelity": result.fidelity.brief()}, *tables)


def _fidelity_tables(fidelity: Any) -> list[Any]:
    """The fidelity report in short, and a line for each finding."""
    notes = [f"{f.kind}: {f.message}; {f.hint}" for f in fidelity.findings]
    return [pairs("Fixed point against float", fidelity.summary()), *notes]


def compile(
    directory: Directory = HERE,
    objective: ObjectiveOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the choice of sizes, and what was refused.")
    ] = False,
    emit: Annotated[
        Language | None,
        typer.Option("--emit", help="Also write the circuits in this language, to be read."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where --emit writes; the project directory if not given."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Trace the update step, build the circuits and keys, commit to genesis and data."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.building import compile_project
    from zkdescent.pipeline.estimating import blueprint_to_compile, estimate
    from zkdescent.pipeline.rendering import check_renderable, write_noir
    from zkdescent.pipeline.training import store_fidelity

    if out is not None and emit is None:
        raise ConfigError("--out is where --emit writes", expected="--emit noir as well")
    project = load_project(directory)
    if emit is not None:
        check_renderable(project)
    with output.reporter() as report:
        blueprint = blueprint_to_compile(project, objective)
        explained = estimate(blueprint) if explain else None
        fidelity = store_fidelity(blueprint, report)
        manifest = compile_project(project, report, blueprint=blueprint)
        rendered = write_noir(blueprint, out or directory) if emit is not None else []
    circuits = manifest.circuits.present()
    payload = {
        "steps_per_proof": manifest.circuits.step.steps_per_proof,
        "total_proofs": manifest.total_proofs,
        "blocks_per_epoch": manifest.dataset.blocks_per_epoch,
        "dataset_root": manifest.dataset.root,
        "genesis": manifest.genesis,
        "circuits": {
            c.role: {
                "vk_sha256": c.vk_sha256,
                "logrows": c.logrows,
                "proof_bytes": c.proof_length,
                "srs": c.srs,
            }
            for c in circuits
        },
        "fidelity": fidelity.brief(),
    }
    if rendered:
        payload["rendered"] = rendered
    reasons: list[Any] = []
    if explained is not None:
        payload["estimate"] = explained.to_json()
        reasons = [*choice_tables(explained), *explanation_tables(explained)]
    rows = [
        (c.role, c.logrows, c.proof_length, c.public_values, short(c.vk_sha256), c.srs)
        for c in circuits
    ]
    columns = ("circuit", "logrows", "proof bytes", "public values", "verifying key", "SRS")
    summary = [
        ("steps per proof", manifest.circuits.step.steps_per_proof),
        ("block proofs", manifest.total_proofs),
        ("batch blocks per epoch", manifest.dataset.blocks_per_epoch),
        ("dataset root", short(manifest.dataset.root)),
        ("genesis", short(manifest.genesis)),
        *(("rendered", path) for path in rendered),
    ]
    tables = (table("Circuits", columns, rows), pairs("Statement", summary))
    output.result(payload, *reasons, *tables, *_fidelity_tables(fidelity))


def estimate(
    directory: Directory = HERE,
    objective: ObjectiveOption = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say what a run will cost, before any setup: rows, seconds, memory, keys, gas."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.estimating import estimate_project

    project = load_project(directory)
    result = estimate_project(project, objective=objective)
    output.result(result.to_json(), *choice_tables(result), *explanation_tables(result))


def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A bundle to verify instead of a project; needs nothing else."),
    ] = None,
    directory: Directory = HERE,
    engine: Annotated[
        Engine, typer.Option(help="evm: the contract's bytecode in-process; native: ezkl.")
    ] = Engine.evm,
    on_chain: Annotated[
        bool, typer.Option("--chain", help="Compare with the project's chain as well.")
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Make the aggregate's circuit again, with bb."),
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Re-check the whole run from public artefacts: no torch, no data, no weights, no keys."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.auditing import verify_project

    if bundle is not None:
        if on_chain or rebuild or engine is not Engine.evm:
            raise ConfigError(
                "a bundle is verified by itself", expected="no --chain, no --engine, no --rebuild"
            )
        verify_bundle_file(output, bundle)
        return
    from zkdescent.pipeline.planning import open_chain

    project = load_project(directory)
    with output.reporter() as report:
        if on_chain:
            with open_chain(project, report, read_only=True) as chain:
                audit = verify_project(
                    project, report, engine=engine.value, chain=chain, rebuild=rebuild
                )
        else:
            audit = verify_project(project, report, engine=engine.value, rebuild=rebuild)
    output.result(*audit_result(audit))


def audit_result(audit: Any) -> tuple[Any, ...]:
    """What an audit found, as JSON and as tables."""
    payload = {
        "verified": True,
        "project": audit.project,
        "steps": audit.steps,
        "block_proofs": audit.block_proofs,
        "range_proofs": audit.range_proofs,
        "inferences": len(audit.inferences),
        "chain_id": audit.chain_id,
        "task_id": audit.task_id,
        "run_id": audit.run_id,
        "seed_source": audit.seed_source,
        "order": audit.order,
        "genesis": audit.genesis,
        "parent": audit.parent,
        "final": audit.final,
        "transcript": audit.transcript,
        "circuits": [circuit.to_json() for circuit in audit.circuits],
        "unsafe_srs": audit.unsafe_srs,
        "compared_with_chain": audit.compared_with_chain,
        "rebuilt_aggregate": audit.rebuilt_aggregate,
    }
    rows = [
        ("update steps proven", audit.steps),
        ("block proofs", audit.block_proofs),
        ("range proofs", audit.range_proofs),
        ("inferences", len(audit.inferences)),
        ("batch order", f"{audit.seed_source} seed"),
        ("run", short(audit.run_id)),
        *([("continues run, not audited", short(audit.parent))] if any(audit.parent) else []),
        ("genesis", short(audit.genesis)),
        ("final state", short(audit.final)),
        *((f"{circuit.role} circuit", short(circuit.circuit_id)) for circuit in audit.circuits),
        ("compared with chain", audit.compared_with_chain),
        ("aggregate made again", audit.rebuilt_aggregate),
    ]
    notes = (
        [
            "The reference string was made locally: whoever made it can forge these proofs. "
            "It is for tests."
        ]
        if audit.unsafe_srs
        else []
    )
    return (payload, pairs("Verified", rows), *notes)


def deploy(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Deploy the contracts, register the circuits, create the task; sends what is missing."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.onchain import deploy_project

    project = load_project(directory)
    with output.reporter() as report:
        result = deploy_project(project, report)
    show_chain_result(output, result)


def submit(
    directory: Directory = HERE,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where an earlier submission stopped. It always does: this changes nothing.",
        ),
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Submit the proofs, finalise the run, mint the model; sends what is missing.

    The chain is read first, so a submission that was interrupted, killed or hit by a
    reorganisation is continued by running it again: nothing is sent twice.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.onchain import submit_project

    project = load_project(directory)
    with output.reporter() as report:
        result = submit_project(project, report)
    show_chain_result(output, result)


def show_chain_result(output: Output, result: Any, payment: Any = None) -> None:
    """Print what a stage did on chain; with a payment, also the wei that it moved."""
    from dataclasses import asdict

    payload = {
        "chain": result.chain,
        "chain_id": result.chain_id,
        "addresses": asdict(result.addresses),
        "actions": [{"name": a.name, "gas": a.gas, "sent": a.sent} for a in result.actions],
        "gas": result.gas,
        "model_id": None if result.model_id is None else f"0x{result.model_id:064x}",
    }
    if payment is not None:
        payload |= payment.to_json()
    rows = [(a.name, a.gas if a.sent else "already done") for a in result.actions]
    summary: list[tuple[str, object]] = list(asdict(result.addresses).items())
    if result.model_id is not None:
        summary.append(("model", short(result.model_id)))
    if payment is not None:
        summary += [("account", payment.account), ("amount", format_ether(payment.amount_wei))]
    title = f"On chain {result.chain} ({result.chain_id})"
    output.result(payload, table(title, ("action", "gas"), rows), pairs("Contracts", summary))


def infer(
    input: Annotated[Path, typer.Option(help="Rows to infer: JSON or CSV, in raw units.")],
    directory: Directory = HERE,
    submit: Annotated[
        bool, typer.Option("--submit", help="Have the consumer contract accept the result.")
    ] = False,
    requester: Annotated[
        str | None,
        typer.Option(help="Prove for this address. Default: the project's account."),
    ] = None,
    nonce: Annotated[
        int | None,
        typer.Option(min=0, help="The requester's next nonce. Default: its proofs so far."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Prove inferences with exactly the trained weights."""
    output = choose_output(as_json, verbose)
    from dataclasses import asdict

    from zkdescent.pipeline.inferring import infer_project

    project = load_project(directory)
    with output.reporter() as report:
        inferences = infer_project(
            project, input, report, submit=submit, requester=requester, nonce=nonce
        )
    rows = [
        (n, ", ".join(f"{v:.4f}" for v in i.output), i.accepted, i.gas, i.seconds)
        for n, i in enumerate(inferences)
    ]
    columns = ("row", "output", "accepted on chain", "gas", "seconds")
    output.result(
        {"inferences": [asdict(i) for i in inferences]}, table("Inferences", columns, rows)
    )


COMMANDS = (train, estimate, compile, verify, deploy, submit, infer)
