"""Data: four sources, one shape, and every unusable input named with its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.config import Project
from zkdescent.core.errors import DataError, ToolMissing
from zkdescent.core.records import canonical_json, parse_json
from zkdescent.train._arrays import seeded_order
from zkdescent.train._sources import BUNDLED, from_sklearn
from zkdescent.train.data import (
    Dataset,
    Standardizer,
    check_binary,
    check_one_hot,
    load_dataset,
    prepare,
    split,
)

MakeProject = Callable[..., Project]
CSV = 'source = "csv"\npath = "rows.csv"\ntarget = "y"'
ROWS = "a,b,y\n1,2,0\n3,4,1\n5,6,0\n7,8,1\n9,10,1\n"


def test_csv_columns_by_default_are_all_but_the_target(make_project: MakeProject) -> None:
    dataset = load_dataset(make_project(data=CSV, files={"rows.csv": ROWS}))
    assert dataset.feature_names == ("a", "b")
    assert dataset.target_names == ("y",)
    assert dataset.features.tolist()[0] == [1.0, 2.0]
    assert dataset.targets[:, 0].tolist() == [0.0, 1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("features", "expected"), [('["b"]', ("b",)), ('["b", "a"]', ("b", "a")), ("1", ("a",))]
)
def test_csv_columns_by_name_or_count(
    make_project: MakeProject, features: str, expected: tuple[str, ...]
) -> None:
    project = make_project(data=f"{CSV}\nfeatures = {features}", files={"rows.csv": ROWS})
    assert load_dataset(project).feature_names == expected


def test_csv_with_text_in_a_column_that_is_not_used(make_project: MakeProject) -> None:
    rows = "\ufeffname;a;y\nann;1;2\n\nbob; 3 ;4e1\n"
    data = f'{CSV}\ndelimiter = ";"\nfeatures = ["a"]\nvalidation = 0'
    dataset = load_dataset(make_project(data=data, files={"rows.csv": rows}))
    assert dataset.features.tolist() == [[1.0], [3.0]]
    assert dataset.targets.tolist() == [[2.0], [40.0]]


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "", "abc", "1,5"])
def test_csv_value_that_is_not_finite_is_named_by_line_and_column(
    make_project: MakeProject, value: str
) -> None:
    rows = f'a,b,y\n1,2,0\n3,"{value}",1\n'
    with pytest.raises(DataError) as caught:
        load_dataset(make_project(data=CSV, files={"rows.csv": rows}))
    assert "'b'" in caught.value.message
    assert (caught.value.path or "").endswith("rows.csv:3")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("a,b,y\n", "no rows"),
        ("1,2,0\n3,4,1\n", "names of the columns"),
        ("a,,y\n1,2,3\n", "names of the columns"),
        ("a,a,y\n1,2,3\n", "one name"),
        ("a,b,y\n1,2\n", "another number of values"),
        ('a,b,y\n1,2,"3\n', "not readable as CSV"),
        ("a,b,z\n1,2,3\n", "isn't there"),
        ("y\n1\n", "no column is left"),
    ],
)
def test_csv_that_cannot_be_used(make_project: MakeProject, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(make_project(data=CSV, files={"rows.csv": rows}))


def test_csv_that_is_not_utf8(make_project: MakeProject) -> None:
    project = make_project(data=CSV)
    (project.directory / "rows.csv").write_bytes(b"a,b,y\n\xff\xfe,1,2\n")
    with pytest.raises(DataError, match="not readable as CSV"):
        load_dataset(project)


def test_a_missing_file_suggests_the_nearest(make_project: MakeProject) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(make_project(data=CSV, files={"row.csv": ROWS}))
    assert caught.value.hint == "did you mean 'row.csv'?"


@pytest.mark.parametrize(
    ("data", "nearest"),
    [
        (CSV.replace('"y"', '"diagnose"'), "diagnosis"),
        (CSV.replace('"y"', '"diagnosis"') + '\nfeatures = ["radios"]', "radius"),
    ],
)
def test_a_missing_column_suggests_the_nearest(
    make_project: MakeProject, data: str, nearest: str
) -> None:
    rows = "radius,texture,diagnosis\n1,2,0\n"
    with pytest.raises(DataError, match="isn't there") as caught:
        load_dataset(make_project(data=data, files={"rows.csv": rows}))
    assert caught.value.hint == f"did you mean '{nearest}'?"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("features = 3", "more columns than there are"),
        ('features = ["a", "y"]', "both feature and target"),
        ('features = ["a", "a"]', "twice"),
    ],
)
def test_columns_that_make_no_sense(make_project: MakeProject, extra: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(make_project(data=f"{CSV}\n{extra}", files={"rows.csv": ROWS}))


def test_npz_with_and_without_names(make_project: MakeProject) -> None:
    project = make_project(data='source = "npz"\npath = "rows.npz"')
    path = project.directory / "rows.npz"
    np.savez(path, features=np.eye(3), targets=np.arange(3))
    assert load_dataset(project).feature_names == ("x0", "x1", "x2")
    assert load_dataset(project).target_names == ("y",)
    np.savez(path, features=np.eye(3), targets=np.eye(3, 2), feature_names=["p", "q", "r"])
    assert load_dataset(project).feature_names == ("p", "q", "r")
    assert load_dataset(project).target_names == ("y0", "y1")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": np.eye(3)}, "no array 'targets'"),
        ({"features": np.eye(3), "targets": np.arange(2)}, "different numbers of rows"),
        ({"features": np.ones((3, 2, 2)), "targets": np.arange(3)}, "dimensions"),
        ({"features": np.array([["a"]]), "targets": np.arange(1)}, "not an array of numbers"),
        ({"features": np.array([[None]]), "targets": np.arange(1)}, "without pickle"),
        ({"features": np.eye(2) * 1j, "targets": np.arange(2)}, "not an array of numbers"),
        ({"features": np.eye(2), "targets": np.arange(2), "feature_names": ["a"]}, "names"),
        ({"features": np.eye(2), "targets": np.arange(2), "feature_names": ["a", "y"]}, "one name"),
        ({"features": np.array([[1.0], [np.nan]]), "targets": np.arange(2)}, "row 2, column 'x0'"),
        ({"features": np.eye(2), "targets": np.array([1.0, np.inf])}, "row 2, column 'y'"),
    ],
)
def test_npz_that_cannot_be_used(
    make_project: MakeProject, arrays: dict[str, np.ndarray], message: str
) -> None:
    project = make_project(data='source = "npz"\npath = "rows.npz"')
    np.savez(project.directory / "rows.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        load_dataset(project)


def test_npz_that_is_missing_or_something_else(make_project: MakeProject) -> None:
    project = make_project(data='source = "npz"\npath = "rows.npz"')
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(project)
    for content in (b"not a zip file", b"PK\x03\x04 broken"):
        (project.directory / "rows.npz").write_bytes(content)
        with pytest.raises(DataError, match="not readable as NPZ"):
            load_dataset(project)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_load(name: str) -> None:
    table = from_sklearn(name)
    values = table.select(table.names)
    assert len(values) >= 20
    assert set(table.default_targets) < set(table.names)


def test_sklearn_first_features_and_a_feature_as_target(make_project: MakeProject) -> None:
    data = 'source = "sklearn"\nname = "breast_cancer"\nfeatures = 10'
    dataset = load_dataset(make_project(data=data))
    assert dataset.features.shape == (569, 10)
    assert dataset.feature_names[0] == "mean radius"
    data = 'source = "sklearn"\nname = "iris"\ntarget = "petal width (cm)"'
    dataset = load_dataset(make_project(data=data))
    # The class label is set aside: by default it is a target, never a feature.
    assert len(dataset.feature_names) == 3
    assert "target" not in dataset.feature_names


def test_sklearn_set_that_is_not_bundled(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(make_project(data='source = "sklearn"\nname = "breast_cancr"'))
    assert caught.value.hint == "did you mean 'breast_cancer'?"
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(ToolMissing):
        from_sklearn("iris")


@pytest.mark.parametrize(
    "source",
    [
        "return [[1.0, 2.0], [3.0, 4.0]], [0, 1]",
        "import numpy as np\n    return np.eye(2), np.arange(2)",
        "import torch\n    return torch.eye(2, requires_grad=True), torch.arange(2)",
    ],
)
def test_factory_returns_lists_arrays_or_tensors(make_project: MakeProject, source: str) -> None:
    dataset = load_dataset(make_project(files={"data.py": f"def load():\n    {source}\n"}))
    assert dataset.features.shape == (2, 2)
    assert dataset.targets[:, 0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise KeyError('k')", "raised KeyError"),
        ("return 3", "something else than a pair"),
        ("return [[1.0]], [[1.0], [2.0]]", "different numbers of rows"),
        ("return 'ab', [1]", "not an array of numbers"),
        ("return [[1.0], [2.0, 3.0]], [1, 2]", "not an array of numbers"),
        ("return [[float('nan')]], [1]", "row 1, column 'x0'"),
        ("return [], []", "no rows"),
    ],
)
def test_factory_that_cannot_be_used(make_project: MakeProject, source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(make_project(files={"data.py": f"def load():\n    {source}\n"}))


def test_split_is_a_partition_by_seed() -> None:
    data = Dataset.of(np.arange(50.0), np.arange(50.0))
    train, held_back = split(data, validation=0.2, seed=1)
    assert (len(train), len(held_back)) == (40, 10)
    both = np.concatenate([train.features, held_back.features])[:, 0]
    assert sorted(both) == list(range(50))
    again, _ = split(data, validation=0.2, seed=1)
    other, _ = split(data, validation=0.2, seed=2)
    assert np.array_equal(train.features, again.features)
    assert not np.array_equal(train.features, other.features)


def test_split_edges() -> None:
    data = Dataset.of([1.0, 2.0], [1.0, 2.0])
    assert [len(part) for part in split(data, validation=0.0, seed=0)] == [2, 0]
    assert [len(part) for part in split(data, validation=0.01, seed=0)] == [1, 1]
    for rows, validation in ((1, 0.1), (2, 0.9)):
        with pytest.raises(DataError, match="too few rows"):
            split(data.take([0] * rows), validation=validation, seed=0)


def test_standardizer_uses_training_rows_only(make_project: MakeProject) -> None:
    project = make_project(data=CSV, files={"rows.csv": ROWS})
    prepared, raw = prepare(project), load_dataset(project)
    train, _ = split(raw, validation=0.2, seed=0)
    assert np.allclose(prepared.train.features.mean(axis=0), 0)
    assert np.allclose(prepared.train.features.std(axis=0), 1)
    assert np.allclose(prepared.standardizer.feature_mean, train.features.mean(axis=0))
    assert not np.allclose(prepared.standardizer.feature_mean, raw.features.mean(axis=0))
    # Targets keep their units unless asked.
    assert set(prepared.train.targets[:, 0]) <= {0.0, 1.0}


def test_standardizer_can_be_off_and_can_take_targets(make_project: MakeProject) -> None:
    files = {"rows.csv": ROWS}
    off = prepare(make_project(data=f"{CSV}\nstandardize = false", files=files))
    assert off.standardizer.feature_scale == (1.0, 1.0)
    assert off.train.features.max() > 5
    on = prepare(make_project(data=f"{CSV}\nstandardize_targets = true", files=files))
    assert np.allclose(on.train.targets.mean(), 0)
    raw = on.standardizer.restore_targets(on.train.targets)
    assert np.allclose(sorted(raw[:, 0]), sorted(np.round(raw[:, 0])))


@pytest.mark.parametrize("value", [0.1, 0.0, 1e9, -3.3])
def test_a_constant_column_becomes_zero(value: float) -> None:
    data = Dataset.of(np.column_stack([np.full(7, value), np.arange(7)]), np.arange(7))
    fitted = Standardizer.fit(data)
    assert fitted.feature_scale[0] == 1.0
    assert (fitted.transform(data).features[:, 0] == 0.0).all()


def test_standardizer_survives_the_store_and_refuses_other_rows() -> None:
    data = Dataset.of(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9))
    fitted = Standardizer.fit(data, targets=True)
    copy = Standardizer.from_json(parse_json(canonical_json(fitted)))
    assert copy == fitted
    assert np.array_equal(copy.transform_features(data.features), fitted.transform(data).features)
    for shape in ((3,), (3, 3)):
        with pytest.raises(DataError, match="other columns"):
            copy.transform_features(np.zeros(shape))


def test_bce_takes_zeros_and_ones_in_one_column(make_project: MakeProject) -> None:
    files = {"rows.csv": ROWS}
    prepare(make_project(data=CSV, train='loss = "bce"', files=files))
    files = {"rows.csv": ROWS.replace("7,8,1", "7,8,2")}
    project = make_project(data=CSV, train='loss = "bce"', files=files)
    with pytest.raises(DataError, match=r"targets of 0 or 1.*2.0 in row 4, column 'y'"):
        prepare(project)
    with pytest.raises(DataError, match="one target column"):
        check_binary(Dataset.of([1.0], [[1.0, 0.0]]))


def test_one_hot_targets_are_required_for_cross_entropy() -> None:
    check_one_hot(Dataset.of([[1.0], [2.0]], [[1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(DataError, match=r"row 2"):
        check_one_hot(Dataset.of([[1.0], [2.0]], [[1.0, 0.0], [1.0, 1.0]]))
    with pytest.raises(DataError, match="each class"):
        check_one_hot(Dataset.of([[1.0]], [[1.0]]))


def test_dataset_of_refuses_unequal_lengths_and_nan() -> None:
    with pytest.raises(DataError, match="differ in length"):
        Dataset.of([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="row 1, column 'y0'"):
        Dataset.of([1.0], [float("nan")])


@given(st.integers(0, 200), st.integers(0, 2**63 - 1))
def test_seeded_order_is_a_permutation(count: int, seed: int) -> None:
    assert sorted(seeded_order(count, seed=seed, purpose="p")) == list(range(count))


def test_seeded_order_is_pinned() -> None:
    # Dataset roots depend on it: a change is a breaking one.
    assert seeded_order(6, seed=0, purpose="blocks").tolist() == [2, 4, 0, 5, 1, 3]
    assert seeded_order(6, seed=0, purpose="validation").tolist() != [2, 4, 0, 5, 1, 3]
