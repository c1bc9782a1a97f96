"""A node's URL may hold an access token: no error repeats it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from requests.exceptions import ConnectionError as NodeGone

from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.verifier import Chain

URL = "http://user:hunter2@127.0.0.1:9/v3/hunter2"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ZKDESCENT_TEST_KEY", "0x" + "11" * 32)
    return "ZKDESCENT_TEST_KEY"


@pytest.mark.parametrize("url", [URL, URL.replace("http", "wss", 1)])
def test_an_unreachable_node_is_named_without_its_token(url: str, key: str) -> None:
    with pytest.raises((ChainError, ConfigError)) as error:
        Chain.connect(url, key_env=key)
    assert "hunter2" not in error.value.diagnostics()


def test_a_node_that_goes_away_is_named_without_its_token() -> None:
    def fail(*_: Any) -> Any:
        raise NodeGone(f"Max retries exceeded with url: {URL}")

    with Chain.tester() as chain:
        node = SimpleNamespace(name="127.0.0.1", w3=SimpleNamespace(eth=SimpleNamespace(call=fail)))
        inner, chain._node = chain._node, node
        try:
            with (
                pytest.raises(ChainError) as error,
                chain.translated("read the ledger"),
            ):
                node.w3.eth.call()
        finally:
            chain._node = inner
    assert "hunter2" not in error.value.diagnostics()
    assert "read the ledger" in error.value.diagnostics()
