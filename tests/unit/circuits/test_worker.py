"""The prover in a process of its own: every way in which it can end badly has its error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zkdescent.circuits.ezkl_backend import worker
from zkdescent.core.errors import ProverError, ToolMissing

# What replaces the module `operations` in the worker process, by way of sitecustomize.
STAND_IN = """
import os, signal, sys, types

class PanicException(BaseException):
    pass

def panic():
    raise PanicException("called `Option::unwrap()` on a `None` value")

def fail():
    print("a line for people", file=sys.stderr)
    raise RuntimeError("setup failed")

def killed(number):
    os.kill(os.getpid(), number)

def ends(status):
    print("the last words", file=sys.stderr, flush=True)
    os._exit(status)

def chatty():
    print("ezkl prints to stdout as well")
    return {"answer": 42}

def environment():
    names = ("EZKL_REPO_PATH", "EZKL_BUF_CAPACITY")
    return {n: os.environ.get(n) for n in names} | {"held": os.listdir(os.environ[names[0]])}

name = "zkdescent.circuits.ezkl_backend."
for stand_in in ("operations", "peer_operations"):
    module = types.ModuleType(name + stand_in)
    module.__dict__.update(globals())
    sys.modules[name + stand_in] = module
"""

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ezkl":
            raise ModuleNotFoundError("No module named 'ezkl'", name="ezkl")
sys.meta_path.insert(0, Blocker())
"""

BROKEN = """
import sys
class Breaker:
    def find_spec(self, name, path=None, target=None):
        if name == "zkdescent.circuits.ezkl_backend.settings":
            raise ImportError("cannot import name 'x' from 'zkdescent.circuits.ezkl_backend'")
sys.meta_path.insert(0, Breaker())
"""


@pytest.fixture
def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run some code at the start of worker processes."""

    def replace(code: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(code)
        path = os.pathsep.join([str(tmp_path), *sys.path])
        monkeypatch.setenv("PYTHONPATH", path)

    return replace


def test_a_panic_is_a_prover_error(replaced: Any) -> None:
    replaced(STAND_IN)
    with pytest.raises(ProverError, match="failed during panic") as caught:
        worker.call("panic")
    assert caught.value.got == "PanicException: called `Option::unwrap()` on a `None` value"
    assert caught.value.exit_code == 1


def test_a_failure_names_the_operation_and_the_last_lines(replaced: Any) -> None:
    replaced(STAND_IN)
    with pytest.raises(ProverError, match="failed during fail") as caught:
        worker.call("fail")
    assert caught.value.got == "RuntimeError: setup failed"
    assert "a line for people" in (caught.value.hint or "")


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (6, "SIGABRT")])
def test_a_killed_prover_is_named(replaced: Any, number: int, name: str) -> None:
    replaced(STAND_IN)
    with pytest.raises(ProverError, match="was killed during killed") as caught:
        worker.call("killed", number=number)
    assert caught.value.got == name
    assert ("out of memory" in (caught.value.hint or "")) == (name == "SIGKILL")


def test_a_silent_end_is_no_answer(replaced: Any) -> None:
    replaced(STAND_IN)
    for status in (0, 7):
        with pytest.raises(ProverError, match="failed during ends") as caught:
            worker.call("ends", status=status)
        assert str(status) in str(caught.value.got)
        assert caught.value.hint == "the last words"


def test_chatter_on_stdout_does_not_hide_the_answer(replaced: Any) -> None:
    replaced(STAND_IN)
    answer = worker.call("chatty")
    assert answer["answer"] == 42
    assert answer["seconds"] >= 0
    assert answer["peak_memory_mb"] > 1


def test_an_unknown_operation_is_an_error(replaced: Any) -> None:
    replaced(STAND_IN)
    with pytest.raises(ProverError, match="failed during nothing"):
        worker.call("nothing")


def test_no_table_cache_is_believed(
    replaced: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(STAND_IN)
    (tmp_path / "poisoned").touch()
    monkeypatch.setenv("EZKL_REPO_PATH", str(tmp_path))
    answer, again = worker.call("environment"), worker.call("environment")
    assert answer["held"] == again["held"] == []
    assert len({answer["EZKL_REPO_PATH"], again["EZKL_REPO_PATH"], str(tmp_path)}) == 3
    assert not Path(answer["EZKL_REPO_PATH"]).exists()
    assert int(answer["EZKL_BUF_CAPACITY"]) >= 1 << 20


def test_without_ezkl_the_message_says_how_to_get_it(replaced: Any) -> None:
    replaced(BLOCKED)
    with pytest.raises(ToolMissing, match="ezkl is not installed") as caught:
        worker.call("version")
    assert "zkdescent[prove]" in (caught.value.hint or "")
    assert caught.value.exit_code == 1


def test_another_import_error_does_not_blame_ezkl(replaced: Any) -> None:
    replaced(BROKEN)
    with pytest.raises(ProverError, match="failed during version") as caught:
        worker.call("version")
    assert "cannot import name" in str(caught.value.got)


def test_the_compiler_imports_without_ezkl() -> None:
    modules = "zkdescent.circuits.ezkl_backend.backend, zkdescent.circuits.onnx_lint"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{BLOCKED}\nimport {modules}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
