"""One interface to every chain: sign here, send raw, wait, and name what was refused.

Chains are constructors, not strings to compare:

>>> with Chain.tester() as chain:
...     chain.chain_id, chain.address
(31337, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266')

``Chain.anvil()`` starts a node of its own, ``Chain.connect(url, key_env="...")`` uses a running
one, ``Chain.reader(url)`` does so without a key. The tester and anvil share chain id and accounts,
so one set of proofs serves both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import Nonce, TxParams, TxReceipt, Wei

from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.verifier._anvil import AnvilProcess
from zkdescent.verifier._foreign import translated
from zkdescent.verifier._http import HttpNode
from zkdescent.verifier._keys import (
    account_from_environment,
    account_from_keystore,
    development_account,
)
from zkdescent.verifier._node import Node
from zkdescent.verifier._outbox import Outbox
from zkdescent.verifier._refusals import GasCapExceeded
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier._tester import TesterNode
from zkdescent.verifier._waiting import Notice, SendPolicy
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.sending import GAS_CAP, Sender

_POLL_S = 1.0


def _ignore(text: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a mined transaction cost and where it is; ``raw`` is web3's receipt, with the logs."""

    transaction: str
    block_number: int
    gas_used: int
    raw: TxReceipt


class Chain:
    """A chain and the account that acts on it; a context manager that closes what it opened."""

    def __init__(self, node: Node, account: LocalAccount, sender: Sender | None = None) -> None:
        self._node = node
        self._sender = sender
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
    def anvil(
        cls,
        binary: Path | str | None = None,
        *,
        port: int = 0,
        account: int = 0,
        policy: SendPolicy | None = None,
        block_time_s: float | None = None,
    ) -> Chain:
        """Start an anvil node on the loopback interface; close() stops it.

        Args:
            block_time_s: seconds between blocks; None for a block with each transaction.

        Raises:
            ToolMissing: anvil is not installed.
            ChainError: it did not come up.
        """
        process = AnvilProcess(binary, port=port, block_time_s=block_time_s)
        try:
            node = HttpNode(process.url, process=process)
            return cls._over(node, development_account(account), policy or SendPolicy(poll_s=0.05))
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
        policy: SendPolicy | None = None,
        outbox: Path | None = None,
        notice: Notice = _ignore,
        retries: int = 0,
    ) -> Chain:
        """Use a running node; the key comes from an environment variable or a keystore file.

        Args:
            url: http(s) address of the node.
            key_env, keystore, password: where the signing key is.
            policy: how transactions are sent; see :class:`~.sending.SendPolicy`.
            outbox: folder that keeps what is on its way, for a process that comes after a crash.
            notice: told what is waited for, in sentences.
            retries: how often a request is repeated whose connection fails.

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
        node = HttpNode(url, retries=retries)
        return cls._over(node, account, policy or SendPolicy(), outbox, notice)

    @classmethod
    def reader(cls, url: str) -> Chain:
        """Use a running node for reading: no key, and nothing can be sent.

        Raises:
            ConfigError: the URL is none.
            ChainError: the node does not answer.
        """
        return cls(HttpNode(url), Account.create())

    @classmethod
    def _over(
        cls,
        node: HttpNode,
        account: LocalAccount,
        policy: SendPolicy,
        outbox: Path | None = None,
        notice: Notice = _ignore,
    ) -> Chain:
        journal = Outbox(
            outbox, chain_id=node.chain_id, genesis=node.genesis(), account=str(account.address)
        )
        policy = policy.on(node.chain_id)
        return cls(node, account, Sender(node, account, policy, journal, notice))

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
    def confirmations(self) -> int:
        """Blocks after which what was sent counts as settled, its own included."""
        return 1 if self._sender is None else self._sender.policy.depth

    @property
    def block_number(self) -> int:
        """Number of the newest block."""
        with self.translated("read the block number"):
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

    def balance(self, address: str) -> int:
        """Return what an account holds, wei."""
        with self.translated("read a balance"):
            return int(self._node.w3.eth.get_balance(to_checksum_address(address)))

    def storage(self, address: str, slot: int) -> bytes:
        """Return the 32-byte storage word of a contract at a slot."""
        with self.translated("read storage"):
            return bytes(self._node.w3.eth.get_storage_at(to_checksum_address(address), slot))

    def call(self, function: ContractFunction, *, action: str = "") -> Any:
        """Return what a view function answers.

        Raises:
            ContractRejected, ContractRefused: it reverted, with the error's name and values.
            ChainError: the node did not answer or the answer can't be decoded.
        """
        with self.translated(action or f"call {function.fn_name}"):
            return function.call({"from": self.account.address})

    def events(self, event: Any, *, since: int = 0) -> list[Any]:
        """Return a contract's events of one kind from a block on, oldest first.

        Raises:
            ChainError: the node refuses, for example so many blocks at once.
        """
        with self.translated("read events"):
            return list(event.get_logs(from_block=since))

    def call_data(self, to: str, data: bytes, *, action: str = "call") -> bytes:
        """Return the raw answer to raw call data: for encodings no ABI library would make."""
        with self.translated(action):
            transaction: Any = {"from": self.address, "to": to_checksum_address(to), "data": data}
            return bytes(self._node.w3.eth.call(transaction))

    def logs(self, event: Any, first_block: int, last_block: int) -> list[Any]:
        """Return a contract event's occurrences in blocks first .. last, decoded, oldest first."""
        with self.translated("read events"):
            return list(event.get_logs(from_block=first_block, to_block=last_block))

    def send(self, function: ContractFunction, *, action: str = "", value: int = 0) -> Receipt:
        """Sign and send a contract call with ``value`` wei, and wait until it is mined.

        Raises:
            ContractRejected, ContractRefused: it would revert; nothing was sent.
            ChainError: the node failed, or the transaction was mined and failed.
        """
        to, data = self._encoded(function)
        return self.send_data(to, data, action=action or f"{function.fn_name}", value=value)

    def send_data(
        self, to: str, data: bytes, *, action: str = "transaction", value: int = 0
    ) -> Receipt:
        """Sign and send raw call data; see :meth:`send`."""
        with self.translated(action):
            if self._sender is None:
                raw = self._send_here(to, data, action, value)
            else:
                raw = self._sender.send(to, data, action, value)
        hash_ = f"0x{bytes(raw['transactionHash']).hex()}"
        receipt = Receipt(hash_, raw["blockNumber"], raw["gasUsed"], raw)
        if raw["status"] != 1:
            self._explain(to, data, receipt, action)
        return receipt

    def queue(
        self, to: str, data: bytes, *, gas: int, nonce: int, max_fee: int, tip: int = 10**9
    ) -> str:
        """Sign a transaction and hand it over without waiting; return its hash.

        For programs that keep count of their nonces and need no receipt, such as a load: nothing is
        estimated, written down or sent again. On the in-process chain it waits for the next block.

        Args:
            max_fee, tip: wei per gas.

        Raises:
            ChainError: the chain does not take it.
        """
        fields: dict[str, Any] = {
            "type": 2, "chainId": self.chain_id, "to": to_checksum_address(to), "value": 0,
            "data": data, "gas": gas, "nonce": nonce,
            "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip,
        }  # fmt: skip
        signed = self.account.sign_transaction(fields)
        with self.translated("queue a transaction"):
            self._node.queue(bytes(signed.raw_transaction))
        return "0x" + bytes(signed.hash).hex()

    @contextmanager
    def holding_blocks(self) -> Iterator[None]:
        """On a local chain, leave what is queued inside unmined, for the next block after."""
        self._node.automine(False)
        try:
            yield
        finally:
            self._node.automine(True)

    def nonce(self, *, pending: bool = True) -> int:
        """Return the account's next nonce, after what is queued or only after what is mined."""
        state: Any = "pending" if pending else "latest"
        with self.translated("read the nonce"):
            return int(self._node.w3.eth.get_transaction_count(self.account.address, state))

    def next_base_fee(self) -> int:
        """Return what the next block asks for each gas, wei."""
        with self.translated("ask for the base fee"):
            return self._node.market().base

    def acting_as(self, account: LocalAccount) -> Chain:
        """Return the same chain with another account, to read and to queue; nothing to close."""
        return Chain(self._node, account)

    def confirm(self) -> bool:
        """Wait until what was sent can't fall out of the chain any more; see Sender.confirm.

        Returns:
            False if something fell out and could not be sent again as it was: whoever sent it
            reads the chain again and sends what is missing.
        """
        with self.translated("confirm transactions"):
            return self._sender is None or self._sender.confirm()

    def estimate(self, function: ContractFunction, *, action: str = "") -> int:
        """Return the gas of a call on the newest state, without sending it.

        Raises:
            ContractRejected, ContractRefused: it would revert.
            GasCapExceeded: it needs more than a transaction may use.
        """
        return self.estimate_data(*self._encoded(function), action=action or str(function.fn_name))

    def estimate_data(
        self, to: str, data: bytes, *, action: str = "transaction", value: int = 0
    ) -> int:
        """Return the gas of raw call data; see :meth:`estimate`."""
        if self._sender is None:
            raise ChainError(f"{action}: this chain measures gas by sending", got=self.name)
        with self.translated(action):
            return self._sender.estimate(to, data, action, value)

    def gas_price(self) -> int:
        """Return what gas costs in the next block, wei: base fee and tip."""
        with self.translated("ask for the gas price"):
            return self._node.market().price

    def genesis(self) -> str:
        """Return the hash of block 0, which tells chains of one id apart; empty if not kept."""
        with self.translated("read block 0"):
            return self._node.genesis()

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks on a local chain; ChainError on any other."""
        with self.translated("mine"):
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

    def translated(self, action: str) -> AbstractContextManager[None]:
        """Errors of the node and its libraries become ChainErrors that say what was tried."""
        return translated(action, self.name)

    def _encoded(self, function: ContractFunction) -> tuple[str, bytes]:
        # A gas figure keeps web3 from estimating here; only the encoding is wanted.
        fields: TxParams = {
            "gas": 0, "gasPrice": Wei(0), "nonce": Nonce(0), "value": Wei(0),
            "chainId": self.chain_id, "from": self.account.address,
        }  # fmt: skip
        filled = function.build_transaction(fields)
        return str(filled["to"]), bytes.fromhex(str(filled["data"]).removeprefix("0x"))

    def _send_here(self, to: str, data: bytes, action: str, value: int) -> TxReceipt:
        """Send on the in-process chain, where a transaction is mined at once or not at all."""
        if self._node.gas_limit is None:
            raise ChainError(
                f"{action}: this chain was opened for reading",
                got=self.name,
                hint="Chain.connect takes a key and sends",
            )
        eth, market = self._node.w3.eth, self._node.market()
        signed = self.account.sign_transaction({
            "type": 2, "chainId": self.chain_id, "to": to_checksum_address(to), "value": value,
            "data": data, "gas": self._node.gas_limit,
            "nonce": eth.get_transaction_count(self.account.address, "latest"),
            "maxFeePerGas": 2 * market.base + market.tip, "maxPriorityFeePerGas": market.tip,
        })  # fmt: skip
        try:
            hash_ = eth.send_raw_transaction(signed.raw_transaction)
        except Reverted as error:
            if self._node.gas_limit == GAS_CAP and error.halted.startswith("OutOfGas"):
                raise GasCapExceeded(action, "out of gas with all of it") from error
            raise
        return eth.get_transaction_receipt(hash_)

    def _explain(self, to: str, data: bytes, receipt: Receipt, action: str) -> None:
        """Repeat a failed transaction as a call to learn its revert data; always raises."""
        self.call_data(to, data, action=action)
        raise ChainError(
            f"{action}: the transaction was mined and failed",
            got=receipt.transaction,
            hint="another transaction came first, or the gas ran out; run the command again",
        )
