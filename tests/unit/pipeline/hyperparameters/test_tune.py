"""The search: fronts, what is chosen, continuing, and writing a setting into a project file."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import load_project, parse_config
from zkdescent.core.errors import ArtefactError, ConfigError
from zkdescent.pipeline.hyperparameters import (
    Setting,
    TuneResult,
    apply_setting,
    snippet,
    stored_search,
    tune_project,
)
from zkdescent.pipeline.hyperparameters.applying import edited
from zkdescent.pipeline.hyperparameters.evaluating import evaluated
from zkdescent.pipeline.hyperparameters.findings import choice_of, front_of
from zkdescent.pipeline.hyperparameters.space import declared
from zkdescent.pipeline.reporting import Reporter

FILE = """# A comment on the file.
[project]
name = "tiny"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"

[train]
optimizer = "momentum"   # heavy ball
momentum = 0.8
learning_rate = 0.0625   # a sixteenth
batch_size = 4
steps = 4

[train.schedule]
warmup_steps = 2
"""


def setting(number: int, metric: float | None, seconds: float | None, **more: Any) -> Setting:
    base = Setting(
        number=number, optimizer="sgd", learning_rate=0.1, batch_size=4, l1=0.0, l2=0.0,
        fraction_bits=12, metric=metric, seconds=seconds,
    )  # fmt: skip
    return replace(base, **more)


def result_of(*settings: Setting) -> TuneResult:
    chosen = choice_of(settings, "seconds", larger_is_better=True)
    return TuneResult(
        metric="accuracy", part="validation", larger_is_better=True, cost="seconds", seed=0,
        settings=settings, front=tuple(s.number for s in front_of(settings, "seconds",
        larger_is_better=True)), chosen=None if chosen is None else chosen.number,
    )  # fmt: skip


def test_the_front_is_what_nothing_beats() -> None:
    settings = (
        setting(0, 0.90, 10), setting(1, 0.95, 20), setting(2, 0.89, 11), setting(3, 0.80, 2),
        setting(4, 0.95, 21), setting(5, None, None, error="overflow"), setting(6, 0.90, 10),
    )  # fmt: skip
    up = front_of(settings, "seconds", larger_is_better=True)
    assert [s.number for s in up] == [3, 0, 1]
    down = front_of(settings, "seconds", larger_is_better=False)
    assert [s.number for s in down] == [3]


def test_the_cheapest_that_is_not_worse_is_chosen() -> None:
    found = result_of(setting(0, 0.9, 10), setting(1, 0.9, 4), setting(2, 0.89, 1))
    assert found.chosen == 1
    assert found.gain == 2.5


@pytest.mark.parametrize(
    "others",
    [(), (setting(1, 0.95, 10.0),), (setting(1, 0.89, 1.0),), (setting(1, None, None),)],
)
def test_nothing_is_chosen_where_nothing_is_cheaper_and_as_good(
    others: tuple[Setting, ...],
) -> None:
    found = result_of(setting(0, 0.9, 10.0), *others)
    assert found.chosen is None
    assert found.gain is None


def test_comments_and_everything_else_stay() -> None:
    text = edited(FILE, setting(1, 0.9, 1, optimizer="adam", learning_rate=0.03, l2=0.001))
    assert "# A comment on the file." in text
    assert "# a sixteenth" in text
    assert "warmup_steps = 2" in text
    train = tomllib.loads(text)["train"]
    assert (train["optimizer"], train["learning_rate"], train["l2"]) == ("adam", 0.03, 0.001)
    assert "momentum" not in train
    parse_config(text)


def test_the_optimizers_own_keys_stay_with_it() -> None:
    kept = tomllib.loads(edited(FILE, setting(1, 0.9, 1, optimizer="momentum")))["train"]
    assert kept["momentum"] == 0.8
    assert "l1" not in kept


def test_a_snippet_is_part_of_a_project_file() -> None:
    parsed = tomllib.loads(snippet(setting(1, 0.9, 1, l1=1e-4, fraction_bits=9)))
    assert parsed["train"]["l1"] == 1e-4
    assert parsed["circuit"] == {"fraction_bits": 9}


def test_applying_keeps_the_old_files(tmp_path: Path) -> None:
    (tmp_path / "zkdescent.toml").write_text(FILE)
    project = load_project(tmp_path)
    found = result_of(setting(0, 0.9, 10), setting(1, 0.9, 4, batch_size=8))
    assert apply_setting(project, found, 1).name == "zkdescent.toml.bak"
    assert (tmp_path / "zkdescent.toml.bak").read_text() == FILE
    assert load_project(tmp_path).config == declared(project, found.settings[1]).config
    assert apply_setting(load_project(tmp_path), found, 0).name == "zkdescent.toml.bak1"
    assert (tmp_path / "zkdescent.toml.bak").read_text() == FILE


@pytest.mark.parametrize("number", [7, 1])
def test_a_setting_that_is_none_changes_nothing(tmp_path: Path, number: int) -> None:
    (tmp_path / "zkdescent.toml").write_text(FILE)
    found = result_of(setting(0, 0.9, 10), setting(1, None, None, error="overflow"))
    with pytest.raises(ConfigError, match=r"no setting|can't be proven"):
        apply_setting(load_project(tmp_path), found, number)
    assert (tmp_path / "zkdescent.toml").read_text() == FILE
    assert not (tmp_path / "zkdescent.toml.bak").exists()


def test_a_rate_that_rounds_to_zero_is_a_finding_not_an_error(
    tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    project = load_project(write_project(tmp_path))
    found = evaluated(project, setting(1, None, None, learning_rate=1e-9, batch_size=4))
    assert found.metric is None
    assert "not allowed" in found.error


def test_a_search_of_one_is_the_project_itself_and_can_be_applied(
    tmp_path: Path, write_project: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    answer = cli("tune", "-C", write_project(tmp_path), "--trials", 1, "--json")
    assert answer.code == 0
    (own,) = answer.json["settings"]
    assert (own["optimizer"], own["learning_rate"], own["batch_size"]) == ("sgd", 0.1, 4)
    assert own["metric"] is not None
    assert answer.json["chosen"] is None
    png = (tmp_path / ".zkdescent" / "tune" / "front.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    applied = cli("tune", "-C", tmp_path, "--apply", 0, "--json")
    assert applied.json["applied"] == 0
    with pytest.raises(ArtefactError, match="no search"):
        stored_search(load_project(tmp_path), seed=5)


@pytest.mark.slow
def test_a_search_continues_and_is_the_undisturbed_one(
    tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    for name in ("whole", "parts"):
        write_project(tmp_path / name)
    whole = tune_project(load_project(tmp_path / "whole"), Reporter(), trials=12)
    assert len(whole.settings) == 12
    for reached in (1, 4, 7):
        tune_project(load_project(tmp_path / "parts"), Reporter(), trials=reached)
        _leave_a_trial_running(load_project(tmp_path / "parts"))
    parts = tune_project(load_project(tmp_path / "parts"), Reporter(), trials=12)
    assert parts == whole


@pytest.mark.slow
def test_a_killed_search_continues_and_is_the_undisturbed_one(
    tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    for name in ("whole", "killed"):
        write_project(tmp_path / name)
    whole = tune_project(load_project(tmp_path / "whole"), Reporter(), trials=8)
    draw, kills = random.Random(0), 0
    command = [sys.executable, "-c", "from zkdescent.cli import main; main()", "tune", "--json"]
    while True:
        process = subprocess.Popen(
            [*command, "-C", str(tmp_path / "killed"), "--trials", "8"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            out, _ = process.communicate(timeout=draw.uniform(8, 16) if kills < 4 else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        break
    assert kills == 4
    assert json.loads(out)["settings"] == json.loads(json.dumps(whole.to_json()))["settings"]


def _leave_a_trial_running(project: Any) -> None:
    """What a killed process leaves: a trial that was drawn and never told."""
    import optuna
    from optuna.storages import RDBStorage

    storage = RDBStorage(f"sqlite:///{project.store_directory}/tune/studies.sqlite3")
    (summary,) = optuna.get_all_study_summaries(storage)
    optuna.load_study(study_name=summary.study_name, storage=storage).ask()
    storage.engine.dispose()
