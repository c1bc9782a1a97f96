"""Structured reference strings.

A locally generated string is *unsafe*: whoever made it can forge every proof under it. It is what
tests, demos and local chains use, under a name that says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from zkdescent.circuits.cache import cache_directory
from zkdescent.circuits.ezkl_backend.worker import call


def unsafe_srs(logrows: int) -> Path:
    """Path of a local reference string for 2**logrows rows, generated on first use."""
    path = cache_directory() / "srs" / f"unsafe-{logrows}.srs"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            call("gen_srs", path=str(partial), logrows=logrows)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path
