"""Canonical JSON, and the typed codec of the records that cross a border.

Canonical JSON: UTF-8, sorted keys, no spaces, integers as integers of any size, bytes as
``0x`` + lowercase hex, no NaN or infinity, one newline at the end. Equal values therefore have
equal bytes and equal hashes.

Worked example: ``{"b": b"\\x01\\xff", "a": 2}`` is ``{"a":2,"b":"0x01ff"}`` and a newline, in hex
``7b2261223a322c2262223a22307830316666227d0a``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from zkdescent.core.errors import ArtefactError, suggestion

_DEEPEST = 64
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def canonical_json(value: object) -> bytes:
    """Return the canonical JSON bytes of a JSON-like value (bytes and tuples allowed).

    Raises:
        ArtefactError: a value has no canonical form (NaN, infinity, an unknown type).
    """
    try:
        text = json.dumps(
            encode(value),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
        return text.encode() + b"\n"
    except ValueError as error:  # of which UnicodeEncodeError is one
        raise ArtefactError(
            "a value has no canonical JSON form",
            got=ascii(str(error)),
            hint="NaN, infinity and half characters are not JSON; replace them before storing",
        ) from error


def parse_json(data: bytes, *, path: str | None = None) -> Any:
    """Parse JSON bytes; NaN, infinity, repeated keys and deep nesting are refused.

    The depth is looked at first: py-evm raises the interpreter's recursion limit so far that the
    parser would overflow the C stack, which ends the process, before it met the limit.

    Raises:
        ArtefactError: not JSON.
    """
    try:
        text = shallow_json(data)
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if "\\u" in text:
            # Half of a surrogate pair is no text: it could be neither printed nor stored again.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise ArtefactError(
            "this is not the JSON that was written",
            got=str(error),
            path=path,
            hint="the file was cut short or edited; make it again with the command that wrote it",
        ) from error


def encode(value: object) -> Any:
    """Return ``value`` with records, tuples and bytes turned into JSON's own types."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, bytes | bytearray):
        return "0x" + bytes(value).hex()
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ArtefactError("a JSON object needs strings as keys", got=list(value))
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ArtefactError(
        "a value of this type has no JSON form",
        expected="bool, int, float, str, bytes, list, tuple, mapping or record",
        got=type(value).__name__,
    )


class Record:
    """Base of the frozen, slotted dataclasses with a strict JSON form.

    ``FORMAT``, where set, is written as the key ``format`` and must be there on reading.
    Unknown keys, missing keys and values of the wrong type are refused by name.
    """

    __slots__ = ()
    FORMAT: ClassVar[str | None] = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object (bytes as 0x-hex, tuples as lists)."""
        fields = dataclasses.fields(typing.cast(Any, self))
        record = {field.name: encode(getattr(self, field.name)) for field in fields}
        return record if self.FORMAT is None else {"format": self.FORMAT, **record}

    @classmethod
    def from_json(cls, value: object, *, path: str | None = None) -> Self:
        """Read the record back.

        Raises:
            ArtefactError: wrong format tag, a missing or unknown key, a value of a wrong type.
        """
        return typing.cast(Self, _decode_record(cls, value, path or cls.__name__))


class SparseRecord(Record):
    """A record whose ``SPARSE`` fields are not written while they hold their default.

    What a field of a later release says about artefacts of an earlier one is then nothing, and
    their bytes stay what they were.
    """

    __slots__ = ()
    SPARSE: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, without the fields that hold their default."""
        record = Record.to_json(self)
        for entry in dataclasses.fields(typing.cast(Any, self)):
            if entry.name in self.SPARSE and getattr(self, entry.name) == entry.default:
                del record[entry.name]
        return record


def _decode_record(cls: type[Record], value: object, path: str) -> Record:
    if not isinstance(value, dict):
        raise _wrong("an object", value, path)
    given = dict(value)
    if cls.FORMAT is not None and (tag := given.pop("format", None)) != cls.FORMAT:
        raise ArtefactError(
            "unknown file format",
            expected=cls.FORMAT,
            got=tag,
            path=path,
            hint="this file is of another kind, or was written by another version of zkdescent",
        )
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    for key in given:
        if key not in fields:
            raise ArtefactError(
                "unknown key", got=key, path=path, hint=suggestion(key, fields, what="keys")
            )
    types_by_name = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        if name in given:
            arguments[name] = decode(types_by_name[name], given[name], path=f"{path}.{name}")
        elif field.default is dataclasses.MISSING and (
            field.default_factory is dataclasses.MISSING
        ):
            raise ArtefactError("missing key", expected=name, path=path)
    return cls(**arguments)


def decode(kind: Any, value: object, *, path: str) -> Any:
    """Turn a parsed JSON value into ``kind``, refusing everything that isn't exactly that.

    Raises:
        ArtefactError: the value is of another type; ``path`` says where.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in (Any, object):
        return value
    if isinstance(kind, type) and issubclass(kind, Record):
        return _decode_record(kind, value, path)
    if kind is bytes:
        return _decode_bytes(value, path)
    if kind in (bool, int, str):
        # bool is a subclass of int: compare exact types.
        if type(value) is not kind:
            raise _wrong(kind.__name__, value, path)
        return value
    if kind is float:
        if type(value) not in (int, float):
            raise _wrong("a number", value, path)
        return float(typing.cast(float, value))
    if origin is Literal:
        if value not in arguments or type(value) is not str:
            raise _wrong(" | ".join(arguments), value, path)
        return value
    if origin in (Union, types.UnionType) and type(None) in arguments:
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else decode(inner, value, path=path)
    if origin is tuple:
        return _decode_tuple(arguments, value, path)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong("an object", value, path)
        return {k: decode(arguments[1], v, path=f"{path}.{k}") for k, v in value.items()}
    raise TypeError(f"no codec for {kind!r}")


def _decode_bytes(value: object, path: str) -> bytes:
    if isinstance(value, str) and value.startswith("0x") and value == value.lower():
        try:
            # fromhex skips blanks, which would give two spellings to one value.
            if not any(character.isspace() for character in value):
                return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise _wrong("0x and an even number of lowercase hex digits", value, path)


def _decode_tuple(arguments: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong("a list", value, path)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        raise _wrong(f"a list of {len(arguments)}", f"a list of {len(value)}", path)
    pairs = zip(arguments, value, strict=True)
    return tuple(decode(a, item, path=f"{path}[{i}]") for i, (a, item) in enumerate(pairs))


def _wrong(expected: str, got: object, path: str) -> ArtefactError:
    return ArtefactError("a value has the wrong form", expected=expected, got=got, path=path)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object holds one key twice")
    return result


def shallow_json(data: bytes) -> str:
    """Return JSON bytes as text, unless they are nested deeper than anything that is read here.

    UTF-8 and nothing else: given bytes, Python's parser would guess, and in UTF-16 brackets can
    stand where this looks for strings.

    Raises:
        ValueError: they are, or are not UTF-8.
    """
    text = data.decode("utf-8-sig")
    if data.count(b"[") + data.count(b"{") <= _DEEPEST:
        return text
    depth = 0
    for token in _TOKENS.finditer(data):
        character = token.group()
        if character in (b"[", b"{"):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"nested deeper than {_DEEPEST}")
        elif character in (b"]", b"}"):
            depth -= 1
    return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
