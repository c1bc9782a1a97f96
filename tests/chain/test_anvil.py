"""The same client, contracts and proofs on a real node."""

from __future__ import annotations

import subprocess
import sys
import time
from types import ModuleType
from urllib.parse import urlsplit

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.verifier import (
    Chain,
    ContractRefused,
    TrainingClient,
    audit_run,
    deploy_code,
    ensure_deployed,
)
from zkdescent.verifier.twins import mix_hash

pytestmark = pytest.mark.chain


def lead(chain: Chain, synthetic: ModuleType, seed_delay: int) -> TrainingClient:
    client = TrainingClient(chain)
    client.ensure_deployed()
    deploy_code(chain, synthetic.VERIFIER_INIT, action="deploy stand-in verifier")
    world = synthetic.World(seed_delay=seed_delay)
    plan = synthetic.finish(client, world)
    consumer = client.consumer(plan.model_id)
    consumer.deploy()
    consumer.accept(world.circuits.inference, world.inference(), reusable=False)
    assert consumer.decision() == (-123,)
    report = audit_run(world.manifest(), world.load, synthetic.verify_synthetic, chain=chain)
    assert report.compared_with_chain
    return client


@pytest.mark.parametrize("seed_delay", [0, 2])
def test_whole_life_of_a_model(anvil: Chain, synthetic: ModuleType, seed_delay: int) -> None:
    lead(anvil, synthetic, seed_delay)


def test_tester_and_anvil_take_the_same_proofs(anvil: Chain, synthetic: ModuleType) -> None:
    plan = synthetic.World().plan
    with Chain.tester() as tester:
        on_tester = lead(tester, synthetic, 0).ledger.run(plan.run_id)
        addresses = ensure_deployed(tester).addresses
    assert lead(anvil, synthetic, 0).ledger.run(plan.run_id) == on_tester
    assert ensure_deployed(anvil).addresses == addresses


def test_custom_errors_reach_the_user(anvil: Chain, synthetic: ModuleType) -> None:
    client = TrainingClient(anvil)
    client.ensure_deployed()
    before = anvil.block_number
    with pytest.raises(ContractRefused) as refused:
        anvil.send(client.ledger.contract.functions.finalise(b"\x07" * 32))
    assert refused.value.error_name == "RunUnknown"
    check = client.gateway.contract.functions.check(b"\x01" * 32, 0, (b"", [], []))
    with pytest.raises(ContractRejected) as rejected:
        anvil.call(check)
    assert rejected.value.values == {"id": b"\x01" * 32}
    assert anvil.block_number == before


def test_headers_are_rebuilt_from_json(anvil: Chain) -> None:
    anvil.mine(3)
    headers = [anvil.header_rlp(number) for number in range(4)]
    assert keccak(headers[2]) in headers[3]
    assert len(mix_hash(headers[3])) == 32
    with pytest.raises(ChainError, match="no such block"):
        anvil.header_rlp(99)


def test_connect_uses_a_running_node(
    anvil: Chain, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = anvil._node.w3.provider.endpoint_uri  # type: ignore[attr-defined]
    monkeypatch.setenv("A_KEY", "0x" + bytes(anvil.account.key).hex())
    with Chain.connect(url, key_env="A_KEY") as chain:
        assert (chain.address, chain.chain_id) == (anvil.address, 31337)
        assert not chain.is_local
        assert ensure_deployed(chain).actions[0].sent
        with pytest.raises(ChainError, match="can't mine"):
            chain.mine()
        with pytest.raises(ChainError, match="did not reach"):
            chain.wait_for_block(chain.block_number + 1, timeout_s=0)


def test_node_is_stopped_by_close_and_by_exceptions() -> None:
    chain = Chain.anvil()
    url = str(chain._node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="on purpose"), chain:
        raise RuntimeError("on purpose")
    assert not answers(url)
    with pytest.raises(ChainError):
        _ = chain.block_number


def test_node_is_stopped_when_the_process_ends() -> None:
    code = (
        "from zkdescent.verifier import Chain\n"
        "print(Chain.anvil()._node.w3.provider.endpoint_uri, flush=True)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not answers(result.stdout.strip())


def answers(url: str) -> bool:
    """Whether something still listens at the URL, given a moment to stop."""
    import socket

    port = urlsplit(url).port
    assert port is not None
    for _ in range(20):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
        time.sleep(0.1)
    return True
