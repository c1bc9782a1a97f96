"""Compiled contracts ship as data; their addresses and code follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ArtefactError, ChainError
from zkdescent.verifier import (
    Chain,
    check_deployed,
    deploy_code,
    ensure_deployed,
    predicted_addresses,
)
from zkdescent.verifier import artifacts as artifacts_module
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.addresses import runtime_code_hashes
from zkdescent.verifier.artifacts import artifact_names, load_artifact
from zkdescent.verifier.feed_terms import FEED_TERMS_ABI
from zkdescent.verifier.twins.specs import CIRCUIT_SPEC_ABI, TASK_SPEC_ABI

EIP_170_BYTES = 24_576


def test_all_contracts_ship_and_fit() -> None:
    wanted = {
        "ChainHistory", "Circuits", "DecisionConsumer", "GasFeed", "Halo2VerifierReusable",
        "ModelRegistry", "PatientPayments", "TrainingLedger",
    }  # fmt: skip
    assert wanted <= set(artifact_names())
    for name in wanted:
        assert 0 < len(load_artifact(name).runtime_code) <= EIP_170_BYTES


def test_unknown_contract_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ArtefactError) as error:
        load_artifact("TrainingLeger")
    assert "TrainingLedger" in str(error.value.hint)


@pytest.mark.parametrize("content", ["{", "{}", '{"contractName": "A", "abi": [], "bytecode": 1}'])
def test_damaged_contract_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "Damaged.json").write_text(content)
    monkeypatch.setattr(artifacts_module, "files", lambda _: tmp_path)
    monkeypatch.setattr(artifacts_module, "artifact_names", lambda: ("Damaged",))
    with pytest.raises(ArtefactError, match="damaged"):
        load_artifact("Damaged")


def kind(entry: dict[str, Any]) -> str:
    """The type of an ABI entry, as eth_abi writes it."""
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    inner = ",".join(kind(part) for part in entry["components"])
    return f"({inner})" + str(entry["type"]).removeprefix("tuple")


def struct(contract: str, function: str) -> str:
    """The ABI type of a function's first struct argument."""
    abi = load_artifact(contract).abi
    entry = next(e for e in abi if e["type"] == "function" and e["name"] == function)
    return next(kind(i) for i in entry["inputs"] if i["type"] == "tuple")


def test_struct_types_are_those_of_the_compiled_contracts() -> None:
    assert struct("Circuits", "register") == CIRCUIT_SPEC_ABI
    assert struct("TrainingLedger", "createTask") == TASK_SPEC_ABI
    assert struct("TrainingLedger", "admit") == "(bytes,uint256[],bytes32[])"
    constructor = next(e for e in load_artifact("GasFeed").abi if e["type"] == "constructor")
    assert kind(constructor["inputs"][0]) == FEED_TERMS_ABI


def test_contracts_land_where_predicted_with_the_predicted_code(chain: Chain) -> None:
    deployment = ensure_deployed(chain)
    assert deployment.addresses == predicted_addresses()
    assert all(action.gas > 1_000_000 for action in deployment.actions)
    for field, code_hash in runtime_code_hashes().items():
        assert keccak(chain.code(getattr(deployment.addresses, field))) == code_hash
    assert not any(action.sent for action in ensure_deployed(chain).actions)


def test_check_deployed_names_the_missing_contract(chain: Chain) -> None:
    with pytest.raises(ChainError, match="Halo2VerifierReusable is not on this chain"):
        check_deployed(chain)


def test_check_deployed_rejects_other_code(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_deployed(chain)
    right = chain.code
    ledger = predicted_addresses().ledger
    monkeypatch.setattr(chain, "code", lambda a: right(a) + (b"\x00" if a == ledger else b""))
    with pytest.raises(ChainError, match="other code where TrainingLedger"):
        check_deployed(chain)


@pytest.mark.parametrize("code", [b"", b"\x00"])
def test_chain_without_the_factory_is_refused(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, code: bytes
) -> None:
    monkeypatch.setattr(chain, "code", lambda a: b"" if a == predict_address(b"\x00") else code)
    with pytest.raises(ChainError, match="CREATE2 factory is not on this chain") as error:
        deploy_code(chain, b"\x00", action="deploy")
    assert error.value.hint


def test_deployment_that_leaves_no_code_is_refused(chain: Chain) -> None:
    with pytest.raises(ChainError, match="no code after deployment"):
        deploy_code(chain, b"\x00", action="deploy nothing")


def test_create2_address_is_that_of_eip_1014() -> None:
    # Checked against the factory itself above; frozen for a code without constructor.
    assert predict_address(b"\x00") == "0x24C4fD2Db1Cf4Cb1aEc651CC0E060A00D400e784"
