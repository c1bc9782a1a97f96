"""What was compiled and proven must be of the files that are there now; nothing is spent if not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import ArtefactError
from zkdescent.pipeline.artefacts import proof_name
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import check_compiled
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.planning import TESTER_STATE
from zkdescent.pipeline.reporting import Reporter

pytestmark = pytest.mark.prover


@pytest.fixture
def copied(proven: Any, tmp_path: Path) -> Project:
    """A copy of the proven project, to be spoilt."""
    shutil.copytree(proven.project.directory, tmp_path / "copy", symlinks=True)
    return load_project(tmp_path / "copy")


def check(project: Project) -> None:
    check_compiled(make_blueprint(project), project.open_store().read_manifest())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_unchanged_project_is_as_compiled(copied: Project) -> None:
    check(copied)


def test_another_project_file_is_refused(copied: Project) -> None:
    edit(copied.file, "learning_rate = 0.1", "learning_rate = 0.2")
    with pytest.raises(ArtefactError, match="the project file changed"):
        check(load_project(copied.directory))


def test_another_model_is_refused(copied: Project) -> None:
    edit(copied.directory / "model.py", "nn.Linear(n, 1)", "nn.Linear(n, 1, bias=False)")
    with pytest.raises(ArtefactError, match="the model"):
        check(copied)


def test_other_data_is_refused(copied: Project) -> None:
    header, first, *rest = (copied.directory / "rows.csv").read_text().splitlines()
    moved = ",".join(str(float(v) + 1.5) for v in first.split(","))
    (copied.directory / "rows.csv").write_text("\n".join([header, moved, *rest]) + "\n")
    with pytest.raises(ArtefactError, match="the data or the initial weights"):
        check(copied)


def test_an_unfinished_run_is_not_submitted(copied: Project) -> None:
    copied.open_store().remove(proof_name("step", 1))
    with pytest.raises(ArtefactError, match="not proven yet"):
        submit_project(copied, Reporter())
    assert not (copied.store_directory / TESTER_STATE).exists()
