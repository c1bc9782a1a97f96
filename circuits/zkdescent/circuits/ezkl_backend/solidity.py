"""Compile Solidity with the pinned compiler, found locally: nothing is ever downloaded.

Needed only for dedicated verifiers and to rebuild the committed artefacts; using the package needs
no compiler. Two are looked for:

1. ``$ZKDESCENT_SOLC``: a native ``solc`` binary;
2. ``contracts/node_modules``: npm's solc (``npm ci`` in ``contracts/``), run by ``node``.

Both must be the pinned version: another compiler makes other code, hence another code hash than
the one that circuits pin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zkdescent.circuits.ezkl_backend.harden import harden
from zkdescent.core.errors import ProverError, ToolMissing

SOLC_VERSION = "0.8.37"
SOLC_ENV = "ZKDESCENT_SOLC"
EIP170_BYTES = 24_576
_TIMEOUT_S = 600

# The generated verifiers are one block of assembly with a memory layout of its own: use the plain
# code generator, whose layout ezkl was written for. No metadata: equal sources are equal code.
VERIFIER_SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "prague",
    "viaIR": False,
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}


def compile_solidity(
    sources: Mapping[str, str], *, settings: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Compile self-contained sources and return what each contract needs to be deployed.

    Args:
        sources: file name -> Solidity text. Every import must name a key of this mapping.
        settings: compiler settings without ``outputSelection``; default :data:`VERIFIER_SETTINGS`.

    Returns:
        contract name -> ``{"abi": list, "bytecode": "0x..", "deployedBytecode": "0x..",
        "compiler": str}``, contracts with code only.

    Raises:
        ToolMissing: no compiler, or not the pinned version.
        ProverError: the compiler refused the sources, or two contracts share a name.
    """
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sorted(sources.items())},
        "settings": {
            **(VERIFIER_SETTINGS if settings is None else settings),
            "outputSelection": {
                "*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}
            },
        },
    }
    command = find_compiler()
    version = _version(command)
    answer = json.loads(_run([*command, "--standard-json"], json.dumps(request)))
    failures = [
        error.get("formattedMessage", error.get("message", ""))
        for error in answer.get("errors", [])
        if error.get("severity") == "error"
    ]
    if failures:
        raise ProverError("the Solidity compiler refused the sources", got="\n".join(failures))
    compiled: dict[str, dict[str, Any]] = {}
    for file_name, contracts in sorted(answer["contracts"].items()):
        for name, output in sorted(contracts.items()):
            code = output["evm"]["bytecode"]["object"]
            if not code:
                continue  # an interface
            if name in compiled:
                raise ProverError(f"two contracts are called {name}", path=file_name)
            compiled[name] = {
                "abi": output["abi"],
                "bytecode": "0x" + code,
                "deployedBytecode": "0x" + output["evm"]["deployedBytecode"]["object"],
                "compiler": version,
            }
    return compiled


def compile_dedicated_verifier(source: str) -> dict[str, Any]:
    """Harden and compile the verifier that ezkl generated for one circuit.

    Args:
        source: Solidity as ``ezkl.create_evm_verifier(..., reusable=False)`` wrote it.

    Returns:
        The one contract, as :func:`compile_solidity` describes it.

    Raises:
        ToolMissing: no compiler.
        ProverError: the source can't be hardened, or its code is larger than EIP-170 allows.
    """
    compiled = compile_solidity({"Verifier.sol": harden(source, reusable=False)})
    if len(compiled) != 1:
        raise ProverError("expected one verifier contract", expected=1, got=len(compiled))
    (verifier,) = compiled.values()
    size = (len(verifier["deployedBytecode"]) - 2) // 2
    if size > EIP170_BYTES:
        raise ProverError(
            "the dedicated verifier is too large to deploy",
            expected=f"at most {EIP170_BYTES} bytes (EIP-170)",
            got=size,
            hint="use the reusable verifier for this circuit",
        )
    return verifier


def find_compiler() -> list[str]:
    """Return the command that starts the compiler.

    Raises:
        ToolMissing: neither compiler is there; the hint says how to get one.
    """
    native = os.environ.get(SOLC_ENV)
    if native:
        found = shutil.which(native)
        if found is None:
            raise ToolMissing(f"${SOLC_ENV} names no executable", got=native)
        return [found]
    wrapper = contracts_folder() / "bin" / "solc"
    if wrapper.is_file() and (contracts_folder() / "node_modules" / "solc").is_dir():
        node = shutil.which("node")
        if node is not None:
            return [node, str(wrapper)]
    raise ToolMissing(
        "no Solidity compiler",
        expected=f"solc {SOLC_VERSION}",
        hint=f"run `npm ci` in contracts/ (needs Node 20), or set {SOLC_ENV} to a native solc "
        f"{SOLC_VERSION}; the embedded reusable verifier needs neither",
    )


def contracts_folder() -> Path:
    """Return ``contracts/`` of the checkout this module lies in; it may be absent (a wheel)."""
    return Path(__file__).resolve().parents[4] / "contracts"


def _version(command: list[str]) -> str:
    """Return the compiler's long version, for example ``0.8.37+commit.f401782d``."""
    text = _run([*command, "--version"], "")
    version = text.rsplit("Version: ", 1)[-1].strip()
    version = ".".join(version.split(".")[:4])  # without the platform: equal code everywhere
    if not version.startswith(SOLC_VERSION + "+"):
        raise ToolMissing("another Solidity compiler", expected=SOLC_VERSION, got=version)
    return version


def _run(command: list[str], text: str) -> str:
    try:
        result = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(f"cannot run the Solidity compiler: {error}", path=command[-1]) from error
    if result.returncode != 0:
        raise ProverError(
            "the Solidity compiler failed", got=(result.stderr or result.stdout)[-2000:]
        )
    return result.stdout
