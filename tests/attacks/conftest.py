"""What the attacks share: synthetic runs, one real run, chains to attack, attackers' contracts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zkdescent.verifier import Chain, TrainingClient, deploy_code

from .actors import PaidRun
from .feeds import FeedWorld

TESTS = Path(__file__).parents[1]
SETTINGS = {"optimizer": {"enabled": True, "runs": 10_000}, "evmVersion": "prague"}


@pytest.fixture(scope="session")
def synthetic(by_path: Callable[..., ModuleType]) -> ModuleType:
    """The module tests/unit/verifier/synthetic.py."""
    return by_path("verifier_synthetic", TESTS / "unit" / "verifier" / "synthetic.py")


@pytest.fixture(scope="session")
def feeds(honest: Any, by_path: Callable[..., ModuleType]) -> FeedWorld:
    """The same run as a gas feed's model, on a chain where it is minted."""
    honk_chain = by_path("prover.honk_chain", TESTS / "prover" / "honk_chain.py")
    return FeedWorld(honest, honk_chain.stages(honest)["minted"])


@pytest.fixture(scope="session")
def paid(honest: Any) -> PaidRun:
    """The same run for a task with a reward, proven for the victim."""
    return PaidRun.make(honest)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    """File of a chain with all contracts and the stand-in verifier; tests open copies."""
    path = tmp_path_factory.mktemp("attacked") / "deployed"
    with Chain.tester(path) as chain:
        TrainingClient(chain).ensure_deployed()
        deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
    return path


@pytest.fixture
def client(deployed: Path, tmp_path: Path) -> Iterator[TrainingClient]:
    """A chain with all contracts and the stand-in verifier."""
    with Chain.tester(shutil.copy(deployed, tmp_path / "chain")) as chain:
        yield TrainingClient(chain)


@pytest.fixture(scope="session")
def attackers() -> dict[str, Any]:
    """The attackers' contracts, compiled: name -> {"abi", "bytecode", "deployedBytecode"}."""
    from zkdescent.circuits.solc import compile_solidity

    own = ("libraries/Header", "libraries/GasFeatures", "interfaces/IChainHistory")
    names = ["tests/attacks/Attackers.sol", *(f"contracts/src/{name}.sol" for name in own)]
    sources = {name: (TESTS.parent / name).read_text() for name in names}
    return compile_solidity(sources, settings=SETTINGS)
