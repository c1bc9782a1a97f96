"""What each action cost on which chain, remembered for the closing table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import GAS

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain


def record_gas(store: ArtefactStore, chain: Chain, actions: Iterable[Action]) -> None:
    """Remember what each action cost on this chain; later runs that find it done keep it."""
    known = read_gas(store)
    here = known.setdefault(str(chain.chain_id) + ":" + chain.name, {})
    here.update({action.name: action.gas for action in actions if action.sent})
    store.write_json(GAS, known)


def read_gas(store: ArtefactStore) -> dict[str, dict[str, int]]:
    """Gas by chain and action, as recorded."""
    if GAS not in store.names(GAS):
        return {}
    gas: dict[str, dict[str, int]] = store.read_json(GAS)
    return gas
