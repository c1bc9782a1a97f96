"""Interrupted, damaged, changed: `prove` goes on where it was, and never keeps what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import Project
from zkdescent.core.records import ProofRecord
from zkdescent.pipeline.sizing import OBJECTIVE

pytestmark = pytest.mark.prover
Cli = Callable[..., Any]


def check_store(project: Project) -> None:
    """Whatever is listed is whole; nothing lies in a proof's place that is not listed."""
    store = project.open_store()
    listed = store.names("proofs/")
    for name in listed:
        store.read_bytes(name)
    for path in (store.root / "proofs").glob("*.proof.json"):
        assert f"proofs/{path.name}" in listed
        ProofRecord.from_json(json.loads(path.read_text()))


def test_a_killed_prove_is_resumed(cli: Cli, proven: Any, copied: Project) -> None:
    store = copied.open_store()
    store.remove("proofs/range")
    kept = {n: store.read_bytes(n) for n in store.names("proofs/block")}
    code = f"from zkdescent.cli import main; main(['prove', '-C', {str(copied.directory)!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    first = store.root / "proofs" / "range-00000.proof.json"
    deadline = time.monotonic() + 120
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()
    check_store(copied)
    assert "proofs/range-00001.proof.json" not in store.names(), "it was killed in the middle"

    made = store.read_bytes("proofs/range-00000.proof.json")
    answer = cli("prove", "-C", copied.directory, "--json")
    assert answer.code == 0, answer.err
    assert (answer.json["made"], answer.json["kept"]) == (1, 3)
    assert answer.json["final"] == "0x" + proven.manifest.final.hex()
    assert store.read_bytes("proofs/range-00000.proof.json") == made
    assert {n: store.read_bytes(n) for n in store.names("proofs/block")} == kept
    check_store(copied)
    assert cli("verify", "-C", copied.directory).code == 0


def test_a_damaged_proof_is_made_again(cli: Cli, copied: Project) -> None:
    store = copied.open_store()
    path = store.root / "proofs" / "range-00000.proof.json"
    record = ProofRecord.from_json(json.loads(path.read_text()))
    spoiled = bytearray(record.proof)
    spoiled[-1] ^= 1
    path.write_text(json.dumps(replace(record, proof=bytes(spoiled)).to_json()))
    assert cli("verify", "-C", copied.directory, "--json").code == 3
    answer = cli("prove", "-C", copied.directory, "--json")
    assert (answer.code, answer.json["made"], answer.json["kept"]) == (0, 1, 3)
    assert cli("verify", "-C", copied.directory, "--json").code == 0


def test_a_changed_project_must_be_compiled_again(cli: Cli, copied: Project) -> None:
    file: Path = copied.file
    file.write_text(file.read_text().replace("learning_rate = 0.1", "learning_rate = 0.125"))
    before = copied.open_store().read_manifest()
    answer = cli("prove", "-C", copied.directory, "--json")
    assert (answer.code, answer.json["error"]) == (1, "ArtefactError")
    assert "zkdescent compile" in answer.json["hint"]
    assert copied.open_store().read_manifest() == before
    assert cli("verify", "-C", copied.directory, "--json").code == 0, "what was proven stays so"


def test_compiling_again_changes_nothing(cli: Cli, proven: Any, copied: Project) -> None:
    before = copied.open_store().read_manifest()
    assert cli("compile", "-C", copied.directory, "--json").code == 0
    after = copied.open_store().read_manifest()
    # The command writes down what the sizes were chosen for and how true the arithmetic is.
    added = {n: e for n, e in after.artefacts.items() if n == OBJECTIVE or n.startswith("train/")}
    assert after == replace(before, artefacts={**added, **before.artefacts})
    assert cli("compile", "-C", copied.directory, "--json").code == 0
    assert copied.open_store().read_manifest() == after
    answer = cli("prove", "-C", copied.directory, "--json")
    assert (answer.json["made"], answer.json["kept"]) == (0, 4)


def test_proofs_serve_every_local_chain(proven: Any) -> None:
    """Ids, contexts and order are known without a chain, and equal on tester and anvil."""
    from zkdescent.pipeline.planning import plan_project

    text = proven.project.file.read_text()
    assert "[chain]" not in text
    config = proven.project.config
    anvil = replace(
        proven.project,
        config=config.model_copy(
            update={"chain": config.chain.model_copy(update={"rpc": "anvil"})}
        ),
    )
    plan, actions = plan_project(anvil, proven.manifest)
    assert plan == proven.plan
    assert actions == ()
    assert anvil.config_sha256 == proven.project.config_sha256
