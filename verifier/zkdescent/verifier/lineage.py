"""Where a model comes from, back to its first ancestor.

A task may start from the final state of a run, or from what a run had reached after an epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from zkdescent.core.errors import ChainError
from zkdescent.core.records import Record
from zkdescent.verifier._reverts import ContractRefused
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.registry import Model, Provenance, RegistryClient

_MAX_DEPTH = 1000  # a parent is there before its child, so there are no loops


@dataclass(frozen=True, slots=True)
class Ancestor(Record):
    """A run and the model minted from it; ``model`` is None if none was.

    Where its child started from a checkpoint (``parent_epoch``), the run may not be finalised.
    """

    model_id: int
    provenance: Provenance
    model: Model | None


def lineage(
    chain: Chain, model_id: int, addresses: Addresses | None = None
) -> tuple[Ancestor, ...]:
    """Return a model and its ancestors, the model first.

    Raises:
        ChainError: there is no such model.
        ContractRefused: the ledger does not know a parent.
    """
    places = addresses or predicted_addresses()
    registry = RegistryClient(chain, places)
    if registry.model(model_id) is None:
        raise ChainError(
            "no such model on this chain",
            expected="the id of a minted model",
            got=f"0x{model_id:064x}",
            hint="`zkdescent task status` shows the project's run, whose id is its model's",
        )
    found: list[Ancestor] = []
    current = model_id
    while current and len(found) < _MAX_DEPTH:
        try:
            origin = registry.provenance(current)
        except ContractRefused as error:
            if error.error_name != "ModelNotFound":
                raise
            origin = _of_run(chain, places, current)
        found.append(Ancestor(current, origin, registry.model(current)))
        current = int.from_bytes(origin.parent, "big")
    return tuple(found)


def _of_run(chain: Chain, addresses: Addresses, model_id: int) -> Provenance:
    """Provenance of a run that nobody minted, from the ledger itself."""
    ledger = chain.contract("TrainingLedger", addresses.ledger)
    circuits = chain.contract("Circuits", addresses.circuits)
    run_id = model_id.to_bytes(32, "big")
    run = chain.call(ledger.functions.run(run_id))
    task = chain.call(ledger.functions.task(run.taskId))
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
