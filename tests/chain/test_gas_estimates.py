"""What `zkdescent gas` and the chain commands say of a node that is reached by URL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import load_project
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain

pytestmark = [pytest.mark.chain, pytest.mark.barretenberg, pytest.mark.prover]

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> Path:
    directory = write_project(
        tmp_path_factory.mktemp("estimates") / "tiny",
        logrows="auto",
        extra='backend = "barretenberg"\n[chain]\nseed = "declared"',
    )
    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    prove_project(project, report, blueprint=blueprint)
    return directory


@pytest.fixture
def tiny(made: Path, tmp_path: Path, anvil: Chain, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that names the node."""
    directory = Path(shutil.copytree(made, tmp_path / "tiny"))
    url = str(anvil._node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    monkeypatch.setenv("A_KEY", "0x" + bytes(anvil.account.key).hex())
    with (directory / "zkdescent.toml").open("a") as file:
        file.write(f'rpc = "{url}"\nkey_env = "A_KEY"\nmax_fee_gwei = 50\npatience_s = 0.2\n')
    return directory


def sources(cli: Cli, directory: Path) -> dict[str, str]:
    answer = cli("gas", "-C", directory, "--json")
    assert answer.code == 0, answer.out
    assert answer.json["unmeasured"] == []
    return {a["action"]: a["source"] for a in answer.json["actions"]}


def test_what_can_be_sent_now_is_estimated_by_the_node(cli: Cli, tiny: Path, anvil: Chain) -> None:
    found = sources(cli, tiny)
    assert found["deploy TrainingLedger"] == found["deploy step verifier"] == "estimated"
    assert found["create task"] == found["submit a block proof"] == "measured"
    assert anvil.block_number == 0
    cli("task", "create", "-C", tiny, "--json")
    before = anvil.block_number
    found = sources(cli, tiny)
    assert found["open run"] == "estimated"
    assert found["submit a block proof"] == "measured"
    assert anvil.block_number == before
    submitted = cli("submit", "-C", tiny, "--json")
    assert submitted.code == 0
    assert set(sources(cli, tiny).values()) == {"measured"}


def test_over_the_cap_of_a_transaction_it_is_refused(
    cli: Cli, tiny: Path, anvil: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("zkdescent.verifier.sending.GAS_CAP", 4_000_000)
        for command in ("gas", "deploy"):
            refused = cli(command, "-C", tiny, "--json")
            assert (refused.code, refused.json["error"]) == (1, "GasCapExceeded")
            assert refused.json["message"].startswith("deploy TrainingLedger: more gas")
    deployed = cli("deploy", "-C", tiny, "--json")
    assert anvil.code(deployed.json["addresses"]["ledger"])


def test_above_the_price_cap_nothing_is_sent(cli: Cli, tiny: Path, anvil: Chain) -> None:
    rpc: Any = anvil._node
    rpc.rpc("anvil_setNextBlockBaseFeePerGas", hex(60 * 10**9))
    assert "Above [chain] max_fee_gwei = 50" in cli("gas", "-C", tiny).out
    refused = cli("deploy", "-C", tiny, "--json")
    assert (refused.code, refused.json["error"]) == (1, "GasPriceTooHigh")
    assert "61 gwei" in refused.json["got"]
    assert anvil.block_number == 0
    rpc.rpc("anvil_setNextBlockBaseFeePerGas", hex(40 * 10**9))
    assert cli("deploy", "-C", tiny, "--json").code == 0
