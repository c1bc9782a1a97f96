"""Array types, and the checks that every array from outside passes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdescent.core.errors import DataError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


def as_matrix(value: Any, what: str, *, path: str | None = None) -> FloatArray:  # (n, columns)
    """Return an array-like as a float64 matrix; one dimension becomes one column.

    Raises:
        DataError: not numeric, or not one or two dimensions.
    """
    try:
        # Tensors convert by themselves; complex and text do not convert safely.
        raw = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if raw.dtype.kind not in "biuf":
            raise TypeError(f"elements of type {raw.dtype}")
        array = raw.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what} is not an array of numbers", expected="numbers", got=str(error), path=path
        ) from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(
            f"{what} has the wrong number of dimensions",
            expected="(rows, columns)",
            got=f"shape {tuple(array.shape)}",
            path=path,
        )
    return array


def check_finite(values: FloatArray, names: tuple[str, ...], *, path: str | None = None) -> None:
    """Refuse NaN and infinity, naming the first such row (counted from 1) and its column.

    Raises:
        DataError: ``values`` (n, len(names)) holds one.
    """
    bad = np.argwhere(~np.isfinite(values))
    if bad.size == 0:
        return
    row, column = (int(i) for i in bad[0])
    raise DataError(
        f"the data holds {len(bad)} value(s) that are not finite numbers",
        expected="finite numbers",
        got=f"{values[row, column]} in row {row + 1}, column {names[column]!r}",
        path=path,
        hint="remove the row, or fill the value in; a circuit has no NaN",
    )


def seeded_order(count: int, *, seed: int, purpose: str) -> IndexArray:  # (count,)
    """Return a permutation of ``range(count)`` that any language can recompute.

    Index i is sorted by sha256(``"zkdescent.order.v1:{purpose}:{seed}:{i}"``). numpy's generators
    promise no stable stream between versions, and dataset roots depend on this order.
    """
    prefix = f"zkdescent.order.v1:{purpose}:{seed}:"
    keys = [hashlib.sha256(f"{prefix}{i}".encode()).digest() for i in range(count)]
    return np.array(sorted(range(count), key=keys.__getitem__), dtype=np.int64)
