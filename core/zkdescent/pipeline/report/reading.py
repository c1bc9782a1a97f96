"""Reading a store that may be unfinished, damaged or somebody else's: nothing here raises.

What can't be read becomes a gap of the report. JSON that no schema guards is taken apart piece by
piece: a value of the wrong type, or one that is not finite, is None.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, TypeVar

from zkdescent.core.errors import ZkDescentError
from zkdescent.core.records import parse_json
from zkdescent.core.store import MANIFEST, ArtefactStore
from zkdescent.pipeline.report.model import Gap

T = TypeVar("T")


class Reading:
    """Access to a store that remembers what was missing."""

    def __init__(self, store: ArtefactStore) -> None:
        self.store = store
        self.gaps: list[Gap] = []
        self._names = self.attempt("the list of artefacts", store.names) or ()

    def attempt(self, what: str, read: Callable[[], T]) -> T | None:
        """Return what a function returns; None and a gap if the store can't give it."""
        try:
            return read()
        except (ZkDescentError, OSError) as error:
            self.gaps.append(Gap(what=what, why=brief(error)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            # A file of the right name with other content than any version of ours wrote.
            self.gaps.append(Gap(what=what, why=f"unexpected content ({type(error).__name__})"))
        return None

    def names(self, prefix: str) -> tuple[str, ...]:
        """Listed artefacts that start with a prefix."""
        return tuple(name for name in self._names if name.startswith(prefix))

    def raw_manifest(self) -> dict[str, Any]:
        """The manifest as plain JSON; empty if there is none. Raises as `parse_json`."""
        path = self.store.root / MANIFEST
        return table(parse_json(path.read_bytes())) if path.is_file() else {}

    def json(self, name: str, what: str, command: str) -> Any:
        """Return an artefact's JSON; None and a gap if it isn't there or is damaged."""
        if name not in self._names:
            self.gaps.append(Gap(what=what, why="not made yet", command=command))
            return None
        return self.attempt(what, lambda: self.store.read_json(name))


def brief(error: Exception) -> str:
    """An error in a line, without its path: reports are published, places on a machine are not."""
    if not isinstance(error, ZkDescentError):
        return getattr(error, "strerror", None) or type(error).__name__
    pathless = copy.copy(error)
    pathless.path = None
    return str(pathless)


def number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def integer(value: object) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: object) -> str:
    """A string; "" for everything else."""
    return value if isinstance(value, str) else ""


def table(value: object) -> dict[str, Any]:
    """A JSON object; an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """A JSON list; an empty one for everything else."""
    return value if isinstance(value, list) else []
