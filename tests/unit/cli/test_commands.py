"""Every command: help, --json with one object on stdout, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from zkdescent.cli.app import app
from zkdescent.core.errors import ProofRejected

Cli = Callable[..., Any]
GROUP = typer.main.get_command(app)


def commands(group: Any = GROUP, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Names of all commands, `onnx prove` as two words."""
    found: list[tuple[str, ...]] = []
    for name, command in sorted(group.commands.items()):
        nested = getattr(command, "commands", None)
        found += commands(command, (*prefix, name)) if nested else [(*prefix, name)]
    return found


def lookup(words: tuple[str, ...]) -> Any:
    command: Any = GROUP
    for word in words:
        command = command.commands[word]
    return command


def test_the_commands_are_the_declared_ones() -> None:
    assert [" ".join(words) for words in commands()] == [
        "bench", "bundle", "compile", "data fees", "demo", "deploy", "doctor", "estimate",
        "explore", "feed deploy", "gas", "gc", "infer", "init", "keep", "model show", "onnx prove",
        "onnx verify", "prove", "report", "run", "setup barretenberg", "srs fetch", "srs status",
        "srs verify", "status", "submit", "task abort", "task create", "task reclaim", "task seal",
        "task status", "task withdraw", "train", "tune", "verify",
    ]  # fmt: skip


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_and_json(cli: Cli, words: tuple[str, ...]) -> None:
    answer = cli(*words, "--help")
    assert answer.code == 0
    assert "--json" in answer.out
    assert "--verbose" in answer.out
    command = lookup(words)
    assert command.help, "a command says what it does"
    for parameter in command.params:
        if parameter.name not in ("help",):
            assert parameter.help, f"{words}: {parameter.name} has no help"


PROJECT_COMMANDS = (
    "train", "estimate", "compile", "prove", "verify", "deploy", "submit", "run", "gas",
    "task create", "task seal", "task status", "model show", "report", "tune",
)  # fmt: skip


@pytest.mark.parametrize("command", PROJECT_COMMANDS)
def test_without_a_project_every_command_says_so(cli: Cli, tmp_path: Path, command: str) -> None:
    answer = cli(*command.split(), "-C", tmp_path / "nowhere", "--json")
    assert answer.code == 2
    assert answer.json["error"] == "ConfigError"
    assert "zkdescent init" in answer.json["hint"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["prove", "--nonsense"],
        ["infer"],
        ["onnx", "prove"],
        ["verify", "--engine", "magic"],
        ["onnx", "prove", "m.onnx", "--input", "i", "--out", "o", "--fraction-bits", "99"],
    ],
)
def test_usage_errors_end_with_2_and_leave_stdout_alone(cli: Cli, arguments: list[str]) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err


@pytest.mark.parametrize(
    "command",
    ["prove", "verify", "deploy", "submit", "gas", "task create", "task seal", "task status",
     "model show"],
)  # fmt: skip
def test_what_was_not_compiled_cannot_be_used(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path], command: str
) -> None:
    project = write_project(tmp_path)
    answer = cli(*command.split(), "-C", project, "--json")
    assert answer.code == 1
    assert answer.json["error"] == "ArtefactError"
    assert "zkdescent compile" in answer.json["hint"]
    assert not (project / ".zkdescent").exists()


def test_inferring_before_proving(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    project = write_project(tmp_path)
    (tmp_path / "row.json").write_text("[1, 2, 3]")
    answer = cli("infer", "-C", project, "--input", tmp_path / "row.json", "--json")
    assert (answer.code, answer.json["error"]) == (1, "ArtefactError")


def test_init_makes_a_project_and_refuses_to_overwrite_one(cli: Cli, tmp_path: Path) -> None:
    answer = cli("init", tmp_path / "mine", "--json")
    assert answer.code == 0
    assert "zkdescent.toml" in answer.json["files"]
    assert 'name = "mine"' in (tmp_path / "mine" / "zkdescent.toml").read_text()
    again = cli("init", tmp_path / "mine", "--json")
    assert (again.code, again.json["error"]) == (2, "ConfigError")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_an_unknown_example_names_the_nearest(cli: Cli, tmp_path: Path) -> None:
    answer = cli("init", tmp_path / "new", "--example", "breast-canser", "--json")
    assert answer.code == 2
    assert "breast-cancer" in answer.json["hint"]
    assert not (tmp_path / "new").exists()


def test_doctor_looks_at_what_matters(cli: Cli) -> None:
    answer = cli("doctor", "--json")
    findings = {f["name"]: f for f in answer.json["findings"]}
    assert {"Python", "web3", "torch", "ezkl", "anvil", "node", "bb", "solc"} <= findings.keys()
    assert answer.json["ok"] is True
    assert answer.code == 0
    assert all(f["advice"] for f in findings.values() if not f["ok"])


def test_training_answers_in_json_and_in_words(
    cli: Cli, tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    project = write_project(tmp_path)
    answer = cli("train", "-C", project, "--json")
    assert answer.code == 0
    assert answer.json["steps"] == 4
    assert Path(answer.json["curves"]).read_bytes().startswith(b"\x89PNG")
    assert "float training" in answer.err, "progress belongs on stderr"
    words = cli("train", "-C", project)
    assert words.code == 0
    assert "Float training" in words.out


def test_a_rejection_ends_with_3(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def reject(*_: object) -> None:
        raise ProofRejected("a proof does not hold", got=b"\x01", path="block proof 3")

    monkeypatch.setattr("zkdescent.pipeline.diagnosis.diagnose", reject)
    answer = cli("doctor", "--json")
    assert answer.code == 3
    assert answer.json["path"] == "block proof 3"
    in_words = cli("doctor")
    assert in_words.code == 3
    assert in_words.out == ""
    assert "error: a proof does not hold" in in_words.err
    assert "Traceback" not in in_words.err
    assert "Traceback" in cli("doctor", "--verbose").err


def test_an_interruption_ends_with_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zkdescent.pipeline.diagnosis.diagnose", interrupted)
    answer = cli("doctor")
    assert answer.code in (1, 130)
    assert "Traceback" not in answer.err


def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    project = write_project(tmp_path)
    for package, extra in (("torch", "train"), ("onnx", "prove")):
        code = (
            "import sys\n"
            "class Blocker:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] == {package!r}:\n"
            "            raise ModuleNotFoundError(name, name=name)\n"
            "sys.meta_path.insert(0, Blocker())\n"
            "from zkdescent.cli import main\n"
            f"main(['compile', '-C', {str(project)!r}, '--json'])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        answer = json.loads(done.stdout)
        assert (done.returncode, answer["error"]) == (1, "ToolMissing")
        assert package in answer["message"]
        assert f"zkdescent[{extra}]" in answer["hint"]


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = (
        "import sys\nfrom zkdescent.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'ezkl', 'onnx', 'web3', 'eth', 'matplotlib', 'sklearn'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
