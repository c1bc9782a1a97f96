"""Options that every command takes, and the output they choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zkdescent.cli.output import Output

Directory = Annotated[
    Path, typer.Option("--directory", "-C", help="The project directory.", show_default=True)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout; logs go to stderr.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show tracebacks.")]

_output = Output()


def choose_output(as_json: bool, verbose: bool) -> Output:
    """Set how this process prints; errors use the same."""
    global _output
    _output = Output(as_json, verbose)
    return _output


def current() -> Output:
    """The output that was chosen."""
    return _output
