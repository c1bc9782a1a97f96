"""What a collection has so far: lines that are appended, flushed, and checked when read again.

The first line says which blocks of which chain are collected. Each further line is one block with
its hash and a checksum. A process may be killed anywhere: a line that is torn or damaged, and all
after it, are dropped when the file is opened, and collected anew.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core._files import storage_errors
from zkdescent.core.errors import DataError
from zkdescent.pipeline.fees.market import Block

_FORMAT = "zkdescent.fees/1"


@dataclass(frozen=True, slots=True)
class Seen:
    """A collected block and its hash, 0x and 64 hex digits."""

    block: Block
    hash: str

    def line(self) -> str:
        """The line in the file, without its end."""
        b = self.block
        text = f"{b.number},{b.timestamp},{b.base_fee_wei},{b.gas_used},{b.gas_limit},{self.hash}"
        return f"{text},{zlib.crc32(text.encode()):08x}"


@dataclass(frozen=True, slots=True)
class Range:
    """The blocks that a collection is of: chain, first and last number."""

    chain_id: int
    first: int
    last: int


class Journal:
    """The file of one collection.

    Raises:
        DataError: the file is of another collection, or none of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[Seen] = []
        self.range: Range | None = None
        with storage_errors(path):
            lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        whole = [line.rstrip(b"\n") for line in lines if line.endswith(b"\n")]
        if whole:
            self.range = _range(whole[0], path)
            for line in whole[1:]:
                seen = _seen(line)
                if seen is None or seen.block.number != self.range.first + len(self.seen):
                    break
                self.seen.append(seen)

    def begin(self, wanted: Range) -> None:
        """Write the file anew, with what is known of it: nothing damaged stays."""
        self.range = wanted
        header = {"format": _FORMAT, "chain_id": wanted.chain_id, "first": wanted.first}
        header["last"] = wanted.last
        lines = [json.dumps(header), *(s.line() for s in self.seen)]
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(self.path.name + ".new")
            temporary.write_text("\n".join(lines) + "\n", encoding="ascii")
            os.replace(temporary, self.path)

    def append(self, more: Iterable[Seen]) -> None:
        """Add blocks; on disk when this returns."""
        added = list(more)
        text = "".join(s.line() + "\n" for s in added)
        with storage_errors(self.path), self.path.open("a", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        self.seen.extend(added)

    def rewind(self, count: int) -> None:
        """Forget the newest blocks: the chain took them back."""
        del self.seen[max(0, len(self.seen) - count) :]
        if self.range is not None:
            self.begin(self.range)

    def remove(self) -> None:
        """Delete the file: the collection is complete."""
        with storage_errors(self.path):
            self.path.unlink(missing_ok=True)


def _range(line: bytes, path: Path) -> Range:
    try:
        header = json.loads(line)
        if header["format"] == _FORMAT:
            return Range(int(header["chain_id"]), int(header["first"]), int(header["last"]))
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(
        "this is no file of an unfinished collection",
        expected=_FORMAT,
        got=line[:80].decode(errors="replace"),
        path=path,
        hint="remove it, or name another --out",
    )


def _seen(line: bytes) -> Seen | None:
    """A line as it was written; None if it is damaged."""
    text, _, checksum = line.decode("ascii", "replace").rpartition(",")
    try:
        if int(checksum, 16) != zlib.crc32(text.encode()):
            return None
        *numbers, hash_ = text.split(",")
        return Seen(Block(*(int(n) for n in numbers)), hash_)
    except (ValueError, TypeError):
        return None
