"""What the project recorded of its chains: gas by action, contracts and their code."""

from __future__ import annotations

from typing import Any

from zkdescent.pipeline.artefacts import DEPLOYMENTS, GAS
from zkdescent.pipeline.pricing import kind_of
from zkdescent.pipeline.report.model import ChainFacts, Contract, Gap, GasItem
from zkdescent.pipeline.report.reading import Reading, integer, items, table, text

_MINT = "mint model"


def read_chains(reading: Reading) -> tuple[ChainFacts, ...]:
    """Return what is recorded of each chain, those of the gas record first."""
    gas = table(reading.json(GAS, "gas", "")) if reading.names(GAS) else {}
    stored = table(reading.json(DEPLOYMENTS, "contracts", "")) if reading.names(DEPLOYMENTS) else {}
    deployed = {key: table(value) for key, value in table(stored.get("chains")).items()}
    if not gas and not deployed:
        reading.gaps.append(
            Gap(what="gas and addresses", why="nothing was sent", command="zkdescent submit")
        )
    found = []
    for key, actions in gas.items():
        chain_id, _, name = key.partition(":")
        found.append(_chain(name, chain_id, table(actions), deployed.pop(chain_id, {})))
    for chain_id, deployment in deployed.items():
        found.append(_chain(text(deployment.get("chain")), chain_id, {}, deployment))
    return tuple(found)


def _chain(
    name: str, chain_id: str, actions: dict[str, Any], deployment: dict[str, Any]
) -> ChainFacts:
    grouped: dict[str, list[int]] = {}
    for action, value in actions.items():
        gas = integer(value)
        if gas is not None and gas >= 0:
            grouped.setdefault(kind_of(action), []).append(gas)
    contracts = tuple(
        Contract(
            name=text(contract.get("name")),
            address=text(contract.get("address")),
            code_hash=text(contract.get("code_hash")),
        )
        for contract in map(table, items(deployment.get("contracts")))
    )
    return ChainFacts(
        name=name,
        chain_id=chain_id,
        items=tuple(
            GasItem(action=kind, times=len(values), gas=sum(values))
            for kind, values in sorted(grouped.items(), key=lambda kv: -sum(kv[1]))
        ),
        contracts=contracts,
        minted=_MINT in actions,
    )
