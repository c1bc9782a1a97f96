"""Interface ids and selectors as published: of ERC-165, of ERC-7992 and of ezkl's verifiers.

The file of ERC-165's and ezkl's is not shipped: ``ZKDESCENT_VECTORS`` names its folder, or it is
found beside the checkout.
"""

from __future__ import annotations

import json
import os
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import pytest
from eth_utils.abi import function_signature_to_4byte_selector as selector

from zkdescent.verifier import TrainingClient
from zkdescent.verifier.artifacts import load_artifact

FOLDER = os.environ.get("ZKDESCENT_VECTORS") or Path(__file__).resolve().parents[4].joinpath(
    "shared", "vectors"
)
FILE = Path(FOLDER) / "evm_interfaces.json"
MOST_GAS = 30_000  # what ERC-165 allows an answer to cost
TRANSACTION_GAS = 21_000
IN_FULL = {"0xd28519b1", "0x5df65472", "0x80b171ef", "0x29c6ba89"}  # draft ERC-7992


def answers(client: TrainingClient, interface: str) -> bool:
    """What the registry says of an interface id, for no more gas than ERC-165 allows."""
    function = client.registry.contract.functions.supportsInterface(bytes.fromhex(interface[2:]))
    assert client.chain.send(function, action="ask").gas_used < TRANSACTION_GAS + MOST_GAS
    return bool(client.chain.call(function))


def test_the_registry_answers_to_its_interfaces_and_to_no_other(minted: TrainingClient) -> None:
    for interface in sorted(IN_FULL | {"0x01ffc9a7"}):
        assert answers(minted, interface), interface
    for interface in ("0xffffffff", "0x00000000", "0x80ac58cd"):
        assert not answers(minted, interface), interface


def test_interface_ids_follow_from_the_selectors_of_the_abi() -> None:
    abi: list[dict[str, Any]] = load_artifact("ModelRegistry").abi
    named = {
        entry["name"]: selector(f"{entry['name']}({','.join(_types(entry['inputs']))})")
        for entry in abi
        if entry["type"] == "function"
    }
    assert f"0x{named['supportsInterface'].hex()}" == "0x01ffc9a7"
    assert f"0x{named['verifyInference'].hex()}" == "0x80b171ef"


@pytest.mark.realdata
def test_published_ids_and_selectors(minted: TrainingClient) -> None:
    published = json.loads(FILE.read_text(encoding="utf-8"))
    ids = published["erc165_ids"]
    assert answers(minted, ids["ERC165"])
    others = {name: i for name, i in ids.items() if name not in ("ERC165", "note")}
    assert not [name for name, i in others.items() if answers(minted, i)]
    aggregator = published["aggregator_v3_selectors"]
    parts = {k: v for k, v in aggregator.items() if k != "xor"}
    assert all(f"0x{selector(k).hex()}" == v for k, v in parts.items())
    assert reduce(xor, (int(v, 16) for v in parts.values())) == int(aggregator["xor"], 16)
    for signature, expected in published["ezkl_verifier"].items():
        assert f"0x{selector(signature).hex()}" == expected
        assert bytes.fromhex(expected[2:]) in load_artifact("Circuits").runtime_code


def _types(inputs: list[dict[str, Any]]) -> list[str]:
    return [
        f"({','.join(_types(i['components']))}){i['type'][5:]}"
        if i["type"].startswith("tuple")
        else str(i["type"])
        for i in inputs
    ]
