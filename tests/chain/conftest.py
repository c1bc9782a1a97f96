"""Fixtures of the anvil tests: the synthetic run of the unit tests, and one node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from zkdescent.verifier import Chain


@pytest.fixture(scope="session")
def synthetic(by_path: Callable[..., ModuleType]) -> ModuleType:
    """The module tests/unit/verifier/synthetic.py, by its path."""
    path = Path(__file__).parents[1] / "unit" / "verifier" / "synthetic.py"
    return by_path("verifier_synthetic", path)


@pytest.fixture
def anvil() -> Iterator[Chain]:
    """A fresh anvil node."""
    with Chain.anvil() as chain:
        yield chain
