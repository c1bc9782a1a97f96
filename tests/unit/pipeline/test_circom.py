"""The circom comparison without Node.js: integers, inputs, tools that are missing or fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zkdescent.core.errors import ConfigError, ProverError, RangeOverflow, ToolMissing
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark.circom import CircomMeasurement, _case, _circom, measure_circom
from zkdescent.pipeline.benchmark.circom._case import (
    CASE,
    benchmark_inputs,
    benchmark_training,
)
from zkdescent.pipeline.benchmark.circom._reference import (
    FIELD_MODULUS,
    LinearTraining,
    TrainingInputs,
    field,
    signed,
    train_integers,
)
from zkdescent.pipeline.benchmark.circom._toolchain import (
    HERE,
    Toolchain,
    install_toolchain,
    tool_versions,
)

ONE = LinearTraining(
    steps=1, features=1, batch_size=2, fraction_bits=4, rate_bits=1, parameter_bits=9
)


def _step(x: list[int], y: list[int], parameters: list[int]) -> list[int]:
    return train_integers(ONE, TrainingInputs([[[v] for v in x]], [y], parameters))


def test_one_step_by_hand() -> None:
    # In units of 1/16: errors 32*16 + 16*(8-0) = 640 and 16*16 + 16*(8-16) = 128, so the weight
    # moves by (640*32 + 128*16) / 2**9 = 44 and the bias by (640 + 128) / 2**5 = 24.
    assert _step([32, 16], [0, 16], [16, 8]) == [16 - 44, 8 - 24]


@pytest.mark.parametrize(("distance", "moved"), [(1, 0), (-1, 1), (2, -1), (-2, 1), (3, -1)])
def test_halves_are_rounded_up(distance: int, moved: int) -> None:
    # One target away from the bias: it moves by distance * 16 / 2**5, half the distance.
    assert _step([0, 0], [50 - distance, 50], [7, 50]) == [7, 50 + moved]


def test_reference_follows_the_float_computation() -> None:
    steps = 16
    training = benchmark_training(steps)
    trained = train_integers(training, benchmark_inputs(steps))
    proven = np.array(trained, dtype=float) / (1 << training.fraction_bits)
    expected = train_float(CASE.module(), CASE.batches(steps))
    assert np.abs(proven - expected).max() < 1e-3
    start = train_float(CASE.module(), [])
    assert np.abs(proven - start).max() > 0.1


@pytest.mark.parametrize("limit", [255, -256])
def test_a_parameter_out_of_range_is_refused(limit: int) -> None:
    beyond = limit + (1 if limit > 0 else -1)
    assert _step([0, 0], [0, 0], [limit, 0]) == [limit, 0]
    with pytest.raises(RangeOverflow, match="leaves the circuit's range"):
        _step([0, 0], [0, 0], [beyond, 0])


@pytest.mark.parametrize("value", [0, 1, -1, 1 << 40, -(1 << 40)])
def test_field_elements_keep_the_sign(value: int) -> None:
    assert 0 <= int(field(value)) < FIELD_MODULUS
    assert signed(field(value)) == value
    assert field(value) != field(value + 1)


def test_circuit_has_the_arithmetic_of_the_benchmark() -> None:
    training = benchmark_training(16)
    assert (training.features, training.batch_size, training.fraction_bits) == (8, 32, 12)
    # Learning rate 1/16, twice, over 32 rows.
    assert training.rate_bits == 8
    assert (training.weight_shift, training.bias_shift) == (32, 20)
    # Two decompositions of one value must not be equal modulo the field's order.
    assert training.weight_shift + training.parameter_bits < 253
    assert f"Steps(16, 8, 32, 12, 8, {training.parameter_bits});" in training.main()
    assert "public [parameters_in]" in training.main()


def test_inputs_are_the_benchmarks_first_batches() -> None:
    few, many = (benchmark_inputs(steps) for steps in (2, 3))
    assert few.x == many.x[:2]
    assert few.y == many.y[:2]
    assert few.parameters == many.parameters
    signals = few.to_json()
    assert np.shape(signals["x"]) == (2, 32, 8)
    assert np.shape(signals["y"]) == (2, 32)
    assert np.shape(signals["parameters_in"]) == (9,)


def test_a_rate_that_is_no_power_of_two_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_case, "LEARNING_RATE", 0.1)
    with pytest.raises(ConfigError, match="powers of two"):
        benchmark_training(1)


@pytest.mark.parametrize(("steps", "proofs"), [(0, 1), (1, 0)])
def test_a_measurement_of_nothing_is_refused(steps: int, proofs: int) -> None:
    with pytest.raises(ConfigError, match="needs"):
        measure_circom(steps, proofs=proofs)


def test_measurement_says_what_was_left_out() -> None:
    measured = CircomMeasurement("c", 16, 0.1, 0.2, 20.0, 0.3, 15_632, 9.9, 256, 200.0, 1e-4, "t")
    assert measured.to_json()["system"].endswith("no commitments")
    assert measured.to_json()["seconds_per_step"] == 0.1


# Tools


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path / "cache"))
    return folder


def _program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("present", [[], ["node"], ["npm"]])
def test_missing_tools_are_named(programs: Path, present: list[str]) -> None:
    for name in present:
        _program(programs, name, "exit 0")
    absent = "npm" if present == ["node"] else "node"
    with pytest.raises(ToolMissing, match=f"{absent} is not installed") as caught:
        measure_circom(1)
    assert "Node.js 18" in str(caught.value.hint)


def test_packages_are_installed_once(programs: Path, tmp_path: Path) -> None:
    _program(programs, "node", "exit 0")
    _program(programs, "npm", f'echo "$@" >> {tmp_path}/calls; echo x > installed')
    tools = install_toolchain()
    assert (tools.folder / "installed").exists()
    assert (tools.folder / "package-lock.json").read_bytes() == (
        HERE / "package-lock.json"
    ).read_bytes()
    assert install_toolchain() == tools
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["ci --ignore-scripts --no-audit --no-fund"]


def test_a_failed_installation_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    _program(programs, "node", "exit 0")
    _program(programs, "npm", "echo no network >&2; exit 1")
    with pytest.raises(ToolMissing, match="could not install") as caught:
        install_toolchain()
    assert caught.value.got == "no network"
    assert list((tmp_path / "cache" / "circom").iterdir()) == []


def test_answers_of_the_prover_are_read_from_its_last_line(programs: Path, tmp_path: Path) -> None:
    node = _program(programs, "node", """echo noise; echo '{"seconds": 1.5}'""")
    assert Toolchain(str(node), tmp_path).call("verify") == {"seconds": 1.5}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("""echo '{"error": "Assert Failed"}'; exit 1""", "Assert Failed"),
        ("""echo '{"error": "Assert Failed"}'""", "Assert Failed"),
        ("exit 3", "exit status 3"),
        ("""echo '{"seconds": 1.5}'; exit 3""", "exit status 3"),
    ],
)
def test_a_failing_prover_is_no_answer(
    programs: Path, tmp_path: Path, script: str, reason: str
) -> None:
    node = _program(programs, "node", script)
    with pytest.raises(ProverError, match="failed during prove") as caught:
        Toolchain(str(node), tmp_path).call("prove")
    assert caught.value.got == reason


def test_powers_are_made_once_and_never_by_half(programs: Path, tmp_path: Path) -> None:
    failing = Toolchain(str(_program(programs, "node", "exit 1")), tmp_path)
    with pytest.raises(ProverError, match="failed during powers"):
        failing.unsafe_powers(4)
    path = tmp_path / "cache" / "circom" / "unsafe-4.ptau"
    assert list(path.parent.iterdir()) == []
    path.write_bytes(b"made")
    assert failing.unsafe_powers(4) == path


def test_a_compiler_that_fails_is_an_error(programs: Path, tmp_path: Path) -> None:
    node = _program(programs, "node", "echo parse error; exit 1")
    with pytest.raises(ProverError, match="refused the circuit") as caught:
        Toolchain(str(node), tmp_path).compile(tmp_path)
    assert caught.value.got == "parse error"
    Toolchain(str(_program(programs, "node", "exit 0")), tmp_path).compile(tmp_path)


def test_versions_are_exact_and_locked() -> None:
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert set(wanted) == {"circom2", "snarkjs"}
    for name, version in wanted.items():
        assert lock[f"node_modules/{name}"]["version"] == version
        assert f"{name} {version}" in tool_versions()
    # By content, from whichever registry npm is configured for.
    assert all("integrity" in entry for name, entry in lock.items() if name)
    assert not any("resolved" in entry for entry in lock.values())


def test_results_are_read_without_torch() -> None:
    # As a module of its own: the facade above it is imported by whoever prints results.
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from zkdescent.pipeline.benchmark.circom import CircomMeasurement, measure_circom\n"
        "from zkdescent.core.errors import ToolMissing\n"
        "try:\n    measure_circom(1)\n"
        "except ToolMissing as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert "torch is not installed" in done.stdout


def test_circuit_includes_no_library() -> None:
    assert "include" not in _circom.circuit_source()
