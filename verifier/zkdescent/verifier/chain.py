"""One interface to every chain: sign here, send raw, wait, and name what was refused.

Chains are constructors, not strings to compare:

>>> with Chain.tester() as chain:
...     chain.chain_id, chain.address
(31337, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266')

``Chain.anvil()`` starts a node of its own, ``Chain.connect(url, key_env="...")`` uses a running
one. The tester and anvil share chain id and accounts, so one set of proofs serves both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from eth.exceptions import PyEVMError
from eth_account.signers.local import LocalAccount
from eth_tester.exceptions import TransactionFailed
from eth_tester.exceptions import ValidationError as TesterInvalid
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError as EvmInvalid
from requests.exceptions import RequestException
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception
from web3.types import Nonce, TxParams, TxReceipt, Wei

from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.verifier._anvil import AnvilProcess
from zkdescent.verifier._http import HttpNode, revert_of
from zkdescent.verifier._keys import (
    account_from_environment,
    account_from_keystore,
    development_account,
)
from zkdescent.verifier._reverts import Reverted, revert_error
from zkdescent.verifier._tester import TesterNode
from zkdescent.verifier.artifacts import load_artifact

_FOREIGN = (
    Web3Exception, RequestException, ValueError, TransactionFailed, TesterInvalid, EvmInvalid,
    PyEVMError,
)  # fmt: skip
_GAS_CAP = 16_777_216  # EIP-7825
_GAS_MARGIN = 1.25  # estimates are made on an older state; a proof's cost varies by under 1%
_RECEIPT_TIMEOUT_S = 300.0
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a mined transaction cost and where it is; ``raw`` is web3's receipt, with the logs."""

    transaction: str
    block_number: int
    gas_used: int
    raw: TxReceipt


class _Node(Protocol):
    """What the kinds of chain do differently."""

    name: str
    is_local: bool
    chain_id: int
    gas_limit: int | None
    w3: Web3

    def mine(self, blocks: int) -> None: ...
    def header_rlp(self, number: int) -> bytes: ...
    def code(self, address: str) -> bytes: ...
    def close(self) -> None: ...


class Chain:
    """A chain and the account that acts on it; a context manager that closes what it opened."""

    def __init__(self, node: _Node, account: LocalAccount) -> None:
        self._node = node
        self.account = account
        self._contracts: dict[tuple[str, ChecksumAddress], Contract] = {}

    @classmethod
    def tester(cls, path: Path | str | None = None, *, account: int = 0) -> Chain:
        """Open an in-process chain (py-evm, Prague rules, chain id 31337).

        Args:
            path: file that keeps the chain between processes; None keeps it in memory.
            account: which development account signs.

        Raises:
            ChainError: the file is damaged, can't be written or is in use.
        """
        node = TesterNode(None if path is None else Path(path))
        return cls(node, development_account(account))

    @classmethod
    def anvil(cls, binary: Path | str | None = None, *, port: int = 0, account: int = 0) -> Chain:
        """Start an anvil node on the loopback interface; close() stops it.

        Raises:
            ToolMissing: anvil is not installed.
            ChainError: it did not come up.
        """
        process = AnvilProcess(binary, port=port)
        try:
            return cls(HttpNode(process.url, process=process), development_account(account))
        except BaseException:
            process.close()
            raise

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        key_env: str | None = None,
        keystore: Path | str | None = None,
        password: str | None = None,
    ) -> Chain:
        """Use a running node; the key comes from an environment variable or a keystore file.

        Raises:
            ConfigError: no key was named or it can't be read, or the URL is none.
            ChainError: the node does not answer.
        """
        if (key_env is None) == (keystore is None):
            raise ConfigError(
                "name exactly one source of the signing key",
                expected="key_env or keystore",
                got=(key_env, keystore),
                hint="set one of them under [chain]",
            )
        if key_env is not None:
            account = account_from_environment(key_env)
        else:
            account = account_from_keystore(Path(str(keystore)), password)
        return cls(HttpNode(url), account)

    @property
    def name(self) -> str:
        """``tester``, ``anvil`` or the node's host name."""
        return self._node.name

    @property
    def chain_id(self) -> int:
        """The chain's id (EIP-155)."""
        return self._node.chain_id

    @property
    def is_local(self) -> bool:
        """Whether the chain is our own, to mine on at will."""
        return self._node.is_local

    @property
    def address(self) -> str:
        """The acting account's checksummed address."""
        return str(self.account.address)

    @property
    def block_number(self) -> int:
        """Number of the newest block."""
        with self._translated("read the block number"):
            return int(self._node.w3.eth.block_number)

    def contract(self, name: str, address: str) -> Contract:
        """Return a shipped contract's ABI bound to an address; structs answer as named tuples."""
        key = (name, to_checksum_address(address))
        if key not in self._contracts:  # building one takes longer than a call to it
            abi = load_artifact(name).abi
            self._contracts[key] = self._node.w3.eth.contract(key[1], abi=abi, decode_tuples=True)
        return self._contracts[key]

    def code(self, address: str) -> bytes:
        """Return the runtime code at an address, empty if there is no contract."""
        return self._node.code(address)

    def storage(self, address: str, slot: int) -> bytes:
        """Return the 32-byte storage word of a contract at a slot."""
        with self._translated("read storage"):
            return bytes(self._node.w3.eth.get_storage_at(to_checksum_address(address), slot))

    def call(self, function: ContractFunction, *, action: str = "") -> Any:
        """Return what a view function answers.

        Raises:
            ContractRejected, ContractRefused: it reverted, with the error's name and values.
            ChainError: the node did not answer or the answer can't be decoded.
        """
        with self._translated(action or f"call {function.fn_name}"):
            return function.call({"from": self.account.address})

    def call_data(self, to: str, data: bytes, *, action: str = "call") -> bytes:
        """Return the raw answer to raw call data: for encodings no ABI library would make."""
        with self._translated(action):
            transaction: Any = {"from": self.address, "to": to_checksum_address(to), "data": data}
            return bytes(self._node.w3.eth.call(transaction))

    def send(self, function: ContractFunction, *, action: str = "", value: int = 0) -> Receipt:
        """Sign and send a contract call with ``value`` wei, and wait until it is mined.

        Raises:
            ContractRejected, ContractRefused: it would revert; nothing was sent.
            ChainError: the node failed, or the transaction was mined and failed.
        """
        # A gas figure keeps web3 from estimating here; only the encoding is wanted.
        fields: TxParams = {
            "gas": 0, "gasPrice": Wei(0), "nonce": Nonce(0), "value": Wei(0),
            "chainId": self.chain_id, "from": self.account.address,
        }  # fmt: skip
        filled = function.build_transaction(fields)
        data = bytes.fromhex(str(filled["data"]).removeprefix("0x"))
        action = action or f"{function.fn_name}"
        return self.send_data(str(filled["to"]), data, action=action, value=value)

    def send_data(
        self, to: str, data: bytes, *, action: str = "transaction", value: int = 0
    ) -> Receipt:
        """Sign and send raw call data; see :meth:`send`."""
        with self._translated(action):
            eth = self._node.w3.eth
            transaction: dict[str, Any] = {
                "type": 2,
                "chainId": self.chain_id,
                "from": self.account.address,
                "to": to_checksum_address(to),
                "value": value,
                "data": data,
                "nonce": eth.get_transaction_count(self.account.address, "latest"),
                **self._fees(),
            }
            transaction["gas"] = self._gas(transaction)
            del transaction["from"]
            signed = self.account.sign_transaction(transaction)
            hash_ = eth.send_raw_transaction(signed.raw_transaction)
            raw = eth.wait_for_transaction_receipt(
                hash_, timeout=_RECEIPT_TIMEOUT_S, poll_latency=0.05 if self.is_local else _POLL_S
            )
        receipt = Receipt(f"0x{bytes(hash_).hex()}", raw["blockNumber"], raw["gasUsed"], raw)
        if raw["status"] != 1:
            self._explain(transaction, receipt, action)
        return receipt

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks on a local chain; ChainError on any other."""
        with self._translated("mine"):
            self._node.mine(blocks)

    def wait_for_block(self, number: int, *, timeout_s: float = 7200.0) -> None:
        """Return once block ``number`` exists; local chains mine the missing blocks.

        Raises:
            ChainError: it did not come within ``timeout_s``.
        """
        missing = number - self.block_number
        if missing > 0 and self.is_local:
            self.mine(missing)
        deadline = time.monotonic() + timeout_s
        while (newest := self.block_number) < number:
            if time.monotonic() > deadline:
                raise ChainError(
                    "the chain did not reach the block in time",
                    expected=f"block {number}",
                    got=f"block {newest}",
                )
            time.sleep(_POLL_S)

    def header_rlp(self, number: int) -> bytes:
        """Return the RLP of block ``number``'s header, whose keccak256 is the block's hash."""
        return self._node.header_rlp(number)

    def close(self) -> None:
        """Stop the node that was started here and release files; harmless when repeated."""
        self._node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fees(self) -> dict[str, int]:
        """EIP-1559 fees, wei per gas: room for the base fee to double while waiting."""
        eth = self._node.w3.eth
        tip = 10**9 if self.is_local else int(eth.max_priority_fee)
        # eth_gasPrice and not the block: web3 refuses the blocks of chains with long extraData.
        base = int(eth.gas_price)
        return {"maxFeePerGas": 2 * base + tip, "maxPriorityFeePerGas": tip}

    def _gas(self, transaction: dict[str, Any]) -> int:
        if self._node.gas_limit is not None:
            return self._node.gas_limit
        estimate = self._node.w3.eth.estimate_gas(transaction)  # type: ignore[arg-type]
        return min(int(estimate * _GAS_MARGIN), _GAS_CAP)

    def _explain(self, transaction: dict[str, Any], receipt: Receipt, action: str) -> None:
        """Repeat a failed transaction as a call to learn its revert data; always raises."""
        self.call_data(transaction["to"], transaction["data"], action=action)
        raise ChainError(
            f"{action}: the transaction was mined and failed",
            got=receipt.transaction,
            hint="another transaction came first, or the gas ran out; run the command again",
        )

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        """Turn whatever web3, eth-tester or the node raise into errors of this package."""
        try:
            yield
        except Reverted as error:
            raise revert_error(error, action) from error
        except ContractLogicError as error:
            raise revert_error(revert_of(error), action) from error
        except TimeExhausted as error:
            raise ChainError(
                f"{action}: not mined in time",
                expected=f"{_RECEIPT_TIMEOUT_S} s",
                hint="the fee may be too low; look the transaction up",
            ) from error
        except RequestException as error:
            # Its text repeats the URL, which may hold an access token (see HttpNode).
            raise ChainError(
                f"{action}: {self.name} did not answer", got=type(error).__name__
            ) from error
        except _FOREIGN as error:
            raise ChainError(f"{action}: {self.name} failed", got=str(error)) from error
