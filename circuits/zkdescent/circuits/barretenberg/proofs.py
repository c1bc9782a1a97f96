"""The two kinds of proof that contracts verify; circuit and key are the same for both."""

from __future__ import annotations

TARGETS = {True: "evm", False: "evm-no-zk"}
"""What bb calls a kind, by whether it has zero knowledge."""
