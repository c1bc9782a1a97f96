"""The in-process chain: one interface, errors with names, headers with the right hash."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError, ConfigError, ContractRejected
from zkdescent.verifier import Chain, ContractRefused, GasCapExceeded, TrainingClient, deploy_code
from zkdescent.verifier._create2 import FACTORY, FACTORY_CODE, predict_address
from zkdescent.verifier.twins import mix_hash

ANSWER_42 = bytes.fromhex("600a600c600039600a6000f3") + bytes.fromhex("602a60005260206000f3")


def test_tester_is_made_like_anvil(chain: Chain) -> None:
    assert chain.chain_id == 31337
    assert chain.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert chain.code(FACTORY) == FACTORY_CODE
    assert (chain.is_local, chain.name, chain.block_number) == (True, "tester", 0)


def test_other_development_accounts_act_too() -> None:
    with Chain.tester(account=1) as chain:
        assert chain.address == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
        assert deploy_code(chain, ANSWER_42, action="deploy").sent


def test_mining_and_waiting_move_the_chain(chain: Chain) -> None:
    chain.mine(3)
    chain.wait_for_block(10)
    assert chain.block_number == 10
    chain.wait_for_block(4)
    assert chain.block_number == 10


def test_headers_hash_to_the_next_parent(chain: Chain) -> None:
    chain.mine(3)
    headers = [chain.header_rlp(number) for number in range(4)]
    for parent, child in pairwise(headers):
        assert keccak(parent) in child
    assert len({mix_hash(header) for header in headers}) == 4


@pytest.mark.parametrize("number", [-1, 1])
def test_header_of_no_block_is_refused(chain: Chain, number: int) -> None:
    with pytest.raises(ChainError, match="no such block"):
        chain.header_rlp(number)


def test_call_data_gives_the_raw_answer(chain: Chain) -> None:
    deploy_code(chain, ANSWER_42, action="deploy")
    address = predict_address(ANSWER_42)
    assert int.from_bytes(chain.call_data(address, b""), "big") == 42
    assert chain.storage(address, 0) == bytes(32)


def test_reverting_transaction_is_named_and_leaves_no_block(chain: Chain) -> None:
    client = TrainingClient(chain)
    client.ensure_deployed()
    before = chain.block_number
    function = client.ledger.contract.functions.finalise(b"\x07" * 32)
    with pytest.raises(ContractRefused) as error:
        chain.send(function)
    assert error.value.error_name == "RunUnknown"
    assert error.value.values == {"runId": b"\x07" * 32}
    assert error.value.exit_code == 1
    assert error.value.to_json()["error_name"] == "RunUnknown"
    assert chain.block_number == before
    chain.mine()  # the chain goes on
    assert chain.block_number == before + 1


def test_rejected_proofs_have_another_exit_code_than_refused_actions(chain: Chain) -> None:
    client = TrainingClient(chain)
    client.ensure_deployed()
    evidence: tuple[bytes, list[int], list[bytes]] = (b"", [], [])
    with pytest.raises(ContractRejected) as error:
        chain.call(client.gateway.contract.functions.check(b"\x01" * 32, 0, evidence))
    assert (error.value.error_name, error.value.exit_code) == ("CircuitUnknown", 3)


def test_out_of_gas_is_no_rejection(chain: Chain) -> None:
    endless = bytes.fromhex("5b600056")  # JUMPDEST PUSH1 0 JUMP
    deploy_code(chain, bytes.fromhex("6004600c60003960046000f3") + endless, action="deploy")
    address = predict_address(bytes.fromhex("6004600c60003960046000f3") + endless)
    chain._node.gas_limit = 100_000  # keep the test short
    with pytest.raises(ContractRefused, match="OutOfGas"):
        chain.send_data(address, b"")


def test_what_needs_more_than_a_transaction_may_use_is_refused_by_its_action(chain: Chain) -> None:
    for kilobytes in (1600, 3200):  # of memory, for 5 and 20 million gas
        code = b"\x62" + (1000 * kilobytes).to_bytes(3, "big") + bytes.fromhex("5100")
        init_code = bytes.fromhex("6006600c60003960066000f3") + code
        deploy_code(chain, init_code, action="deploy")
        if kilobytes == 1600:
            assert chain.send_data(predict_address(init_code), b"").gas_used > 4_000_000
            continue
        with pytest.raises(GasCapExceeded, match="submit: more gas") as error:
            chain.send_data(predict_address(init_code), b"", action="submit")
        assert "16,777,216" in str(error.value.expected)


def test_call_to_no_contract_is_a_chain_error(chain: Chain) -> None:
    with pytest.raises(ChainError, match="tester failed"):
        TrainingClient(chain).ledger.task(b"\x01" * 32)


@pytest.mark.parametrize("arguments", [{}, {"key_env": "A", "keystore": "b"}])
def test_connect_wants_exactly_one_key(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="exactly one source"):
        Chain.connect("http://127.0.0.1:1", **arguments)


def test_connect_names_a_dead_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "0x" + "01" * 32)
    with pytest.raises(ChainError, match="did not answer eth_chainId") as error:
        Chain.connect("http://127.0.0.1:1/secret-token", key_env="A_KEY")
    assert "secret-token" not in error.value.diagnostics()


def test_connect_refuses_other_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "0x" + "01" * 32)
    with pytest.raises(ConfigError, match="not a node's address"):
        Chain.connect("ftp://example.org", key_env="A_KEY")


def test_closed_chain_can_be_closed_again(tmp_path: Path, synthetic: ModuleType) -> None:
    chain = Chain.tester(tmp_path / "chain")
    chain.close()
    chain.close()
