"""The command line: parse, call one library function, print.

>>> from zkdescent.cli import main  # the `zkdescent` script
"""

from __future__ import annotations

from zkdescent.cli.app import main

__all__ = ["main"]
