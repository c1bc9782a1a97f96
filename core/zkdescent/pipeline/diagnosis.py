"""What `zkdescent doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import asdict, dataclass
from typing import Any

_PACKAGES = (
    ("web3", "chains", True, "pip install zkdescent"),
    ("eth-tester", "the embedded chain", True, "pip install zkdescent"),
    ("py-evm", "the embedded chain", True, "pip install zkdescent"),
    ("torch", "training", False, "pip install 'zkdescent[train]'"),
    ("scikit-learn", "bundled data sets", False, "pip install 'zkdescent[train]'"),
    ("matplotlib", "curves", False, "pip install 'zkdescent[train]'"),
    ("onnx", "compiling circuits", False, "pip install 'zkdescent[prove]'"),
    ("onnxruntime", "checking ONNX outputs", False, "pip install 'zkdescent[prove]'"),
    ("ezkl", "proving with ezkl", False, "pip install 'zkdescent[prove]'"),
    ("msgpack", "proving with Barretenberg", False, "pip install 'zkdescent[prove]'"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    name: str
    ok: bool
    required: bool
    needed_for: str
    version: str = ""
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def diagnose() -> list[Finding]:
    """Look for Python, packages and programs; changes nothing."""
    version = ".".join(str(n) for n in sys.version_info[:3])
    supported = sys.version_info >= (3, 11)
    findings = [
        Finding(
            "Python",
            supported,
            True,
            "everything",
            version,
            "" if supported else "install Python 3.11 or newer",
        )
    ]
    for name, needed_for, required, advice in _PACKAGES:
        try:
            found = importlib.metadata.version(name)
            findings.append(Finding(name, True, required, needed_for, found))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, False, required, needed_for, "", advice))
    findings += [_anvil(), _barretenberg(), _compiler(), _node()]
    return findings


def _anvil() -> Finding:
    from zkdescent.core.errors import ToolMissing
    from zkdescent.verifier._anvil import find_anvil

    try:
        path = find_anvil()
        return Finding("anvil", True, False, "rpc = 'anvil'", str(path))
    except ToolMissing as error:
        return Finding("anvil", False, False, "rpc = 'anvil'", "", error.hint or "")


def _barretenberg() -> Finding:
    from zkdescent.circuits.barretenberg import toolchain
    from zkdescent.core.errors import ToolMissing

    purpose = "proving with Barretenberg"
    try:
        return Finding("bb", True, False, purpose, f"{toolchain.BUILD}, {toolchain.find()}")
    except ToolMissing as error:
        return Finding("bb", False, False, purpose, str(error.got or ""), error.hint or "")


def _compiler() -> Finding:
    from zkdescent.circuits.solc import find_compiler
    from zkdescent.core.errors import ToolMissing

    purpose = "verifier contracts of single circuits"
    try:
        return Finding("solc", True, False, purpose, find_compiler()[-1])
    except ToolMissing as error:
        return Finding("solc", False, False, purpose, "", error.hint or "")


def _node() -> Finding:
    from zkdescent.circuits.npm import NODE_HINT, locate_node

    node = locate_node()
    purpose = "fetching bb, running solc, forge tests"
    return Finding("node", node is not None, False, purpose, node or "", "" if node else NODE_HINT)
