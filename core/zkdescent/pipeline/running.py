"""The main job in one function: train, compile, prove, verify, deploy, submit.

With a beacon seed the task goes on chain before the proofs are made, because the batch order is
drawn there; with a declared seed the chain comes last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zkdescent.core.config import Project
from zkdescent.core.records import Manifest
from zkdescent.pipeline.artefacts import CURVES, MEASUREMENTS
from zkdescent.pipeline.auditing import verify_project
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.gas import read_gas
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.planning import open_chain, plan_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.pipeline.training import compare_trajectories, train_project

if TYPE_CHECKING:
    from zkdescent.verifier import Chain


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The closing table. Gas figures are of the whole run, also of what was sent earlier."""

    project: str
    steps: int
    block_proofs: int
    range_proofs: int
    made: int
    proving_seconds: float
    gas_per_proof: int
    gas_per_step: int
    metric: str
    part: str
    float_metric: float
    proven_metric: float
    seed_source: str
    chain: str
    chain_id: int
    model_id: str
    curves: str
    inference: str | None = None
    inference_gas: int = 0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def run_project(
    project: Project,
    report: Reporter,
    *,
    chain: Chain | None = None,
    limits: Limits | None = None,
) -> RunSummary:
    """Do the whole job; every stage resumes, so an interrupted run continues where it was.

    Args:
        limits: cores, memory and machines that proofs may use; by default all of this machine.

    Raises:
        ZkDescentError: from the stage that failed; what was done stays.
    """
    # What the user's files get wrong is found before a chain is opened, which may make files.
    blueprint = make_blueprint(project)
    if chain is None:
        with open_chain(project, report) as opened:
            return _run(project, report, blueprint, opened, limits)
    return _run(project, report, blueprint, chain, limits)


_SUBMITTING = ("submit block proof", "submit aggregate")


def _gas_per_proof(gas: dict[str, int], manifest: Manifest) -> int:
    """Mean over the submissions that are recorded: a process that was killed recorded none."""
    aggregate = manifest.circuits.aggregate
    sent = [(n, g) for n, g in gas.items() if n.startswith(_SUBMITTING)]
    alone = sum(n.startswith(_SUBMITTING[0]) for n, _ in sent)
    blocks = 0 if aggregate is None else aggregate.blocks
    covered = alone + (len(sent) - alone) * blocks
    return sum(g for _, g in sent) // covered if covered else 0


def _run(
    project: Project,
    report: Reporter,
    blueprint: Blueprint,
    chain: Chain,
    limits: Limits | None,
) -> RunSummary:
    train_project(project, report, blueprint=blueprint)
    compile_project(project, report, blueprint=blueprint)
    proving = prove_project(project, report, blueprint=blueprint, chain=chain, limits=limits)
    verify_project(project, report)
    submitted = submit_project(project, report, chain=chain)
    audit_store = project.open_store()
    manifest = audit_store.read_manifest()
    plan, _ = plan_project(project, manifest, chain=chain)
    fidelity = compare_trajectories(project, plan.order(), report, blueprint=blueprint)
    measured = audit_store.read_json(MEASUREMENTS)
    gas = read_gas(audit_store).get(f"{chain.chain_id}:{chain.name}", {})
    per_proof = _gas_per_proof(gas, manifest)
    steps = project.config.train.steps
    return RunSummary(
        project=manifest.project,
        steps=steps,
        block_proofs=manifest.total_proofs,
        range_proofs=manifest.dataset.blocks_per_epoch if manifest.circuits.range else 0,
        made=proving.made,
        proving_seconds=round(sum(m["seconds"] for m in measured.values()), 2),
        gas_per_proof=per_proof,
        gas_per_step=per_proof * manifest.total_proofs // steps,
        metric=fidelity.headline,
        part="validation" if fidelity.proven.last.validation is not None else "training",
        float_metric=round(fidelity.final(fidelity.floats), 4),
        proven_metric=round(fidelity.final(fidelity.proven), 4),
        seed_source="beacon" if plan.task.seed_delay else "declared",
        chain=submitted.chain,
        chain_id=submitted.chain_id,
        model_id=f"0x{plan.model_id:064x}",
        curves=str(project.store_directory / CURVES),
    )
