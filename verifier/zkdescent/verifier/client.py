"""One client for the whole life of a model: deploy, register, train, mint, infer.

    with Chain.tester() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        client.register_circuits(circuits, specs)
        client.create_task(plan)
        client.admit(plan, circuits.range, dataset, load_range_proof)
        plan, _ = client.seal(plan)
        client.open_run(plan)
        client.submit(plan, circuits.step, dataset, load_block_proof)
        client.finalise(plan)
        client.mint(plan)

Each method is idempotent: it reads the chain and sends only what is missing, so that an
interrupted sequence can be run again from its start.
"""

from __future__ import annotations

from collections.abc import Callable

from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    CircuitSpecs,
    DatasetRecord,
    InferenceRecord,
    ProofRecord,
)
from zkdescent.verifier._pieces import Aggregates
from zkdescent.verifier.actions import Action, Progress
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.consumer import ConsumerClient
from zkdescent.verifier.deploy import Deployment, ensure_deployed
from zkdescent.verifier.gateway import GatewayClient
from zkdescent.verifier.ledger import LedgerClient
from zkdescent.verifier.plan import RunPlan
from zkdescent.verifier.registry import Model, RegistryClient

LoadByIndex = Callable[[int], ProofRecord]


class TrainingClient:
    """The clients of all contracts over one chain; see the module for the order of calls."""

    def __init__(self, chain: Chain, addresses: Addresses | None = None) -> None:
        self.chain = chain
        self.addresses = addresses or predicted_addresses()
        self.gateway = GatewayClient(chain, self.addresses)
        self.ledger = LedgerClient(chain, self.addresses)
        self.registry = RegistryClient(chain, self.addresses)

    def ensure_deployed(self) -> Deployment:
        """Deploy the missing contracts and check the code of all; see :mod:`.deploy`."""
        return ensure_deployed(self.chain)

    def register_circuits(self, circuits: Circuits, specs: CircuitSpecs) -> tuple[Action, ...]:
        """Register the circuits and their verifying keys; see GatewayClient.register."""
        return self.gateway.register(circuits, specs)

    def create_task(self, plan: RunPlan) -> Action:
        """Publish the task; see LedgerClient.create_task."""
        return self.ledger.create_task(plan)

    def admit(
        self,
        plan: RunPlan,
        circuit: CircuitRecord,
        dataset: DatasetRecord,
        load_proof: LoadByIndex,
        *,
        progress: Progress | None = None,
    ) -> tuple[Action, ...]:
        """Admit every batch block by its range proof; see LedgerClient.admit."""
        return self.ledger.admit(plan, circuit, dataset, load_proof, progress=progress)

    def seal(self, plan: RunPlan) -> tuple[RunPlan, tuple[Action, ...]]:
        """Fix the seed and return the plan with it; see LedgerClient.seal."""
        return self.ledger.seal(plan)

    def open_run(self, plan: RunPlan) -> Action:
        """Open the run; see LedgerClient.open_run."""
        return self.ledger.open_run(plan)

    def submit(
        self,
        plan: RunPlan,
        circuit: CircuitRecord,
        dataset: DatasetRecord,
        load_proof: LoadByIndex,
        *,
        aggregates: Aggregates | None = None,
        per_transaction: int = 1,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Action, ...]:
        """Submit the missing block proofs; see LedgerClient.submit."""
        return self.ledger.submit(
            plan,
            circuit,
            dataset,
            load_proof,
            aggregates=aggregates,
            per_transaction=per_transaction,
            limit=limit,
            progress=progress,
        )

    def submit_aggregate(
        self, plan: RunPlan, circuit: CircuitRecord, dataset: DatasetRecord, proof: ProofRecord
    ) -> Action:
        """Submit one proof of several blocks of steps; see LedgerClient.submit_aggregate."""
        return self.ledger.submit_aggregate(plan, circuit, dataset, proof)

    def finalise(self, plan: RunPlan) -> Action:
        """Close the complete run; see LedgerClient.finalise."""
        return self.ledger.finalise(plan)

    def mint(self, plan: RunPlan, *, uri: str = "") -> Action:
        """Mint the model; see RegistryClient.mint."""
        return self.registry.mint(plan, uri=uri)

    def model(self, model_id: int) -> Model | None:
        """Return a minted model, None if there is none; see RegistryClient.model."""
        return self.registry.model(model_id)

    def check_inference(
        self, circuit: CircuitRecord, inference: InferenceRecord, *, reusable: bool = True
    ) -> None:
        """Have the registry check an inference; see RegistryClient.check_inference."""
        self.registry.check_inference(circuit, inference, reusable=reusable)

    def consumer(self, model_id: int) -> ConsumerClient:
        """Return the client of the consumer that pins a model; see ConsumerClient."""
        return ConsumerClient.of(self.chain, model_id, self.addresses)
