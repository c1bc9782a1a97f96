"""The package loads, whole, where neither prover nor torch exists."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zkdescent.verifier as facade

BLOCK = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "ezkl", "onnx", "onnxruntime", "sklearn", "matplotlib"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Refuse())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code], capture_output=True, text=True, check=False
    )


def test_every_public_name_loads_with_torch_ezkl_and_onnx_blocked() -> None:
    result = run(
        "import zkdescent.verifier as v, zkdescent.verifier.twins\n"
        "[getattr(v, name) for name in v.__all__]\n"
        "assert not {'torch', 'ezkl', 'onnx'} & set(sys.modules)\n"
        "print(v.Chain.tester().address)"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_the_block_itself_works() -> None:
    result = run("import torch")
    assert result.returncode != 0
    assert "torch is blocked" in result.stderr


def test_twins_load_without_web3_and_py_evm() -> None:
    result = run("import zkdescent.verifier.twins; assert not {'web3', 'eth'} & set(sys.modules)")
    assert result.returncode == 0, result.stderr


def test_facade_lists_exactly_what_it_loads() -> None:
    assert sorted(facade._HOME) == facade.__all__


def test_facade_refuses_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Chian'"):
        facade.__getattr__("Chian")
