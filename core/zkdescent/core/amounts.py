"""Amounts of ether as the project file writes them: a decimal number and its unit."""

from __future__ import annotations

import re

WEI_PER = {"wei": 1, "gwei": 10**9, "ether": 10**18}
EXPECTED = "a number and its unit, for example '0.5 ether', '20 gwei' or '1000 wei'"
_MAX_WEI = 1 << 128
_AMOUNT = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,18})?) (wei|gwei|ether)")


def parse_wei(text: str) -> int | None:
    """Return the wei that ``text`` names, None if it names no whole number of wei below 2**128."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    number, unit = found.groups()
    whole, _, part = number.partition(".")
    numerator = int(whole + part) * WEI_PER[unit]
    wei, rest = divmod(numerator, 10 ** len(part))
    return wei if rest == 0 and wei < _MAX_WEI else None


def format_ether(wei: int) -> str:
    """Return an amount in ether, with every digit that counts: ``"0.5 ether"``."""
    whole, part = divmod(wei, WEI_PER["ether"])
    digits = f"{part:018}".rstrip("0")
    return f"{whole}.{digits} ether" if digits else f"{whole} ether"
