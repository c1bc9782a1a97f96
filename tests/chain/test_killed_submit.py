"""A run of 200 proven steps, submitted by a process that is killed again and again.

The node mines every 150 ms, so that kills meet transactions that are written down and not sent,
sent and not mined, mined and not seen. Whatever they meet, each call is made once and the run ends
as one that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.config import Project, load_project
from zkdescent.pipeline.artefacts import load_proof, proof_name
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain, TrainingClient, plan_from
from zkdescent.verifier.ledger_reading import RunState, RunStatus

pytestmark = [pytest.mark.chain, pytest.mark.barretenberg, pytest.mark.slow]

STEPS, STEPS_PER_PROOF, KILLS, SEED = 200, 8, 10, 20261124
PROOFS = STEPS // STEPS_PER_PROOF
SUBMIT = keccak(text="submit(bytes32,(bytes32[],(bytes,uint256[],bytes32[]))[])")[:4]
BLOCK_S = 0.15
LOOK_S = 5.0  # until a process that was started has read the chain and sent something
TIMEOUT_S = 180


@pytest.fixture(scope="session")
def proven_run(
    tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]
) -> Path:
    """A linear model 3 -> 1 with all its block proofs; no chain has seen it."""
    directory = write_project(
        tmp_path_factory.mktemp("killed") / "tiny",
        steps=STEPS,
        logrows="auto",
        learning_rate=0.01,
        extra='backend = "barretenberg"\n[chain]\nseed = "declared"',
    )
    file = directory / "zkdescent.toml"
    file.write_text(
        file.read_text().replace("steps_per_proof = 2", f"steps_per_proof = {STEPS_PER_PROOF}")
    )
    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    assert prove_project(project, report, blueprint=blueprint).made == PROOFS
    return directory


@dataclass
class Scene:
    """A node that mines by the clock, and a project that submits to it."""

    node: Chain
    directory: Path
    mining: threading.Event
    reorganised: int = 0

    @property
    def project(self) -> Project:
        return load_project(self.directory)

    def rpc(self, method: str, *parameters: object) -> Any:
        return self.node._node.rpc(method, *parameters)  # type: ignore[attr-defined]

    @property
    def mined(self) -> int:
        """Transactions of the account that are mined."""
        return int(self.rpc("eth_getTransactionCount", self.node.address, "latest"), 16)

    def start(self) -> subprocess.Popen[str]:
        """A process of its own that submits."""
        return subprocess.Popen(
            [sys.executable, "-c", "from zkdescent.cli import main; main()", "submit",
             "-C", str(self.directory), "--resume", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "A_KEY": "0x" + bytes(self.node.account.key).hex()},
        )  # fmt: skip

    def let_it_look(self, process: subprocess.Popen[str]) -> None:
        """Mine again only when the process has seen what the one before it left unmined."""
        if not self.mining.is_set():
            deadline = time.monotonic() + LOOK_S
            while time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            self.mining.set()

    def submit(self) -> tuple[int, dict[str, Any]]:
        """Submit to the end: exit code, and the object on stdout."""
        process = self.start()
        self.let_it_look(process)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert out, err
        process_result: dict[str, Any] = json.loads(out)
        return int(process_result.get("exit_code", 0)), process_result

    def kill_at(self, transactions: int, wait_s: float, *, on_its_way: bool) -> None:
        """Start submitting, and kill it once so many transactions are mined, and a little later.

        Args:
            on_its_way: stop mining first, and kill when a transaction waits to be mined.
        """
        process, deadline = self.start(), time.monotonic() + TIMEOUT_S
        self.let_it_look(process)
        try:
            while self.mined < transactions:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(wait_s)
            if on_its_way:
                self.mining.clear()
                while not int(self.rpc("txpool_status")["pending"], 16):
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            assert process.poll() is None, "it was done before the kill"
        finally:
            process.kill()
            process.communicate()

    def calls(self) -> Counter[tuple[str, bool]]:
        """What the account called, by selector, and whether it succeeded."""
        found: Counter[tuple[str, bool]] = Counter()
        for number in range(1, self.node.block_number + 1):
            block = self.rpc("eth_getBlockByNumber", hex(number), True)
            for transaction in block["transactions"]:
                assert transaction["from"].lower() == self.node.address.lower()
                receipt = self.rpc("eth_getTransactionReceipt", transaction["hash"])
                selector = transaction["input"][:10]
                found[selector, receipt["status"] == "0x1"] += 1
        return found

    def state(self) -> RunState | None:
        plan = plan_from(self.project.open_store().read_manifest())
        return TrainingClient(self.node).ledger.run(plan.run_id)


@contextmanager
def scene(proven_run: Path, folder: Path, *, reorganise: bool = False) -> Iterator[Scene]:
    """Start a node that mines by the clock; it may take back up to three blocks now and then."""
    directory = folder / "project"
    shutil.copytree(proven_run, directory)
    done = threading.Event()
    with Chain.anvil() as node:
        url = str(node._node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
        made = Scene(node, directory, threading.Event())
        made.mining.set()
        with (directory / "zkdescent.toml").open("a") as file:
            file.write(f'rpc = "{url}"\nkey_env = "A_KEY"\nconfirmations = 5\n')
        made.rpc("evm_setAutomine", False)

        def mine() -> None:
            draw = random.Random(SEED)
            while not done.wait(BLOCK_S):
                if made.mining.is_set():
                    made.rpc("anvil_mine", "0x1")
                    if reorganise and made.node.block_number > 3 and draw.random() < 0.2:
                        made.rpc("anvil_reorg", draw.randint(1, 3), [])
                        made.reorganised += 1

        thread = threading.Thread(target=mine)
        thread.start()
        try:
            yield made
        finally:
            done.set()
            thread.join()


@pytest.fixture(scope="module")
def undisturbed(
    proven_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunState | None, Counter[tuple[str, bool]], str]:
    """What the chain holds after a submission that nobody disturbed."""
    with scene(proven_run, tmp_path_factory.mktemp("undisturbed")) as made:
        code, result = made.submit()
        assert code == 0
        return made.state(), made.calls(), result["model_id"]


def spoil(project: Project, index: int) -> Callable[[], None]:
    """Change a byte of a block proof on disk; returns what puts it back."""
    store = project.open_store()
    name, record = proof_name("step", index), load_proof(store, "step", index)
    assert record is not None
    whole = store.read_bytes(name)
    data = bytearray(record.proof)
    data[-1] ^= 1
    store.write_json(name, {**record.to_json(), "proof": bytes(data)})

    def mend() -> None:
        store.write_bytes(name, whole)

    return mend


def test_a_submission_that_is_killed_ten_times_ends_as_an_undisturbed_one(
    proven_run: Path,
    undisturbed: tuple[RunState | None, Counter[tuple[str, bool]], str],
    tmp_path: Path,
) -> None:
    expected, calls, model_id = undisturbed
    assert expected is not None
    assert (expected.proofs, expected.status) == (PROOFS, RunStatus.FINALISED)
    assert calls["0x" + SUBMIT.hex(), True] == PROOFS
    draw, total = random.Random(SEED), sum(calls.values())
    with scene(proven_run, tmp_path) as made:
        for transactions in sorted(draw.sample(range(total - 3), KILLS)):
            made.kill_at(
                max(transactions, made.mined),
                draw.uniform(0, 2 * BLOCK_S),
                on_its_way=draw.random() < 0.6,
            )
        assert made.state() != expected
        code, result = made.submit()
        assert (code, result["model_id"]) == (0, model_id)
        assert made.state() == expected
        assert made.calls() == calls
        assert made.submit()[1]["gas"] == 0
        assert made.calls() == calls


def test_a_submission_through_reorganisations_ends_as_an_undisturbed_one(
    proven_run: Path,
    undisturbed: tuple[RunState | None, Counter[tuple[str, bool]], str],
    tmp_path: Path,
) -> None:
    expected, calls, model_id = undisturbed
    with scene(proven_run, tmp_path, reorganise=True) as made:
        code, result = made.submit()
        assert (code, result.get("model_id")) == (0, model_id), result
        assert made.reorganised >= 5
        assert made.state() == expected
        assert made.calls() == calls


def test_a_spoiled_proof_stops_the_resumed_submission_and_nothing_is_lost(
    proven_run: Path,
    undisturbed: tuple[RunState | None, Counter[tuple[str, bool]], str],
    tmp_path: Path,
) -> None:
    expected, calls, _ = undisturbed
    assert expected is not None
    with scene(proven_run, tmp_path) as made:
        made.kill_at(sum(calls.values()) - PROOFS, BLOCK_S, on_its_way=True)
        state = made.state()
        assert state is not None
        wrong = state.proofs + 3  # beyond what the killed process may have left on its way
        mend = spoil(made.project, wrong)
        code, error = made.submit()
        assert (code, error["error"]) == (3, "ContractRejected")
        state = made.state()
        assert state is not None
        assert (state.proofs, state.status) == (wrong, RunStatus.OPEN)
        mend()
        assert made.submit()[0] == 0
        assert made.state() == expected
        assert made.calls() == calls
