"""Do what a chain lacks until it stays done: reorganisations take back what was mined."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from zkdescent.core.errors import ChainError

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain

_PASSES = 5


def until_settled(chain: Chain, send_missing: Callable[[], Iterable[Action]]) -> tuple[Action, ...]:
    """Send what is missing, wait until it is deep enough, and look again if something fell out.

    Args:
        send_missing: reads the chain and sends only what it lacks; returns what it found or did.

    Returns:
        Every action once; where one had to be sent again, the last time.

    Raises:
        ChainError: things kept falling out.
    """
    done: dict[str, Action] = {}
    for _ in range(_PASSES):
        for action in send_missing():
            if action.sent or action.name not in done:
                done[action.name] = action
        if chain.confirm():
            return tuple(done.values())
    raise ChainError(
        "the chain keeps taking back what was sent",
        got=chain.name,
        expected=f"{chain.confirmations} confirmations",
        hint="wait until the chain is stable, then run the command again",
    )
