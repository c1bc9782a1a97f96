"""The notebook that tells the gas feed's story runs as it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "gas-feed" / "story.ipynb"


def outputs(notebook: Any) -> list[Any]:
    return [o for cell in notebook["cells"] for o in cell.get("outputs", [])]


def pictures(notebook: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


@pytest.mark.slow
@pytest.mark.prover
@pytest.mark.barretenberg
# The notebook's kernel is a process of its own; what its client warns of is not ours.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_from_the_first_cell_to_the_last(tmp_path: Path) -> None:
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources=place
    ).execute()
    assert pictures(notebook) == 3
    text = "".join(o.get("text", "") for o in outputs(notebook))
    assert "refused:" in text


def test_the_notebook_names_no_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [word for word in ("/home/", "/tmp/", "/root/", "/work/") if word in text]
    assert json.loads(text)["nbformat"] == 4
