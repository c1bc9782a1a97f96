"""Datasets: columns chosen, split by seed, standardised with the statistics of the training part.

Example:
    >>> import numpy as np
    >>> rows = Dataset.of([[0.0], [2.0], [4.0], [6.0]], [0, 0, 1, 1])
    >>> train, validation = split(rows, validation=0.25, seed=0)
    >>> len(train), len(validation)
    (3, 1)
    >>> scale = Standardizer.fit(train)
    >>> abs(float(scale.transform(train).features.mean())) < 1e-12
    True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zkdescent.core.config import DataTable, Project
from zkdescent.core.errors import DataError, suggestion
from zkdescent.core.records import Record
from zkdescent.train._arrays import FloatArray, as_matrix, check_finite, seeded_order
from zkdescent.train._sources import Table, from_csv, from_factory, from_npz, from_sklearn


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Rows: ``features`` (n, d) and ``targets`` (n, t), float64 and finite, with column names."""

    features: FloatArray
    targets: FloatArray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        features: Any,
        targets: Any,
        *,
        feature_names: Sequence[str] = (),
        target_names: Sequence[str] = (),
    ) -> Dataset:
        """Make a dataset of two array-likes, checked.

        Raises:
            DataError: not numbers, not finite, or lengths that don't match.
        """
        x, y = as_matrix(features, "features"), as_matrix(targets, "targets")
        if len(x) != len(y):
            raise DataError("features and targets differ in length", expected=len(x), got=len(y))
        x_names = tuple(feature_names) or tuple(f"x{i}" for i in range(x.shape[1]))
        y_names = tuple(target_names) or tuple(f"y{i}" for i in range(y.shape[1]))
        check_finite(x, x_names)
        check_finite(y, y_names)
        return cls(x, y, x_names, y_names)

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Any) -> Dataset:
        """Return the rows of an index array, in that order."""
        return Dataset(
            self.features[rows], self.targets[rows], self.feature_names, self.target_names
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardizer(Record):
    """Shift and scale per column: ``(x - mean) / scale``. The identity where nothing is asked.

    It is an artefact of training: rows to infer come in raw units and pass through the same one.
    """

    feature_names: tuple[str, ...]
    feature_mean: tuple[float, ...]
    feature_scale: tuple[float, ...]
    target_names: tuple[str, ...]
    target_mean: tuple[float, ...]
    target_scale: tuple[float, ...]

    @classmethod
    def fit(cls, train: Dataset, *, features: bool = True, targets: bool = False) -> Standardizer:
        """Take mean and population standard deviation of the training part only.

        A constant column gets scale 1, so it becomes zero and not NaN.
        """
        x_mean, x_scale = _statistics(train.features, wanted=features)
        y_mean, y_scale = _statistics(train.targets, wanted=targets)
        return cls(
            feature_names=train.feature_names,
            feature_mean=x_mean,
            feature_scale=x_scale,
            target_names=train.target_names,
            target_mean=y_mean,
            target_scale=y_scale,
        )

    def transform(self, raw: Dataset) -> Dataset:
        """Return the dataset in standard units."""
        targets = (raw.targets - np.array(self.target_mean)) / np.array(self.target_scale)
        features = self.transform_features(raw.features)
        return Dataset(features, targets, raw.feature_names, raw.target_names)

    def transform_features(self, rows: FloatArray) -> FloatArray:  # (n, d) -> (n, d)
        """Return feature rows of raw units in standard units.

        Raises:
            DataError: another number of columns than the training data had.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.feature_mean):
            raise DataError(
                "the rows have other columns than the training data",
                expected=f"{len(self.feature_mean)} columns: {', '.join(self.feature_names)}",
                got=f"shape {tuple(rows.shape)}",
            )
        result: FloatArray = (rows - np.array(self.feature_mean)) / np.array(self.feature_scale)
        return result

    def restore_targets(self, outputs: FloatArray) -> FloatArray:  # (n, t) -> (n, t)
        """Return model outputs in the units of the raw targets."""
        result: FloatArray = outputs * np.array(self.target_scale) + np.array(self.target_mean)
        return result


@dataclass(frozen=True, slots=True)
class PreparedData:
    """What training gets: both parts in standard units, and how they got there."""

    train: Dataset
    validation: Dataset
    standardizer: Standardizer


def prepare(project: Project) -> PreparedData:
    """Load the project's data, check it against the loss, split and standardise it.

    ``validation`` is empty if the project holds nothing back.

    Raises:
        DataError: missing file or column, values that aren't finite, too few rows, targets that
            don't fit the loss.
    """
    data, train = project.config.data, project.config.train
    raw = load_dataset(project)
    if train.loss in ("bce", "hinge"):
        check_binary(raw, train.loss)
    if train.loss == "cross_entropy":
        check_one_hot(raw)
    fit_part, held_back = split(raw, validation=data.validation, seed=train.seed)
    standardizer = Standardizer.fit(
        fit_part, features=data.standardize, targets=data.standardize_targets
    )
    return PreparedData(
        standardizer.transform(fit_part), standardizer.transform(held_back), standardizer
    )


def load_dataset(project: Project) -> Dataset:
    """Load the project's rows in raw units, with the columns that the project file names.

    Raises:
        DataError: as :func:`prepare`, but for the loss.
    """
    config = project.config.data
    table = _table(project)
    targets = _target_names(config, table)
    features = _feature_names(config, table, targets)
    dataset = Dataset(table.select(features), table.select(targets), features, targets)
    if len(dataset) == 0:
        raise DataError("the data has no rows", expected="at least 1 row", path=table.origin)
    return dataset


def split(dataset: Dataset, *, validation: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split rows into (training, validation) by seed; rows keep their order within a part.

    The validation part has ``round(n * validation)`` rows, at least 1 if validation > 0.

    Raises:
        DataError: too few rows for both parts.
    """
    count = len(dataset)
    held_back = 0 if validation == 0 else max(1, round(count * validation))
    if held_back >= count:
        raise DataError(
            "too few rows to hold some back for validation",
            expected=f"more than {held_back} rows",
            got=count,
            hint="add rows, or set [data] validation = 0",
        )
    order = seeded_order(count, seed=seed, purpose="validation")
    return dataset.take(np.sort(order[held_back:])), dataset.take(np.sort(order[:held_back]))


def check_one_hot(dataset: Dataset) -> None:
    """Require targets for cross entropy: a column per class, a one in one of them and zeros.

    Raises:
        DataError: a single column, or another row; it is named, counted from 1.
    """
    targets = dataset.targets
    if targets.shape[1] < 2:
        raise DataError(
            "loss = 'cross_entropy' needs a target column for each class",
            expected="2 or more columns, one-hot",
            got=targets.shape[1],
            hint="use loss = 'bce' for two classes in one column",
        )
    whole = np.isin(targets, (0.0, 1.0)).all(axis=1) & (targets.sum(axis=1) == 1.0)
    bad = np.flatnonzero(~whole)
    if bad.size:
        raise DataError(
            "loss = 'cross_entropy' needs one-hot targets",
            expected="a single 1 and zeros",
            got=f"{targets[bad[0]].tolist()} in row {bad[0] + 1}",
            hint="turn class numbers into columns of zeros and ones",
        )


def check_binary(dataset: Dataset, loss: str = "bce") -> None:
    """Require targets for a loss of two classes: one column of zeros and ones.

    Raises:
        DataError: more columns, or another value; the row (counted from 1) is named.
    """
    if dataset.targets.shape[1] != 1:
        raise DataError(
            f"loss = {loss!r} needs one target column",
            expected=1,
            got=f"{dataset.targets.shape[1]}: {', '.join(dataset.target_names)}",
        )
    values = dataset.targets[:, 0]
    bad = np.flatnonzero((values != 0.0) & (values != 1.0))
    if bad.size:
        raise DataError(
            f"loss = {loss!r} needs targets of 0 or 1",
            expected="0 or 1",
            got=f"{values[bad[0]]} in row {bad[0] + 1}, column {dataset.target_names[0]!r}",
            hint="use loss = 'mse' for a regression, or map the classes to 0 and 1",
        )


def _statistics(values: FloatArray, *, wanted: bool) -> tuple[tuple[float, ...], ...]:
    columns = values.shape[1]
    if not wanted:
        return (0.0,) * columns, (1.0,) * columns
    # Equal minimum and maximum, not a deviation of 0: that of many equal floats is not quite 0.
    constant = values.min(axis=0) == values.max(axis=0)
    scale = np.where(constant, 1.0, values.std(axis=0))
    mean = np.where(constant, values[0], values.mean(axis=0))
    return tuple(float(v) for v in mean), tuple(float(v) for v in scale)


def _table(project: Project) -> Table:
    config = project.config.data
    if config.source == "csv" and config.path is not None:
        return from_csv(project.resolve(config.path), delimiter=config.delimiter)
    if config.source == "npz" and config.path is not None:
        return from_npz(project.resolve(config.path))
    if config.source == "sklearn" and config.name is not None:
        return from_sklearn(config.name)
    return from_factory(project.data_factory(), config.factory or "")


def _target_names(config: DataTable, table: Table) -> tuple[str, ...]:
    if config.target is None:
        return table.default_targets
    targets = (config.target,) if isinstance(config.target, str) else config.target
    _require(targets, table, "[data] target")
    return targets


def _feature_names(config: DataTable, table: Table, targets: tuple[str, ...]) -> tuple[str, ...]:
    aside = {*targets, *table.default_targets}
    rest = tuple(name for name in table.names if name not in aside)
    if not rest:
        raise DataError("no column is left for features", got=table.names, path=table.origin)
    if config.features is None:
        return rest
    if isinstance(config.features, int):
        if config.features > len(rest):
            raise DataError(
                "[data] features asks for more columns than there are",
                expected=f"at most {len(rest)}",
                got=config.features,
                path=table.origin,
            )
        return rest[: config.features]
    _require(config.features, table, "[data] features")
    both = sorted(set(config.features) & set(targets))
    if both:
        raise DataError(
            "a column is both feature and target",
            got=both,
            path=table.origin,
            hint="a model that sees its target learns nothing; remove it from [data] features",
        )
    return config.features


def _require(wanted: tuple[str, ...], table: Table, key: str) -> None:
    for name in wanted:
        if name not in table.names:
            raise DataError(
                f"{key} names a column that isn't there",
                expected=name,
                path=table.origin,
                hint=suggestion(name, table.names, what="columns"),
            )
        if wanted.count(name) > 1:
            raise DataError(f"{key} names a column twice", got=name)
