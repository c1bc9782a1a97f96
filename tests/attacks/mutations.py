"""Ways to spoil a file: bytes anywhere, or one value of a JSON document."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 2, 2**16, 2**31, 2**32, 2**64, 2**248, 2**256, 10**4000, 0.5,
    1e308, "", "0x", "0x0", "0x00", "0x" + "00" * 32, "0x" + "ff" * 32, "0x" + "00" * 64,
    "0x" + "FF" * 32, "0x" + " 0" * 32, "../../etc/passwd", "/etc/passwd", "a" * 5000, "\u0000",
    "\ud800", "٣", "step", "range", "aggregate", "ezkl", "barretenberg", [], {}, [[]], [None],
    {"": 0}, [0] * 1000, {"format": "zkdescent.proof/1"}, "zkdescent.manifest/2",
]  # fmt: skip
RAW = [
    b"", b"\0", b"\xff\xfe", b"NaN", b"Infinity", b"-", b"{", b"}", b"[" * 5000, b'{"a":' * 3000,
    b'"', b"\\", b"1" * 5000, b"1e999", b",", b"\r\n", b"\xef\xbb\xbf", b"PK\x03\x04",
    b"\x1f\x8b\x08", b"\x80\x04\x95", b"/../", b'"format":"x",',
]  # fmt: skip


@st.composite
def spoiled_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with one to four pieces replaced, inserted, removed or doubled, or cut short."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from([0, 1, 1, 2, 8, 64, 512, 4096])))
        piece = draw(st.sampled_from(RAW) | st.binary(max_size=16))
        kind = draw(st.sampled_from(["replace", "replace", "double", "cut", "flip"]))
        if kind == "replace":
            data = data[:start] + piece + data[stop:]
        elif kind == "double":
            data = data[:stop] + data[start:stop] + data[stop:]
        elif kind == "cut":
            data = data[:start]
        elif data and start < len(data):
            flipped = data[start] ^ (1 << draw(st.integers(0, 7)))
            data = data[:start] + bytes([flipped]) + data[start + 1 :]
    return data


@st.composite
def spoiled_json(draw: st.DrawFn, document: Any) -> bytes:
    """A JSON document with one to three values replaced, keys removed or added."""
    copy = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        place = copy
        while True:
            keys: list[Any] = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 5)):
                place = inner
                continue
            kind = draw(st.sampled_from(["value", "value", "value", "remove", "add", "digit"]))
            if kind == "remove":
                del place[key]
            elif kind == "add" and isinstance(place, dict):
                name = draw(st.sampled_from(["x", "", "format", "child", "objects"]))
                place[name] = deepcopy(inner)
            elif kind == "digit" and isinstance(inner, str) and len(inner) > 4:
                at = draw(st.integers(2, len(inner) - 1))
                place[key] = (
                    inner[:at] + draw(st.sampled_from("0123456789abcdef")) + inner[at + 1 :]
                )
            else:
                place[key] = deepcopy(draw(st.sampled_from(NASTY)))
            break
    return json.dumps(copy).encode("utf-8", "surrogatepass")
