"""A chain behind a JSON-RPC URL: anvil on this machine or any Ethereum node."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from requests import Session
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.util.retry import Retry
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, Web3Exception

from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.verifier._anvil import AnvilProcess
from zkdescent.verifier._fees import Market
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier.twins.header import header_rlp

_REQUEST_TIMEOUT_S = 60
_BACKOFF_S = 0.1  # doubled each time


class HttpNode:
    """A node reached over HTTP(S), behind the interface that :class:`~.chain.Chain` uses.

    Args:
        retries: how often a request is repeated whose connection fails.

    Raises:
        ConfigError: the URL is no http(s) URL.
        ChainError: the node does not answer.
    """

    gas_limit: int | None = None  # estimated per transaction

    def __init__(self, url: str, *, process: AnvilProcess | None = None, retries: int = 0) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            # A URL may hold an access token: errors name the scheme or the host only.
            scheme = urlsplit(url).scheme
            raise ConfigError("not a node's address", expected="http(s)://...", got=f"{scheme}:...")
        self.name = "anvil" if process is not None else (urlsplit(url).hostname or "node")
        self.is_local = process is not None
        self._process = process
        session = Session()
        # A proxy from the environment has no business with our own loopback node.
        session.trust_env = process is None
        if retries:
            # Whatever is asked may be asked twice: signed transactions are taken once.
            again = Retry(
                retries, backoff_factor=_BACKOFF_S, allowed_methods=None, raise_on_status=False
            )
            session.mount("http://", HTTPAdapter(max_retries=again))
            session.mount("https://", HTTPAdapter(max_retries=again))
        options = {"timeout": _REQUEST_TIMEOUT_S}
        self.w3 = Web3(HTTPProvider(url, request_kwargs=options, session=session))
        chain_id = self.rpc("eth_chainId")
        try:
            self.chain_id = int(str(chain_id), 16)
        except ValueError as error:
            raise ChainError(f"{self.name} has no chain id", got=str(chain_id)[:200]) from error

    def rpc(self, method: str, *parameters: object) -> Any:
        """Return the raw result of a JSON-RPC method.

        Raw, because web3's formatters refuse blocks of some chains (long extraData) and drop
        header fields they don't know.

        Raises:
            ChainError: no answer, or the node's own error.
        """
        try:
            reply = self.w3.provider.make_request(method, list(parameters))  # type: ignore[arg-type]
        except (RequestException, Web3Exception, ValueError) as error:
            raise ChainError(
                f"{self.name} did not answer {method}",
                got=type(error).__name__,
                hint="is the node running and the URL right?",
            ) from error
        if not isinstance(reply, dict):
            raise ChainError(f"{self.name} answered {method} with nonsense", got=str(reply)[:200])
        if "error" in reply:
            raise ChainError(f"{self.name} refused {method}", got=str(reply["error"]))
        return reply.get("result")

    def mine(self, blocks: int) -> None:
        """Mine empty blocks; only a chain of our own can be told to.

        Raises:
            ChainError: the chain is a public one.
        """
        if not self.is_local:
            raise ChainError(
                "can't mine on this chain",
                got=self.name,
                hint="wait for its blocks with wait_for_block",
            )
        self.rpc("anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:
        """Whether each transaction is mined at once; only a chain of our own can be told.

        Raises:
            ChainError: the chain is a public one.
        """
        if not self.is_local:
            raise ChainError("can't tell this chain when to mine", got=self.name)
        self.rpc("evm_setAutomine", on)

    def queue(self, raw: bytes) -> None:
        """Hand a signed transaction to the node, for one of the next blocks."""
        self.rpc("eth_sendRawTransaction", "0x" + raw.hex())

    def header_rlp(self, number: int) -> bytes:
        """Return the RLP of a block's header, rebuilt from JSON and checked against its hash."""
        block = self.rpc("eth_getBlockByNumber", hex(number), False)
        if block is None:
            raise ChainError("no such block", got=number, hint="it may not be mined yet")
        return header_rlp(block)

    def code(self, address: str) -> bytes:
        """Return the runtime code at an address."""
        return bytes(HexBytes(self.rpc("eth_getCode", to_checksum_address(address), "latest")))

    def market(self) -> Market:
        """Return what gas costs now: base fee of the next block, and the node's usual tip."""
        history = self.rpc("eth_feeHistory", "0x1", "latest", [])
        base = int(str(history["baseFeePerGas"][-1]), 16)
        return Market(base, int(str(self.rpc("eth_maxPriorityFeePerGas")), 16))

    def genesis(self) -> str:
        """Return the hash of block 0, which tells chains of one id apart; empty if not kept."""
        block = self.rpc("eth_getBlockByNumber", "0x0", False)
        return "" if block is None else str(block["hash"])

    def close(self) -> None:
        """Stop the node if it was started here."""
        if self._process is not None:
            self._process.close()


def revert_of(error: ContractLogicError) -> Reverted:
    """Return the revert data that web3 found in a node's error."""
    data = error.data
    if isinstance(data, dict):
        data = next(iter(data.values()), None)
    if isinstance(data, str) and data.startswith("0x"):
        return Reverted(bytes(HexBytes(data)))
    return Reverted(b"")
