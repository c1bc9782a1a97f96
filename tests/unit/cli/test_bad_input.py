"""Bad input: the message names it, the exit code is 2, and nothing is left half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Write = Callable[..., Path]

TWO_OUTPUTS = "from torch import nn\n\n\ndef build(n=3):\n    return nn.Linear(n, 2)\n"
UNPROVABLE = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return torch.cumsum(self.linear(x), 1)


def build():
    return Model()
"""
BROKEN = "def build():\n    raise RuntimeError('no weights today')\n"


def edited(directory: Path, old: str, new: str) -> Path:
    """Change a line of the project file."""
    file = directory / "zkdescent.toml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return directory


def misspelt(write: Write, at: Path) -> Path:
    return edited(write(at), "batch_size", "batchsize")


def wrong_type(write: Write, at: Path) -> Path:
    return edited(write(at), "steps = 4", 'steps = "4"')


def no_divisor(write: Write, at: Path) -> Path:
    return edited(write(at), "steps_per_proof = 2", "steps_per_proof = 3")


def no_toml(write: Write, at: Path) -> Path:
    directory = write(at)
    (directory / "zkdescent.toml").write_text("name = diagnosis")
    return directory


def no_data(write: Write, at: Path) -> Path:
    directory = write(at)
    (directory / "rows.csv").unlink()
    return directory


def no_model(write: Write, at: Path) -> Path:
    directory = write(at)
    (directory / "model.py").unlink()
    return directory


def no_function(write: Write, at: Path) -> Path:
    return edited(write(at), "model.py:build", "model.py:biuld")


def nan_in_data(write: Write, at: Path) -> Path:
    return write(at, rows="a,b,c,y\n1,2,3,4\n1,nan,3,4\n" + "1,2,3,4\n" * 6)


def word_in_data(write: Write, at: Path) -> Path:
    return write(at, rows="a,b,c,y\n1,2,3,4\n1,two,3,4\n" + "1,2,3,4\n" * 6)


def no_target(write: Write, at: Path) -> Path:
    return edited(write(at), 'target = "y"', 'target = "yy"')


def no_fit(write: Write, at: Path) -> Path:
    return write(at, model=TWO_OUTPUTS)


def not_binary(write: Write, at: Path) -> Path:
    return write(at, loss="bce")


def unprovable(write: Write, at: Path) -> Path:
    return write(at, model=UNPROVABLE)


def failing_factory(write: Write, at: Path) -> Path:
    return write(at, model=BROKEN)


def overflow(write: Write, at: Path) -> Path:
    """Rows that standardising does not bring into range, because it is off."""
    rows = "a,b,c,y\n" + "".join(f"{i}00,{-i},1,0\n" for i in range(16))
    return edited(write(at, rows=rows), "validation", "standardize = false\nvalidation")


BAD: dict[str, tuple[Callable[[Write, Path], Path], str, tuple[str, ...]]] = {
    "an unknown key": (misspelt, "ConfigError", ("batchsize", "did you mean 'batch_size'?")),
    "a string for a number": (wrong_type, "ConfigError", ("[train] steps", "integer")),
    "no divisor": (no_divisor, "ConfigError", ("steps_per_proof", "1, 2, 4")),
    "no TOML": (no_toml, "ConfigError", ("not TOML", "zkdescent.toml")),
    "no data file": (no_data, "DataError", ("rows.csv",)),
    "no model file": (no_model, "ConfigError", ("model.py",)),
    "no such function": (no_function, "ConfigError", ("biuld", "did you mean 'build'?")),
    "NaN in the data": (nan_in_data, "DataError", ("nan", "'b'")),
    "a word in the data": (word_in_data, "DataError", ("two", "'b'")),
    "no such target": (no_target, "DataError", ("[data] target", "yy", "did you mean 'y'?")),
    "an output that does not fit the loss": (no_fit, "ModelError", ("loss = 'mse'", "2")),
    "targets that are not binary": (not_binary, "DataError", ("bce", "0")),
    "an operator without proof": (unprovable, "UnsupportedOperator", ("aten.cumsum", "supported")),
    "a factory that fails": (failing_factory, "ModelError", ("no weights today",)),
}


def files(directory: Path) -> dict[str, bytes]:
    """Everything below a directory, but Python's own caches."""
    found = (p for p in directory.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(directory)): p.read_bytes() for p in found}


@pytest.mark.parametrize("command", ["compile", "run"])
@pytest.mark.parametrize(("make", "error", "said"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named_and_leaves_nothing(
    cli: Cli,
    tmp_path: Path,
    write_project: Write,
    make: Callable[[Write, Path], Path],
    error: str,
    said: tuple[str, ...],
    command: str,
) -> None:
    project = make(write_project, tmp_path / "project")
    before = files(tmp_path)
    answer = cli(command, "-C", project, "--json")
    assert answer.code == 2, answer.out + answer.err
    assert answer.json["error"] == error
    assert answer.json["exit_code"] == 2
    for words in said:
        assert words in answer.out.replace('\\"', '"'), f"{words!r} is not in {answer.out}"
    assert files(tmp_path) == before
    assert not (project / ".zkdescent").exists()
    assert "Traceback" not in answer.err


def test_data_out_of_range_is_named_before_anything_is_compiled(
    cli: Cli, tmp_path: Path, write_project: Write
) -> None:
    project = overflow(write_project, tmp_path)
    before = files(tmp_path)
    answer = cli("compile", "-C", project, "--json")
    assert (answer.code, answer.json["error"]) == (2, "RangeOverflow")
    assert "batch block" in answer.json["message"]
    assert files(tmp_path) == before


def test_the_same_in_words(cli: Cli, tmp_path: Path, write_project: Write) -> None:
    answer = cli("compile", "-C", misspelt(write_project, tmp_path))
    assert answer.code == 2
    assert answer.out == ""
    assert "error: unknown key [train] batchsize" in answer.err
    assert "did you mean 'batch_size'?" in answer.err


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (None, "DataError", "no such input file"),
        ("{", "DataError", "another form"),
        ('{"input_data": 3}', "DataError", "wrong number of inputs"),
        ('{"input_data": [[1, 2]]}', "DataError", "3 finite numbers"),
        ('{"input_data": [[1, 2, NaN]]}', "DataError", "3 finite numbers"),
        ('{"input_data": [[1, 2, "x"]]}', "DataError", "not a flat list of numbers"),
        ('{"input_data": [[1, [2], 3]]}', "DataError", "not a flat list of numbers"),
        ('{"input_data": [[1, 2, 3], [4]]}', "DataError", "wrong number of inputs"),
    ],
)
def test_onnx_input_that_does_not_fit(
    cli: Cli, tmp_path: Path, linear_onnx: Path, content: str | None, error: str, said: str
) -> None:
    data = tmp_path / "input.json"
    if content is not None:
        data.write_text(content)
    out = tmp_path / "out"
    answer = cli("onnx", "prove", linear_onnx, "--input", data, "--out", out, "--json")
    assert (answer.code, answer.json["error"]) == (2, error), answer.out
    assert said in answer.out
    assert not out.exists()


def test_onnx_files_that_cannot_be_used(cli: Cli, tmp_path: Path, linear_onnx: Path) -> None:
    data = tmp_path / "input.json"
    data.write_text('{"input_data": [[1, 2, 3]]}')
    out = tmp_path / "out"
    missing = cli("onnx", "prove", tmp_path / "no.onnx", "--input", data, "--out", out, "--json")
    assert (missing.code, missing.json["error"]) == (2, "ModelError")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    broken = cli("onnx", "prove", tmp_path / "bad.onnx", "--input", data, "--out", out, "--json")
    assert (broken.code, broken.json["error"]) == (2, "ModelError")
    out.write_text("a file of mine")
    taken = cli("onnx", "prove", linear_onnx, "--input", data, "--out", out, "--json")
    assert (taken.code, taken.json["error"]) == (2, "ConfigError")
    assert out.read_text() == "a file of mine"


@pytest.fixture(scope="session")
def linear_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear layer on three numbers."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((3, 1), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    path = tmp_path_factory.mktemp("onnx") / "linear.onnx"
    onnx.save(model, path)
    return path
