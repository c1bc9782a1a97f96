"""One distribution, one namespace: the wheel holds `zkdescent/` and nothing beside it."""

from __future__ import annotations

import importlib.util
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("core", "train", "circuits", "verifier")


@pytest.mark.parametrize("root", ROOTS)
def test_no_init_turns_the_namespace_into_a_package(root: str) -> None:
    assert not (ROOT / root / "zkdescent" / "__init__.py").exists()


def test_every_root_is_found_through_the_namespace() -> None:
    for module in ("core.errors", "train.blocks", "circuits.program", "verifier.chain"):
        assert importlib.util.find_spec(f"zkdescent.{module}") is not None


def test_versions_of_pre_releases_are_exact() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = set(project["dependencies"]) | set(project["optional-dependencies"]["prove"])
    assert {"eth-tester==0.14.0b1", "py-evm==0.12.1b1", "ezkl==23.0.5", "msgpack==1.2.4"} <= pinned


def test_the_wheel_holds_only_the_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In-process and without an isolated environment: the backend is a development requirement.
    from hatchling.build import build_wheel

    monkeypatch.chdir(ROOT)
    names = zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))).namelist()
    outside = [n for n in names if not n.startswith(("zkdescent/", "zkdescent-0."))]
    assert outside == []
    for needed in (
        "zkdescent/verifier/artifacts/TrainingLedger.json",
        "zkdescent/examples/breast-cancer/zkdescent.toml",
        "zkdescent/examples/mlp-csv/model.py",
        "zkdescent/examples/digits-cnn/data.py",
        "zkdescent/verifier/py.typed",
        "zkdescent/pipeline/report/templates/report.html.j2",
        "zkdescent/pipeline/report/templates/style.css",
        "zkdescent/pipeline/report/templates/live.js",
        "zkdescent/circuits/soljson.cjs",
        "zkdescent/pipeline/benchmark/circom/linear_step.circom",
        "zkdescent/pipeline/benchmark/circom/groth16.mjs",
        "zkdescent/pipeline/benchmark/circom/unsafe_powers.mjs",
        "zkdescent/pipeline/benchmark/circom/package-lock.json",
    ):
        assert needed in names
    assert not [n for n in names if "__pycache__" in n]
