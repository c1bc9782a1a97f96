"""Where the words of ABI-encoded call data stand, and the same values encoded in other ways.

A decoder and an encoder of their own, because no library writes encodings that nobody should send.
The decoder reads what Solidity reads: offsets are relative to the start of their tuple or array,
may point backwards, into each other and past gaps; bytes after the last are nobody's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WORD = 32
TOP = 1 << 256
Item = Mapping[str, Any]


class UnreadableError(Exception):
    """No Solidity decoder could read this."""


@dataclass
class Places:
    """Byte positions in some call data: its offset words, length words, and narrow values."""

    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    narrow: list[tuple[int, int]] = field(default_factory=list)  # position, bits

    def count(self) -> int:
        """How many there are."""
        return len(self.offsets) + len(self.lengths) + len(self.narrow)


def _element(item: Item) -> tuple[Item, str] | None:
    """The element and the size ("" for any) of an array type."""
    name = str(item["type"])
    if not name.endswith("]"):
        return None
    base, _, size = name[:-1].rpartition("[")
    return {**item, "type": base}, size


def dynamic(item: Item) -> bool:
    """Whether the type is encoded behind an offset."""
    array = _element(item)
    if array is not None:
        return array[1] == "" or dynamic(array[0])
    if item["type"] == "tuple":
        return any(dynamic(c) for c in item["components"])
    return item["type"] in {"bytes", "string"}


def _size(item: Item) -> int:
    """Bytes in the head of a static type."""
    array = _element(item)
    if array is not None:
        return int(array[1]) * _size(array[0])
    if item["type"] == "tuple":
        return sum(_size(c) for c in item["components"])
    return WORD


def _bits(name: str) -> int:
    """How many bits a word of this type may have; 256 if all."""
    if name == "address":
        return 160
    if name == "bool":
        return 1
    if name.startswith("uint"):
        return int(name[4:])
    return 256


def word(data: bytes, at: int) -> int:
    """The word at a position."""
    if at < 0 or at + WORD > len(data):
        raise UnreadableError(f"word at {at} of {len(data)}")
    return int.from_bytes(data[at : at + WORD], "big")


def read(items: Sequence[Item], data: bytes, start: int = 4, places: Places | None = None) -> Any:
    """Decode a tuple; positions of its words are added to ``places``.

    Raises:
        UnreadableError: an offset or a length leaves the data, or a value does not fit its type.
    """
    values, at = [], start
    for item in items:
        if dynamic(item):
            if places is not None:
                places.offsets.append(at)
            values.append(_read(item, data, start + word(data, at), places))
            at += WORD
        else:
            values.append(_read(item, data, at, places))
            at += _size(item)
    return tuple(values)


def _read(item: Item, data: bytes, at: int, places: Places | None) -> Any:
    array = _element(item)
    if array is not None:
        element, size = array
        if size:
            return read([element] * int(size), data, at, places)
        count = word(data, at)
        if places is not None:
            places.lengths.append(at)
        if count * WORD > len(data):
            raise UnreadableError(f"{count} elements")
        return read([element] * count, data, at + WORD, places)
    kind = str(item["type"])
    if kind == "tuple":
        return read(item["components"], data, at, places)
    if kind in {"bytes", "string"}:
        length = word(data, at)
        if places is not None:
            places.lengths.append(at)
        if at + WORD + length > len(data):
            raise UnreadableError(f"{length} bytes")
        return data[at + WORD : at + WORD + length]
    value, bits = word(data, at), _bits(kind)
    if value >> bits:
        raise UnreadableError(f"{kind} with more bits")
    if places is not None and bits < 256:
        places.narrow.append((at, bits))
    return value


Gap = Callable[[int], bytes]
"""The bytes to leave before the n-th tail."""


def write(
    items: Sequence[Item], values: Sequence[Any], gap: Gap, *, backwards: bool = False
) -> bytes:
    """Encode a tuple with gaps before its tails, or with its tails in the opposite order."""
    counter = iter(range(1 << 30))

    def tuple_(items: Sequence[Item], values: Sequence[Any]) -> bytes:
        parts = [encoded(item, value) for item, value in zip(items, values, strict=True)]
        behind = [i for i, item in enumerate(items) if dynamic(item)]
        gaps = {i: gap(next(counter)) for i in behind}
        at = sum(WORD if i in gaps else len(part) for i, part in enumerate(parts))
        heads, tails = dict(enumerate(parts)), b""
        for i in reversed(behind) if backwards else behind:
            tails += gaps[i]
            heads[i] = (at + len(tails)).to_bytes(WORD, "big")
            tails += parts[i]
        return b"".join(heads.values()) + tails

    def encoded(item: Item, value: Any) -> bytes:
        array = _element(item)
        if array is not None:
            body = tuple_([array[0]] * len(value), value)
            return body if array[1] else len(value).to_bytes(WORD, "big") + body
        kind = str(item["type"])
        if kind == "tuple":
            return tuple_(item["components"], value)
        if kind in {"bytes", "string"}:
            padding = bytes(-len(value) % WORD)
            return len(value).to_bytes(WORD, "big") + bytes(value) + padding
        return int(value).to_bytes(WORD, "big")

    return tuple_(items, values)


def canonical(items: Sequence[Item], values: Sequence[Any]) -> bytes:
    """The one encoding that a library would write."""
    return write(items, values, lambda _: b"")


def other_words(value: int, size: int, *, length: bool) -> Iterator[int]:
    """What to put in the place of an offset or a length."""
    yield from (value + d for d in (-64, -33, -32, -31, -1, 1, 31, 32, 33, 64, 96, 128))
    yield from (0, 1, 4, 31, 32, 64, size - 4, size - 36, size, size + 32, 2 * value, value // 2)
    yield from (value ^ 1 << bit for bit in (3, 6, 7, 8, 9, 10, 12, 16, 24, 31, 32, 63, 64, 128))
    yield from (value + (1 << bit) for bit in (251, 250, 255))
    yield from (TOP - 1, TOP - 32, TOP - 64, TOP - value, (1 << 64) - 1, 1 << 63, (1 << 255) - 1)
    if length:
        yield from ((TOP >> 5) + value, (TOP >> 6) + value, (1 << 32) - 1, 255, 256)


def dirty_words(value: int, bits: int) -> Iterator[int]:
    """A narrow value with bits beyond its type."""
    yield from (value | 1 << bit for bit in {bits, bits + 1, bits + 7, 128, 255} if bit >= bits)
    yield value | (TOP - (1 << bits))
    yield 1 << bits


def variants(items: Sequence[Item], call: bytes) -> Iterator[bytes]:
    """Everything that may be wrong with the encoding of a call, whatever it says."""
    places = Places()
    values = read(items, call, 4, places)
    size = len(call)

    def put(at: int, value: int) -> bytes:
        return call[:at] + (value % TOP).to_bytes(WORD, "big") + call[at + WORD :]

    for at in places.offsets:
        yield from (put(at, new) for new in other_words(word(call, at), size, length=False))
        yield from (put(at, word(call, other)) for other in places.offsets)
    for at in places.lengths:
        yield from (put(at, new) for new in other_words(word(call, at), size, length=True))
    for at, bits in places.narrow:
        yield from (put(at, new) for new in dirty_words(word(call, at), bits))
    selector = call[:4]
    for hole in (b"\0", bytes(31), bytes(32), b"\xff" * 32, bytes(64), b"\x01" * 320):
        for tail in range(len(places.offsets)):
            yield selector + write(items, values, lambda n, t=tail, h=hole: h if n == t else b"")  # type: ignore[misc]
        yield selector + write(items, values, lambda _, h=hole: h)  # type: ignore[misc]
    yield selector + write(items, values, lambda _: b"", backwards=True)
    yield selector + write(items, values, lambda _: bytes(32), backwards=True)
    for extra in (b"\0", b"\xff", bytes(4), bytes(31), bytes(32), bytes(33), bytes(1024), call):
        yield call + extra
    for cut in (1, 4, 31, 32, 33, 64, 96, size // 2, size - 36, size - 4):
        if cut < size - 3:
            yield call[:-cut]


def combinations(items: Sequence[Item], call: bytes, seed: int) -> Iterator[bytes]:
    """Without end: two to four words that are wrong at once, now and then with a cut or a tail."""
    places, draw = Places(), random.Random(seed)
    read(items, call, 4, places)
    bits = dict(places.narrow)
    every = [*places.offsets, *places.lengths, *bits]
    size = len(call)
    while every:
        spelt = call
        for at in draw.sample(every, min(len(every), draw.randint(2, 4))):
            old = word(call, at)
            if at in bits:
                new = draw.choice([*dirty_words(old, bits[at]), draw.getrandbits(256)])
            elif draw.random() < 0.3:
                new = word(call, draw.choice(every)) + draw.choice([0, 0, -32, 32])
            else:
                new = draw.choice([*other_words(old, size, length=at in places.lengths)])
            spelt = spelt[:at] + (new % TOP).to_bytes(WORD, "big") + spelt[at + WORD :]
        if draw.random() < 0.2:
            spelt += draw.randbytes(draw.choice([1, 31, 32, 64]))
        elif draw.random() < 0.1:
            spelt = spelt[: draw.randrange(4, size)]
        yield spelt
