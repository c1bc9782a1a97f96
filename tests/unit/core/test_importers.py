"""Loading the user's functions: what goes wrong is said in terms of the user's own files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zkdescent.core.config import load_callable
from zkdescent.core.errors import ConfigError, ToolMissing


def test_a_function_in_a_file_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("VALUE = 2\n")
    (tmp_path / "model.py").write_text(
        "from helper import VALUE\ndef build(x):\n    return x * VALUE\n"
    )
    before = list(sys.path)
    assert load_callable("model.py:build", tmp_path)(21) == 42
    assert sys.path == before
    del sys.modules["helper"]


def test_a_function_in_a_package(tmp_path: Path) -> None:
    assert load_callable("os.path:join", tmp_path)("a", "b") == "a/b"


def test_an_edited_file_is_never_stale(tmp_path: Path) -> None:
    for value in (1, 2):
        (tmp_path / "m.py").write_text(f"def f():\n    return {value}\n")
        assert load_callable("m.py:f", tmp_path)() == value
    assert not (tmp_path / "__pycache__").exists()


def test_a_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    with pytest.raises(ConfigError) as caught:
        load_callable("modle.py:build", tmp_path, key="[model] factory")
    assert "[model] factory" in caught.value.message
    assert caught.value.hint == "did you mean 'model.py'?"


def test_a_missing_function_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def build():\n    pass\n")
    with pytest.raises(ConfigError) as caught:
        load_callable("model.py:biuld", tmp_path)
    assert caught.value.hint == "did you mean 'build'?"


def test_something_that_is_not_a_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("build = 3\n")
    with pytest.raises(ConfigError, match="can't be called"):
        load_callable("model.py:build", tmp_path)


@pytest.mark.parametrize("reference", ["model", "model.py", ":build", "a b:c", "m.py:", "m.py:1"])
def test_a_malformed_reference_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ConfigError, match="does not name a function"):
        load_callable(reference, tmp_path)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = 1\nraise ValueError('boom')\n", "ValueError"),
        ("def f(:\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit"),
    ],
)
def test_an_exception_while_importing_names_the_place(
    tmp_path: Path, source: str, what: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    with pytest.raises(ConfigError, match=what) as caught:
        load_callable("broken.py:f", tmp_path)
    assert "broken.py:" in (caught.value.path or "")
    assert not any(name.startswith("_zkdescent_user_broken_") for name in sys.modules)


def test_a_missing_module_is_told_from_a_missing_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.py").write_text("import no_such_module_here\n")
    with pytest.raises(ConfigError, match="needs a module"):
        load_callable("m.py:f", tmp_path)
    with pytest.raises(ConfigError, match="needs a module"):
        load_callable("no_such_package.module:f", tmp_path)
    monkeypatch.setitem(sys.modules, "ezkl", None)
    (tmp_path / "m.py").write_text("import ezkl\n")
    with pytest.raises(ToolMissing) as caught:
        load_callable("m.py:f", tmp_path)
    assert "zkdescent[prove]" in (caught.value.hint or "")
