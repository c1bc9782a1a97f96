"""Trust one model's inferences from Python: what a consumer contract does, off the chain.

    manifest = Manifest.from_json(json.loads(Path("manifest.json").read_text()))
    with Chain.reader(url) as chain:
        model = PinnedModel.open(chain, manifest, model_id, commitment_hash)
        outputs = model.check(record, row, requester=me, nonce=expected)

The contracts answer by eth_call: it costs nothing, needs no key, and is as good as the node. Who
asks twice for one nonce can be shown one proof twice, so a consumer counts its nonces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zkdescent.core.errors import ChainOfProofsBroken, DataError, ProofRejected
from zkdescent.core.records import CircuitRecord, InferenceRecord, Manifest
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.deploy import check_deployed
from zkdescent.verifier.plan import hyperparameters_hash
from zkdescent.verifier.registry import Model, Provenance, RegistryClient, split_values

_REUSABLE = 0  # enum Prover: ezkl's reusable verifier takes the key's words with each proof


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model that was reviewed once and is used from then on; see the module.

    ``provenance`` is what there is to review: where the weights come from, as the ledger proved.
    """

    chain: Chain
    model: Model
    provenance: Provenance
    circuit: CircuitRecord
    standardizer: Mapping[str, Any]
    fraction_bits: int
    reusable: bool

    @classmethod
    def open(
        cls, chain: Chain, manifest: Manifest, model_id: int, commitment_hash: bytes
    ) -> PinnedModel:
        """Find the model on the chain and check that it is the pinned one.

        Args:
            manifest: as the trainer publishes it; what it says is compared with the chain.
            commitment_hash: keccak256(abi.encode(commitment)), 32 bytes, from the review.

        Raises:
            ChainError: the contracts are not there, or have other code than the shipped ones.
            ContractRefused: there is no such model.
            ChainOfProofsBroken: another commitment, deprecated, or a manifest of another model.
        """
        addresses = check_deployed(chain)
        registry = RegistryClient(chain, addresses)
        provenance = registry.provenance(model_id)
        model = registry.model(model_id)
        assert model is not None
        circuit = manifest.circuits.inference
        for what, expected, got in (
            ("commitment", commitment_hash, model.commitment_hash),
            ("deprecated", False, model.deprecated),
            ("verifying key", model.vk_hash, circuit.vk_sha256),
            ("hyperparameters", provenance.hyperparameters,
             hyperparameters_hash(manifest.hyperparameters)),
        ):  # fmt: skip
            if expected != got:
                raise ChainOfProofsBroken(
                    f"not the pinned model: its {what} differs",
                    expected=expected,
                    got=got,
                    path=f"model 0x{model_id:064x}",
                    hint="review the model again before you pin it, or get its own manifest",
                )
        gateway = chain.contract("Circuits", addresses.circuits)
        spec = chain.call(gateway.functions.spec(model.circuit_hash))
        return cls(
            chain, model, provenance, circuit, manifest.hyperparameters["standardizer"],
            int(spec.fractionBits), int(spec.prover) == _REUSABLE,
        )  # fmt: skip

    def fixed_inputs(self, row: Sequence[float]) -> tuple[int, ...]:
        """Return a row of raw units as the circuit's integers: standardised, times 2^bits, rounded.

        Halves are rounded away from zero, as when the proof is made.

        Raises:
            DataError: another number of values than the model has features, or not finite.
        """
        means, scales = self.standardizer["feature_mean"], self.standardizer["feature_scale"]
        if len(row) != len(means) or not all(math.isfinite(v) for v in row):
            raise DataError(
                "the row does not fit the model",
                expected=f"{len(means)} finite numbers: "
                + ", ".join(self.standardizer["feature_names"]),
                got=list(row),
            )
        values = zip(row, means, scales, strict=True)
        return tuple(_rounded((x - m) / s * (1 << self.fraction_bits)) for x, m, s in values)

    def check(
        self, record: InferenceRecord, row: Sequence[float], *, requester: str, nonce: int
    ) -> tuple[float, ...]:
        """Return the model's outputs for a row if the record proves them, for us and this nonce.

        They are the model's own: of standardised targets, standard deviations from the mean.

        Args:
            row: what was asked, in raw units: a proof about another row is worth nothing here.
            requester: the address that the proof must be made for.
            nonce: the next one; whoever calls counts.

        Raises:
            ProofRejected: made for another row, requester, nonce, model or chain.
            ContractRejected: the registry refuses it: wrong weights, context, values or proof.
        """
        inputs, outputs = split_values(self.circuit, record)
        for what, expected, got in (
            ("chain", self.chain.chain_id, record.chain_id),
            ("model", self.model.model_id, record.model_id),
            ("requester", requester.lower(), record.requester.lower()),
            ("nonce", nonce, record.nonce),
            ("row", list(self.fixed_inputs(row)), inputs),
        ):
            if expected != got:
                raise ProofRejected(
                    f"the inference was made for another {what}", expected=expected, got=got
                )
        RegistryClient(self.chain).check_inference(self.circuit, record, reusable=self.reusable)
        return tuple(output / (1 << self.fraction_bits) for output in outputs)


def _rounded(value: float) -> int:
    whole = math.trunc(value)
    return whole + (int(math.copysign(1, value)) if abs(value - whole) >= 0.5 else 0)
