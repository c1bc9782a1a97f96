"""Stage `prove`: the trajectory, exactly; then all range and block proofs, in parallel.

Each proof's statement is known before any proof is made: the reference executor gives the states,
and their commitments say what must stand at the front of each proof. So proofs don't wait for each
other, and a wrong one is seen when it arrives.

Resumable: a stored proof that is still the right one (same circuit, context and tensors) is kept.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits import assemble
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.core.config import Project
from zkdescent.core.errors import ProverError
from zkdescent.core.records import CircuitRecord, Manifest
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import TRAJECTORY, load_proof, proof_name
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import check_compiled
from zkdescent.pipeline.planning import plan_project
from zkdescent.pipeline.progress import following
from zkdescent.pipeline.provers import project_salt
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.jobs import ProofJob, WorkerSettings
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.pipeline.scheduling.scheduler import Scheduler
from zkdescent.pipeline.scheduling.stored import StoredProofs
from zkdescent.verifier.twins.layout import layout_of

if TYPE_CHECKING:
    from zkdescent.verifier import Chain, RunPlan


@dataclass(frozen=True, slots=True)
class ProvingResult:
    """What the stage did: proofs made now and kept from before, and their cost.

    `seconds` are those of the proofs, one after the other; `retried` counts tries that failed.
    """

    made: int
    kept: int
    seconds: float
    peak_memory_mb: float
    final: bytes
    retried: int = 0


def prove_project(
    project: Project,
    report: Reporter,
    *,
    blueprint: Blueprint | None = None,
    chain: Chain | None = None,
    limits: Limits | None = None,
) -> ProvingResult:
    """Prove the whole run.

    Args:
        chain: where the batch order is drawn, if the project draws it; opened if not given.
        limits: cores, memory and machines that may be used; by default all of this machine.

    Raises:
        ArtefactError: not compiled yet, or not as the project file now is; or another process
            writes this project.
        ProverError: the prover failed, or its witness differs from the reference executor.
        CircuitTooLarge: a proof does not fit the memory that may be used.
    """
    store = project.open_store()
    store.read_manifest()  # nothing is written where there is nothing to prove
    with store.lock("prove"), following(store, report) as report:
        blueprint = blueprint or make_blueprint(project)
        check_compiled(blueprint, store.read_manifest())
        plan, _ = plan_project(project, store.read_manifest(), chain=chain)
        manifest = store.read_manifest()
        states = trajectory(blueprint, plan.order())
        _store_trajectory(store, states)
        stored = StoredProofs(store, report)
        final = _prove_all(blueprint, manifest, plan, states, stored, limits or Limits(), report)
        # A proof beyond the last would be of another, longer run.
        extra = plan.task.total_proofs
        while load_proof(store, "step", extra) is not None:
            store.remove(proof_name("step", extra))
            extra += 1
        store.write_manifest(replace(store.read_manifest(), final=final))
    return ProvingResult(
        stored.made, stored.kept, stored.seconds, stored.peak_memory_mb, final, stored.retried
    )


def _prove_all(
    blueprint: Blueprint,
    manifest: Manifest,
    plan: RunPlan,
    states: list[IntegerArray],
    stored: StoredProofs,
    limits: Limits,
    report: Reporter,
) -> bytes:
    """Make what is missing of the range and block proofs; the commitment to the final state."""
    store = stored.store
    settings = WorkerSettings(
        backend=blueprint.backend.name,
        zero_knowledge=blueprint.project.config.circuit.zero_knowledge,
        salt=project_salt(blueprint.project),
        threads=limits.threads,
        objects=str(store.root / "objects"),
    )
    heads = commitments(blueprint, manifest, store, states)
    tasks = {
        "range proofs": range_jobs(blueprint, manifest),
        "block proofs": block_jobs(blueprint, manifest, plan, states, heads),
    }
    for task, jobs in tasks.items():
        if not jobs:
            continue
        total = sum(max(1, job.circuit.blocks) for job in jobs)
        report.start(task, total)
        missing = [job for job in jobs if not stored.keeps(job)]
        done = total - sum(max(1, job.circuit.blocks) for job in missing)
        if done:
            report.advance(task, done)

        def advance(blocks: int, left_s: float | None, task: str = task) -> None:
            nonlocal done
            done += blocks
            report.advance(task, done, left_s=left_s)

        scheduler = Scheduler(settings, limits, stored.accept, report, advance)
        scheduler.prove(missing)
        stored.retried += scheduler.progress.retried
    return heads[-1]


def commitments(
    blueprint: Blueprint, manifest: Manifest, store: ArtefactStore, states: list[IntegerArray]
) -> list[bytes]:
    """Commitments to the states before the first and after each block proof.

    Raises:
        ProverError: the first is not the genesis state that the manifest names.
    """
    tensors = [(assemble.STATE, state) for state in states]
    heads = blueprint.backend.commit(manifest.circuits.step, store.path_of, tensors)
    if heads[0] != manifest.genesis:
        raise ProverError(
            "the trajectory does not begin at the manifest's genesis state",
            expected=manifest.genesis,
            got=heads[0],
            hint="run `zkdescent compile` again",
        )
    return heads


def range_jobs(blueprint: Blueprint, manifest: Manifest) -> list[ProofJob]:
    """A proof for each batch block; none where step circuits check the ranges themselves."""
    checks = manifest.circuits.range
    if checks is None:
        return []
    return [
        ProofJob(
            checks,
            index,
            context=0,
            expected=(manifest.genesis, leaf),
            inputs=((blueprint.genesis, blueprint.fixed_blocks[index]),),
        )
        for index, leaf in enumerate(manifest.dataset.leaves)
    ]


def block_jobs(
    blueprint: Blueprint,
    manifest: Manifest,
    plan: RunPlan,
    states: list[IntegerArray],
    heads: list[bytes],
) -> list[ProofJob]:
    """Block proofs in order, and aggregates in the place of as many as they cover."""
    order = plan.order()
    inputs = [
        (np.array([plan.context(i)], dtype=object), states[i], blueprint.fixed_blocks[block])
        for i, block in enumerate(order)
    ]
    leaves = [manifest.dataset.leaves[block] for block in order]
    step, several = manifest.circuits.step, manifest.circuits.aggregate
    jobs: list[ProofJob] = []
    first = 0
    while first < len(order):
        if several is not None and first + several.blocks <= len(order):
            stop = first + several.blocks
            expected = _aggregate_slots(several, plan, first, heads, leaves)
            jobs.append(ProofJob(several, first, 0, expected, tuple(inputs[first:stop]), step=step))
        else:
            stop = first + 1
            expected = _step_slots(step, heads[first], leaves[first], heads[stop])
            context, proven = plan.context(first), (inputs[first],)
            jobs.append(ProofJob(step, first, context, expected, proven, states[stop]))
        first = stop
    return jobs


def _step_slots(
    circuit: CircuitRecord, state_in: bytes, leaf: bytes, state_out: bytes
) -> tuple[bytes | None, ...]:
    layout = layout_of(circuit.backend, circuit.role)
    slots: list[bytes | None] = [None] * layout.slots
    slots[layout.state_in], slots[layout.batch or 0] = state_in, leaf
    slots[layout.blocks[0].state_out] = state_out
    return tuple(slots)


def _aggregate_slots(
    circuit: CircuitRecord, plan: RunPlan, first: int, heads: list[bytes], leaves: list[bytes]
) -> tuple[bytes | None, ...]:
    layout = layout_of(circuit.backend, circuit.role, circuit.blocks)
    slots: list[bytes | None] = [None] * layout.slots
    slots[layout.state_in] = heads[first]
    for index, block in enumerate(layout.blocks, start=first):
        slots[block.context] = plan.context(index).to_bytes(32, "big")
        slots[block.batch], slots[block.state_out] = leaves[index], heads[index + 1]
    return tuple(slots)


def trajectory(blueprint: Blueprint, order: tuple[int, ...]) -> list[IntegerArray]:
    """States before the first and after each block proof, exact integers."""
    states = [blueprint.genesis]
    for block in order:
        states.append(blueprint.advance(states[-1], block))
    return states


def _store_trajectory(store: ArtefactStore, states: list[IntegerArray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, states=np.array(states, dtype=np.int64))
    store.write_bytes(TRAJECTORY, buffer.getvalue())
