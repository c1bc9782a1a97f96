"""The base install: reading records, projects and stores needs neither torch nor a prover."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zkdescent.core

BLOCKED = """
import sys
HEAVY = {"torch", "ezkl", "onnx", "onnxruntime", "sklearn", "matplotlib"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize(
    "modules",
    [
        "zkdescent.core.config, zkdescent.core.store, zkdescent.core.records",
        "zkdescent.train.data, zkdescent.train.rows, zkdescent.train.blocks",
    ],
)
def test_import_without_torch_and_prover(modules: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{BLOCKED}\nimport {modules}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


def test_the_blocker_blocks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{BLOCKED}\nimport zkdescent.train.losses"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "torch is blocked" in done.stderr


def test_zkdescent_is_a_namespace() -> None:
    assert zkdescent.core.__file__ is not None
    assert not (Path(zkdescent.core.__file__).parent.parent / "__init__.py").exists()
    assert sys.modules["zkdescent"].__file__ is None
