"""Which line of the user's code an operation came from."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import torch

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def recorded_line(stack_trace: str | None) -> str | None:
    """FILE:LINE of the innermost frame outside torch and this package in a recorded stack."""
    return _innermost([(file, int(line)) for file, line in _FRAME.findall(stack_trace or "")])


def raising_line(error: BaseException) -> str | None:
    """The same for the traceback of an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    return _innermost([(frame.filename, frame.lineno or 0) for frame in frames])


def _innermost(frames: list[tuple[str, int]]) -> str | None:
    users = [(file, line) for file, line in frames if not file.startswith(_LIBRARIES)]
    return f"{users[-1][0]}:{users[-1][1]}" if users else None
