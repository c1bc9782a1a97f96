"""Names of the programs' inputs; apart, so that proving with built circuits needs no torch."""

CONTEXT, STATE, BATCH, ROW = "context", "state", "batch", "x"
