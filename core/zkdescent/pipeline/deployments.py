"""Where this project's contracts are, by chain: recorded when deployed, checked when read.

Addresses follow from the code (CREATE2), so the record is not needed to find them. It says what was
there when somebody looked: on which chain, with which code. A chain that answers with other code
now is not the chain that was deployed to.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from zkdescent.core.errors import ChainError
from zkdescent.core.records import Record
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import DEPLOYMENTS
from zkdescent.pipeline.verifiers import Verifiers

if TYPE_CHECKING:
    from zkdescent.verifier import Chain


@dataclass(frozen=True, slots=True)
class DeployedContract(Record):
    """A contract: checksummed address, and keccak256 of its code on the chain."""

    name: str
    address: str
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class ChainDeployment(Record):
    """What a chain held. ``genesis`` is the hash of its block 0: development chains share ids."""

    chain_id: int
    chain: str
    genesis: str
    contracts: tuple[DeployedContract, ...]


@dataclass(frozen=True, slots=True)
class Deployments(Record):
    """The file: what each chain held, by chain id."""

    FORMAT: ClassVar[str | None] = "zkdescent.deployments/1"

    chains: dict[str, ChainDeployment]


def read_deployments(store: ArtefactStore) -> Deployments:
    """Return what is recorded; nothing if nothing was deployed yet."""
    if DEPLOYMENTS not in store.names(DEPLOYMENTS):
        return Deployments({})
    return Deployments.from_json(store.read_json(DEPLOYMENTS), path=DEPLOYMENTS)


def record_deployment(store: ArtefactStore, chain: Chain, verifiers: Verifiers) -> ChainDeployment:
    """Record the contracts that the chain holds now, in the place of what it held before."""
    from eth_utils.crypto import keccak

    from zkdescent.verifier import predicted_addresses
    from zkdescent.verifier._create2 import predict_address
    from zkdescent.verifier.addresses import CONTRACT_NAMES

    addresses = predicted_addresses()
    places = [(CONTRACT_NAMES[f.name], getattr(addresses, f.name)) for f in fields(addresses)]
    places += [(f"{role} verifier", predict_address(c)) for role, c in verifiers.init_codes.items()]
    found = tuple(
        DeployedContract(name, address, keccak(code))
        for name, address in places
        if (code := chain.code(address))
    )
    made = ChainDeployment(chain.chain_id, chain.name, chain.genesis(), found)
    known = read_deployments(store).chains
    if known.get(str(chain.chain_id)) != made:
        store.write_json(DEPLOYMENTS, Deployments({**known, str(chain.chain_id): made}))
    return made


def check_deployment(store: ArtefactStore, chain: Chain) -> tuple[DeployedContract, ...]:
    """Return the recorded contracts that are missing on the chain.

    None if nothing is recorded for it, or what is recorded is about another chain of the same id.

    Raises:
        ChainError: there is other code at a recorded address.
    """
    from eth_utils.crypto import keccak

    recorded = read_deployments(store).chains.get(str(chain.chain_id))
    if recorded is None or recorded.genesis != chain.genesis():
        return ()
    missing = []
    for contract in recorded.contracts:
        code = chain.code(contract.address)
        if not code:
            missing.append(contract)
        elif keccak(code) != contract.code_hash:
            raise ChainError(
                f"{contract.name} has other code than when it was deployed",
                expected=contract.code_hash,
                got=keccak(code),
                path=contract.address,
                hint=f"the node is not the chain it was, or {DEPLOYMENTS} was edited: "
                "compare with another node before sending anything",
            )
    return tuple(missing)
