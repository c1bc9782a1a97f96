"""Files from somebody else, spoiled in every way that hypothesis finds.

Whatever is in them, the package answers with an error of its own: never another exception, never a
proof accepted that says something else than the honest one, never more memory than a file of that
size needs. The same claims with few examples by default and with many in the slow tier.
"""

from __future__ import annotations

import hashlib
import io
import json
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkdescent.circuits.ezkl_backend.settings import canonical_settings, refuse_unsafe_settings
from zkdescent.core.archive import Archive, write_archive
from zkdescent.core.config import load_project, parse_config
from zkdescent.core.errors import ZkDescentError
from zkdescent.core.records import Manifest, ProofRecord, canonical_json, parse_json
from zkdescent.pipeline.artefacts import proof_name
from zkdescent.pipeline.bundle_reading import OpenBundle
from zkdescent.pipeline.watching import status_of
from zkdescent.train._sources import from_csv, from_npz
from zkdescent.train.rows import load_rows
from zkdescent.verifier import audit_run
from zkdescent.verifier.honk_code import check_honk_key, load_verifier

from .mutations import spoiled_bytes, spoiled_json

TIERS = [
    pytest.param(8, id="few"),
    pytest.param(700, id="many", marks=pytest.mark.slow),
]
CASES: Counter[str] = Counter()
MEMORY_MB = 600
CSV = b"a,b,c,y\n0.5,1.25,-3,1\n1e3,2,.5,0\n-0.5,4,5,1\n"
EZKL_SETTINGS = {
    "run_args": {"disable_freivalds": True, "logrows": 12, "decomp_base": 1024, "scales": [12]},
    "einsum_params": {"total_einsum_col_size": 0, "equations": [["ij,jk->ik", {"i": 1}]]},
    "required_range_checks": [[-1, 1], [0, 1023]],
    "required_lookups": [],
    "total_assignments": 4000,
    "num_rows": 2000,
    "timestamp": 7,
}
TOML = b"""
[project]
name = "tiny"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
[train]
learning_rate = 0.1
batch_size = 4
steps = 4
"""


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Peak memory of this process may grow by so much over a whole test, and no more."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown / 1024 < MEMORY_MB


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def members(synthetic: ModuleType) -> dict[str, bytes]:
    """A synthetic run as a bundle's members, without the index."""
    world = synthetic.World()
    manifest = world.manifest()
    proofs = {
        proof_name(role, index): canonical_json(record.to_json())
        for (role, index), record in world.proofs.items()
    }
    entries = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in proofs.items()
    }
    raw = manifest.to_json() | {"artefacts": entries}
    return {"manifest.json": canonical_json(raw), **proofs}


def packed(members: dict[str, bytes], project: str) -> bytes:
    """The members with a truthful index, as a file."""
    listed = {
        n: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for n, d in members.items()
    }
    index = {"format": "zkdescent.bundle/1", "project": project, "members": listed}
    written = io.BytesIO()
    write_archive(written, {"bundle.json": canonical_json(index), **members})
    return written.getvalue()


def project_of(members: dict[str, bytes]) -> str:
    return str(json.loads(members["manifest.json"])["project"])


def well_formed(error: ZkDescentError) -> None:
    """It can be shown, whatever it quotes, and does not flood a terminal."""
    assert error.message
    assert json.dumps(error.to_json())
    assert len(error.diagnostics()) < 20_000


def attempts(
    name: str, examples: int, strategy: st.SearchStrategy[bytes], read: Callable[[bytes], object]
) -> None:
    """Give `read` so many spoiled files; only this package's own errors may come out."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def attempt(data: bytes) -> None:
        CASES[name] += 1
        try:
            read(data)
        except ZkDescentError as error:
            well_formed(error)

    before = CASES[name]
    attempt()
    assert CASES[name] - before >= examples


def audited(data: bytes, synthetic: ModuleType) -> Any:
    bundle = OpenBundle(Archive(io.BytesIO(data)))
    return audit_run(
        bundle.manifest, bundle.proof, synthetic.verify_synthetic, inferences=bundle.inferences()
    )


def same_statement(report: Any, honest: Any) -> bool:
    """All that an audit says but the project's name, which is bound to nothing."""
    return bool(replace(report, project=honest.project) == honest)


@pytest.mark.parametrize("examples", TIERS)
def test_bundles(examples: int, members: dict[str, bytes], synthetic: ModuleType) -> None:
    good = packed(members, project_of(members))
    honest = audited(good, synthetic)

    def read(data: bytes) -> None:
        assert same_statement(audited(data, synthetic), honest)
        assert data == good, "one content has one encoding"

    attempts("bundles", examples, spoiled_bytes(good), read)


@pytest.mark.parametrize("examples", TIERS)
def test_manifests_in_bundles(
    examples: int, members: dict[str, bytes], synthetic: ModuleType
) -> None:
    honest = audited(packed(members, project_of(members)), synthetic)
    document = json.loads(members["manifest.json"])

    def read(data: bytes) -> None:
        project = parse_json(data)
        named = project.get("project") if isinstance(project, dict) else None
        changed = packed({**members, "manifest.json": data}, str(named))
        assert same_statement(audited(changed, synthetic), honest)

    strategy = spoiled_json(document) | spoiled_bytes(members["manifest.json"])
    attempts("manifests", examples, strategy, read)


@pytest.mark.parametrize("examples", TIERS)
def test_proofs_in_bundles(examples: int, members: dict[str, bytes], synthetic: ModuleType) -> None:
    honest = audited(packed(members, project_of(members)), synthetic)
    manifest = json.loads(members["manifest.json"])
    name = proof_name("step", 1)
    record = json.loads(members[name])

    def read(data: bytes) -> None:
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        listed = {**manifest, "artefacts": {**manifest["artefacts"], name: entry}}
        changed = {**members, name: data, "manifest.json": canonical_json(listed)}
        report = audited(packed(changed, manifest["project"]), synthetic)
        assert same_statement(report, honest)
        accepted = ProofRecord.from_json(parse_json(data))
        given_ = ProofRecord.from_json(record)
        slots = 5 * 64  # the synthetic argument is one word, the hints nobody reads
        assert accepted.proof[-32:] == given_.proof[-32:]
        assert accepted.proof[: slots - 128] == given_.proof[: slots - 128]

    attempts("proofs", examples, spoiled_json(record) | spoiled_bytes(members[name]), read)


@pytest.mark.parametrize("examples", TIERS)
def test_manifests_in_a_store(
    examples: int, members: dict[str, bytes], scratch: Path, write_project: Any
) -> None:
    directory = write_project(scratch / f"project{examples}")
    project = load_project(directory)
    store = project.open_store()
    store.root.mkdir(exist_ok=True)
    document = json.loads(members["manifest.json"])

    def read(data: bytes) -> None:
        (store.root / "manifest.json").write_bytes(data)
        (store.root / "progress.json").write_bytes(data[::-1])
        seen = status_of(project)
        assert json.dumps(seen.to_json())
        manifest = store.read_manifest()
        assert Manifest.from_json(manifest.to_json()) == manifest
        for name in store.names():
            store.read_bytes(name)

    strategy = spoiled_json(document) | spoiled_bytes(members["manifest.json"])
    attempts("stores", examples, strategy, read)
    assert {p.name for p in scratch.iterdir()} <= {f"project{e}" for e in (8, 700)}


@pytest.mark.parametrize("examples", TIERS)
def test_settings_of_a_circuit(examples: int) -> None:
    def read(data: bytes) -> None:
        accepted = refuse_unsafe_settings(data)
        assert accepted["run_args"]["disable_freivalds"] is True
        assert canonical_settings(data)

    raw = json.dumps(EZKL_SETTINGS).encode()
    attempts("settings", examples, spoiled_json(EZKL_SETTINGS) | spoiled_bytes(raw), read)


@pytest.mark.parametrize("examples", TIERS)
def test_project_files(examples: int) -> None:
    attempts(
        "project files",
        examples,
        spoiled_bytes(TOML),
        lambda data: parse_config(data.decode("utf-8", "replace")),
    )


@pytest.mark.parametrize("examples", TIERS)
def test_tables_and_rows(examples: int, scratch: Path) -> None:
    path = scratch / "table"
    npz = io.BytesIO()
    import numpy as np

    np.savez(npz, features=np.zeros((2, 3)), targets=np.zeros((2, 1)))

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for reader in (_csv, _npz, _rows):
            try:
                reader(path)
            except ZkDescentError as error:
                well_formed(error)

    strategy = (
        spoiled_bytes(CSV)
        | spoiled_bytes(npz.getvalue())
        | spoiled_json([[0.5, 1, 2], {"a": 1, "b": 2, "c": 3}])
    )
    attempts("tables", examples, strategy, read)
    path.unlink()


def _csv(path: Path) -> None:
    table = from_csv(path)
    table.select(table.names)


def _npz(path: Path) -> None:
    table = from_npz(path)
    table.select(table.names)


def _rows(path: Path) -> None:
    for suffix in (".csv", ".json"):
        named = path.with_suffix(suffix)
        named.write_bytes(path.read_bytes())
        try:
            load_rows(named, ("a", "b", "c"))
        except ZkDescentError as error:
            well_formed(error)
        finally:
            named.unlink()


@pytest.mark.parametrize("examples", TIERS)
def test_verifiers_of_circuits(examples: int, synthetic: ModuleType) -> None:
    world = synthetic.World(backend="barretenberg")
    circuit = world.circuits.step
    raw = world.load_object(circuit.objects["verifier"])
    honest = load_verifier(circuit, world.load_object)

    def read(data: bytes) -> None:
        named = {**circuit.objects, "verifier": hashlib.sha256(data).hexdigest()}
        got = load_verifier(replace(circuit, objects=named), lambda digest: data)
        if got != honest:
            key = world.load_object(circuit.objects["vk"])
            check_honk_key(circuit, key, got.runtime_code)

    attempts("verifiers", examples, spoiled_json(json.loads(raw)) | spoiled_bytes(raw), read)


@pytest.mark.slow
def test_five_thousand_cases_in_all() -> None:
    assert sum(CASES.values()) >= 5_000, CASES
