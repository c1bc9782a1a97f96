"""What is around a keeper: status over HTTP, signals, and a load that costs what it should."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request

import pytest

from zkdescent.core.errors import ChainError
from zkdescent.pipeline.feeding._stopping import Stopped, Stopper
from zkdescent.pipeline.feeding.load import Load, deploy_burner, growth
from zkdescent.pipeline.feeding.metrics import Health, KeeperMetrics, StatusServer
from zkdescent.verifier import Chain, development_account
from zkdescent.verifier.twins.header import read_header

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_and_metrics_are_served_on_the_loopback_interface() -> None:
    metrics, health = KeeperMetrics("0xfeed", "0xaccount"), Health(60.0)
    health.looked(None, round=4)
    with StatusServer(0, metrics, health.to_json) as server:
        metrics.gaps.inc(3)
        metrics.failures.labels(error="ChainError").inc()
        status, text = get(server.port, "/metrics")
        assert status == 200
        assert "zkdescent_keeper_gaps_total 3.0" in text
        assert 'zkdescent_keeper_failures_total{error="ChainError"} 1.0' in text
        assert 'zkdescent_keeper_info{account="0xaccount",feed="0xfeed"} 1.0' in text
        status, text = get(server.port, "/healthz")
        assert (status, json.loads(text)["ok"], json.loads(text)["round"]) == (200, True, 4)
        health.looked("the breaker has tripped")
        status, text = get(server.port, "/healthz")
        assert (status, json.loads(text)["problem"]) == (503, "the breaker has tripped")
        assert get(server.port, "/")[0] == 404
        with pytest.raises(ChainError, match="is taken"):
            StatusServer(server.port, metrics, health.to_json)


def test_a_chain_that_is_not_read_any_more_is_unhealthy() -> None:
    health = Health(0.0)
    health.looked(None)
    assert health.to_json()["problem"] == "the chain could not be read for some time"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_may_be_interrupted_and_nothing_else(number: signal.Signals) -> None:
    stopper, reached = Stopper(), False
    with stopper.on_signals():
        os.kill(os.getpid(), number)
        assert stopper.asked
        with pytest.raises(Stopped), stopper.interruptible():
            reached = True
        other = Stopper()
        with other.on_signals(), pytest.raises(Stopped), other.interruptible():
            os.kill(os.getpid(), number)
    assert not reached
    assert signal.getsignal(number) not in (None, stopper._handle, other._handle)


@pytest.mark.parametrize("gas", [30_000, 1_000_000, 16_000_000])
def test_memory_of_a_word_costs_what_the_yellow_paper_says(gas: int) -> None:
    words = growth(gas) // 32 + 1
    cost = 21_000 + 200 + 3 * words + words * words // 512
    assert 0.98 * gas < cost <= gas + 500


def test_load_fills_the_next_block_and_leaves_what_is_reserved() -> None:
    with Chain.tester() as chain:
        wanted = [37_000_000]
        burner = deploy_burner(chain)
        load = Load(chain.acting_as(development_account(1)), burner, lambda fee, limit: wanted[0])
        load.queue()
        chain.mine(1)
        used = read_header(chain.header_rlp(chain.block_number)).gas_used
        assert used == pytest.approx(37_000_000, rel=0.01)
        before = chain.next_base_fee()
        wanted[0] = 10**9
        load.queue(reserve=17_000_000)
        chain.send_data(chain.address, b"", action="a transaction among the load")
        header = read_header(chain.header_rlp(chain.block_number))
        assert 0.95 * 43_000_000 < header.gas_used < 43_100_000
        assert chain.next_base_fee() > before
