"""What every record's fields are checked for when it is made.

Each check raises an :class:`~.errors.ArtefactError` that names the record and the field.
"""

from __future__ import annotations

import re

from zkdescent.core._codec import Record
from zkdescent.core.errors import ArtefactError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def impossible(record: Record, name: str, expected: object, got: object) -> ArtefactError:
    """The error about a field's value."""
    return ArtefactError(
        "a record holds an impossible value",
        expected=expected,
        got=got,
        path=f"{type(record).__name__}.{name}",
        hint="the file was edited or damaged; make it again with the command that wrote it",
    )


def require_size(record: Record, name: str, size: int) -> None:
    """A field of so many bytes."""
    value = getattr(record, name)
    if len(value) != size:
        raise impossible(record, name, f"{size} bytes", f"{len(value)} bytes")


def require_natural(record: Record, name: str, *, below: int | None = None) -> None:
    """A field that is 0 or more, and below a bound if there is one."""
    value = getattr(record, name)
    if value < 0 or (below is not None and value >= below):
        raise impossible(record, name, "0 or more" if below is None else f"0 to {below - 1}", value)


def require_address(record: Record, name: str) -> None:
    """A field that is an address in hex."""
    value = getattr(record, name)
    if _ADDRESS.fullmatch(value) is None:
        raise impossible(record, name, "0x and 40 hex digits", value)


def require_sha256(record: Record, name: str, value: str) -> None:
    """A field that is a sha256 in hex."""
    if _SHA256.fullmatch(value) is None:
        raise impossible(record, name, "64 lowercase hex digits", value)
