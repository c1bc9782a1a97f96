"""Names of what circuits take, apart from the compiler: a proving worker needs no torch."""

from __future__ import annotations

CONTEXT, STATE, BATCH, ROW = "context", "state", "batch", "x"
