"""Offers, replacements and the cap; words of nodes; the journal on disk."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.exceptions import ConnectTimeout
from web3.exceptions import ContractLogicError, Web3RPCError

from zkdescent.core.errors import ArtefactError
from zkdescent.verifier import GasCapExceeded, GasPriceTooHigh
from zkdescent.verifier._fees import GWEI, Fees, Market, bumped, gwei, opening
from zkdescent.verifier._outbox import Entry, Outbox
from zkdescent.verifier._refusals import refusal_of

WEI = st.integers(0, 10**15)
MARKETS = st.builds(Market, WEI, WEI)
CAPS = st.none() | WEI


@given(MARKETS, CAPS)
def test_an_offer_pays_the_price_and_stays_below_the_cap(market: Market, cap: int | None) -> None:
    offer = opening(market, cap)
    if offer is None:
        assert cap is not None
        assert market.price > cap
        return
    assert offer.max_fee >= market.price
    assert 0 <= offer.tip <= offer.max_fee
    assert cap is None or offer.max_fee <= cap


@given(MARKETS, MARKETS, CAPS)
def test_a_replacement_is_an_eighth_higher_in_both(
    before: Market, now: Market, cap: int | None
) -> None:
    first = opening(before, None)
    assert first is not None
    more = bumped(first, now, cap)
    if more is None:
        assert cap is not None
        assert cap < max(first.max_fee, now.base + first.tip) * 9 / 8 + 1
        return
    assert more.max_fee * 8 >= first.max_fee * 9
    assert more.tip * 8 >= first.tip * 9
    assert more.tip <= more.max_fee
    assert more.max_fee >= now.base
    assert cap is None or more.max_fee <= cap


def test_prices_are_written_as_people_read_them() -> None:
    assert [gwei(v) for v in (10**9, 1_500_000_000, 0, 101 * GWEI)] == ["1", "1.5", "0", "101"]


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("already known", "known"),
        ("transaction already imported", "known"),
        ("nonce too low: next nonce 7, tx nonce 5", "nonce"),
        ("replacement transaction underpriced", "fees"),
        ("max fee per gas less than block base fee: address 0x", "fees"),
        ("insufficient funds for gas * price + value", "funds"),
        ("gas required exceeds allowance (16777216)", "gas"),
        ("intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap", "gas"),
        ("execution reverted: WrongHead", "revert"),
        ("the method is not available", "other"),
    ],
)
def test_nodes_are_understood_by_their_words(words: str, refusal: str) -> None:
    assert refusal_of(Web3RPCError(words)) == refusal


def test_silence_is_no_answer_and_a_contract_error_a_revert() -> None:
    assert refusal_of(ConnectTimeout("nonce too low")) == "silence"
    assert refusal_of(ContractLogicError("0x1234")) == "revert"


def test_errors_of_sending_cross_process_borders() -> None:
    for error in (GasCapExceeded("submit", 17_000_000), GasPriceTooHigh("submit", "9", 5.0, 1.0)):
        copy = pickle.loads(pickle.dumps(error))
        assert copy.diagnostics() == error.diagnostics()
        assert copy.to_json()["error"] == type(error).__name__


ENTRY = Entry("count", 3, "0x" + "11" * 20, b"\x01\x02", 50_000, (Fees(9, 1), Fees(11, 2)))


def outbox(folder: Path, genesis: str = "0xaa", account: str = "0x" + "22" * 20) -> Outbox:
    return Outbox(folder, chain_id=1, genesis=genesis, account=account)


def read(box: Outbox) -> tuple[Entry, ...]:
    with box.hold():
        return box.entries


def test_entries_outlive_the_process_in_order_of_nonces(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    earlier = Entry("earlier", 2, ENTRY.to, b"", 21_000, (Fees(9, 1),))
    with box.hold():
        box.put(ENTRY)
        box.put(earlier)
    assert read(outbox(tmp_path)) == (earlier, ENTRY)
    with box.hold():
        box.drop(2)
    assert read(outbox(tmp_path)) == (ENTRY,)


def test_entries_of_another_chain_or_account_are_not_read(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    with box.hold():
        box.put(ENTRY)
    assert read(outbox(tmp_path, genesis="0xbb")) == ()
    assert read(outbox(tmp_path, account="0x" + "33" * 20)) == ()


def test_a_damaged_outbox_is_refused(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    with box.hold():
        box.put(ENTRY)
    (path,) = tmp_path.glob("outbox-*.json")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ArtefactError, match="not the JSON"):
        read(outbox(tmp_path))


def hold(folder: Path, ready: object, release: object) -> None:
    with outbox(folder).hold():
        ready.set()  # type: ignore[attr-defined]
        release.wait(20)  # type: ignore[attr-defined]


def test_two_processes_do_not_send_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zkdescent.verifier._outbox._LOCK_TIMEOUT_S", 0.2)
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready, release))
    process.start()
    try:
        assert ready.wait(20)
        with pytest.raises(ArtefactError, match="another process") as error:
            read(outbox(tmp_path))
        assert "send transactions" in str(error.value.got)
    finally:
        release.set()
        process.join(20)
    assert read(outbox(tmp_path)) == ()
