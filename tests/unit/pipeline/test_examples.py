"""The examples: fixed point, which is what proofs follow, ends where float training ends."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zkdescent.core.config import load_callable, load_project
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.examples import create_project, example_names, examples_directory
from zkdescent.pipeline.fidelity_runs import FloatArray, StepSource, run_fixed, run_float
from zkdescent.train.metrics import HEADLINE, Metrics, evaluate
from zkdescent.train.model import with_parameters

EXAMPLES = examples_directory()
DATA = os.environ.get("ZKDESCENT_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data"
PRICES = Path(DATA) / "price" / "ethusdt_daily_2017_2021.csv"

# The headline metric after the whole run, on rows held back, is at least this.
LEARNS = {
    "anomaly-autoencoder": 0.9,
    "breast-cancer": 0.92,
    "breast-cancer-svm": 0.92,
    "credit-score": 0.74,
    "diabetes-ridge": 0.38,
    "gas-feed": 0.0,
    "digits-cnn": 0.9,
    "digits-mlp": 0.89,
    "mlp-csv": 0.85,
    "price-rnn": 0.45,
    "price-volatility": 0.18,
    "ratings-factorisation": 0.7,
    "stake-oracle": 0.87,
}
# Runs of more than half a dozen seconds.
LONG = (
    "anomaly-autoencoder", "digits-cnn", "digits-mlp", "gas-feed", "price-rnn",
    "ratings-factorisation",
)  # fmt: skip
ALL = [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in sorted(LEARNS)]


class Example:
    """An example, compiled, with the ends of its runs."""

    def __init__(self, name: str, directory: Path, *, prices: Path | None = None) -> None:
        ignored = shutil.ignore_patterns(".zkdescent", "__pycache__")
        shutil.copytree(EXAMPLES / name, directory, ignore=ignored)
        if prices is not None:
            use_prices(directory, prices)
        self.blueprint = make_blueprint(load_project(directory))
        self.steps = self.blueprint.project.config.train.steps

    @cached_property
    def float_end(self) -> FloatArray:
        """Parameters after the whole run in float."""
        found = run_float(self.blueprint, self.steps)
        assert found.error is None
        end: FloatArray = found.parameters[-1]
        return end

    @cached_property
    def fixed_end(self) -> FloatArray:
        """Parameters after the whole run in the reference executor."""
        return self.fixed_end_with(self.blueprint.fixed.fraction_bits)

    def fixed_end_with(self, fraction_bits: int) -> FloatArray:
        """The same with another number of fraction bits."""
        found = run_fixed(self.blueprint, StepSource(self.blueprint).at(fraction_bits), self.steps)
        assert found.error is None
        end: FloatArray = found.states[-1][: self.blueprint.layout.parameter_size]
        return end

    def measured(self, parameters: FloatArray) -> tuple[Metrics, Metrics]:
        """Metrics of training rows and of rows held back."""
        module, data = with_parameters(self.blueprint.module, parameters), self.blueprint.data
        found = evaluate(module, self.blueprint.loss, data.train, data.validation, step=0)
        assert found.validation is not None
        return found.train, found.validation


def use_prices(directory: Path, prices: Path) -> None:
    """Give the copied price-rnn the last 420 closing prices of a file, the newest first there."""
    with prices.open(newline="", encoding="utf-8") as stream:
        closes = [float(row["close"]) for row in csv.DictReader(stream)][:420]
    features, targets = load_callable("data.py:windows_of", directory)(np.array(closes[::-1]))
    np.savez(directory / "windows.npz", features=features, targets=targets)
    file = directory / "zkdescent.toml"
    made_up = 'source = "factory"\nfactory = "data.py:windows"'
    text = file.read_text()
    assert made_up in text
    file.write_text(text.replace(made_up, 'source = "npz"\npath = "windows.npz"'))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Example]:
    """An example by name, compiled once."""
    return cache(lambda name: Example(name, tmp_path_factory.mktemp("examples") / name))


def is_close(floats: Metrics, fixed: Metrics) -> bool:
    """Whether accuracies differ by a point at most, or losses by 2 %."""
    if "accuracy" in floats.values:
        return abs(floats.get("accuracy") - fixed.get("accuracy")) <= 0.01
    return abs(floats.loss - fixed.loss) <= 0.02 * floats.loss


def test_every_example_is_here() -> None:
    assert example_names() == sorted(LEARNS)


@pytest.mark.parametrize("name", ALL)
def test_fixed_point_ends_where_float_ends(example: Callable[[str], Example], name: str) -> None:
    it = example(name)
    floats, fixed = it.measured(it.float_end), it.measured(it.fixed_end)
    assert all(is_close(a, b) for a, b in zip(floats, fixed, strict=True)), (floats, fixed)
    assert fixed[1].get(HEADLINE[it.blueprint.loss.task]) >= LEARNS[name]


@pytest.mark.realdata
def test_fixed_point_ends_where_float_ends_on_real_prices(tmp_path: Path) -> None:
    """The file is not shipped: ``ZKDESCENT_DATA`` names its folder, or it lies beside the checkout.

    Nothing is said of the metric: nobody predicts these returns.
    """
    it = Example("price-rnn", tmp_path / "real", prices=PRICES)
    floats, fixed = it.measured(it.float_end), it.measured(it.fixed_end)
    assert all(is_close(a, b) for a, b in zip(floats, fixed, strict=True)), (floats, fixed)


@pytest.mark.parametrize("name", ["mlp-csv", "ratings-factorisation"])
def test_eight_fraction_bits_end_elsewhere(example: Callable[[str], Example], name: str) -> None:
    it = example(name)
    floats, coarse = it.measured(it.float_end), it.measured(it.fixed_end_with(8))
    assert not all(is_close(a, b) for a, b in zip(floats, coarse, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_every_circuit_of_an_example_is_bounded(
    example: Callable[[str], Example], name: str
) -> None:
    blueprint = example(name).blueprint
    roles = [request.role for request in blueprint.requests()]
    # Barretenberg's step circuits check ranges themselves.
    ranges = [] if blueprint.backend.checks_ranges else ["range"]
    assert roles == ["step", *ranges, "inference"]
    assert blueprint.size <= 15


@pytest.mark.parametrize("name", sorted(LEARNS))
def test_an_example_can_be_copied(tmp_path: Path, name: str) -> None:
    files = create_project(tmp_path / "copy", name)
    assert {"model.py", "zkdescent.toml"} <= set(files)
    assert load_project(tmp_path / "copy").config.project.name == "copy"


@pytest.mark.parametrize("name", sorted(LEARNS))
def test_an_example_can_be_copied_for_another_prover(tmp_path: Path, name: str) -> None:
    """A size that was chosen for the example's own prover is none for the other one."""
    own = load_project(examples_directory() / name).config.circuit
    other = {"ezkl": "barretenberg", "barretenberg": "ezkl"}[own.backend]
    for backend, logrows in ((other, "auto"), (own.backend, own.logrows)):
        create_project(tmp_path / backend, name, backend=backend)
        made = load_project(tmp_path / backend).config.circuit
        assert (made.backend, made.logrows) == (backend, logrows)


def test_the_autoencoder_finds_fraud(example: Callable[[str], Example]) -> None:
    """A limit on one column finds none of it, nor does the model before it is trained."""
    it = example("anomaly-autoencoder")
    directory, blueprint = it.blueprint.project.directory, it.blueprint
    judged = load_callable("data.py:judged", directory)
    scores = load_callable("detect.py:scores", directory)
    area = load_callable("detect.py:area_under_curve", directory)
    raw, fraudulent = judged()
    rows = blueprint.data.standardizer.transform_features(raw)

    def found(parameters: FloatArray) -> float:
        module = with_parameters(blueprint.module, parameters)

        def reconstruct(x: FloatArray) -> FloatArray:
            with torch.no_grad():
                return np.asarray(module(torch.tensor(x, dtype=torch.float32)).double())

        return float(area(scores(reconstruct, rows), fraudulent))

    assert found(it.fixed_end) >= 0.97
    assert abs(found(it.fixed_end) - found(it.float_end)) <= 0.005
    assert found(blueprint.parameters_of(blueprint.genesis)) < 0.7
    assert max(float(area(abs(column), fraudulent)) for column in rows.T) < 0.6


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    area = load_callable("detect.py:area_under_curve", EXAMPLES / "anomaly-autoencoder")
    fraudulent = np.array([False, True, False, True])
    assert area(np.array([1.0, 3.0, 2.0, 4.0]), fraudulent) == 1.0
    assert area(np.array([4.0, 2.0, 3.0, 1.0]), fraudulent) == 0.0
    assert area(np.array([1.0, 1.0, 3.0, 2.0]), fraudulent) == (0.5 + 0 + 1 + 0) / 4


def digest(*arrays: Any) -> str:
    """Of numbers with four decimals."""
    ten_thousandths = [np.round(np.asarray(a, dtype=float) * 10_000).astype("<i8") for a in arrays]
    return hashlib.sha256(b"".join(a.tobytes() for a in ten_thousandths)).hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "factory", "shapes", "expected"),
    [
        ("anomaly-autoencoder", "transactions", ((640, 8), (640, 8)), "8f3ad52db27dded1"),
        ("anomaly-autoencoder", "judged", ((400, 8), (400,)), "62fb7ce0a57821ac"),
        ("ratings-factorisation", "ratings", ((237, 36), (237, 1)), "e375cea5ac3df85e"),
        ("gas-feed", "windows", ((4788, 15), (4788, 1)), "31158923cc5a2ab0"),
        ("price-rnn", "windows", ((413, 6), (413, 1)), "8fb89bfe7e1d0ba9"),
        ("price-volatility", "rows", ((1173, 3), (1173, 1)), "d0930a94f540c281"),
        ("credit-score", "applicants", ((1200, 6), (1200, 1)), "2672c59aabc08140"),
        ("credit-score", "judged", ((400, 6), (400,)), "56069fd5132b9b7a"),
        ("digits-mlp", "images", ((1797, 64), (1797, 10)), "6dfd8a007ab0e2e9"),
        ("digits-cnn", "images", ((1797, 64), (1797, 10)), "6dfd8a007ab0e2e9"),
    ],
)
def test_made_up_data_are_the_same_everywhere(
    name: str, factory: str, shapes: tuple[tuple[int, ...], ...], expected: str
) -> None:
    made = load_callable(f"data.py:{factory}", EXAMPLES / name)()
    assert tuple(np.shape(a) for a in made) == shapes
    assert digest(*made) == expected


def test_volatility_features_are_those_of_the_contracts_own_test() -> None:
    """contracts/test/examples/VolatilityMargin.t.sol computes the same prices by hand."""
    features_of = load_callable("data.py:features_of", EXAMPLES / "price-volatility")
    prices = [1000 if k % 2 == 0 else 1010 for k in range(22)] + [1111]
    one, down = 1 << 14, (1000 << 14) // 1010
    expected = [
        10 * one,
        (10 * one + 2 * one + 2 * down) // 5,
        (10 * one + 11 * one + 10 * down) // 22,
    ]
    assert features_of(prices) == expected
    assert features_of([5, *prices]) == expected  # older prices are not read
    assert features_of([*prices, 1111]) != expected


def test_a_rating_has_one_user_and_one_item() -> None:
    features, ratings = load_callable("data.py:ratings", EXAMPLES / "ratings-factorisation")()
    assert (features[:, :20].sum(axis=1) == 1).all()
    assert (features[:, 20:].sum(axis=1) == 1).all()
    assert set(np.unique(ratings * 2)) <= set(range(-4, 5))
    assert len(np.unique(features, axis=0)) == len(features)


def test_windows_are_followed_by_their_target() -> None:
    features, targets = load_callable("data.py:windows", EXAMPLES / "price-rnn")()
    assert (features[1:, -1] == targets[:-1, 0]).all()
    assert (features[1:, :-1] == features[:-1, 1:]).all()
    prices = load_callable("data.py:prices", EXAMPLES / "price-rnn")()
    assert (prices > 0).all()
    returns = 100 * np.log(prices[1:] / prices[:-1])
    assert np.abs(returns[:6] - features[0]).max() < 1e-4
