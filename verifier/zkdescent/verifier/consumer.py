"""Client of DecisionConsumer.sol, the example of a contract that acts on proven inferences."""

from __future__ import annotations

from eth_abi.abi import encode
from web3.contract import Contract

from zkdescent.core.errors import ChainError
from zkdescent.core.records import CircuitRecord, InferenceRecord
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.actions import Action, ensure, evidence
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.deploy import deploy_code
from zkdescent.verifier.registry import Model, RegistryClient, split_values


class ConsumerClient:
    """A consumer that pins one model, and the inferences it has accepted."""

    def __init__(self, chain: Chain, model: Model, addresses: Addresses | None = None) -> None:
        self._chain = chain
        self.model = model
        self.addresses = addresses or predicted_addresses()
        arguments = [self.addresses.registry, model.model_id, model.commitment_hash]
        self._init_code = load_artifact("DecisionConsumer").creation_code + encode(
            ["address", "uint256", "bytes32"], arguments
        )
        self.address = predict_address(self._init_code)

    @classmethod
    def of(cls, chain: Chain, model_id: int, addresses: Addresses | None = None) -> ConsumerClient:
        """Return the client for a minted model.

        Raises:
            ChainError: there is no such model.
        """
        model = RegistryClient(chain, addresses).model(model_id)
        if model is None:
            raise ChainError("no such model", got=model_id, hint="mint it first")
        return cls(chain, model, addresses)

    @property
    def contract(self) -> Contract:
        """The DecisionConsumer contract."""
        return self._chain.contract("DecisionConsumer", self.address)

    def deploy(self) -> Action:
        """Deploy the consumer; its address follows from the model it pins."""
        return deploy_code(self._chain, self._init_code, action="deploy consumer")

    def next_nonce(self, requester: str | None = None) -> int:
        """Return the nonce that the requester's next inference must be proven for."""
        who = requester or self._chain.address
        return int(self._chain.call(self.contract.functions.nonces(who)))

    def decision(self, requester: str | None = None) -> tuple[int, ...]:
        """Return the outputs of the requester's latest accepted inference, fixed-point integers."""
        who = requester or self._chain.address
        return tuple(self._chain.call(self.contract.functions.decisionOf(who)))

    def accept(
        self, circuit: CircuitRecord, inference: InferenceRecord, *, reusable: bool = True
    ) -> Action:
        """Have the consumer accept an inference proven for this account; once.

        Raises:
            ContractRejected: wrong weights, context, input, output or proof, by its name.
            ChainError: the inference was made for another requester, or not for the next nonce.
        """
        if inference.requester.lower() != self._chain.address.lower():
            raise ChainError(
                "the inference was proven for another requester",
                expected=inference.requester,
                got=self._chain.address,
            )
        due = self.next_nonce()
        if inference.nonce < due:
            return Action("accept inference", items=1)
        if inference.nonce > due:
            raise ChainError(
                "inferences must be accepted in order of their nonces",
                expected=due,
                got=inference.nonce,
                hint="submit the earlier inferences first",
            )
        inputs, outputs = split_values(circuit, inference)
        proof = evidence(circuit, inference.proof, reusable=reusable)
        return ensure(
            self._chain,
            "accept inference",
            lambda: self.next_nonce() > inference.nonce,
            lambda: self.contract.functions.accept(inputs, outputs, proof),
            items=1,
        )
