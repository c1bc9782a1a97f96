"""Errors of web3, eth-tester, py-evm and the node, turned into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eth.exceptions import PyEVMError
from eth_tester.exceptions import TransactionFailed
from eth_tester.exceptions import ValidationError as TesterInvalid
from eth_utils.exceptions import ValidationError as EvmInvalid
from requests.exceptions import RequestException
from web3.exceptions import ContractLogicError, Web3Exception

from zkdescent.core.errors import ChainError
from zkdescent.verifier._http import revert_of
from zkdescent.verifier._reverts import Reverted, revert_error

_FOREIGN = (
    Web3Exception, RequestException, ValueError, TransactionFailed, TesterInvalid, EvmInvalid,
    PyEVMError,
)  # fmt: skip


@contextmanager
def translated(action: str, node: str) -> Iterator[None]:
    """Turn whatever they raise into a ChainError.

    Args:
        action: what was tried, in words.
        node: names the chain.
    """
    try:
        yield
    except Reverted as error:
        raise revert_error(error, action) from error
    except ContractLogicError as error:
        raise revert_error(revert_of(error), action) from error
    except RequestException as error:
        # Its text repeats the URL, which may hold an access token (see HttpNode).
        raise ChainError(f"{action}: {node} did not answer", got=type(error).__name__) from error
    except _FOREIGN as error:
        raise ChainError(f"{action}: {node} failed", got=str(error)) from error
