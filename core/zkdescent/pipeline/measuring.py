"""What the actions of a project cost: carried out on a chain in memory, or asked of its node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ChainError, ContractRejected
from zkdescent.core.records import Manifest
from zkdescent.pipeline.artefacts import load_proof
from zkdescent.pipeline.onchain import have_proofs, project_aggregates, proof_loader
from zkdescent.pipeline.planning import deploy_and_register, draft_plan
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.verifiers import Verifiers

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain, RunPlan, TrainingClient


def measure_actions(
    project: Project, manifest: Manifest, verifiers: Verifiers, report: Reporter, *, every: bool
) -> dict[str, int]:
    """Return the gas of the project's actions, carried out on a chain that nobody else sees.

    Submissions need proofs that were made for this chain: those of a declared seed on a local
    chain are.

    Args:
        every: carry out all submissions, and then finalise and mint; else the first one.

    Raises:
        GasCapExceeded: an action needs more gas than a transaction may use.
    """
    from zkdescent.verifier import Chain, TrainingClient

    measured: dict[str, int] = {}
    with Chain.anvil() if project.config.chain.rpc == "anvil" else Chain.tester() as chain:
        client = TrainingClient(chain)
        plan = draft_plan(project, manifest, verifiers, chain=chain)
        report.note("carrying the actions out on a chain in memory")
        done = [*deploy_and_register(chain, manifest, verifiers), client.create_task(plan)]
        plan, sealing = client.seal(plan)
        done += [*sealing, *_with_proofs(project, manifest, client, plan, every=every)]
        measured.update({action.name: action.gas for action in done if action.sent})
    return measured


def _with_proofs(
    project: Project, manifest: Manifest, client: TrainingClient, plan: RunPlan, *, every: bool
) -> Iterator[Action]:
    store, circuits = project.open_store(), manifest.circuits
    blocks = range(manifest.dataset.blocks_per_epoch if circuits.range else 0)
    if any(load_proof(store, "range", index) is None for index in blocks):
        return
    if circuits.range is not None:
        yield from client.admit(
            plan, circuits.range, manifest.dataset, proof_loader(store, "range")
        )
    yield client.open_run(plan)
    if not have_proofs(store, manifest) or not _is_recorded(manifest, plan):
        return
    actions = client.submit(
        plan,
        circuits.step,
        manifest.dataset,
        proof_loader(store, "step"),
        aggregates=project_aggregates(store, manifest),
        limit=None if every else 1,
    )
    yield from actions
    if sum(action.items for action in actions) == manifest.total_proofs:
        yield client.finalise(plan)
        yield client.mint(plan)


def _is_recorded(manifest: Manifest, plan: RunPlan) -> bool:
    """Whether the stored proofs are about this plan: same run, same batch order."""
    run = manifest.run
    return run is not None and (run.run_id, run.seed) == (plan.run_id, plan.seed)


def estimate_actions(
    project: Project, manifest: Manifest, verifiers: Verifiers, chain: Chain
) -> dict[str, int]:
    """Return what a node estimates for the actions that could be sent to it now.

    Of registrations, admissions and submissions the first that is missing: the others are only
    possible after it.

    Raises:
        GasCapExceeded: an action needs more gas than a transaction may use.
    """
    from zkdescent.verifier import GasCapExceeded, TrainingClient, deploy_code, plan_from
    from zkdescent.verifier.addresses import CONTRACT_NAMES, init_codes
    from zkdescent.verifier.estimator import Estimated, Estimator

    estimator = Estimator(chain)
    client, store, circuits = TrainingClient(estimator), project.open_store(), manifest.circuits
    plan = draft_plan(project, manifest, verifiers, chain=chain)
    ours = manifest.run is not None and manifest.run.run_id == plan.run_id
    plan = plan_from(manifest) if ours else plan
    steps: list[Callable[[], object]] = [
        lambda key=key, code=code: deploy_code(  # type: ignore[misc]
            estimator, code, action=f"deploy {CONTRACT_NAMES[key]}"
        )
        for key, code in init_codes().items()
    ]
    steps += [
        lambda role=role, code=code: deploy_code(  # type: ignore[misc]
            estimator, code, action=f"deploy {role} verifier"
        )
        for role, code in verifiers.init_codes.items()
    ]
    steps += [
        lambda: client.register_circuits(circuits, verifiers.specs),
        lambda: client.create_task(plan),
    ]
    if circuits.range is not None:
        admitted = circuits.range
        steps.append(
            lambda: client.admit(plan, admitted, manifest.dataset, proof_loader(store, "range"))
        )
    steps.append(lambda: client.open_run(plan))
    if ours:
        steps += [
            lambda: client.submit(
                plan,
                circuits.step,
                manifest.dataset,
                proof_loader(store, "step"),
                aggregates=project_aggregates(store, manifest),
            ),
            lambda: client.finalise(plan),
            lambda: client.mint(plan),
        ]
    for step in steps:
        try:
            with suppress(Estimated):
                step()
        except GasCapExceeded:
            raise
        except (ChainError, ContractRejected, ArtefactError):
            continue  # not possible yet: something before it is missing
    return estimator.estimates
