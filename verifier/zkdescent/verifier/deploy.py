"""Deploy the contracts once per chain, and check that what is there is what was shipped."""

from __future__ import annotations

from dataclasses import dataclass, fields

from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.core.records import Record
from zkdescent.verifier._create2 import FACTORY, FACTORY_CODE, factory_call, predict_address
from zkdescent.verifier.actions import Action, done
from zkdescent.verifier.addresses import (
    CONTRACT_NAMES,
    Addresses,
    init_codes,
    predicted_addresses,
    runtime_code_hashes,
)
from zkdescent.verifier.chain import Chain


@dataclass(frozen=True, slots=True)
class Deployment(Record):
    """A deployment that was found or made; actions without a transaction found it done."""

    addresses: Addresses
    actions: tuple[Action, ...]


def deploy_code(chain: Chain, init_code: bytes, *, action: str) -> Action:
    """Deploy any init code through the factory, unless it is there, at its predicted address.

    Raises:
        ChainError: the chain has no factory, or the deployment left no code.
        ContractRejected: the constructor reverted.
    """
    address = predict_address(init_code)
    if chain.code(address):
        return Action(action)
    _require_factory(chain)
    try:
        receipt = chain.send_data(FACTORY, factory_call(init_code), action=action)
    except (ContractRejected, ChainError):
        if chain.code(address):  # an earlier process, or somebody else, was first
            return Action(action)
        raise
    if not chain.code(address):
        raise ChainError(f"{action}: there is no code after deployment", got=address)
    return done(action, receipt)


def ensure_deployed(chain: Chain) -> Deployment:
    """Deploy what is missing and check the code of every contract; sends nothing if all is there.

    Raises:
        ChainError: the chain has no CREATE2 factory, or other code at one of the addresses.
    """
    actions = tuple(
        deploy_code(chain, code, action=f"deploy {CONTRACT_NAMES[key]}")
        for key, code in init_codes().items()
    )
    return Deployment(check_deployed(chain), actions)


def check_deployed(chain: Chain) -> Addresses:
    """Return the addresses if every contract is on the chain with exactly the shipped code.

    Raises:
        ChainError: a contract is missing, or its code is other code.
    """
    addresses = predicted_addresses()
    for field in fields(Addresses):
        address = str(getattr(addresses, field.name))
        code = chain.code(address)
        if not code:
            raise ChainError(
                f"{CONTRACT_NAMES[field.name]} is not on this chain",
                expected=address,
                got=chain.name,
                hint="deploy first: zkdescent deploy",
            )
        expected = runtime_code_hashes()[field.name]
        if keccak(code) != expected:
            raise ChainError(
                f"other code where {CONTRACT_NAMES[field.name]} should be",
                expected=expected,
                got=keccak(code),
                path=address,
                hint="do not use this chain: its factory or its node is not what it says",
            )
    return addresses


def _require_factory(chain: Chain) -> None:
    code = chain.code(FACTORY)
    if code != FACTORY_CODE:
        raise ChainError(
            "the CREATE2 factory is not on this chain",
            expected=FACTORY,
            got="other code" if code else "no code",
            hint="deploy it with its presigned transaction "
            "(github.com/Arachnid/deterministic-deployment-proxy), then deploy again",
        )
