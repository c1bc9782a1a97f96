"""Transactions that get stuck, are forgotten, priced out, reorganised away or cut short by a kill.

A counter contract tells how often a call was carried out: once, whatever happens in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3.exceptions import TransactionNotFound

from zkdescent.core.errors import ChainError
from zkdescent.verifier import (
    Chain,
    ContractRefused,
    GasCapExceeded,
    GasPriceTooHigh,
    SendPolicy,
    deploy_code,
    development_account,
)
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier._fees import GWEI
from zkdescent.verifier._outbox import Outbox
from zkdescent.verifier.actions import Action

pytestmark = pytest.mark.chain

COUNTER = bytes.fromhex("6008600c60003960086000f3") + bytes.fromhex("5f546001015f5500")
ONCE = bytes.fromhex("600e600c600039600e6000f3") + bytes.fromhex("5f54600a5760015f55005b5f5ffd")
COUNTER_AT = predict_address(COUNTER)
QUICK = SendPolicy(poll_s=0.02, replace_after_s=0.4, patience_s=10)
TIMEOUT_S = 20


class Desk:
    """A running anvil, and clients of it that remember what they were told."""

    def __init__(self, node: Chain, outbox: Path) -> None:
        self.node, self.outbox = node, outbox
        self.url = str(node._node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
        self.said: list[str] = []
        deploy_code(node, COUNTER, action="deploy counter")

    def client(self, policy: SendPolicy = QUICK, *, key_env: str = "A_KEY") -> Chain:
        return Chain.connect(
            self.url, key_env=key_env, policy=policy, outbox=self.outbox, notice=self.said.append
        )

    def rpc(self, method: str, *parameters: object) -> Any:
        return self.node._node.rpc(method, *parameters)  # type: ignore[attr-defined]

    @property
    def count(self) -> int:
        return int.from_bytes(self.node.storage(COUNTER_AT, 0), "big")

    def nonce(self, block: str = "latest") -> int:
        return int(self.rpc("eth_getTransactionCount", self.node.address, block), 16)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def fees(self, transaction: str) -> tuple[int, int]:
        found = self.rpc("eth_getTransactionByHash", transaction)
        return int(found["maxFeePerGas"], 16), int(found["maxPriorityFeePerGas"], 16)

    def pooled(self) -> list[str]:
        """Hashes of the transactions that wait."""
        content = self.rpc("txpool_content")["pending"]
        return [t["hash"] for by_nonce in content.values() for t in by_nonce.values()]

    def spend_nonce(self, nonce: int) -> None:
        """Somebody with the same key sends something else."""
        fields: dict[str, Any] = {
            "type": 2, "chainId": 31337, "to": self.node.address, "value": 0, "data": b"",
            "nonce": nonce, "gas": 30_000,
            "maxFeePerGas": 500 * GWEI, "maxPriorityFeePerGas": 50 * GWEI,
        }  # fmt: skip
        signed = self.node.account.sign_transaction(fields)
        self.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())


@pytest.fixture
def desk(anvil: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("A_KEY", "0x" + bytes(anvil.account.key).hex())
    monkeypatch.setenv("NEW_KEY", "0x" + "11" * 32)
    return Desk(anvil, tmp_path / "outbox")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def count_up(chain: Chain, action: str = "count") -> str:
    return chain.send_data(COUNTER_AT, b"", action=action).transaction


def stuck(desk: Desk, pool: ThreadPoolExecutor, policy: SendPolicy = QUICK) -> Future[str]:
    """Send to a chain that mines nothing."""
    desk.rpc("evm_setAutomine", False)
    sending = pool.submit(count_up, desk.client(policy))
    desk.wait_until(lambda: bool(desk.pooled()))
    return sending


# a transaction that is not mined


def test_a_stuck_transaction_is_replaced_at_a_higher_fee(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    sending = stuck(desk, pool)
    (first,) = desk.pooled()
    offered, tip = desk.fees(first)
    desk.wait_until(lambda: desk.pooled() != [first])
    desk.rpc("anvil_mine", "0x1")
    mined = sending.result(TIMEOUT_S)
    assert mined != first
    more, more_tip = desk.fees(mined)
    assert more * 8 >= offered * 9
    assert more_tip * 8 >= tip * 9
    assert (desk.count, desk.nonce()) == (1, 2)
    assert any("replacing it (nonce 1)" in text for text in desk.said)


def test_a_transaction_that_is_mined_in_time_is_left_alone(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    sending = stuck(desk, pool, replace(QUICK, replace_after_s=60))
    (first,) = desk.pooled()
    time.sleep(0.6)
    assert desk.pooled() == [first]
    desk.rpc("anvil_mine", "0x1")
    assert sending.result(TIMEOUT_S) == first
    assert desk.said == []


def test_no_better_offer_is_made_than_the_cap_allows(desk: Desk, pool: ThreadPoolExecutor) -> None:
    policy = replace(QUICK, max_fee_gwei=3.0, patience_s=1.5)
    sending = stuck(desk, pool, policy)
    (first,) = desk.pooled()
    desk.rpc("anvil_setNextBlockBaseFeePerGas", hex(80 * GWEI))
    with pytest.raises(ChainError, match="not mined in time") as error:
        sending.result(TIMEOUT_S)
    assert "81 gwei" in str(error.value.got)
    assert "run the command again" in str(error.value.hint)
    assert desk.pooled() == [first]
    assert any("allows no better offer" in text for text in desk.said)
    # The next process goes on with the same nonce, and may offer more.
    desk.rpc("evm_setAutomine", True)
    count_up(desk.client(replace(QUICK, max_fee_gwei=200.0)))
    assert (desk.count, desk.nonce()) == (2, 3)


def test_a_transaction_that_the_node_forgot_is_sent_again(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    sending = stuck(desk, pool, replace(QUICK, replace_after_s=60))
    (first,) = desk.pooled()
    desk.rpc("anvil_dropTransaction", first)
    desk.wait_until(lambda: desk.pooled() == [first])
    desk.rpc("anvil_mine", "0x1")
    assert sending.result(TIMEOUT_S) == first
    assert desk.count == 1


def test_a_nonce_that_somebody_took_is_not_waited_for(desk: Desk, pool: ThreadPoolExecutor) -> None:
    sending = stuck(desk, pool, replace(QUICK, replace_after_s=60))
    (first,) = desk.pooled()
    desk.spend_nonce(1)
    desk.rpc("anvil_mine", "0x1")
    desk.wait_until(lambda: bool(desk.pooled()))
    assert desk.pooled() != [first]
    desk.rpc("anvil_mine", "0x1")
    sending.result(TIMEOUT_S)
    assert (desk.count, desk.nonce()) == (1, 3)


def test_a_receipt_that_comes_after_its_nonce_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node shows a block's state before its receipts; the transaction is still our own."""
    chain = desk.client()
    deploy_code(chain, ONCE, action="deploy once")
    eth = chain._node.w3.eth
    real, hidden = eth.get_transaction_receipt, 5

    def slow(hash_: Any) -> Any:
        nonlocal hidden
        receipt = real(hash_)
        hidden -= 1
        if hidden >= 0:
            raise TransactionNotFound("no receipt yet")
        return receipt

    monkeypatch.setattr(eth, "get_transaction_receipt", slow)
    before = desk.nonce()
    chain.send_data(predict_address(ONCE), b"", action="once")
    assert hidden < 0
    assert desk.nonce() == before + 1


def test_another_transaction_of_the_account_is_waited_for(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    desk.rpc("evm_setAutomine", False)
    desk.spend_nonce(1)
    with pytest.raises(ChainError, match="an earlier transaction is not mined"):
        count_up(desk.client(replace(QUICK, patience_s=0.3)))
    sending = pool.submit(count_up, desk.client())
    desk.wait_until(lambda: any("nonce 1" in text for text in desk.said))
    desk.rpc("evm_setAutomine", True)
    desk.rpc("anvil_mine", "0x1")
    sending.result(TIMEOUT_S)
    assert (desk.count, desk.nonce()) == (1, 3)


# prices


def test_above_the_cap_nothing_is_sent_and_the_price_is_named(desk: Desk) -> None:
    desk.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    with pytest.raises(GasPriceTooHigh, match="count: gas costs 101 gwei") as error:
        count_up(desk.client(replace(QUICK, max_fee_gwei=50.0, patience_s=0.2)))
    assert "at most 50.0 gwei" in str(error.value.expected)
    assert error.value.exit_code == 1
    assert (desk.count, desk.nonce("pending")) == (0, 1)


def test_it_waits_for_the_price_and_says_so(desk: Desk, pool: ThreadPoolExecutor) -> None:
    desk.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    sending = pool.submit(count_up, desk.client(replace(QUICK, max_fee_gwei=50.0)))
    desk.wait_until(lambda: any("gas costs 101 gwei" in text for text in desk.said))
    desk.rpc("anvil_setNextBlockBaseFeePerGas", hex(40 * GWEI))
    mined = sending.result(TIMEOUT_S)
    assert desk.fees(mined) == (50 * GWEI, GWEI)
    assert (desk.count, desk.nonce()) == (1, 2)


def test_an_account_without_ether_is_told_how_much_it_needs(desk: Desk) -> None:
    poor = desk.client(key_env="NEW_KEY")
    with pytest.raises(ChainError, match="can't pay for this") as error:
        count_up(poor)
    assert poor.address in str(error.value.got)
    desk.rpc("anvil_setBalance", poor.address, hex(10**18))
    count_up(poor)
    assert desk.count == 1


# the cap of a transaction


def burner(kilobytes: int) -> bytes:
    """Creation code of a contract that pays for so much memory: 3 words + words^2 / 512 gas."""
    code = b"\x62" + (1000 * kilobytes).to_bytes(3, "big") + bytes.fromhex("5100")
    return bytes.fromhex("6006600c60003960066000f3") + code


def test_more_gas_than_a_transaction_may_use_is_refused_before_sending(desk: Desk) -> None:
    chain = desk.client()
    deploy_code(chain, burner(3200), action="deploy burner")
    before = desk.nonce("pending")
    with pytest.raises(GasCapExceeded, match="more gas than a transaction may use") as error:
        chain.send_data(predict_address(burner(3200)), b"", action="submit")
    assert "16,777,216" in str(error.value.expected)
    assert "fewer proofs" in str(error.value.hint)
    assert desk.nonce("pending") == before
    deploy_code(chain, burner(1600), action="deploy burner")
    assert chain.send_data(predict_address(burner(1600)), b"").gas_used > 4_000_000


def test_a_call_that_would_revert_is_not_sent(desk: Desk) -> None:
    chain = desk.client()
    reverting = bytes.fromhex("6004600c60003960046000f3") + bytes.fromhex("5f5ffd00")
    deploy_code(chain, reverting, action="deploy")
    before = desk.nonce("pending")
    with pytest.raises(Exception, match="reverted") as error:
        chain.send_data(predict_address(reverting), b"")
    assert not isinstance(error.value, ContractRefused | GasCapExceeded)
    assert desk.nonce("pending") == before


# reorganisations


@pytest.fixture
def miner(desk: Desk) -> Iterator[None]:
    """Blocks keep coming, as on a public chain."""
    done = threading.Event()

    def mine() -> None:
        while not done.wait(0.1):
            desk.rpc("anvil_mine", "0x1")

    thread = threading.Thread(target=mine)
    thread.start()
    yield
    done.set()
    thread.join()


DEEP = replace(QUICK, confirmations=4, replace_after_s=60)


def test_what_a_reorganisation_removes_is_sent_again(desk: Desk, request: Any) -> None:
    chain = desk.client(DEEP)
    sent = [count_up(chain, f"count {i}") for i in range(3)]
    desk.rpc("anvil_reorg", 2, [])
    assert desk.count == 1
    request.getfixturevalue("miner")
    assert chain.confirm()
    assert (desk.count, desk.nonce()) == (3, 4)
    assert all(desk.rpc("eth_getTransactionReceipt", hash_) for hash_ in sent)
    assert [text for text in desk.said if "no longer on the chain" in text]


def test_without_a_reorganisation_nothing_is_sent_again(desk: Desk, request: Any) -> None:
    chain = desk.client(DEEP)
    for i in range(2):
        count_up(chain, f"count {i}")
    request.getfixturevalue("miner")
    assert chain.confirm()
    assert (desk.count, desk.nonce(), desk.said) == (2, 3, [])


def test_what_cannot_come_back_is_told(desk: Desk, request: Any) -> None:
    chain = desk.client(DEEP)
    count_up(chain, "first")
    count_up(chain, "second")
    desk.rpc("anvil_reorg", 1, [])
    desk.spend_nonce(2)
    request.getfixturevalue("miner")
    assert not chain.confirm()
    assert desk.count == 1


def test_the_next_sending_finds_a_reorganisation_too(desk: Desk) -> None:
    chain = desk.client(DEEP)
    count_up(chain, "first")
    count_up(chain, "second")
    desk.rpc("anvil_reorg", 2, [])
    assert desk.count == 0
    count_up(desk.client(DEEP), "third")
    assert (desk.count, desk.nonce()) == (3, 4)


def test_a_shallow_transaction_is_not_confirmed(desk: Desk) -> None:
    chain = desk.client(replace(DEEP, patience_s=0.3))
    count_up(chain)
    with pytest.raises(ChainError, match="not confirmed in time"):
        chain.confirm()


# processes that are killed


class Killed(BaseException):
    """The process ends here."""


def kill_at(chain: Chain, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """End the process at its next broadcast, before or after the bytes leave."""
    eth = chain._node.w3.eth
    real = eth.send_raw_transaction

    def send(raw: Any) -> Any:
        if after:
            real(raw)
        raise Killed

    monkeypatch.setattr(eth, "send_raw_transaction", send)


@pytest.mark.parametrize("after", [False, True])
def test_the_next_process_finishes_what_one_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    first = desk.client()
    kill_at(first, monkeypatch, after=after)
    with pytest.raises(Killed):
        count_up(first, "first")
    assert desk.count == int(after)
    count_up(desk.client(), "second")
    assert (desk.count, desk.nonce()) == (2, 3)
    assert any("continuing with first" in text for text in desk.said) is not after


def test_what_one_left_for_another_chain_is_not_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = desk.client()
    kill_at(first, monkeypatch, after=False)
    with pytest.raises(Killed):
        count_up(first, "first")
    time.sleep(1.1)  # block 0 differs by its timestamp, in seconds
    with Chain.anvil() as anew:  # same id, same account, another block 0
        other = Desk(anew, desk.outbox)
        count_up(other.client(), "second")
        assert (other.count, other.nonce()) == (1, 2)


def test_what_would_fail_now_is_not_sent(desk: Desk) -> None:
    chain = desk.client()
    deploy_code(chain, ONCE, action="deploy once")
    chain.send_data(predict_address(ONCE), b"", action="once")
    entry = next(iter(outbox_with(desk, predict_address(ONCE)).entries))
    assert entry.nonce == desk.nonce()
    count_up(desk.client(), "count")
    assert (desk.count, desk.nonce()) == (1, entry.nonce + 1)


def outbox_with(desk: Desk, to: str) -> Outbox:
    """An outbox file with an entry for the next nonce that was never broadcast."""
    from zkdescent.verifier._fees import Fees
    from zkdescent.verifier._outbox import Entry

    outbox = Outbox(
        desk.outbox, chain_id=31337, genesis=desk.node.genesis(), account=desk.node.address
    )
    with outbox.hold():
        outbox.put(Entry("left", desk.nonce(), to, b"", 100_000, (Fees(9 * GWEI, GWEI),)))
    return outbox


def test_the_same_action_of_two_processes_is_done_once(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    """Both find it missing; one sends, the other finds it done."""
    deploy_code(desk.node, ONCE, action="deploy once")
    address = predict_address(ONCE)
    desk.rpc("evm_setAutomine", False)
    gate = threading.Barrier(2)

    def act() -> Action:
        from zkdescent.core.errors import ContractRejected

        chain = desk.client(replace(QUICK, replace_after_s=60))
        assert not any(chain.storage(address, 0))
        gate.wait()
        try:
            return Action("once", transaction=chain.send_data(address, b"").transaction)
        except (ContractRejected, ChainError):
            assert any(chain.storage(address, 0))
            return Action("once")

    both = [pool.submit(act), pool.submit(act)]
    desk.wait_until(lambda: bool(desk.pooled()))
    desk.rpc("evm_setAutomine", True)
    desk.rpc("anvil_mine", "0x1")
    assert sorted(f.result(TIMEOUT_S).sent for f in both) == [False, True]
    assert desk.nonce() == 3
    assert development_account().address == desk.node.address


def test_a_reader_reads_without_a_key_and_sends_nothing(desk: Desk) -> None:
    with Chain.reader(desk.url) as reader:
        assert reader.storage(COUNTER_AT, 0) == bytes(32)
        assert (reader.chain_id, reader.block_number) == (31337, 1)
        with pytest.raises(ChainError, match="opened for reading"):
            count_up(reader)
    assert desk.count == 0
    count_up(desk.client())
    assert desk.count == 1
