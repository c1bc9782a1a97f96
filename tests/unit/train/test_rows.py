"""Rows to infer: JSON and CSV, by name and by position."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zkdescent.core.errors import DataError
from zkdescent.train.rows import load_rows

NAMES = ("a", "b")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one.json", "[1, 2.5]"),
        ("many.json", "[[1, 2.5]]"),
        ("named.json", '{"b": 2.5, "a": 1, "id": "x"}'),
        ("named.json", '[{"b": 2.5, "a": 1}]'),
        ("rows.csv", "b,id,a\n2.5,x,1\n"),
    ],
)
def test_one_row_in_every_form(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert np.array_equal(load_rows(tmp_path / name, NAMES), [[1.0, 2.5]])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", "{", "not JSON"),
        ("x.json", "3", "holds no rows"),
        ("x.json", "[]", "no rows"),
        ("x.json", "[1, 2, 3]", "wrong number of values"),
        ("x.json", '[[1, 2], "ab"]', "wrong number of values"),
        ("x.json", '[1, "2"]', "not a number"),
        ("x.json", "[1, true]", "not a number"),
        ("x.json", "[1, null]", "not a number"),
        ("x.json", "[[1, 2], [1, NaN]]", "row 2, column 'b'"),
        ("x.json", '{"a": 1, "bb": 2}', "missing from the input"),
        ("x.csv", "a,bb\n1,2\n", "missing from the input"),
        ("x.csv", "a,b\n", "no rows"),
        ("x.csv", "a,b\n1,nan\n", "not a finite number"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load_rows(tmp_path / name, NAMES)


@pytest.mark.parametrize("name", ["x.json", "x.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_rows(tmp_path / name, NAMES)


def test_a_number_beyond_floats_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[[1" + "0" * 400 + ", 1, 2]]")
    with pytest.raises(DataError, match="too large"):
        load_rows(path, ("a", "b", "c"))
