"""Compile Solidity with the pinned compiler, found locally.

Needed to make the verifier contract of one circuit and to rebuild the committed artefacts; to
train with the reusable verifier, or to verify what others made, no compiler is needed. Looked for:

1. ``$ZKDESCENT_SOLC``: a native ``solc`` binary;
2. ``contracts/node_modules``: npm's solc (``npm ci`` in ``contracts/``), run by ``node``;
3. the cache: the same compiler, put there by ``zkdescent setup barretenberg``.

All must be the pinned version: another compiler makes other code, hence another code hash than the
one that circuits pin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zkdescent.circuits.cache import cache_directory, made_whole
from zkdescent.circuits.npm import Package, fetch, locate_node, sha256_of
from zkdescent.core.errors import ProverError, ToolMissing

SOLC_VERSION = "0.8.37"
SOLC_ENV = "ZKDESCENT_SOLC"
EIP170_BYTES = 24_576
_TIMEOUT_S = 600
_PACKAGE = Package(
    "solc",
    SOLC_VERSION,
    "sha512-ieUYdPDRGNKMsZpCfi9tY64Q+ASoL8tyhLuvf9cFiqDs+6ijlx8Wn2CRi0N71AlCvRx0V092rlUYu3b3PuxWlA==",
)
_SOLJSON = "soljson.js"
_MEMBERS = {
    _SOLJSON: "221d7a667378b5068d913e75fe092507e061363cd1d23b64c49ae82febabad4c",
    "LICENSE": "852bcc033a46c62f99fb5ffd43b3241ba2c0c440c6034aa2114505f2c4f03c4a",
}
_RUNNER = Path(__file__).with_name("soljson.cjs")


def compile_solidity(
    sources: Mapping[str, str], *, settings: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Compile self-contained sources and return what each contract needs to be deployed.

    Args:
        sources: file name -> Solidity text. Every import must name a key of this mapping.
        settings: compiler settings without ``outputSelection``.

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
            **settings,
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


def only_contract(compiled: Mapping[str, dict[str, Any]], *, hint: str) -> dict[str, Any]:
    """Return the one contract that was compiled.

    Raises:
        ProverError: there is not exactly one, or its code is larger than EIP-170 allows; then
            `hint` says what to do.
    """
    if len(compiled) != 1:
        raise ProverError("expected one verifier contract", expected=1, got=len(compiled))
    (contract,) = compiled.values()
    size = (len(contract["deployedBytecode"]) - 2) // 2
    if size > EIP170_BYTES:
        raise ProverError(
            "the verifier contract is too large to deploy",
            expected=f"at most {EIP170_BYTES} bytes (EIP-170)",
            got=size,
            hint=hint,
        )
    return contract


def find_compiler() -> list[str]:
    """Return the command that starts the compiler.

    Raises:
        ToolMissing: no compiler is there; the hint says how to get one.
    """
    native = os.environ.get(SOLC_ENV)
    if native:
        found = shutil.which(native)
        if found is None:
            raise ToolMissing(f"${SOLC_ENV} names no executable", got=native)
        return [found]
    node, script = locate_node(), _script()
    if node is not None and script:
        return [node, *script]
    raise ToolMissing(
        "no Solidity compiler",
        expected=f"solc {SOLC_VERSION}",
        hint=f"run `zkdescent setup barretenberg`, or `npm ci` in contracts/, or set {SOLC_ENV} to "
        f"a native solc {SOLC_VERSION}; verifying, and the reusable verifier, need none",
    )


def install_compiler(progress: Callable[[str], None]) -> None:
    """Fetch the compiler into the cache, unless one is found already.

    Raises:
        ToolMissing: there is no npm, or it could not fetch the package.
        ProverError: what it fetched is not the pinned compiler.
    """
    kept = _folder() / _SOLJSON
    if kept.is_file() and sha256_of(kept) != _MEMBERS[_SOLJSON]:
        shutil.rmtree(_folder())  # damaged
    try:
        _version(find_compiler())
        return
    except ToolMissing:
        if os.environ.get(SOLC_ENV):
            raise
    progress(f"fetching {_PACKAGE}")
    with made_whole(_folder()) as partial:
        fetch(_PACKAGE, _MEMBERS, partial)


def contracts_folder() -> Path:
    """Return ``contracts/`` of the checkout this module lies in; it may be absent (a wheel)."""
    return Path(__file__).resolve().parents[3] / "contracts"


def _script() -> list[str]:
    """Return the JavaScript to run, with its arguments; empty if there is no compiler."""
    wrapper = contracts_folder() / "bin" / "solc"
    if wrapper.is_file() and (contracts_folder() / "node_modules" / "solc").is_dir():
        return [str(wrapper)]
    cached = _folder() / _SOLJSON
    return [str(_RUNNER), str(cached)] if cached.is_file() else []


def _folder() -> Path:
    return cache_directory() / "solc" / SOLC_VERSION


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
