"""The artefact store: checked reads, one writer, and nothing half-written after a kill."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zkdescent.core.errors import ArtefactError
from zkdescent.core.store import ArtefactStore

NAME = "proofs/block-00000.proof.json"


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / ".zkdescent")


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_objects_are_named_by_content(store: ArtefactStore, tmp_path: Path) -> None:
    digest = store.put_bytes(b"key")
    assert digest == hashlib.sha256(b"key").hexdigest()
    assert store.get(digest) == b"key"
    assert store.path_of(digest).read_bytes() == b"key"
    source = tmp_path / "pk"
    source.write_bytes(b"k" * 3_000_000)
    assert store.get(store.put_file(source)) == source.read_bytes()
    assert store.has(digest)
    assert not store.has("0" * 64)


def test_a_changed_object_is_refused_and_mended_by_storing_again(store: ArtefactStore) -> None:
    digest = store.put_bytes(b"key")
    store.path_of(digest).write_bytes(b"kez")
    for read in (store.get, store.path_of):
        with pytest.raises(ArtefactError, match="does not have the content"):
            read(digest)
    assert store.put_bytes(b"key") == digest
    assert store.get(digest) == b"key"


@pytest.mark.parametrize("digest", ["0" * 64, "../../etc/passwd", "AB" * 32, ""])
def test_an_object_that_is_not_there_is_refused(store: ArtefactStore, digest: str) -> None:
    with pytest.raises(ArtefactError):
        store.get(digest)


def test_artefacts_are_listed_and_checked(store: ArtefactStore) -> None:
    entry = store.write_json(NAME, {"a": 1})
    assert store.read_json(NAME) == {"a": 1}
    assert store.entry(NAME) == entry
    assert store.names() == (NAME,)
    assert store.names("train/") == ()
    (store.root / NAME).write_bytes(b'{"a":2}\n')
    with pytest.raises(ArtefactError, match="does not have the content"):
        store.read_json(NAME)
    assert store.read_json(NAME, check=False) == {"a": 2}


def test_reading_creates_nothing(store: ArtefactStore) -> None:
    with pytest.raises(ArtefactError, match="no such artefact"):
        store.read_json(NAME)
    with pytest.raises(ArtefactError, match="no compiled circuits"):
        store.read_manifest()
    assert not store.root.exists()


def test_a_missing_name_suggests_the_nearest(store: ArtefactStore) -> None:
    store.write_json(NAME, 1)
    with pytest.raises(ArtefactError) as caught:
        store.read_json("proofs/block-0000.proof.json")
    assert NAME in (caught.value.hint or "")


def test_a_listed_file_that_was_deleted_is_named(store: ArtefactStore) -> None:
    store.write_json(NAME, 1)
    (store.root / NAME).unlink()
    for check in (True, False):
        with pytest.raises(ArtefactError, match="file is missing"):
            store.read_bytes(NAME, check=check)


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a//b", "a/../b", ".x", "", "manifest.json", "objects/x", "lock", "a b"]
)
def test_names_that_leave_the_store_or_collide_are_refused(store: ArtefactStore, name: str) -> None:
    with pytest.raises(ArtefactError, match="not a name"):
        store.write_bytes(name, b"")
    with pytest.raises(ArtefactError, match="not a name"):
        store.read_bytes(name)


def test_remove_forgets_files_by_prefix(store: ArtefactStore) -> None:
    store.write_json(NAME, 1)
    store.write_json("train/metrics.json", 2)
    assert store.remove("proofs/") == (NAME,)
    assert store.names() == ("train/metrics.json",)
    assert not (store.root / NAME).exists()
    assert store.remove("proofs/") == ()


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"format":"other","artefacts":{}}', b'{"format":"zkdescent.manifest/1"}'],
)
def test_a_damaged_manifest_is_refused(store: ArtefactStore, text: bytes) -> None:
    store.write_json(NAME, 1)
    (store.root / "manifest.json").write_bytes(text)
    with pytest.raises(ArtefactError):
        store.read_json(NAME)
    with pytest.raises(ArtefactError):
        store.write_json(NAME, 2)


def test_a_read_only_disk_is_an_artefact_error(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store.write_json(NAME, 1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtefactError) as caught:
        store.write_json(NAME, 2)
    monkeypatch.undo()
    assert caught.value.got == "No space left on device"
    assert store.read_json(NAME) == 1


def test_an_exception_while_writing_leaves_no_scratch_file(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_json(NAME, 1)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write_json(NAME, 2)
    monkeypatch.undo()
    assert store.read_json(NAME) == 1
    assert list((store.root / "scratch").iterdir()) == []


# A write renames three times: pending, manifest (the commit point), the name. Killed at the n-th
# rename, before it (n, "before") or right after it.
KILL_AT_RENAME = """
import os, signal, sys
from pathlib import Path
from zkdescent.core.store import ArtefactStore
root, name, at, when = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
rename, count = os.replace, 0
def replace(*arguments):
    global count
    count += 1
    if count == at and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*arguments)
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
ArtefactStore(root).write_json(name, {"value": "new"})
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("rename", [1, 2, 3])
def test_a_killed_write_leaves_the_old_or_the_new_content(
    store: ArtefactStore, rename: int, when: str
) -> None:
    store.write_json(NAME, {"value": "old"})
    process = python(KILL_AT_RENAME, store.root, NAME, rename, when)
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.communicate()

    committed = (rename, when) not in {(1, "before"), (1, "after"), (2, "before")}
    expected = {"value": "new" if committed else "old"}
    assert store.read_json(NAME) == expected  # a reader sees it without any repair

    with store.lock("recover"):
        pass
    assert (store.root / NAME).read_bytes().startswith(b'{"value":"' + expected["value"].encode())
    assert store.read_json(NAME) == expected
    for directory in ("scratch", "pending"):
        assert list((store.root / directory).iterdir()) == []


WRITE_FOREVER = """
import sys
from pathlib import Path
from zkdescent.core.store import ArtefactStore
store = ArtefactStore(Path(sys.argv[1]))
for i in range(10**9):
    store.write_json(sys.argv[2], {"round": i, "filler": "x" * 200_000})
    if i == 2:
        print("started", flush=True)
"""


def test_a_process_killed_at_random_leaves_whole_files(store: ArtefactStore) -> None:
    for pause_s in (0.0, 0.013, 0.029):
        process = python(WRITE_FOREVER, store.root, NAME)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(pause_s)
        process.kill()
        process.communicate()
        content = store.read_json(NAME)
        assert len(content["filler"]) == 200_000
        store.write_json("after.json", content["round"])  # the lock went with the process
        assert store.read_json(NAME) == content


HOLD_LOCK = """
import sys
from pathlib import Path
from zkdescent.core.store import ArtefactStore
with ArtefactStore(Path(sys.argv[1])).lock("prove"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_writes(store: ArtefactStore) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(store.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(ArtefactError, match="another process is writing") as caught,
            store.lock(timeout_s=0.1),
        ):
            pass
        assert caught.value.got == f"process {process.pid} (prove)"
        process.stdin.close()
        process.wait(timeout=60)
    with store.lock():  # free again
        store.write_json(NAME, 1)


def test_the_lock_is_re_entrant_and_released_after_an_exception(store: ArtefactStore) -> None:
    def fail() -> None:
        with store.lock("outer"), store.lock("inner"):
            store.write_json(NAME, 1)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with ArtefactStore(store.root).lock(timeout_s=0):  # another instance is like another process
        pass


def test_a_forked_worker_does_not_inherit_the_lock(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.lock("parent"):
        monkeypatch.setattr(os, "getpid", lambda: -1)  # what the copy in a worker would see
        with pytest.raises(ArtefactError, match="worker process may not write"):
            store.write_json(NAME, 1)
        monkeypatch.undo()
        store.write_json(NAME, 2)


def test_one_process_opens_its_own_locked_store_again(store: ArtefactStore) -> None:
    again = ArtefactStore(store.root)
    with store.lock("prove"):
        again.write_bytes("a.txt", b"written by who holds the lock")
        assert again.holder() == f"process {os.getpid()} (prove)"
    assert store.holder() is None


def test_the_holder_is_named_to_another_process_and_gone_when_it_is_killed(
    store: ArtefactStore,
) -> None:
    """Neither clock nor process number decides: the kernel drops the lock with its holder."""
    code = (
        "import sys, time; from pathlib import Path; "
        "from zkdescent.core.store import ArtefactStore\n"
        "with ArtefactStore(Path(sys.argv[1])).lock('prove'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    process = python(code, store.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    os.utime(store.root / "lock", (2**31, 2**31))
    assert store.holder() == f"process {process.pid} (prove)"
    with (
        pytest.raises(ArtefactError, match="another process is writing") as caught,
        store.lock("write", timeout_s=0.1),
    ):
        pass
    assert str(process.pid) in str(caught.value.got)
    process.kill()
    process.communicate()
    with store.lock("write", timeout_s=5.0):
        assert store.holder() == f"process {os.getpid()} (write)"
