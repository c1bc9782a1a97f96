"""The commands about tasks, models and gas, on a project with real proofs and an embedded chain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import load_project
from zkdescent.core.errors import ChainError
from zkdescent.pipeline.artefacts import DEPLOYMENTS
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.deployments import check_deployment, read_deployments
from zkdescent.pipeline.planning import open_chain, plan_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import LedgerClient

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> Path:
    """Compiled and proven; no chain has seen it."""
    directory = write_project(
        tmp_path_factory.mktemp("commands") / "tiny",
        logrows="auto",
        extra='backend = "barretenberg"',
    )
    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    prove_project(project, report, blueprint=blueprint)
    return directory


@pytest.fixture
def tiny(made: Path, tmp_path: Path) -> Path:
    """A copy, to put on a chain."""
    return Path(shutil.copytree(made, tmp_path / "tiny"))


@pytest.fixture
def beacon(tiny: Path) -> Path:
    """The same with a batch order that is drawn."""
    with (tiny / "zkdescent.toml").open("a") as file:
        file.write('[chain]\nseed = "beacon"\n')
    return tiny


def status(cli: Cli, directory: Path) -> dict[str, Any]:
    answer = cli("task", "status", "-C", directory, "--json")
    assert answer.code == 0
    found: dict[str, Any] = answer.json
    return found


def names(answer: Any, *, sent: bool = True) -> list[str]:
    return [a["name"] for a in answer.json["actions"] if a["sent"] == sent]


def test_a_task_from_creation_to_its_model(cli: Cli, tiny: Path) -> None:
    assert status(cli, tiny)["state"] == "not deployed"
    created = cli("task", "create", "-C", tiny, "--json")
    assert names(created)[-1] == "create task"
    assert names(cli("task", "create", "-C", tiny, "--json")) == []
    found = status(cli, tiny)
    assert (found["state"], found["run"], found["proofs"]) == ("sealed", "none", 0)
    assert found["seed_source"] == "declared"
    assert names(cli("task", "seal", "-C", tiny, "--json")) == []
    submitted = cli("submit", "--resume", "-C", tiny, "--json")
    assert names(submitted)[-2:] == ["finalise run", "mint model"]
    found = status(cli, tiny)
    assert (found["run"], found["proofs"], found["minted"]) == ("finalised", 2, True)
    assert "Nothing is left to do" in cli("task", "status", "-C", tiny).out
    again = cli("submit", "-C", tiny, "--json")
    assert (again.json["gas"], names(again)) == (0, [])

    shown = cli("model", "show", submitted.json["model_id"], "-C", tiny, "--json").json
    assert shown == cli("model", "show", "-C", tiny, "--json").json
    assert shown["provenance"]["final_state"] == found["head"]
    assert shown["provenance"]["transcript"] == found["transcript"]
    assert shown["parent"] is None
    tree = cli("model", "show", "-C", tiny).out
    assert shown["commitment_hash"] in tree
    assert "4 in 2 block proofs" in tree


def test_a_beacon_task_is_created_sealed_and_armed_again(cli: Cli, beacon: Path) -> None:
    refused = cli("task", "seal", "-C", beacon, "--json")
    assert (refused.code, refused.json["error"]) == (1, "ChainError")
    assert "zkdescent task create" in refused.json["hint"]
    cli("task", "create", "-C", beacon, "--json")
    found = status(cli, beacon)
    assert (found["state"], found["blocks_left"], found["seed"]) == ("waiting", 2, None)
    assert "task seal" in cli("task", "status", "-C", beacon).out
    with open_chain(load_project(beacon)) as chain:
        chain.mine(3)
    found = status(cli, beacon)
    assert (found["state"], found["blocks_left"]) == ("sealable", 255)
    with open_chain(load_project(beacon)) as chain:
        chain.mine(300)
    assert status(cli, beacon)["state"] == "expired"
    assert names(cli("task", "seal", "-C", beacon, "--json")) == ["rearm seed", "seal task"]
    found = status(cli, beacon)
    assert (found["state"], found["rearms"]) == ("sealed", 1)
    assert names(cli("task", "seal", "-C", beacon, "--json")) == []


def test_a_reward_that_nobody_earns_goes_back(cli: Cli, tiny: Path) -> None:
    with open_chain(load_project(tiny)) as chain:
        begin = int(chain._node.w3.eth.get_block("latest")["timestamp"])
    deadline = datetime.fromtimestamp(begin + 1000, UTC).isoformat()
    with (tiny / "zkdescent.toml").open("a") as file:
        file.write(f'[chain]\nreward = "0.25 ether"\ndeadline = {deadline}\n')
    nowhere = cli("task", "withdraw", "-C", tiny, "--json")
    assert (nowhere.code, nowhere.json["error"]) == (1, "ChainError")
    cli("task", "create", "-C", tiny, "--json")
    found = status(cli, tiny)
    assert (found["reward_wei"], found["escrow_wei"]) == (25 * 10**16, 25 * 10**16)
    assert (found["credit_wei"], found["deadline"]) == (0, deadline)
    assert "0.25 ether, in escrow" in cli("task", "status", "-C", tiny).out
    early = cli("task", "reclaim", "-C", tiny, "--json")
    assert (early.code, early.json["error"]) == (1, "ContractRefused")
    assert "DeadlineNotReached" in early.json["message"]
    nothing = cli("task", "withdraw", "-C", tiny, "--json")
    assert (names(nothing), nothing.json["amount_wei"]) == ([], 0)
    with open_chain(load_project(tiny)) as chain:
        provider: Any = chain._node.w3.provider
        provider.ethereum_tester.time_travel(begin + 2000)
    reclaimed = cli("task", "reclaim", "-C", tiny, "--json")
    assert (names(reclaimed), reclaimed.json["amount_wei"]) == (["reclaim reward"], 25 * 10**16)
    assert cli("task", "reclaim", "-C", tiny, "--json").code == 1
    assert status(cli, tiny)["credit_wei"] == 25 * 10**16
    paid = cli("task", "withdraw", "-C", tiny, "--json")
    assert (names(paid), paid.json["amount_wei"]) == (["withdraw"], 25 * 10**16)
    assert paid.json["account"] == reclaimed.json["account"]
    assert names(cli("task", "withdraw", "-C", tiny, "--json")) == []


def test_a_run_is_aborted_once_and_stays_so(cli: Cli, tiny: Path) -> None:
    cli("deploy", "-C", tiny, "--json")
    early = cli("task", "abort", "-C", tiny, "--json")
    assert (early.code, early.json["message"]) == (1, "the run is not on this chain")
    project = load_project(tiny)
    with open_chain(project) as chain:
        plan, _ = plan_project(project, project.open_store().read_manifest(), chain=chain)
        LedgerClient(chain).open_run(plan)
    assert names(cli("task", "abort", "-C", tiny, "--json")) == ["abort run"]
    assert names(cli("task", "abort", "-C", tiny, "--json")) == []
    assert status(cli, tiny)["run"] == "aborted"
    assert "aborted" in cli("task", "status", "-C", tiny).out
    refused = cli("submit", "-C", tiny, "--json")
    assert refused.code != 0


@pytest.mark.parametrize("model", ["0x", "0xzz", "minus one", "0", "0x" + "1" * 65, "-5"])
def test_what_is_no_model_id_is_refused_with_the_way_to_one(
    cli: Cli, tiny: Path, model: str
) -> None:
    answer = cli("model", "show", "-C", tiny, "--json", "--", model)
    assert (answer.code, answer.json["error"]) == (2, "ConfigError")
    assert "hex digits" in answer.json["expected"]
    assert not (tiny / ".zkdescent" / "chain").exists()


def test_models_that_are_not_there_are_told(cli: Cli, tiny: Path) -> None:
    nowhere = cli("model", "show", "-C", tiny, "--json")
    assert (nowhere.code, nowhere.json["error"]) == (1, "ChainError")
    assert "zkdescent deploy" in nowhere.json["hint"]
    cli("deploy", "-C", tiny, "--json")
    unminted = cli("model", "show", "1234", "-C", tiny, "--json")
    assert (unminted.code, unminted.json["message"]) == (1, "no such model on this chain")


def test_gas_of_every_action_before_anything_is_sent(cli: Cli, tiny: Path) -> None:
    answer = cli("gas", "-C", tiny, "--gas-price", "20", "--json")
    assert answer.code == 0
    bill = {a["action"]: a for a in answer.json["actions"]}
    assert answer.json["unmeasured"] == []
    assert {a["source"] for a in bill.values()} == {"measured"}
    assert bill["submit a block proof"]["times"] == 2
    assert 600_000 < bill["submit a block proof"]["gas"] < 1_200_000
    total = sum(a["gas"] * a["times"] for a in bill.values())
    assert answer.json["gas"] == total
    assert answer.json["ether"] == pytest.approx(total * 20e-9, rel=1e-4)
    assert status(cli, tiny)["state"] == "not deployed"
    sent = cli("submit", "-C", tiny, "--json").json["gas"]
    assert answer.json["gas"] == pytest.approx(sent, rel=0.001)


def test_gas_of_what_is_not_proven_is_not_invented(cli: Cli, tiny: Path) -> None:
    load_project(tiny).open_store().remove("proofs/block-")
    answer = cli("gas", "-C", tiny, "--json")
    assert answer.json["unmeasured"] == ["submit a block proof", "finalise run", "mint model"]
    assert "zkdescent prove" in cli("gas", "-C", tiny).out


def test_deployments_are_recorded_and_read_back(cli: Cli, tiny: Path) -> None:
    cli("deploy", "-C", tiny, "--json")
    project = load_project(tiny)
    store = project.open_store()
    recorded = read_deployments(store).chains["31337"]
    assert [c.name for c in recorded.contracts][-2:] == ["step verifier", "inference verifier"]
    with open_chain(project) as chain:
        assert check_deployment(store, chain) == ()
        assert all(chain.code(c.address) for c in recorded.contracts)
    assert status(cli, tiny)["missing"] == []

    raw = store.read_json(DEPLOYMENTS)
    raw["chains"]["31337"]["contracts"][2]["code_hash"] = "0x" + "11" * 32
    store.write_json(DEPLOYMENTS, raw)
    for command in ("deploy", "task status", "task create", "submit"):
        refused = cli(*command.split(), "-C", tiny, "--json")
        assert (refused.code, refused.json["error"]) == (1, "ChainError"), command
        assert "other code than when it was deployed" in refused.json["message"]

    raw["chains"]["31337"]["contracts"][2]["code_hash"] = recorded.contracts[2].code_hash
    raw["chains"]["31337"]["contracts"][2]["address"] = "0x" + "22" * 20
    store.write_json(DEPLOYMENTS, raw)
    assert status(cli, tiny)["missing"] == ["TrainingLedger"]
    cli("deploy", "-C", tiny, "--json")
    assert read_deployments(store).chains["31337"] == recorded


def test_another_chain_of_the_same_id_is_deployed_to_afresh(cli: Cli, tiny: Path) -> None:
    cli("deploy", "-C", tiny, "--json")
    store = load_project(tiny).open_store()
    first = read_deployments(store).chains["31337"]
    (tiny / ".zkdescent" / "chain" / "tester.state").unlink()
    time.sleep(1.1)  # block 0 differs by its timestamp, in seconds
    assert status(cli, tiny)["missing"] == []
    assert status(cli, tiny)["state"] == "not deployed"
    assert cli("deploy", "-C", tiny, "--json").json["gas"] > 0
    second = read_deployments(store).chains["31337"]
    assert second.genesis != first.genesis
    assert second.contracts == first.contracts


def test_a_chain_that_keeps_taking_back_is_given_up(tiny: Path) -> None:
    from zkdescent.pipeline.settling import until_settled
    from zkdescent.verifier import Action

    passes: list[int] = []

    class Shaky:
        name, confirmations = "shaky", 3

        def __init__(self, stable_after: int) -> None:
            self.stable_after = stable_after

        def confirm(self) -> bool:
            return len(passes) >= self.stable_after

    def send() -> list[Action]:
        passes.append(1)
        return [Action("deploy", 10 + len(passes), "0x01"), Action("create task")]

    actions = until_settled(Shaky(2), send)  # type: ignore[arg-type]
    assert [(a.name, a.gas) for a in actions] == [("deploy", 12), ("create task", 0)]
    with pytest.raises(ChainError, match="keeps taking back"):
        until_settled(Shaky(99), send)  # type: ignore[arg-type]


def test_an_inference_is_proven_for_whoever_asked(cli: Cli, tiny: Path) -> None:
    row, asked = tiny / "row.json", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    row.write_text("[[0.5, -1.25, 2.0]]")
    infer = ("infer", "-C", tiny, "--input", row, "--json")
    assert cli(*infer).json["inferences"][0]["proof"].endswith("/00000.proof.json")
    made = cli(*infer, "--requester", asked.lower(), "--nonce", "7")
    assert made.code == 0
    (name,) = (i["proof"] for i in made.json["inferences"])
    assert name.endswith(f"/{asked.lower()}-00007.proof.json")
    store = load_project(tiny).open_store()
    record = store.read_json(name)
    assert (record["requester"], record["nonce"]) == (asked, 7)
    # Numbers count by requester, and the auditor accepts all of them.
    assert cli(*infer).json["inferences"][0]["proof"].endswith("/00001.proof.json")
    again = cli(*infer, "--requester", asked).json["inferences"][0]["proof"]
    assert again.endswith(f"/{asked.lower()}-00001.proof.json")
    assert cli("verify", "-C", tiny, "--json").json["inferences"] == 4

    for wrong in (["--requester", "0x1234"], ["--requester", asked, "--submit"],
                  ["--nonce", "3", "--submit"]):  # fmt: skip
        refused = cli(*infer, *wrong)
        assert (refused.code, refused.json["error"]) == (2, "ConfigError"), wrong
    store.write_json(name, {**record, "requester": "0x" + "22" * 20})
    stolen = cli("verify", "-C", tiny, "--json")
    assert (stolen.code, stolen.json["error"]) == (3, "ChainOfProofsBroken")
