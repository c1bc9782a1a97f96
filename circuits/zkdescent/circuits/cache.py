"""The folder of what is made or fetched once, and how it gets there: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_directory() -> Path:
    """`$ZKDESCENT_CACHE`, else `$XDG_CACHE_HOME/zkdescent`, else `~/.cache/zkdescent`."""
    explicit = os.environ.get("ZKDESCENT_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zkdescent"


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends well it becomes `target`, in one move.

    A folder called `target` is therefore always complete. One that was there before is replaced, so
    that a damaged one can be made anew; one that another process made meanwhile is kept.
    """
    damaged = target.exists()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        partial = Path(scratch) / "new"
        partial.mkdir()
        yield partial
        for path in partial.iterdir():
            _to_disk(path)
        if damaged:
            shutil.move(target, Path(scratch) / "old")
        try:
            os.replace(partial, target)
        except OSError:
            if not target.exists():
                raise


def _to_disk(path: Path) -> None:
    """After a crash a name must not stand for bytes that never were written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
