"""How values are written for people, and how strings from files are made harmless to read.

Markup is escaped where strings enter a page. Here it is about what escaping leaves: control and
format characters, which hide text or turn it around, are written out as U+hhhh.
"""

from __future__ import annotations

import math
import unicodedata

LONGEST = 600
"""Characters of a string that are shown."""

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(value: object, longest: int = LONGEST) -> str:
    """Return a string with everything invisible written out, cut to a length."""
    whole = value if isinstance(value, str) else str(value)
    shown = "".join(
        f"[U+{ord(c):04X}]" if unicodedata.category(c) in _HIDDEN and c != "\n" else c
        for c in whole[: longest + 1]
    )
    return shown if len(whole) <= longest else f"{shown[:longest]}… ({len(whole)} characters)"


def short(value: bytes | str | None, digits: int = 8) -> str:
    """Both ends of a hash: people compare the beginning and the end."""
    if value is None:
        return "–"
    text = value.hex() if isinstance(value, bytes) else plain(value).removeprefix("0x")
    return f"0x{text}" if len(text) <= 2 * digits else f"0x{text[:digits]}…{text[-digits // 2 :]}"


def hexadecimal(value: bytes | str | None) -> str:
    """All of a hash."""
    return (
        "–" if value is None else f"0x{value.hex()}" if isinstance(value, bytes) else plain(value)
    )


def count(value: int | None) -> str:
    """A whole number with separators; a huge one by its magnitude."""
    if value is None:
        return "–"
    if abs(value) < 10**15:
        return f"{value:,}"
    return f"about 10^{(value.bit_length() - 1) * 0.30103:.0f}"


def figure(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}"


def seconds(value: float | None) -> str:
    """A duration: 0.42 s, 3.1 s, 4 min 12 s, 2 h 05 min."""
    if value is None or not math.isfinite(value) or value < 0:
        return "–"
    if value < 100:
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    minutes = round(value / 60)
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{count(minutes // 60)} h {minutes % 60:02d} min"


def size(value: float | None) -> str:
    """Bytes: 812 B, 7.9 kB, 1.2 MB."""
    if value is None or not math.isfinite(value) or value < 0:
        return "–"
    for unit, factor in (("B", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if value < 1000 * factor:
            return f"{value / factor:.0f} {unit}" if factor == 1 else f"{value / factor:.1f} {unit}"
    return f"{value / 10**12:,.1f} TB"


def measured(value: float | None, metric: str) -> str:
    """A metric: accuracy in per cent, others with four digits."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.1f} %" if metric == "accuracy" else f"{value:.4f}"
