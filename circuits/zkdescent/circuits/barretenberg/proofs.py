"""The two kinds of proof that contracts verify; circuit and key are the same for both."""

from __future__ import annotations

TARGETS = {True: "evm", False: "evm-no-zk"}
"""What bb calls a kind, by whether it has zero knowledge."""


def proof_bytes(level: int, zero_knowledge: bool) -> int:
    """Length of bb's own proof for 2**level rows."""
    return 32 * (82 + 12 * level if zero_knowledge else 67 + 11 * level)
