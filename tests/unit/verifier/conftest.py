"""Fixtures of the verifier's tests: synthetic runs, and chains that hold one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from zkdescent.verifier import Chain, TrainingClient, deploy_code


@pytest.fixture(scope="session")
def synthetic(by_path: Callable[..., ModuleType]) -> ModuleType:
    """The module synthetic.py: World and its parts."""
    return by_path("verifier_synthetic", Path(__file__).with_name("synthetic.py"))


@pytest.fixture
def chain() -> Iterator[Chain]:
    """A fresh in-process chain."""
    with Chain.tester() as opened:
        yield opened


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> dict[str, Path]:
    """Files of a chain at three stages of the default World, made once; tests open copies."""
    folder = tmp_path_factory.mktemp("stages")
    path = folder / "chain"
    world = synthetic.World()
    with Chain.tester(path) as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
        shutil.copy(path, folder / "deployed")
        synthetic.lead(client, world)
        shutil.copy(path, folder / "opened")
        synthetic.finish(client, world)
        shutil.copy(path, folder / "minted")
    return {stage: folder / stage for stage in ("deployed", "opened", "minted")}


def at_stage(stages: dict[str, Path], stage: str, folder: Path) -> Iterator[TrainingClient]:
    """Open a copy of a stage."""
    with Chain.tester(shutil.copy(stages[stage], folder / f"chain-{stage}")) as chain:
        yield TrainingClient(chain)


@pytest.fixture
def client(stages: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """A chain with all contracts and the synthetic verifier."""
    yield from at_stage(stages, "deployed", tmp_path)


@pytest.fixture
def opened(stages: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """The same, with the default World's run open."""
    yield from at_stage(stages, "opened", tmp_path)


@pytest.fixture
def minted(stages: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """The same, with the default World's model minted."""
    yield from at_stage(stages, "minted", tmp_path)
