"""Client of ModelRegistry.sol: mint models, read their provenance, check inferences."""

from __future__ import annotations

from dataclasses import dataclass, fields

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract import Contract

from zkdescent.core.errors import ChainError
from zkdescent.core.records import CircuitRecord, InferenceRecord, Record
from zkdescent.verifier._reverts import ContractRefused
from zkdescent.verifier.actions import Action, ensure, evidence
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.plan import RunPlan
from zkdescent.verifier.twins.fixed import from_field

_COMMITMENT_ABI = "(bytes32,bytes32,bytes32,bytes4,string)"


@dataclass(frozen=True, slots=True)
class Model(Record):
    """A minted model in the shape of ERC-7992.

    ``model_hash`` is the tensor hash of the final state, ``circuit_hash`` the id of the inference
    circuit, ``vk_hash`` the sha256 of its verifying key. A consumer pins ``model_id`` and
    ``commitment_hash``.
    """

    model_id: int
    model_hash: bytes
    circuit_hash: bytes
    vk_hash: bytes
    proof_system: bytes
    uri: str
    owner: str
    deprecated: bool

    @property
    def commitment_hash(self) -> bytes:
        """keccak256(abi.encode(commitment)), 32 bytes."""
        fields = (self.model_hash, self.circuit_hash, self.vk_hash, self.proof_system, self.uri)
        return keccak(encode([_COMMITMENT_ABI], [fields]))


@dataclass(frozen=True, slots=True)
class Provenance(Record):
    """Where a model comes from, as the ledger proved it (struct Provenance)."""

    run_id: bytes
    task_id: bytes
    sponsor: str
    payee: str
    step_circuit: bytes
    range_circuit: bytes
    inference_circuit: bytes
    aggregate_circuit: bytes
    dataset_root: bytes
    genesis: bytes
    final_state: bytes
    hyperparameters: bytes
    seed: bytes
    transcript: bytes
    parent: bytes
    parent_epoch: int
    total_proofs: int
    steps_per_proof: int
    steps: int
    rearms: int
    production: bool


def _solidity_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class RegistryClient:
    """Mints the model of a finalised run and checks inferences against models."""

    def __init__(self, chain: Chain, addresses: Addresses | None = None) -> None:
        self._chain = chain
        self.addresses = addresses or predicted_addresses()

    @property
    def contract(self) -> Contract:
        """The ModelRegistry contract."""
        return self._chain.contract("ModelRegistry", self.addresses.registry)

    def model(self, model_id: int) -> Model | None:
        """Return a model, None if it was never minted."""
        try:
            answer = self._chain.call(self.contract.functions.getModel(model_id))
        except ContractRefused as error:
            if error.error_name == "ModelNotFound":
                return None
            raise
        (model_hash, circuit_hash, vk_hash, proof_system, uri), deprecated, owner = answer
        return Model(
            model_id, model_hash, circuit_hash, vk_hash, proof_system, uri, owner, deprecated
        )

    def minted(self, *, since: int = 0) -> tuple[int, ...]:
        """Return the ids of the models minted from a block on, in order.

        Raises:
            ChainError: the node refuses, for example so many blocks at once.
        """
        found = self._chain.events(self.contract.events.ModelMinted, since=since)
        return tuple(int(event["args"]["modelId"]) for event in found)

    def provenance(self, model_id: int) -> Provenance:
        """Return a model's provenance.

        Raises:
            ContractRefused: ModelNotFound.
        """
        answer = self._chain.call(self.contract.functions.provenanceOf(model_id))
        names = (field.name for field in fields(Provenance))
        return Provenance(**{name: getattr(answer, _solidity_name(name)) for name in names})

    def mint(self, plan: RunPlan, *, uri: str = "") -> Action:
        """Mint the model of the finalised run; for its payee or sponsor, once.

        Raises:
            ContractRejected: the run is not finalised.
        """
        return ensure(
            self._chain,
            "mint model",
            lambda: self.model(plan.model_id) is not None,
            lambda: self.contract.functions.mint(plan.run_id, uri),
        )

    def check_inference(
        self, circuit: CircuitRecord, inference: InferenceRecord, *, reusable: bool = True
    ) -> None:
        """Have the registry check a proven inference; costs nothing, returns nothing.

        Raises:
            ContractRejected: wrong weights, context, input, output or proof, by its name.
            ContractRefused: there is no such model.
        """
        inputs, outputs = split_values(circuit, inference)
        function = self.contract.functions.checkInference(
            inference.model_id,
            inference.requester,
            inference.nonce,
            inputs,
            outputs,
            evidence(circuit, inference.proof, reusable=reusable),
        )
        self._chain.call(function, action="check inference")


def split_values(circuit: CircuitRecord, inference: InferenceRecord) -> tuple[list[int], list[int]]:
    """Return the inputs and outputs of an inference as signed fixed-point integers.

    Raises:
        ChainError: the proof has another number of public values than the circuit.
        ProofRejected: a public value stands for no integer.
    """
    values = [from_field(value) for value in inference.proof.public_values]
    if len(values) != circuit.features + circuit.outputs:
        raise ChainError(
            "the inference has another number of values than its circuit",
            expected=circuit.features + circuit.outputs,
            got=len(values),
        )
    return values[: circuit.features], values[circuit.features :]
