"""A finished run in a store, made of synthetic proofs: what reports are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import (
    DEPLOYMENTS,
    FIDELITY,
    GAS,
    MEASUREMENTS,
    METRICS,
    inference_folder,
    proof_name,
)
from zkdescent.verifier import Chain, TrainingClient, deploy_code

TOML = """
[project]
name = "tiny"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
[train]
learning_rate = 0.0625
batch_size = 4
steps = 20
"""
CONTRACT = "0x" + "ab" * 20


@pytest.fixture(scope="session")
def synthetic(by_path: Callable[..., ModuleType]) -> ModuleType:
    """The module tests/unit/verifier/synthetic.py."""
    path = Path(__file__).parents[2] / "verifier" / "synthetic.py"
    return by_path("verifier_synthetic", path)


def history(shift: float) -> dict[str, Any]:
    """A trajectory of a binary classification, every four steps."""
    evaluations = [
        {
            "step": step,
            "train": {"loss": 0.7 - step / 50 + shift, "values": {"accuracy": 0.5 + step / 50}},
            "validation": {"loss": 0.6 - step / 50 + shift, "values": {"accuracy": 0.9}},
        }
        for step in range(0, 21, 4)
    ]
    return {"task": "binary", "loss": "bce", "evaluations": evaluations, "batch_losses": []}


def fidelity() -> dict[str, Any]:
    """A fidelity report in the form that the store has it."""
    entry = {
        "mean_difference": 0.0, "float_loss": 0.5, "fixed_loss": 0.5, "float_metric": 0.93,
        "fixed_metric": 0.92, "unmoved": 0.0,
    }  # fmt: skip
    trials = [
        {"fraction_bits": b, "metric": 0.93 - (12 - b) / 50, "within": b > 10, "cost": 1.0,
         "error": None}
        for b in range(8, 13)
    ]  # fmt: skip
    return {
        "format": "zkdescent.fidelity/1",
        "fraction_bits": 12,
        "steps": 20,
        "total_steps": 20,
        "headline": "accuracy",
        "part": "validation",
        "float_metric": 0.93,
        "tolerance": 0.003,
        "trajectory": [{"step": s, "max_difference": s / 1000, **entry} for s in range(21)],
        "worst": {"parameter": "weight", "index": [0, 2], "step": 20, "float_value": 1.0,
                  "fixed_value": 1.02},
        "peaks": [{"value": "softplus", "use": "rounding", "step": 3, "peak": 9,
                   "capacity_bits": 8, "bits_left": 3.5}],
        "lost": [],
        "trials": trials,
        "sufficient_bits": 11,
        "findings": [{"kind": "headroom", "message": "little is left", "hint": "more bits"}],
    }  # fmt: skip


def write_run(directory: Path, world: Any, *, name: str = "tiny") -> ArtefactStore:
    """Write a world's run to a project directory, with everything that stages store."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "zkdescent.toml").write_text(TOML)
    store = ArtefactStore(directory / ".zkdescent")
    store.write_manifest(replace(world.manifest(), project=name))
    measured = {}
    for (role, index), record in world.proofs.items():
        store.write_json(proof_name(role, index), record.to_json())
        measured[proof_name(role, index)] = {
            "seconds": 1.5 + index, "verify_seconds": 0.1, "peak_memory_mb": 100.0,
            "bytes": len(record.proof),
        }  # fmt: skip
    store.write_json(MEASUREMENTS, measured)
    store.write_json(METRICS, {"float": history(0.0), "proven": history(0.001)})
    store.write_json(FIDELITY, fidelity())
    store.write_json(GAS, {"31337:tester": {
        "deploy Circuits": 1000, "submit block proof 0": 500, "submit block proof 1": 700,
        "mint model": 90,
    }})  # fmt: skip
    contract = {"name": "Circuits", "address": CONTRACT, "code_hash": "0x" + "00" * 32}
    store.write_json(DEPLOYMENTS, {"format": "zkdescent.deployments/1", "chains": {"31337": {
        "chain_id": 31337, "chain": "tester", "genesis": "0x" + "11" * 32,
        "contracts": [contract],
    }}})  # fmt: skip
    record = world.inference()
    folder = inference_folder(int.from_bytes(world.plan.run_id, "big"))
    store.write_json(f"{folder}00000.proof.json", record.to_json())
    return store


@pytest.fixture
def run(tmp_path: Path, synthetic: ModuleType) -> Path:
    """A project directory with a finished synthetic run."""
    write_run(tmp_path / "run", synthetic.World())
    return tmp_path / "run"


@pytest.fixture
def synthetic_verifier(monkeypatch: pytest.MonkeyPatch, synthetic: ModuleType) -> None:
    """Have the audit accept synthetic proofs by their marker; real ones are verified elsewhere."""
    from zkdescent.pipeline import auditing

    monkeypatch.setattr(
        auditing, "proof_verifier", lambda store, engine: synthetic.verify_synthetic
    )


@pytest.fixture(scope="session")
def page(by_path: Callable[..., ModuleType]) -> ModuleType:
    """The module page.py: reads pages back."""
    return by_path("report_page", Path(__file__).with_name("page.py"))


@pytest.fixture
def unmade(tmp_path: Path) -> Path:
    """A project directory in which nothing was run yet."""
    directory = tmp_path / "unmade"
    directory.mkdir()
    (directory / "zkdescent.toml").write_text(TOML)
    return directory


@pytest.fixture
def tamper() -> Callable[[Path, int], None]:
    """Change the last byte of a stored block proof, behind the store's back."""

    def change(directory: Path, index: int) -> None:
        path = directory / ".zkdescent" / proof_name("step", index)
        record = json.loads(path.read_text())
        record["proof"] = record["proof"][:-2] + "00"
        path.write_text(json.dumps(record))

    return change


@pytest.fixture(scope="session")
def minted(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    """A chain's file with one minted model, whose URI is an attack."""
    path = tmp_path_factory.mktemp("chain") / "state"
    world = synthetic.World()
    with Chain.tester(path) as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
        plan = synthetic.lead(client, world)
        client.submit(plan, world.circuits.step, world.dataset, world.load_step, per_transaction=5)
        client.finalise(plan)
        client.mint(plan, uri="javascript:<script>alert(1)</script>\u202e")
    return path


@pytest.fixture(name="write_run")
def write_run_(synthetic: ModuleType) -> Callable[..., ArtefactStore]:
    """Write a world's run to a project directory."""
    return write_run
