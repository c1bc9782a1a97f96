"""Attacks on the logic around the cryptography use the verifier tests' synthetic runs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module tests/unit/verifier/synthetic.py, by its path: tests are no packages."""
    name = "verifier_synthetic"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "unit" / "verifier" / "synthetic.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
