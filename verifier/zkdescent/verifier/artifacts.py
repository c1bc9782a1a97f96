"""The compiled contracts that ship with the package (package data, one JSON file each).

Neither Node nor a Solidity compiler is needed to use the package: ABI and bytecode are read
through importlib.resources, so this also works from a zipped wheel.

>>> load_artifact("Circuits").name
'Circuits'
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from eth_utils.crypto import keccak

from zkdescent.core.errors import ArtefactError, suggestion

_HINT = "the installation is damaged: reinstall zkdescent"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    ``creation_code`` is the constructor without arguments; ``runtime_code`` is what a contract
    without immutables has on chain (with immutables their places hold zeros).
    """

    name: str
    abi: list[dict[str, Any]]
    creation_code: bytes
    runtime_code: bytes

    @property
    def runtime_code_hash(self) -> bytes:
        """keccak256 of the runtime code; what EXTCODEHASH gives for a contract w/o immutables."""
        return keccak(self.runtime_code)


@cache
def artifact_names() -> tuple[str, ...]:
    """Return the names of the shipped contracts, sorted."""
    folder = files("zkdescent.verifier") / "artifacts"
    if not folder.is_dir():
        return ()
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


@cache
def load_artifact(name: str) -> Artifact:
    """Return a shipped contract by name.

    Raises:
        ArtefactError: there is no such contract, or its file is damaged.
    """
    resource = files("zkdescent.verifier") / "artifacts" / f"{name}.json"
    if name not in artifact_names():
        known = suggestion(name, artifact_names(), what="contracts")
        raise ArtefactError("no such compiled contract", got=name, hint=known)
    try:
        record = json.loads(resource.read_text(encoding="utf-8"))
        return Artifact(
            name=record["contractName"],
            abi=record["abi"],
            creation_code=_hex(record["bytecode"]),
            runtime_code=_hex(record["deployedBytecode"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(
            "a compiled contract is damaged", got=str(error), path=str(resource), hint=_HINT
        ) from error


def _hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
