"""The one tree of errors. Everything the package raises on purpose is a :class:`ZkDescentError`.

An error says what failed (the message), what was expected, what was found, where (``path``) and
what to do next (``hint``). ``exit_code`` is what the command line returns for it:

====  ==================================================
1     failed: a tool, a file, a node or a prover
2     usage or configuration: the user's files need a change
3     a proof, or a chain of proofs, was rejected
====  ==================================================

Example:
    >>> error = ConfigError("unknown key", got="stpes", hint="did you mean 'steps'?")
    >>> error.exit_code
    2
    >>> print(error.diagnostics())
    unknown key
      got:      'stpes'
      hint:     did you mean 'steps'?
"""

# ruff: noqa: N818 - errors are named after what happened: ProofRejected, not ProofRejectedError.
from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

_SHOWN_CHARACTERS = 400


class ZkDescentError(Exception):
    """Base of all errors of this package.

    Instances survive pickling, so that worker processes can hand them to their parent.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        expected: object = None,
        got: object = None,
        path: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        # Only the message goes to Exception.args: unpickling calls cls(*args) and then restores
        # __dict__, which brings the keyword-only values back.
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.path = None if path is None else str(path)
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.message]
        if self.expected is not None:
            parts.append(f"expected {_describe(self.expected)}")
        if self.got is not None:
            parts.append(f"got {_show(self.got)}")
        text = "; ".join(parts)
        return f"{self.path}: {text}" if self.path is not None else text

    def diagnostics(self) -> str:
        """Return the error as lines for a person: message, path, expected, got, what to do."""
        lines = [self.message]
        if self.path is not None:
            lines.append(f"  where:    {self.path}")
        if self.expected is not None:
            lines.append(f"  expected: {_describe(self.expected)}")
        if self.got is not None:
            lines.append(f"  got:      {_show(self.got)}")
        if self.hint is not None:
            lines.append(f"  hint:     {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """Return the error as a JSON object: ``error`` (class name), message and what is known."""
        record: dict[str, object] = {
            "error": type(self).__name__,
            "message": self.message,
            "exit_code": self.exit_code,
        }
        for key, value in (("expected", self.expected), ("got", self.got)):
            if value is not None:
                is_plain = isinstance(value, str | int) and not isinstance(value, bool)
                record[key] = value if is_plain else _show(value)
        if self.path is not None:
            record["path"] = self.path
        if self.hint is not None:
            record["hint"] = self.hint
        return record


class ConfigError(ZkDescentError):
    """The project file, or an option of a command, is wrong."""

    exit_code = 2


class DataError(ZkDescentError):
    """The user's data cannot be used as it is."""

    exit_code = 2


class ModelError(ZkDescentError):
    """The user's model, loss or factory cannot be used as it is."""

    exit_code = 2


class UnsupportedOperator(ZkDescentError):
    """The traced graph holds an operator that has no proven fixed-point meaning here."""

    exit_code = 2


class RangeOverflow(ZkDescentError):
    """A value leaves the range where the declared fixed-point arithmetic is exact or provable."""

    exit_code = 2


class CircuitTooLarge(ZkDescentError):
    """No circuit that prover, machine and contracts can hold does what the project asks for."""

    exit_code = 2


class ArtefactError(ZkDescentError):
    """A stored artefact is missing, damaged, malformed or locked by another process."""


class ProverError(ZkDescentError):
    """The prover failed, or its output is not what the rules of this package allow."""


class ChainError(ZkDescentError):
    """A chain could not be reached, or refused for a reason that has nothing to do with proofs."""


class ToolMissing(ZkDescentError):
    """An optional package or program is not installed; the hint says how to get it."""


class ProofRejected(ZkDescentError):
    """One proof does not prove the statement it was offered for."""

    exit_code = 3


class ChainOfProofsBroken(ZkDescentError):
    """Each proof may hold by itself, but together they do not prove the run or the provenance."""

    exit_code = 3


class ContractRejected(ZkDescentError):
    """A contract refused a proof or a link of the chain of proofs with a custom error.

    ``error_name`` is the Solidity error's name, ``values`` its decoded arguments by name.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        error_name: str = "",
        values: Mapping[str, object] | None = None,
        expected: object = None,
        got: object = None,
        path: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, got=got, path=path, hint=hint)
        self.error_name = error_name
        self.values: dict[str, object] = dict(values or {})

    def to_json(self) -> dict[str, object]:
        """Return the error with the Solidity error's name and values."""
        values = {key: _show(value) for key, value in self.values.items()}
        return {**super().to_json(), "error_name": self.error_name, "values": values}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word nearest to ``word``, or None if none is near."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggestion(word: str, known: Iterable[str], *, what: str = "names") -> str:
    """Return a hint for a word that isn't known: the nearest known one, or the list of all."""
    names = list(known)
    found = nearest(word, names)
    if found is not None:
        return f"did you mean {found!r}?"
    return f"known {what}: {', '.join(names) if names else 'none'}"


def _describe(expected: object) -> str:
    # What was expected is mostly a description, not a value: no quotes around it.
    return expected if isinstance(expected, str) else _show(expected)


def _show(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        text = "0x" + bytes(value).hex()
    elif isinstance(value, str):
        text = repr(value)
    elif isinstance(value, list | tuple | set | frozenset):
        text = ", ".join(_show(item) for item in value)
    else:
        text = str(value)
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"
