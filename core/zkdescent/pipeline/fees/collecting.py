"""Collect blocks of a fee market from a node, so that it can be killed and goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zkdescent.core._files import FileLock
from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.pipeline.fees._blocks_csv import read_blocks, write_blocks, write_rows
from zkdescent.pipeline.fees._journal import Journal, Range, Seen
from zkdescent.pipeline.fees._node import BlockSource
from zkdescent.pipeline.fees.market import Block
from zkdescent.pipeline.reporting import Reporter

CHUNK = 128
_REWIND = 64  # blocks to forget when the chain took some back
_REWINDS = 3


@dataclass(frozen=True, slots=True)
class Rows:
    """Windows to write as rows: blocks in one, blocks ahead, fraction bits of the circuit."""

    path: Path
    window: int
    horizon: int
    fraction_bits: int


@dataclass(frozen=True, slots=True)
class Collection:
    """What was collected: blocks first .. last in `path`, `fetched` of them now; rows, if asked."""

    path: Path
    first: int
    last: int
    fetched: int
    rows_path: Path | None = None
    rows: int = 0

    @property
    def blocks(self) -> int:
        """How many blocks."""
        return self.last - self.first + 1


def collect_fees(
    url: str,
    out: Path,
    *,
    count: int,
    report: Reporter,
    last: int | None = None,
    rows: Rows | None = None,
    patience_s: float = 60.0,
) -> Collection:
    """Collect `count` blocks up to `last` (the newest, if None) into a CSV file.

    What is collected is kept in `OUT.partial` until it is complete, and a later call goes on with
    it: the same blocks, whatever the newest is by then. A finished file is left alone.

    Raises:
        ConfigError: the chain has fewer blocks, or `out` holds something else.
        ChainError: the node does not answer or contradicts itself; what was collected is kept.
        DataError: no window of consecutive blocks for the rows.
        ArtefactError: another process collects into the same file, or it can't be written.
    """
    journal_path = out.with_name(out.name + ".partial")
    with FileLock(out.with_name(out.name + ".lock")).hold("collect blocks"):
        if out.exists():
            blocks, fetched = _finished(out, count), 0
        else:
            journal = Journal(journal_path)
            blocks, fetched = _collect(url, journal, count, last, report, patience_s)
            write_blocks(out, blocks)
            journal.remove()
        made = 0
        if rows is not None:
            made = write_rows(
                rows.path,
                blocks,
                window=rows.window,
                horizon=rows.horizon,
                fraction_bits=rows.fraction_bits,
            )
    path = None if rows is None else rows.path
    return Collection(out, blocks[0].number, blocks[-1].number, fetched, path, made)


def _finished(out: Path, count: int) -> list[Block]:
    blocks = read_blocks(out)
    if len(blocks) != count:
        raise ConfigError(
            "the file holds another collection",
            expected=f"{count} blocks, or no file",
            got=f"{len(blocks)} blocks",
            path=out,
            hint="name another --out, or remove it",
        )
    return blocks


def _collect(
    url: str, journal: Journal, count: int, last: int | None, report: Reporter, patience_s: float
) -> tuple[list[Block], int]:
    source = BlockSource(url, patience_s=patience_s, notice=report.note)
    wanted = _wanted(source, journal, count, last)
    report.start("blocks", count)
    if journal.seen:
        report.note(f"going on after {len(journal.seen):,} blocks")
    journal.begin(wanted)
    fetched, rewinds = 0, 0
    while len(journal.seen) < count:
        first = wanted.first + len(journal.seen)
        stop = min(first + CHUNK - 1, wanted.last)
        if journal.seen and source.parent_of(first) != journal.seen[-1].hash:
            rewinds += 1
            if rewinds > _REWINDS:
                raise ChainError(
                    "the chain keeps taking back what was collected",
                    expected=f"block {first} after {journal.seen[-1].hash}",
                    hint="end the collection some blocks earlier, with --last",
                )
            report.note(f"the chain was reorganised before block {first}: some blocks again")
            journal.rewind(_REWIND)
            continue
        more: list[Seen] = source.blocks(first, stop)
        journal.append(more)
        fetched += len(more)
        report.advance("blocks", len(journal.seen), f"block {stop:,}")
    return [seen.block for seen in journal.seen], fetched


def _wanted(source: BlockSource, journal: Journal, count: int, last: int | None) -> Range:
    known = journal.range
    if known is not None:
        if (known.chain_id, known.last - known.first + 1) != (source.chain_id, count) or (
            last is not None and last != known.last
        ):
            raise ConfigError(
                "another collection into this file is not finished",
                expected=f"{known.last - known.first + 1} blocks of chain {known.chain_id} up to "
                f"{known.last}",
                got=f"{count} blocks of chain {source.chain_id}",
                path=journal.path,
                hint="finish it, remove the file, or name another --out",
            )
        return known
    newest = source.newest()
    end = newest if last is None else last
    if end > newest or end - count + 1 < 0:
        raise ConfigError(
            "the chain has no such blocks",
            expected=f"{count} blocks among 0 to {newest}",
            got=f"{end - count + 1} to {end}",
            hint="ask for fewer with --blocks",
        )
    return Range(source.chain_id, end - count + 1, end)
