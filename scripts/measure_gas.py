"""Measure what each action costs on anvil with real proofs: the figures of docs/gas.md.

``python scripts/measure_gas.py FOLDER [--only NAME ...]`` proves tiny projects in FOLDER (a linear
model 3 -> 1, both provers, 1, 8 and 64 update steps a proof) and leads each through a fresh anvil
node. Projects are kept there, and proven again only if the contracts' addresses have changed.

For each transaction: gas of the receipt; intrinsic gas, which is 21,000 and the call data; gas of
the frames of the verifier's own calls, by debug_traceTransaction; and what is left, which is what
ledger and gateway add.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zkdescent.core.config import Project, load_project
from zkdescent.core.records import InferenceRecord, Manifest, Role
from zkdescent.pipeline.artefacts import inference_folder, load_proof
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.verifiers import project_verifiers
from zkdescent.verifier import (
    Aggregates,
    Chain,
    TrainingClient,
    plan_from,
    plan_run,
    predicted_addresses,
)
from zkdescent.verifier._pieces import Piece
from zkdescent.verifier.chain import Receipt

PROJECT = """
[project]
name = "gas"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
validation = 0.0
[train]
loss = "mse"
learning_rate = 0.1
batch_size = {batch}
steps = {steps}
[circuit]
steps_per_proof = {per_proof}
logrows = "auto"
backend = "{backend}"
{settings}
"""
MODEL = "from torch import nn\n\n\ndef build(n=3):\n    return nn.Linear(n, 1)\n"
BATCH = 4
ROW = "[[0.5, -1.25, 2.0]]"
TRANSACTION_GAS = 21_000


@dataclass(frozen=True)
class Case:
    """A project to measure: ``proofs`` block proofs of ``per_proof`` steps.

    Attributes:
        blocks: batch blocks of an epoch.
        aggregate: block proofs of an aggregate; 0 for none.
        dedicated: ezkl's verifier is generated for each circuit instead of one for all.
    """

    backend: str
    per_proof: int
    proofs: int
    blocks: int = 2
    aggregate: int = 0
    dedicated: bool = False

    @property
    def name(self) -> str:
        """Folder of the project."""
        kind = "-dedicated" if self.dedicated else ""
        aggregate = f"-by{self.aggregate}" if self.aggregate else ""
        return f"{self.backend}{kind}-K{self.per_proof}{aggregate}"

    @property
    def settings(self) -> str:
        """What of the project file only this case has: the end of [circuit], then [chain]."""
        aggregate = f"blocks_per_aggregate = {self.aggregate}\n" if self.aggregate else ""
        return aggregate + ('[chain]\nverifier = "dedicated"' if self.dedicated else "")


CASES = (
    Case("ezkl", 8, 11, blocks=16),
    Case("ezkl", 1, 2),
    Case("ezkl", 64, 2),
    Case("ezkl", 8, 11, blocks=16, dedicated=True),
    Case("barretenberg", 8, 11, blocks=16),
    Case("barretenberg", 1, 2),
    Case("barretenberg", 64, 2),
    Case("barretenberg", 2, 8, aggregate=4),
)


@dataclass(frozen=True)
class Measured:
    """One transaction: gas in all, intrinsic gas, gas of the verifier's frames."""

    action: str
    gas: int
    intrinsic: int
    verifier: int
    items: int

    @property
    def overhead(self) -> int:
        """What our contracts add for each block proof."""
        return (self.gas - self.intrinsic - self.verifier) // max(1, self.items)

    def __str__(self) -> str:
        row = f"{self.action:44} {self.gas:10,} {self.intrinsic:10,}"
        return row + (f" {self.verifier:10,} {self.overhead:8,}" if self.verifier else "")


class Recorder:
    """Measures every transaction that a chain sends."""

    def __init__(self, chain: Chain, verifiers: set[str]) -> None:
        self.chain = chain
        self.verifiers = {address.lower() for address in verifiers}
        self.measured: list[Measured] = []
        self.label: str | None = None
        self.items = 0
        self._send = chain.send_data
        chain.send_data = self._record  # type: ignore[method-assign]

    def _record(self, to: str, data: bytes, *, action: str = "", value: int = 0) -> Receipt:
        receipt = self._send(to, data, action=action, value=value)
        zeros = data.count(0)
        intrinsic = TRANSACTION_GAS + 4 * zeros + 16 * (len(data) - zeros)
        self.measured.append(
            Measured(
                action=self.label or action,
                gas=receipt.gas_used,
                intrinsic=intrinsic,
                verifier=self._verifier_gas(receipt.transaction),
                items=self.items,
            )
        )
        return receipt

    def _verifier_gas(self, transaction: str) -> int:
        provider: Any = self.chain._node.w3.provider
        answer = provider.make_request(
            "debug_traceTransaction", [transaction, {"tracer": "callTracer"}]
        )
        return sum(self._frames(answer["result"]))

    def _frames(self, frame: dict[str, Any]) -> list[int]:
        if str(frame.get("to", "")).lower() in self.verifiers and frame["type"] == "STATICCALL":
            return [int(frame["gasUsed"], 16)]
        return [gas for call in frame.get("calls", ()) for gas in self._frames(call)]


def make_project(case: Case, folder: Path) -> Project:
    """Write, compile and prove a case's project, unless the folder holds it for these contracts."""
    directory = folder / case.name
    marker = directory / "ledger.txt"
    ledger = predicted_addresses().ledger
    if marker.is_file() and marker.read_text() != ledger:
        for stale in ("proofs", "inferences", "manifest.json"):
            path = directory / ".zkdescent" / stale
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "zkdescent.toml").write_text(
        PROJECT.format(
            batch=BATCH,
            steps=case.per_proof * case.proofs,
            per_proof=case.per_proof,
            backend=case.backend,
            settings=case.settings,
        )
    )
    (directory / "model.py").write_text(MODEL)
    draw, lines = random.Random(0), ["a,b,c,y"]
    for _ in range(BATCH * case.per_proof * case.blocks):
        a, b, c = (draw.gauss(0, 1) for _ in range(3))
        lines.append(f"{a:.4f},{b:.4f},{c:.4f},{0.5 * a - b + 0.2 * c:.4f}")
    (directory / "rows.csv").write_text("\n".join(lines) + "\n")
    (directory / "row.json").write_text(ROW)
    project = load_project(directory)
    compile_project(project, Reporter())
    prove_project(project, Reporter())
    if not project.open_store().names("inferences"):
        infer_project(project, directory / "row.json", Reporter())
    marker.write_text(ledger)
    return project


def measure(case: Case, project: Project) -> list[Measured]:
    """Lead a proven project through an anvil node, one transaction at a time."""
    store = project.open_store()
    manifest = store.read_manifest()
    verifiers = project_verifiers(project, manifest.circuits)
    plan, several = plan_from(manifest), manifest.circuits.aggregate

    def load(role: Role, index: int) -> Any:
        return load_proof(store, role, index)

    with Chain.anvil() as chain:
        recorder = Recorder(chain, {spec.verifier for spec in verifiers.specs.present()})
        client = TrainingClient(chain)
        client.ensure_deployed()
        verifiers.deploy(chain)
        client.register_circuits(manifest.circuits, verifiers.specs)
        client.create_task(plan)
        if manifest.circuits.range is not None:
            client.admit(
                plan, manifest.circuits.range, manifest.dataset, lambda i: load("range", i)
            )
        client.open_run(plan)
        _submit(case, manifest, client, recorder, load)
        client.finalise(plan)
        client.mint(plan)
        consumer = client.consumer(plan.model_id)
        consumer.deploy()
        name = min(store.names(inference_folder(plan.model_id)))
        inference = InferenceRecord.from_json(store.read_json(name))
        reusable = case.backend == "ezkl" and not case.dedicated
        consumer.accept(manifest.circuits.inference, inference, reusable=reusable)
        if several is None and case.proofs > 2:
            _rewards(manifest, client, chain)
        return recorder.measured


def _submit(
    case: Case, manifest: Manifest, client: TrainingClient, recorder: Recorder, load: Any
) -> None:
    plan, dataset = plan_from(manifest), manifest.dataset
    circuit, several = manifest.circuits.step, manifest.circuits.aggregate
    if several is not None:
        recorder.items = case.aggregate
        client.submit(
            plan,
            circuit,
            dataset,
            lambda i: load("step", i),
            aggregates=Aggregates(several, lambda i: load("aggregate", i)),
        )
        recorder.items = 0
        return
    groups = [range(1), range(1, 2)]
    if case.proofs > 2:
        groups += [range(2, 10), range(10, case.proofs)]
    for group in groups:
        recorder.items = len(group)
        recorder.label = f"submit block proofs {group.start} to {group.stop - 1}"
        client.ledger._send_blocks(
            plan, [Piece(i, circuit, load("step", i)) for i in group], dataset
        )
    recorder.label, recorder.items = None, 0


def _rewards(manifest: Manifest, client: TrainingClient, chain: Chain) -> None:
    """A second task, with a reward that nobody earns."""
    now = chain._node.w3.eth.get_block("latest")["timestamp"]
    first = plan_from(manifest)
    assert manifest.specs is not None
    plan = plan_run(
        manifest.specs,
        manifest.dataset,
        genesis=manifest.genesis,
        hyperparameters=manifest.hyperparameters,
        total_proofs=manifest.total_proofs,
        chain_id=first.chain_id,
        sponsor=first.sponsor,
        seed_delay=2,
        deadline=now + 100,
        reward=10**18,
    )
    client.create_task(plan)
    client.seal(plan)
    provider: Any = chain._node.w3.provider
    provider.make_request("evm_increaseTime", [200])
    chain.mine()
    client.ledger.reclaim(plan)
    client.ledger.withdraw()


def main() -> int:
    """Measure the cases, print a table and write FOLDER/gas.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="names of cases, for example ezkl-K8")
    arguments = parser.parse_args()
    results = {}
    for case in CASES:
        if arguments.only and case.name not in arguments.only:
            continue
        project = make_project(case, arguments.folder)
        measured = measure(case, project)
        results[case.name] = [vars(m) | {"overhead": m.overhead} for m in measured]
        print(
            f"\n{case.name}: action, gas, of which intrinsic, verifier; ours for each block proof"
        )
        for entry in measured:
            print(entry)
        sys.stdout.flush()
    (arguments.folder / "gas.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
