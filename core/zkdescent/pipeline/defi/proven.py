"""A minted model as its consumer's user sees it: deploy what pins it, prove for it, try lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.circuits.fixed_point import quantize
from zkdescent.core.config import Project
from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.core.records import InferenceRecord
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.defi.story import Refusal
from zkdescent.pipeline.inference import InferenceProver, ProvenInference
from zkdescent.pipeline.planning import plan_project

if TYPE_CHECKING:
    from web3.contract import Contract
    from web3.contract.contract import ContractFunction

    from zkdescent.verifier import Chain

    Evidence = tuple[bytes, list[int], list[bytes]]

Call = Callable[[list[int], "Evidence"], "ContractFunction"]
"""Makes the transaction that hands in outputs and evidence."""

_NOBODY = "0x" + "be" * 20


@dataclass(frozen=True)
class ProvenModel:
    """A project's minted model on a chain."""

    chain: Chain
    prover: InferenceProver
    blueprint: Blueprint
    commitment_hash: bytes

    @classmethod
    def open(cls, project: Project, chain: Chain) -> ProvenModel:
        """Open the model of a project that was run on this chain.

        Raises:
            ArtefactError: the run is not finished.
            ChainError: the model is not minted there.
        """
        from zkdescent.verifier import RegistryClient

        manifest = project.open_store().read_manifest()
        plan, _ = plan_project(project, manifest, chain=chain)
        model = RegistryClient(chain).model(plan.model_id)
        if model is None:
            raise ChainError(
                "the model is not minted on this chain",
                got=f"0x{plan.model_id:064x}",
                hint="run `zkdescent submit` first",
            )
        prover = InferenceProver.open(project, manifest, plan)
        return cls(chain, prover, make_blueprint(project), model.commitment_hash)

    @property
    def one(self) -> int:
        """The fixed-point integer of 1."""
        return 1 << self.prover.fraction_bits

    @property
    def parameters(self) -> Any:
        """Proven parameters (p,), float."""
        return self.blueprint.parameters_of(self.prover.final)

    def standard(self, rows: Any) -> Any:
        """Rows (n, d) of raw units, standardised as in training."""
        return self.blueprint.data.standardizer.transform_features(np.asarray(rows, dtype=float))

    def inputs(self, rows: Any) -> list[list[int]]:
        """Rows (n, d) in raw units as the circuit's integers."""
        bits = self.prover.fraction_bits
        integers = quantize(self.standard(rows), bits, what="the rows")
        return [[int(value) for value in row] for row in integers]

    def outputs(self, standard: Any) -> Any:
        """What the proven weights make of standardised rows (n, d) in float: (n, outputs).

        For thresholds, and for judging by more rows than anybody wants to prove.
        """
        import torch

        from zkdescent.train.model import with_parameters

        module = with_parameters(self.blueprint.module, self.parameters)
        with torch.no_grad():
            return np.asarray(module(torch.tensor(standard, dtype=torch.float32)).double())

    def deploy(self, name: str, types: Sequence[str], values: Sequence[Any]) -> Contract:
        """Deploy a consumer: its constructor takes the pin, and then these arguments."""
        from eth_abi.abi import encode

        from zkdescent.verifier import deploy_code
        from zkdescent.verifier._create2 import predict_address
        from zkdescent.verifier.artifacts import load_artifact

        plan = self.prover.plan
        pin = [plan.addresses.registry, plan.model_id, self.commitment_hash]
        arguments = encode(["address", "uint256", "bytes32", *types], [*pin, *values])
        code = load_artifact(name).creation_code + arguments
        deploy_code(self.chain, code, action=f"deploy {name}")
        return self.chain.contract(name, predict_address(code))

    def prove(self, inputs: Sequence[int], *, requester: str, nonce: int) -> ProvenInference:
        """Prove the model on one row of the circuit's integers."""
        return self.prover.prove(inputs, requester=requester, nonce=nonce)

    def evidence(self, record: InferenceRecord) -> Evidence:
        """The struct Evidence of a proof."""
        return self.prover.evidence(record)

    def lie(
        self, honest: ProvenInference, inputs: Sequence[int], call: Call, chain: Chain | None = None
    ) -> list[Refusal]:
        """Hand in what must be refused, before the honest proof is: forged, spoiled, copied.

        Args:
            inputs: those of the honest proof.
            chain: of the account that calls.

        Raises:
            ChainError: a lie was accepted.
        """
        chain = chain or self.chain
        outputs = list(honest.outputs)
        other = [value + self.one for value in outputs]
        proof = honest.record.proof
        spoiled = bytearray(proof.proof)
        spoiled[-1] ^= 1
        forged = (*proof.public_values[: len(inputs)], *(_field(value) for value in other))
        copied = self.prove(inputs, requester=_NOBODY, nonce=honest.record.nonce)
        later = self.prove(inputs, requester=honest.record.requester, nonce=honest.record.nonce + 1)
        attempts = {
            "other outputs than the proof's": (other, honest.record),
            "a proof with forged public values": (
                other, replace(honest.record, proof=replace(proof, public_values=forged)),
            ),
            "a spoiled proof": (
                outputs, replace(honest.record, proof=replace(proof, proof=bytes(spoiled))),
            ),
            "a proof for somebody else, copied": (outputs, copied.record),
            "a proof for another nonce": (outputs, later.record),
        }  # fmt: skip
        return [
            refused(chain, call(claimed, self.evidence(record)), name)
            for name, (claimed, record) in attempts.items()
        ]


def refused(chain: Chain, function: ContractFunction, attempt: str) -> Refusal:
    """Send what must be refused, and say by which error it was.

    Raises:
        ChainError: it was accepted.
    """
    try:
        chain.send(function, action=attempt)
    except (ContractRejected, ChainError) as error:
        name = getattr(error, "error_name", "")
        if not name:
            raise
        return Refusal(attempt, name)
    raise ChainError("what must be refused was accepted", got=attempt)


def _field(value: int) -> int:
    from zkdescent.core.records import FIELD_MODULUS

    return value % FIELD_MODULUS
