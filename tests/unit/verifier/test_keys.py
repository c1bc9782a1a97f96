"""Signing keys: from the development mnemonic, the environment or a keystore; never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from zkdescent.core.errors import ConfigError
from zkdescent.verifier import development_account
from zkdescent.verifier._keys import account_from_environment, account_from_keystore

KEY = "0x" + "5a" * 32
ADDRESS = Account.from_key(KEY).address


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keystore.json"
    path.write_text(
        json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "right", kdf="pbkdf2", iterations=2))
    )
    return path


def test_development_accounts_are_those_of_anvil() -> None:
    assert development_account(0).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert development_account(9).address == "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"


def test_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", f" {KEY}\n")
    assert account_from_environment("A_KEY").address == ADDRESS


def test_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(ConfigError, match="A_KEY"):
        account_from_environment("A_KEY")


@pytest.mark.parametrize("text", ["0x1234", "not hex", KEY + "00", "0x" + "00" * 32])
def test_bad_key_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("A_KEY", text)
    with pytest.raises(ConfigError) as error:
        account_from_environment("A_KEY")
    assert text not in error.value.diagnostics()


def test_key_from_a_keystore(keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert account_from_keystore(keystore, "right").address == ADDRESS
    monkeypatch.setenv("ZKDESCENT_KEYSTORE_PASSWORD", "right")
    assert account_from_keystore(keystore).address == ADDRESS


def test_keystore_with_a_wrong_or_no_password_is_refused(
    keystore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="can't open"):
        account_from_keystore(keystore, "wrong")
    monkeypatch.delenv("ZKDESCENT_KEYSTORE_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="needs a password"):
        account_from_keystore(keystore)


@pytest.mark.parametrize("content", ["not json", "{}", "[]", '{"version": 3}'])
def test_what_is_no_keystore_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "k.json"
    path.write_text(content)
    with pytest.raises(ConfigError):
        account_from_keystore(path, "x")
    with pytest.raises(ConfigError, match="can't read"):
        account_from_keystore(tmp_path / "missing.json", "x")
