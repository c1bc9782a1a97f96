"""What the project file's tables are made of: strict models, number types, errors with a key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_REFERENCE = re.compile(r"(?:[^:]+\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*")

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[Finite, Field(ge=0.0, lt=1.0)]
NotNegative = Annotated[Finite, Field(ge=0.0)]
Positive = Annotated[Finite, Field(gt=0.0)]


def is_reference(text: str) -> bool:
    """Say whether ``text`` has the form ``FILE.py:function`` or ``package.module:function``."""
    return _REFERENCE.fullmatch(text) is not None


class Table(BaseModel):
    """A table of the project file: unknown keys, and values of another type, are refused."""

    # hide_input: the text of a pydantic error, seen in tracebacks, must not spell out a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def refuse_others(
    table: BaseModel, taken: tuple[str, ...], all_keys: Iterable[Iterable[str]], because: str
) -> None:
    """Refuse a key that is given but belongs to another choice than the one made."""
    for key in sorted({key for keys in all_keys for key in keys} - set(taken)):
        if (given := getattr(table, key)) is not None:
            raise wrong(key, f"nothing, because {because}", given)


def require_reference(key: str, value: str, *, also: str = "") -> None:
    """Refuse what `is_reference` does not know; `also` says what else would be allowed."""
    if not is_reference(value):
        expected = f"{also}'FILE.py:function' or 'package.module:function'"
        raise wrong(key, expected, value)


def wrong(key: str, expected: str, got: object) -> PydanticCustomError:
    """The error of a rule of ours; `key` is relative to the table that checks, dots go deeper."""
    # Carried in the context, so that load_project can say expected and got separately.
    context = {"key": key, "expected": expected, "got": got}
    return PydanticCustomError("project_rule", "{key}: expected {expected}", context)
