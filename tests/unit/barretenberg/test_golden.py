"""Circuits that were emitted before are emitted again, to the bit: their keys are registered.

A change here is a breaking one: whoever compiled a project has other circuits afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import srs, toolchain
from zkdescent.circuits.barretenberg.circuits import EMISSION

from .samples import Sample, gadgets, inference, layers, products

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

GOLDEN = Path(__file__).parent / "golden" / "circuits.json"
SAMPLES: dict[str, Callable[[], Sample]] = {
    "gadgets": gadgets, "inference": inference, "layers": layers, "products": products
}  # fmt: skip
CHANGED = f"""the same programs give other circuits or keys than those recorded in {GOLDEN}.
If that is meant: raise EMISSION (circuits/barretenberg/circuits.py), say so under "Breaking circuit
changes" in CHANGELOG.md, write the new figures into the file, and have users compile again,
register the circuits of step, inference and aggregate again, create new tasks and prove again."""


def test_circuits_gates_and_keys_are_those_recorded(tmp_path: Path) -> None:
    found: dict[str, object] = {"prover": toolchain.BUILD, "emission": EMISSION}
    for name, make in SAMPLES.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(make().emit().program_file())
        gates = toolchain.count_gates(path, timeout=60)
        string = srs.unsafe_srs(srs.points_for(gates))
        folder = tmp_path / f"{name}-key"
        folder.mkdir()
        arguments: list[str | Path] = ["write_vk", "-b", path, "-o", folder, "-t", "evm"]
        toolchain.run([*arguments, "-c", string], timeout=60)
        key = hashlib.sha256((folder / "vk").read_bytes()).hexdigest()
        found[name] = {"gates": gates, "vk_sha256": key}
    assert found == json.loads(GOLDEN.read_text()), CHANGED
