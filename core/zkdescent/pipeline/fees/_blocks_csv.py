"""The file that a collection ends in: one line for each block."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from zkdescent.core._files import storage_errors, write_bytes_atomic
from zkdescent.core.errors import DataError
from zkdescent.pipeline.fees.market import Block, rows_of

COLUMNS = ("block_number", "timestamp", "base_fee_wei", "gas_used", "gas_limit")


def write_blocks(path: Path, blocks: Sequence[Block]) -> None:
    """Write blocks as CSV, whole or not at all."""
    lines = [",".join(COLUMNS)]
    lines += [
        f"{b.number},{b.timestamp},{b.base_fee_wei},{b.gas_used},{b.gas_limit}" for b in blocks
    ]
    _write(path, lines)


def read_blocks(path: Path) -> list[Block]:
    """Return the blocks of a file that `zkdescent data fees` wrote.

    Raises:
        DataError: no such file, other columns, or a value that is no whole number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [row for row in csv.reader(stream, strict=True) if row]
    except FileNotFoundError as error:
        raise DataError(
            "there is no file of blocks",
            path=path,
            hint="collect one: zkdescent data fees --rpc URL --blocks N --out FILE",
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("the file is not readable as CSV", got=str(error), path=path) from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise DataError(
            "not a file of blocks", expected=",".join(COLUMNS), got=lines[:1], path=path
        )
    blocks = []
    for number, row in enumerate(lines[1:], start=2):
        try:
            blocks.append(Block(*(int(cell) for cell in row)))
        except (ValueError, TypeError) as error:
            raise DataError(
                "a line of the file holds something else than a block",
                expected=f"{len(COLUMNS)} whole numbers",
                got=",".join(row),
                path=f"{path}:{number}",
            ) from error
    return blocks


def feature_names(window: int) -> tuple[str, ...]:
    """Names of a window's features: how full blocks were, then their base fees; oldest first."""
    full = tuple(f"full_{i}" for i in range(window))
    return full + tuple(f"fee_{i}" for i in range(window - 1))


def write_rows(
    path: Path, blocks: Sequence[Block], *, window: int, horizon: int, fraction_bits: int
) -> int:
    """Write the windows of blocks as rows that a project file reads, target `change`; count them.

    Values are written so that reading gives the same numbers back.

    Raises:
        DataError: there is no window of consecutive blocks.
    """
    features, targets = rows_of(blocks, window=window, horizon=horizon, fraction_bits=fraction_bits)
    lines = [",".join((*feature_names(window), "change"))]
    for row, target in zip(features.tolist(), targets.tolist(), strict=True):
        lines.append(",".join(repr(value) for value in (*row, *target)))
    _write(path, lines)
    return len(features)


def _write(path: Path, lines: list[str]) -> None:
    with storage_errors(path):
        data = ("\n".join(lines) + "\n").encode("ascii")
        write_bytes_atomic(path, data, scratch=path.parent)
