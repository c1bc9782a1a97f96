"""Where a model comes from, back to its first ancestor.

A task may start from the final state of a run, or from what a run had reached after an epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from zkdescent.core.errors import ChainError
from zkdescent.core.records import Record
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.ledger_reading import RunStatus
from zkdescent.verifier.registry import Model, Provenance, RegistryClient

_MAX_DEPTH = 1000  # a parent is there before its child, so there are no loops


@dataclass(frozen=True, slots=True)
class Ancestor(Record):
    """A run and the model minted from it; ``model`` is None if none was.

    ``status`` (open, finalised, aborted) and ``proofs`` are the run's own. A child may start from a
    checkpoint (``parent_epoch``) of a run that is not finalised: then the provenance's
    ``final_state`` is what that run has reached, and its ``total_proofs`` and ``steps`` are what
    the task asks for, not what was proven. ``seed_delay`` is 0 for a seed that the sponsor chose.
    """

    model_id: int
    provenance: Provenance
    model: Model | None
    status: str
    proofs: int
    seed_delay: int


def lineage(
    chain: Chain, model_id: int, addresses: Addresses | None = None
) -> tuple[Ancestor, ...]:
    """Return a model and its ancestors, the model first.

    Raises:
        ChainError: there is no such model.
        ContractRefused: the ledger does not know a parent.
    """
    places = addresses or predicted_addresses()
    if RegistryClient(chain, places).model(model_id) is None:
        raise ChainError(
            "no such model on this chain",
            expected="the id of a minted model",
            got=f"0x{model_id:064x}",
            hint="`zkdescent task status` shows the project's run, whose id is its model's",
        )
    found: list[Ancestor] = []
    current = model_id
    while current and len(found) < _MAX_DEPTH:
        found.append(_ancestor(chain, places, current))
        current = int.from_bytes(found[-1].provenance.parent, "big")
    return tuple(found)


def _ancestor(chain: Chain, addresses: Addresses, model_id: int) -> Ancestor:
    registry = RegistryClient(chain, addresses)
    ledger = chain.contract("TrainingLedger", addresses.ledger)
    run_id = model_id.to_bytes(32, "big")
    run = chain.call(ledger.functions.run(run_id))
    task = chain.call(ledger.functions.task(run.taskId))
    model = registry.model(model_id)
    if model is None:
        origin = _of_run(chain, addresses, run_id, run, task)
    else:
        origin = registry.provenance(model_id)
    status = RunStatus(run.status).name.lower()
    return Ancestor(model_id, origin, model, status, run.proofs, task.spec.seedDelay)


def _of_run(chain: Chain, addresses: Addresses, run_id: bytes, run: Any, task: Any) -> Provenance:
    """Provenance of a run that nobody minted, from what the ledger says of run and task."""
    circuits = chain.contract("Circuits", addresses.circuits)
    spec = task.spec
    step = chain.call(circuits.functions.spec(spec.stepCircuit))
    known = {
        "run_id": run_id, "task_id": run.taskId, "sponsor": task.sponsor, "payee": run.payee,
        "step_circuit": spec.stepCircuit, "range_circuit": spec.rangeCircuit,
        "inference_circuit": spec.inferenceCircuit, "aggregate_circuit": spec.aggregateCircuit,
        "dataset_root": spec.datasetRoot, "genesis": spec.genesis, "final_state": run.head,
        "hyperparameters": spec.hyperparameters, "seed": task.seed, "transcript": run.transcript,
        "parent": spec.parent, "parent_epoch": spec.parentEpoch,
        "total_proofs": spec.totalProofs, "steps_per_proof": step.stepsPerProof,
        "steps": spec.totalProofs * step.stepsPerProof, "rearms": task.rearms,
        "production": step.production,
    }  # fmt: skip
    return Provenance(**{field.name: known[field.name] for field in fields(Provenance)})
