"""Where the signing key comes from. All transactions are signed here, on every kind of chain.

Local chains use the first accounts of the mnemonic that every Ethereum development node uses.
Its keys are public: anything sent to them on a public chain is lost. A key for another chain is
read from an environment variable or an encrypted keystore file (Web3 Secret Storage), never from
the project file, so that it does not end up in a repository.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import cast

from eth_account import Account
from eth_account.hdaccount import seed_from_mnemonic
from eth_account.hdaccount.deterministic import HDPath
from eth_account.signers.local import LocalAccount

from zkdescent.core.errors import ConfigError
from zkdescent.core.records import shallow_json

DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk"
PASSWORD_VARIABLE = "ZKDESCENT_KEYSTORE_PASSWORD"


@cache
def development_account(index: int = 0) -> LocalAccount:
    """Return account ``index`` of the public development mnemonic, m/44'/60'/0'/0/index.

    >>> development_account().address
    '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
    """
    key = HDPath(f"m/44'/60'/0'/0/{index}").derive(seed_from_mnemonic(DEVELOPMENT_MNEMONIC, ""))
    return cast("LocalAccount", Account.from_key(key))


def account_from_environment(variable: str) -> LocalAccount:
    """Return the account whose private key (32 bytes, hex) is in an environment variable.

    Raises:
        ConfigError: the variable is unset or holds no private key; its value is never shown.
    """
    text = os.environ.get(variable)
    if not text:
        raise ConfigError(
            "the environment variable with the signing key is not set",
            expected=variable,
            hint=f"export {variable}=0x...",
        )
    try:
        return cast("LocalAccount", Account.from_key(text.strip()))
    except Exception as error:  # the library raises whatever its decoder happened to meet
        raise ConfigError(
            "the environment variable holds no private key",
            expected="32 bytes as hexadecimal digits",
            got=f"{variable} with {len(text)} characters",
        ) from error


def account_from_keystore(path: Path, password: str | None = None) -> LocalAccount:
    """Return the account in an encrypted keystore file.

    ``password`` defaults to the environment variable ZKDESCENT_KEYSTORE_PASSWORD.

    Raises:
        ConfigError: the file is missing or no keystore, or the password is missing or wrong.
    """
    secret = password if password is not None else os.environ.get(PASSWORD_VARIABLE)
    if secret is None:
        raise ConfigError(
            "the keystore needs a password", path=path, hint=f"export {PASSWORD_VARIABLE}=..."
        )
    try:
        content = json.loads(shallow_json(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ConfigError(
            "can't read the keystore file",
            got=str(error),
            path=path,
            hint="make one with any wallet (Web3 Secret Storage)",
        ) from error
    try:
        return cast("LocalAccount", Account.from_key(Account.decrypt(content, secret)))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "can't open the keystore",
            got=str(error),
            path=path,
            hint=f"check the password in {PASSWORD_VARIABLE}",
        ) from error
