"""The documentation is true: every command is in it, its examples run, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from zkdescent.cli.app import app
from zkdescent.core.config import Config, load_project, parse_config
from zkdescent.pipeline.examples import example_names
from zkdescent.train.losses import declared_loss
from zkdescent.train.optimizers import make_optimizer

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")))
COMMON = {"--json", "--verbose", "-v", "--help", "--directory", "-C"}


def commands() -> dict[str, set[str]]:
    """Options of every command, by its words: {"onnx prove": {"--input", ...}, ...}."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
        if hasattr(command, "commands"):
            for name, child in command.commands.items():
                yield from walk(child, (*words, name))
            return
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        yield " ".join(words), {o for o in options if o.startswith("-")} | {"--help"}

    return dict(walk(typer.main.get_command(app), ()))


def blocks(page: str, language: str) -> list[str]:
    """Fenced code blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def sections(page: str) -> dict[str, str]:
    """Text of each second-level section by its title."""
    parts = re.split(r"^## (.+)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_and_option_is_documented(command: str) -> None:
    section = sections("docs/cli.md").get(f"zkdescent {command}")
    assert section is not None, f"docs/cli.md has no section '## zkdescent {command}'"
    missing = {o for o in commands()[command] - COMMON if f"`{o}`" not in section}
    assert not missing


def test_no_command_is_documented_that_does_not_exist() -> None:
    titles = {t for t in sections("docs/cli.md") if t.startswith("zkdescent ")}
    assert titles == {f"zkdescent {name}" for name in commands()}


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_answers_in_json(command: str) -> None:
    assert commands()[command] >= {"--json", "--verbose", "-v", "--help"}


def test_every_key_of_the_project_file_is_documented() -> None:
    section = sections("docs/cli.md")["The project file, `zkdescent.toml`"]
    words = set(re.findall(r"[a-z_0-9]+", section))
    for table, field in Config.model_fields.items():
        assert f"[{table}]" in section
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        assert set(model.model_fields) <= words


def test_named_examples_losses_and_optimizers_exist() -> None:
    section = sections("docs/cli.md")["zkdescent init"]
    assert all(f"`{name}`" in section for name in example_names())
    for loss in ("mse", "bce"):
        assert declared_loss(loss).name == loss
    for optimizer in ("sgd", "momentum"):
        assert make_optimizer(optimizer).name == optimizer


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")])
def test_commands_in_examples_exist(page: str) -> None:
    known = commands()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in "".join(blocks(page, "console")).splitlines():
        program, *words = shlex.split(line.partition(" #")[0])
        if program == "make":
            assert words[0] in targets, line
        elif program == "zkdescent":
            name = next(n for n in (" ".join(words[:2]), words[0]) if n in known)
            assert {w for w in words if w.startswith("-")} <= known[name], line
        elif program == "python":
            assert (ROOT / words[0]).is_file(), line
        else:
            assert program == "cd", line


def test_the_readme_project_is_valid_and_its_model_builds(tmp_path: Path) -> None:
    (toml,) = blocks("README.md", "toml")
    (python,) = blocks("README.md", "python")
    assert parse_config(toml).circuit.fraction_bits == 12
    (tmp_path / "zkdescent.toml").write_text(toml)
    (tmp_path / "model.py").write_text(python)
    project = load_project(tmp_path)
    module = project.model_factory()(**project.config.model.args)
    assert sum(p.numel() for p in module.parameters()) == 81
    lines = [line for line in (toml + python).splitlines() if line]
    assert len(lines) < 30
    assert set(tomllib.loads(toml)) <= set(Config.model_fields)


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(">>>" in block for block in blocks(p, "python"))]
)
def test_sessions_in_the_documentation_run(page: str) -> None:
    # Blocks of one page share their names, as a reader would expect.
    session = "\n".join(b for b in blocks(page, "python") if ">>>" in b)
    test = doctest.DocTestParser().get_doctest(session, {}, page, str(ROOT / page), 0)
    assert test.examples
    failures: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=failures.append)
    assert not failures, "".join(failures)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in anchors, target


def test_files_and_functions_named_in_soundness_exist() -> None:
    """The page says which line carries which guarantee: those lines must be there."""
    text = (DOCS / "soundness.md").read_text(encoding="utf-8")
    sources = {
        p.name: p.read_text(encoding="utf-8")
        for root in ("core", "train", "circuits", "verifier", "contracts/src")
        for suffix in ("*.py", "*.sol")
        for p in (ROOT / root).rglob(suffix)
    }
    everything = "\n".join(sources.values())
    for name in re.findall(r"[\w/]*?(\w+\.(?:py|sol))\b", text):
        assert name in sources, name
    for owner, function in re.findall(r"`([A-Z]\w+)\.(\w+)`", text):
        assert f"{owner}.sol" in sources, owner
        assert re.search(rf"function {function}\b", sources[f"{owner}.sol"]), function
    for function in re.findall(r"`((?:check|_check|refuse|unsafe|range)_\w+)`", text):
        assert re.search(rf"def {function}\b", everything), function


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(p.name[:4]) for p in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in (DOCS / "decisions").glob("*.md"):
        assert path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]}: ")
