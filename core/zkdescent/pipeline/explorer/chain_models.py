"""Models of a chain, for pages: which were minted, and where one comes from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zkdescent.core.errors import ChainError

if TYPE_CHECKING:
    from zkdescent.verifier import Chain, Model
    from zkdescent.verifier.lineage import Ancestor

MOST_MODELS = 200
_FRESH_S = 5.0
_FEW_BLOCKS = 9_000  # what public nodes give at once


class ChainModels:
    """Reads models over a node, one question at a time; answers stay for some seconds."""

    def __init__(self, open_chain: Callable[[], Chain]) -> None:
        self._open = open_chain
        self._chain: Chain | None = None
        self._lock = threading.Lock()
        self._kept: dict[object, tuple[float, Any]] = {}

    @classmethod
    def over(cls, url: str) -> ChainModels:
        """Read over the node at a URL, which is asked when the first page is."""
        from zkdescent.verifier import Chain

        return cls(lambda: Chain.reader(url))

    @property
    def name(self) -> str:
        """What the chain is called, and its id.

        Raises:
            ChainError: the node does not answer.
        """
        return str(self._answer("name", lambda chain: f"{chain.name} ({chain.chain_id})"))

    def newest(self) -> tuple[list[Model], int]:
        """Return the newest models, newest first, and from which block on they were looked for.

        Raises:
            ChainError: the node does not answer, or the contracts are not there.
        """
        found: tuple[list[Model], int] = self._answer("newest", _newest)
        return found

    def lineage(self, model_id: int) -> tuple[Ancestor, ...]:
        """Return a model and its ancestors; raises as `zkdescent.verifier.lineage.lineage`."""
        found: tuple[Ancestor, ...] = self._answer(
            model_id, lambda chain: _lineage(chain, model_id)
        )
        return found

    def close(self) -> None:
        """Let go of the node."""
        with self._lock:
            if self._chain is not None:
                self._chain.close()
            self._chain = None

    def _answer(self, question: object, ask: Callable[[Chain], Any]) -> Any:
        with self._lock:
            asked_at, answer = self._kept.get(question, (-_FRESH_S, None))
            if time.monotonic() - asked_at < _FRESH_S:
                return answer
            if self._chain is None:
                self._chain = self._open()
            answer = ask(self._chain)
            if len(self._kept) > MOST_MODELS:
                self._kept.clear()
            self._kept[question] = (time.monotonic(), answer)
            return answer


def _newest(chain: Chain) -> tuple[list[Model], int]:
    from zkdescent.verifier import RegistryClient, check_deployed

    registry, since = RegistryClient(chain, check_deployed(chain)), 0
    try:
        ids = registry.minted()
    except ChainError:
        # Most public nodes refuse to search a whole chain at once.
        since = max(0, chain.block_number - _FEW_BLOCKS)
        ids = registry.minted(since=since)
    models = [registry.model(model_id) for model_id in reversed(ids[-MOST_MODELS:])]
    return [model for model in models if model is not None], since


def _lineage(chain: Chain, model_id: int) -> tuple[Ancestor, ...]:
    from zkdescent.verifier import check_deployed
    from zkdescent.verifier.lineage import lineage

    return lineage(chain, model_id, check_deployed(chain))
