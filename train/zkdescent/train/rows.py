"""Read rows to infer: JSON or CSV, in raw units, by name or by position."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zkdescent.core.errors import DataError, suggestion
from zkdescent.train._arrays import FloatArray, as_matrix, check_finite
from zkdescent.train._sources import from_csv


def load_rows(path: Path, feature_names: tuple[str, ...], *, delimiter: str = ",") -> FloatArray:
    """Return the feature rows of a file, (n, d), in the order of ``feature_names``.

    JSON holds one row or a list of rows; a row is a list of d numbers, or an object of numbers by
    feature name (more names are ignored). CSV has a header with the names, in any order.

    Raises:
        DataError: missing file, neither JSON nor CSV, a missing feature, a wrong count, a value
            that isn't a finite number.
    """
    if path.suffix.lower() != ".json":
        table = from_csv(path, delimiter=delimiter)
        for name in feature_names:
            if name not in table.names:
                raise _missing(name, table.names, str(path))
        rows = table.select(feature_names)
    else:
        rows = _from_json(path, feature_names)
    if len(rows) == 0:
        raise DataError("the input has no rows", expected="at least 1 row", path=path)
    check_finite(rows, feature_names, path=str(path))
    return rows


def _from_json(path: Path, feature_names: tuple[str, ...]) -> FloatArray:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError("the input file does not exist", expected=path.name, path=path) from error
    except (OSError, ValueError) as error:
        raise DataError("the input file is not JSON", got=str(error), path=path) from error
    is_one_row = isinstance(content, dict) or (
        isinstance(content, list) and content and not isinstance(content[0], list | dict)
    )
    rows = [content] if is_one_row else content
    if not isinstance(rows, list):
        raise DataError(
            "the input file holds no rows",
            expected="a row or a list of rows",
            got=type(content).__name__,
            path=path,
        )
    if not rows:
        return np.zeros((0, len(feature_names)))
    parsed = [_row(row, i, feature_names, path) for i, row in enumerate(rows)]
    return as_matrix(parsed, "the input", path=str(path))


def _row(row: Any, index: int, feature_names: tuple[str, ...], path: Path) -> list[float]:
    where = f"{path}: row {index + 1}"
    if isinstance(row, dict):
        for name in feature_names:
            if name not in row:
                raise _missing(name, tuple(row), where)
        row = [row[name] for name in feature_names]
    if not isinstance(row, list) or len(row) != len(feature_names):
        raise DataError(
            "a row has the wrong number of values",
            expected=f"{len(feature_names)}: {', '.join(feature_names)}",
            got=len(row) if isinstance(row, list) else type(row).__name__,
            path=where,
        )
    for value, name in zip(row, feature_names, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(
                f"the value of {name!r} is not a number", expected="a number", got=value, path=where
            )
    try:
        return [float(value) for value in row]
    except OverflowError as error:
        raise DataError(
            "a value is too large", expected="a number that a float can hold", path=where
        ) from error


def _missing(name: str, names: tuple[str, ...], where: str) -> DataError:
    return DataError(
        "a feature of the model is missing from the input",
        expected=name,
        path=where,
        hint=suggestion(name, names, what="names there"),
    )
