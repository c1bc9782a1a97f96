"""A consumer off the chain: what it accepts, and everything it must refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.circuits.fixed_point import quantize
from zkdescent.core.errors import (
    ChainError,
    ChainOfProofsBroken,
    ContractRejected,
    DataError,
    ProofRejected,
)
from zkdescent.verifier import (
    Chain,
    ContractRefused,
    PinnedModel,
    TrainingClient,
    deploy_code,
    development_account,
)
from zkdescent.verifier.pinned import _rounded

STANDARDIZER = {
    "feature_names": ["a", "b", "c"],
    "feature_mean": [1.0, 0.0, 10.0],
    "feature_scale": [2.0, 1.0, 5.0],
    "target_names": ["y"],
    "target_mean": [0.0],
    "target_scale": [1.0],
}
ROW = [3.0, -1.0, 10.0]  # standardised: 1, -1, 0
US = development_account(1).address


@pytest.fixture(scope="module")
def world(synthetic: ModuleType) -> Any:
    return synthetic.World(hyperparameters={"standardizer": STANDARDIZER})


@pytest.fixture(scope="module")
def minted_client(world: Any, synthetic: ModuleType) -> Iterator[TrainingClient]:
    with Chain.tester() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
        synthetic.finish(client, world)
        yield client


def pin(client: TrainingClient, world: Any, **changes: Any) -> PinnedModel:
    model = client.model(world.plan.model_id)
    assert model is not None
    arguments = {
        "manifest": world.manifest(),
        "model_id": model.model_id,
        "commitment_hash": model.commitment_hash,
        **changes,
    }
    return PinnedModel.open(client.chain, **arguments)


def test_an_inference_made_for_us_is_accepted(minted_client: TrainingClient, world: Any) -> None:
    model = pin(minted_client, world)
    assert model.fixed_inputs(ROW) == (4096, -4096, 0)
    outputs = model.check(world.inference(4, requester=US), ROW, requester=US, nonce=4)
    assert outputs == (-123 / 4096,)
    assert model.provenance.total_proofs == world.total


def test_every_other_inference_is_refused(
    minted_client: TrainingClient, world: Any, synthetic: ModuleType
) -> None:
    model, record = pin(minted_client, world), world.inference(4, requester=US)
    other = development_account(2).address
    for what, changed, row, requester, nonce in (
        ("row", record, [3.0, -1.0, 10.01], US, 4),
        ("nonce", record, ROW, US, 5),
        ("requester", record, ROW, other, 4),
        ("model", replace(record, model_id=record.model_id + 1), ROW, US, 4),
        ("chain", replace(record, chain_id=1), ROW, US, 4),
    ):
        with pytest.raises(ProofRejected, match=f"made for another {what}"):
            model.check(changed, row, requester=requester, nonce=nonce)
    stolen = replace(world.inference(4, requester=other), requester=US)
    false = replace(record.proof, proof=record.proof.proof[:-1] + b"\x00")
    for forged in (
        stolen,
        world.inference(4, requester=US, weights=world.genesis),
        replace(record, proof=false),
    ):
        with pytest.raises(ContractRejected):
            model.check(forged, ROW, requester=US, nonce=4)


def test_only_the_pinned_model_is_opened(
    minted_client: TrainingClient, world: Any, synthetic: ModuleType
) -> None:
    with pytest.raises(ChainOfProofsBroken, match="its commitment differs"):
        pin(minted_client, world, commitment_hash=bytes(32))
    with pytest.raises(ContractRefused, match="ModelNotFound"):
        pin(minted_client, world, model_id=world.plan.model_id + 1)
    manifest = world.manifest()
    shifted = {"standardizer": {**STANDARDIZER, "feature_mean": [0.0, 0.0, 0.0]}}
    with pytest.raises(ChainOfProofsBroken, match="its hyperparameters differs"):
        pin(minted_client, world, manifest=replace(manifest, hyperparameters=shifted))
    circuit = replace(manifest.circuits.inference, vk_sha256=bytes(32))
    circuits = replace(manifest.circuits, inference=circuit)
    with pytest.raises(ChainOfProofsBroken, match="its verifying key differs"):
        pin(minted_client, world, manifest=replace(manifest, circuits=circuits))


def test_a_deprecated_model_is_not_opened(
    client: TrainingClient, world: Any, synthetic: ModuleType
) -> None:
    synthetic.finish(client, world)
    pin(client, world)
    contract = client.registry.contract
    client.chain.send(contract.functions.deprecateModel(world.plan.model_id))
    with pytest.raises(ChainOfProofsBroken, match="its deprecated differs"):
        pin(client, world)


def test_without_the_contracts_nothing_is_pinned(world: Any) -> None:
    with Chain.tester() as chain, pytest.raises(ChainError, match="is not on this chain"):
        PinnedModel.open(chain, world.manifest(), world.plan.model_id, bytes(32))


@pytest.mark.parametrize("row", [[1.0, 2.0], [1.0, 2.0, float("nan")], [1.0, 2.0, 3.0, 4.0]])
def test_rows_of_another_shape_are_refused(
    minted_client: TrainingClient, world: Any, row: list[float]
) -> None:
    with pytest.raises(DataError, match="does not fit the model") as error:
        pin(minted_client, world).fixed_inputs(row)
    assert "a, b, c" in str(error.value.expected)


@given(st.floats(-1e6, 1e6), st.integers(8, 16))
def test_rounding_is_that_of_the_prover(value: float, bits: int) -> None:
    (expected,) = quantize(np.array([value]), bits, what="x")
    assert _rounded(value * (1 << bits)) == expected
