"""Built circuits serve other projects: whole, by all that decides them, within a bound."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from zkdescent.core.errors import ConfigError
from zkdescent.core.records import CircuitRecord
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline import circuit_cache

from .scheduling.conftest import circuit


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(circuit_cache.LIMIT_ENV, raising=False)
    return tmp_path / "cache" / "circuits"


def built(store: ArtefactStore, size: int = 100) -> CircuitRecord:
    objects = {name: store.put_bytes(name.encode() * size) for name in ("vk", "pk")}
    return replace(circuit(), objects=objects)


def test_a_circuit_serves_another_project(cache: Path, tmp_path: Path) -> None:
    one, two = (ArtefactStore(tmp_path / name) for name in ("one", "two"))
    record = built(one)
    assert circuit_cache.load("key", two) is None
    circuit_cache.save("key", record, one)
    assert circuit_cache.load("key", two) == record
    assert two.get(record.objects["pk"]) == b"pk" * 100
    assert circuit_cache.load("other key", two) is None


def test_other_sources_meet_no_entry(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtefactStore(tmp_path / "one")
    circuit_cache.save("key", built(store), store)
    monkeypatch.setattr(circuit_cache, "sources_digest", lambda: "of another version")
    assert circuit_cache.load("key", store) is None


def test_a_damaged_entry_is_removed_and_not_used(cache: Path, tmp_path: Path) -> None:
    one, two = (ArtefactStore(tmp_path / name) for name in ("one", "two"))
    record = built(one)
    circuit_cache.save("key", record, one)
    (entry,) = cache.iterdir()
    (entry / record.objects["pk"]).write_bytes(b"spoiled")
    assert circuit_cache.load("key", two) is None
    assert list(cache.iterdir()) == []


def test_the_oldest_go_when_there_is_no_room(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtefactStore(tmp_path / "one")
    monkeypatch.setenv(circuit_cache.LIMIT_ENV, str(5000 / 2**30))
    for age, name in enumerate(("a", "b", "c")):
        record = built(store, 1000 + age)
        circuit_cache.save(name, record, store)
        entry = circuit_cache._folder(name) / "record.json"
        if entry.exists():
            os.utime(entry, (1000 + age, 1000 + age))
    there = [circuit_cache.load(name, store) is not None for name in ("a", "b", "c")]
    assert there == [False, False, True]
    monkeypatch.setenv(circuit_cache.LIMIT_ENV, "0")
    assert circuit_cache.load("c", store) is None


@pytest.mark.parametrize("text", ["", "much", "-1", "nan", "inf"])
def test_other_bounds_are_refused(cache: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(circuit_cache.LIMIT_ENV, text)
    with pytest.raises(ConfigError):
        circuit_cache.limit_bytes()
