"""A folder in the cache is whole, or it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.circuits.cache import made_whole


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "made"
    with made_whole(target) as partial:
        (partial / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["made"]


def test_an_older_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()
    with made_whole(target) as partial:
        (partial / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_a_folder_that_another_process_made_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with made_whole(target) as partial:
        (partial / "ours").touch()
        target.mkdir()
        (target / "theirs").touch()
    assert [path.name for path in target.iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()

    def fails() -> None:
        with made_whole(target) as partial:
            (partial / "new").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
