"""Tables of named columns from CSV, NPZ, scikit-learn's bundled sets and factories."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zkdescent.core.errors import DataError, ToolMissing, ZkDescentError, suggestion
from zkdescent.train._arrays import FloatArray, as_matrix, check_finite

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
"""scikit-learn's sets that come with the package; the others would be downloaded."""


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns. ``select`` returns some of them as numbers, (n, len(names)).

    A table may hold columns that aren't numbers, as long as nobody selects them.
    ``default_targets`` are the names used when the project file names no target.
    """

    names: tuple[str, ...]
    default_targets: tuple[str, ...]
    select: Callable[[tuple[str, ...]], FloatArray]
    origin: str


def from_csv(path: Path, *, delimiter: str = ",") -> Table:
    """Read a CSV file with a header line; values are decimal numbers.

    Raises:
        DataError: missing file, no header, a repeated name, a line of another length; on
            selection a value that is not a finite number. Line and column are named.
    """
    if not path.is_file():
        near = [p.name for p in sorted(path.parent.glob("*"))] if path.parent.is_dir() else []
        raise DataError(
            "the data file does not exist",
            expected=path.name,
            path=path,
            hint=suggestion(path.name, near, what="files there"),
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("the file is not readable as CSV", got=str(error), path=path) from error
    if not lines:
        raise DataError("the data file is empty", expected="a header and rows", path=path)
    names = tuple(cell.strip() for cell in lines[0][1])
    _check_header(names, path)
    rows = lines[1:]
    for line, cells in rows:
        if len(cells) != len(names):
            raise DataError(
                "a line has another number of values than the header",
                expected=len(names),
                got=len(cells),
                path=f"{path}:{line}",
                hint="check the delimiter; it can be set in [data] delimiter",
            )

    def select(wanted: tuple[str, ...]) -> FloatArray:
        columns = [names.index(name) for name in wanted]
        values = [[_number(c[i], names[i], path, line) for i in columns] for line, c in rows]
        return np.array(values, dtype=np.float64).reshape(len(rows), len(wanted))

    return Table(names, (), select, str(path))


def from_npz(path: Path) -> Table:
    """Read an NPZ file with the arrays ``features`` (n, d) and ``targets`` (n,) or (n, t).

    The string arrays ``feature_names`` and ``target_names`` are optional.

    Raises:
        DataError: missing file, not an NPZ file, an array missing, lengths that don't match.
    """
    if not path.is_file():
        raise DataError("the data file does not exist", expected=path.name, path=path)
    try:
        # Without pickle: an object array would run code from the file.
        # A stream of our own: numpy leaves its file open when the content is not an archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy, zipfile and zlib raise whatever a spoiled file makes them
        raise DataError(
            "the file is not readable as NPZ without pickle",
            got=str(error),
            path=path,
            hint="write it with numpy.savez(path, features=..., targets=...) and plain numbers",
        ) from error
    for key in ("features", "targets"):
        if key not in arrays:
            raise DataError(
                f"the NPZ file has no array {key!r}",
                expected="the arrays 'features' and 'targets'",
                got=sorted(arrays),
                path=path,
                hint=suggestion(key, sorted(arrays), what="arrays there"),
            )
    names = {
        key: tuple(str(name) for name in arrays[key].ravel()) if key in arrays else ()
        for key in ("feature_names", "target_names")
    }
    return from_arrays(
        arrays["features"],
        arrays["targets"],
        feature_names=names["feature_names"],
        target_names=names["target_names"],
        origin=str(path),
    )


def from_sklearn(name: str) -> Table:
    """Read one of scikit-learn's bundled sets; nothing is downloaded.

    Raises:
        DataError: unknown name. ToolMissing: scikit-learn isn't installed.
    """
    if name not in BUNDLED:
        raise DataError(
            "scikit-learn bundles no such set",
            got=name,
            hint=suggestion(name, BUNDLED, what="sets"),
        )
    try:
        import sklearn.datasets
    except ImportError as error:
        raise ToolMissing(
            "scikit-learn is not installed", hint="pip install 'zkdescent[train]'"
        ) from error
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    targets = as_matrix(bunch.target, "targets")
    several = targets.shape[1] > 1
    return from_arrays(
        bunch.data,
        targets,
        feature_names=tuple(str(n) for n in bunch.feature_names),
        target_names=tuple(str(n) for n in bunch.target_names) if several else ("target",),
        origin=f"scikit-learn's {name}",
    )


def from_factory(factory: Callable[[], Any], reference: str) -> Table:
    """Call the user's factory, which returns ``(features, targets)`` as arrays or tensors.

    Raises:
        DataError: the factory raises, or returns something else.
    """
    try:
        result = factory()
    except ZkDescentError:
        raise
    except Exception as error:
        raise DataError(
            f"the data factory raised {type(error).__name__}", got=str(error), path=reference
        ) from error
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise DataError(
            "the data factory returned something else than a pair",
            expected="(features, targets)",
            got=type(result).__name__,
            path=reference,
        )
    return from_arrays(result[0], result[1], origin=reference)


def from_arrays(
    features: Any,
    targets: Any,
    *,
    feature_names: tuple[str, ...] = (),
    target_names: tuple[str, ...] = (),
    origin: str,
) -> Table:
    """Make a table of two arrays; missing names become x0, x1, ... and y (or y0, y1, ...).

    Raises:
        DataError: shapes or names that don't match, values that are not finite numbers.
    """
    x = as_matrix(features, "features", path=origin)
    y = as_matrix(targets, "targets", path=origin)
    if len(x) != len(y):
        raise DataError(
            "features and targets have different numbers of rows",
            expected=f"{len(x)} rows of targets",
            got=len(y),
            path=origin,
        )
    x_names = feature_names or tuple(f"x{i}" for i in range(x.shape[1]))
    y_default = ("y",) if y.shape[1] == 1 else tuple(f"y{i}" for i in range(y.shape[1]))
    y_names = target_names or y_default
    for what, names, array in (("feature", x_names, x), ("target", y_names, y)):
        if len(names) != array.shape[1]:
            raise DataError(
                f"the {what} names don't match the columns",
                expected=array.shape[1],
                got=len(names),
                path=origin,
            )
    names = (*x_names, *y_names)
    if len(set(names)) != len(names):
        raise DataError("two columns have one name", got=names, path=origin)
    values = np.concatenate([x, y], axis=1)

    def select(wanted: tuple[str, ...]) -> FloatArray:
        chosen: FloatArray = values[:, [names.index(name) for name in wanted]]
        check_finite(chosen, wanted, path=origin)
        return chosen

    return Table(names, y_names, select, origin)


def _check_header(names: tuple[str, ...], path: Path) -> None:
    for name in names:
        if not name or _is_number(name):
            raise DataError(
                "the first line must hold the names of the columns",
                got=name or "an empty name",
                path=f"{path}:1",
                hint="add a header line, such as a,b,y",
            )
        if names.count(name) > 1:
            raise DataError("two columns have one name", got=name, path=f"{path}:1")


def _number(text: str, column: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"a value of column {column!r} is not a finite number",
            expected="a finite number",
            got=text.strip() or "an empty cell",
            path=f"{path}:{line}",
            hint="remove the row, or fill the value in; a circuit has no NaN",
        )
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
