"""Lies about every gadget, told as well as they can be: all equations hold but the one that tells.

A hint that is off by one comes with a partner that makes up for it; what cannot be made up for by
integers is made up for in the field, where every number has an inverse. Results that the lie
changes are carried on into everything computed from them, digests and challenge included.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zkdescent.circuits.barretenberg.commitment import values_per_element
from zkdescent.circuits.barretenberg.tables import Intervals, intervals
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import TABLES, Node, Op
from zkdescent.core.errors import RangeOverflow

from .checker import HASH, RANGE, READ, ZERO, R
from .dishonest import Lie, Prover, integers_of

RANGE_TELLS, MEMORY_TELLS = frozenset({RANGE}), frozenset({READ})
ZERO_TELLS, HASH_TELLS = frozenset({ZERO}), frozenset({HASH})
ANY = frozenset({RANGE, ZERO, HASH, READ})


def about_results(prover: Prover) -> Iterator[Lie]:
    """Every result of every gadget is one more, one less, far off; all hints follow."""
    nodes = prover.sample.program.nodes
    for index, node in enumerate(nodes):
        if node.op not in (Op.RESCALE, Op.DIVIDE, Op.SQRT, Op.IS_POSITIVE) or (
            index not in prover.walk.hints
        ):
            continue
        for place, true in _some(integers_of(prover.values[index])):
            lies = [1 - true] if node.op is Op.IS_POSITIVE else [true + 1, true - 1, true - 3]
            for lied in lies:
                name = f"{node.name}[{place}] = {lied}, not {true}"
                try:
                    values = prover.consequences(index, place, lied)
                except RangeOverflow:
                    values = list(prover.values)
                    values[index] = values[index].copy()
                    values[index].reshape(-1)[place] = lied
                if node.op is Op.SQRT and lied < 0:
                    yield Lie(name, prover.solve(values), ANY)  # 2 s - d is negative as well
                else:
                    yield Lie(name, prover.solve(values), RANGE_TELLS)


def _some(values: list[int]) -> list[tuple[int, int]]:
    """Elements with their places: all of a small tensor, some thirty of a large one."""
    return list(enumerate(values))[:: 1 + len(values) // 30]


def about_divisions_in_the_field(prover: Prover, seed: int) -> Iterator[Lie]:
    """Another remainder in its range, and the quotient that the field has for it; and back."""
    draw = np.random.default_rng(seed)
    for index, node in enumerate(prover.sample.program.nodes):
        if index not in prover.walk.hints:
            continue
        for place, _ in _some([0] * node.size):
            yield from _divided(prover, index, node, place, draw)


def _divided(
    prover: Prover, index: int, node: Node, place: int, draw: np.random.Generator
) -> Iterator[Lie]:
    hints, honest = prover.walk.hints[index], prover.honest
    first = hints.result.start + place

    def lie(name: str, changes: dict[int, int]) -> Lie:
        # Where the changed result goes on to, equations tell as well.
        return Lie(
            f"{node.name}[{place}]: {name}",
            prover.solve(witnesses=changes),
            RANGE_TELLS | ZERO_TELLS,
        )

    if node.op is Op.RESCALE:
        bits, _ = node.attributes
        rest = hints.rest[0].start + place
        whole = (honest[first] << bits) + honest[rest]
        for remainder in (_other(draw, bits, honest[rest]), (honest[rest] + 1) % (1 << bits)):
            quotient = (whole - remainder) * pow(1 << bits, -1, R) % R
            yield lie("remainder", {rest: remainder, first: quotient})
        quotient = _other(draw, hints.result.bits, honest[first])
        yield lie("quotient", {first: quotient, rest: whole - (quotient << bits)})
    elif node.op is Op.IS_POSITIVE:
        (capacity,) = node.attributes
        rest = hints.rest[0].start + place
        whole = (honest[first] << capacity) + honest[rest]
        for t in (0, (1 << capacity) - 1, _other(draw, capacity, honest[rest])):
            if t != honest[rest]:
                bit = (whole - t) * pow(1 << capacity, -1, R) % R
                yield lie("neither sign", {first: bit, rest: t})
        yield lie("two", {first: 2, rest: whole - (2 << capacity)})
    elif node.op is Op.DIVIDE:
        remainder, left = (b.start + place for b in hints.rest[:2])
        capacity, _ = node.attributes
        y = honest[hints.rest[2].start + place % hints.rest[2].size] + 1
        q = honest[first] - (1 << capacity)
        whole = 2 * y * q + honest[remainder]
        for r in (0, 2 * y - 1, int(draw.integers(2 * y))):
            if r != honest[remainder]:
                quotient = (whole - r) * pow(2 * y, -1, R) + (1 << capacity)
                yield lie("remainder", {first: quotient, remainder: r, left: 2 * y - 1 - r})
        far = q + int(draw.integers(2, 50))
        r = whole - 2 * y * far
        changes = {first: far + (1 << capacity), remainder: r, left: 2 * y - 1 - r}
        yield lie("quotient", changes)
    elif node.op is Op.SQRT:
        below, left = (b.start + place for b in hints.rest)
        root = honest[first]
        x = root * root + honest[below]
        for s in (-root, R // 2, root + (1 << 20), _other(draw, node.attributes[0], root)):
            if s % R != root:
                d = x - s * s
                yield lie("root", {first: s, below: d, left: 2 * s - d})


def _other(draw: np.random.Generator, bits: int, known: int) -> int:
    """Any number of so many bits but one."""
    found = int(draw.integers(1 << min(bits, 62)))
    return found if found != known else found ^ 1


def about_tables(prover: Prover, seed: int) -> Iterator[Lie]:
    """Wrong intervals with distances that belong to them, entries that are in no table."""
    draw = np.random.default_rng(seed)
    for index, node in enumerate(prover.sample.program.nodes):
        if node.op not in TABLES:
            continue
        table = intervals(node.op, node.attributes[0], prover.circuit.fixed.table_limit)
        arguments = integers_of(prover.values[node.inputs[0]])
        for place, x in enumerate(arguments):
            yield from _looked_up(prover, index, place, x, table, draw)


def _looked_up(
    prover: Prover, index: int, place: int, x: int, table: Intervals, draw: np.random.Generator
) -> Iterator[Lie]:
    node, hints, honest = (
        prover.sample.program.nodes[index],
        prover.walk.hints[index],
        prover.honest,
    )
    low, high = hints.rest[:2] if not table.steps_by_one else (hints.result, hints.rest[0])
    choice, entry = low.start - 2 * node.size + place, low.start - node.size + place
    above, below = low.start + place, high.start + place
    weight, right, last = 1 << table.shift, honest[choice], len(table.entries) - 1
    seen = (x + table.limit) * (1 + weight)

    def lie(name: str, other: int, changes: dict[int, int], told_by: frozenset[str]) -> Lie:
        result = int(table.results[min(max(other, 0), last)])
        # The table's own hints are those given; whatever follows takes the wrong result.
        values = prover.consequences(index, place, result)
        if not table.steps_by_one:
            changes = {hints.result.start + place: result, **changes}
        witness = prover.solve(values, witnesses=changes)
        return Lie(f"{node.name}[{place}] of {x}: {name}", witness, told_by)

    for other in {max(right - 1, 0), min(right + 1, last), int(draw.integers(last + 1)), 0, last}:
        if other == right:
            continue
        cell, start, end = table.entries[other], int(table.starts[other]), int(table.ends[other])
        found = {choice: other, entry: cell}
        yield lie(
            f"interval {other}", other, {**found, above: x - start, below: end - x}, RANGE_TELLS
        )
        # The distances that the field has: one of them in its range, the other solved for.
        written = 0 if table.steps_by_one else int(table.results[other]) << table.value_shift
        for distance in (honest[above], 0, int(draw.integers(1 << table.bits))):
            rest = (cell - written - seen + distance) * pow(weight, -1, R) % R
            yield lie("solved above", other, {**found, above: distance, below: rest}, RANGE_TELLS)
            rest = (seen + weight * distance + written - cell) % R
            yield lie("solved below", other, {**found, above: rest, below: distance}, RANGE_TELLS)
        # An entry that nobody wrote.
        made = seen - honest[above] + weight * honest[below] + written
        if made != table.entries[other]:
            yield lie("made up", other, {choice: other, entry: made}, MEMORY_TELLS)
    for nowhere in (last + 1, -1, R // 2):
        changes = {choice: nowhere}
        told_by = MEMORY_TELLS
        witness = prover.solve(witnesses=changes)
        yield Lie(
            f"{node.name}[{place}]: place {nowhere}",
            witness,
            ANY if table.steps_by_one else told_by,
        )


def about_packing(prover: Prover) -> Iterator[Lie]:
    """Committed numbers beyond their bits: under the same digest, and under one of their own."""
    for name, block in prover.walk.inputs.items():
        per, step = values_per_element(block.bits), 1 << block.bits
        for i in range(0, block.size, 1 + block.size // 30):
            here, value = block.witness(i), prover.honest[block.witness(i)]
            for wrong in (value + step, value - step, value + R // 3, -1 - value):
                changes = {here: wrong}
                yield Lie(
                    f"{name}[{i}] too large",
                    prover.solve(witnesses=changes),
                    RANGE_TELLS | ZERO_TELLS,
                )
            if i + 1 < block.size and (i + 1) % per:
                neighbour = prover.honest[here + 1]
                for carried in (1, -1, 1 << 40):
                    changes = {here: value + carried * step, here + 1: neighbour - carried}
                    yield Lie(f"{name}[{i}] carried", prover.changed(changes), ANY)
                # The field's own carry: any number here, and what makes up for it there.
                for other in ((value + 1) % step, (value ^ 5) % step):
                    moved = neighbour + (value - other) * pow(step, -1, R)
                    yield Lie(
                        f"{name}[{i}] carried", prover.changed({here: other, here + 1: moved}), ANY
                    )


def about_the_statement(prover: Prover) -> Iterator[Lie]:
    """Other public inputs, another salt, another input under the old digest."""
    for place in range(1, prover.system.public):
        for shift in (1, -1, R // 2):
            changes = {place: prover.honest[place] + shift}
            yield Lie(f"public {place}", prover.changed(changes), ZERO_TELLS)
    for block in prover.walk.inputs.values():
        for i in range(0, block.size, 1 + block.size // 30):
            lied = prover.honest[block.witness(i)] ^ 1
            witness = prover.solve(witnesses={block.witness(i): lied}, keep_public=True)
            yield Lie(f"input {i} replaced", witness, ANY)
    for salt in (0, 12345, 1 << 247):
        yield Lie(f"salt {salt}", prover.solve(salt=salt, keep_public=True), ZERO_TELLS)


def about_single_witnesses(prover: Prover, seed: int) -> Iterator[Lie]:
    """Each witness by itself, but for the context, which is whatever the statement says."""
    draw = np.random.default_rng(seed)
    for place, true in enumerate(prover.honest):
        if place:
            for wrong in (true + 1, int.from_bytes(draw.bytes(31), "big")):
                yield Lie(f"witness {place}", prover.changed({place: wrong}), ANY)


def about_products(prover: Prover, seed: int) -> Iterator[Lie]:
    """Wrong products under a challenge that is right, chosen, or made without what decides it."""
    draw = np.random.default_rng(seed)
    rho, words, before = challenge(prover)
    for index in prover.walk.freivalds.products:
        node = prover.sample.program.nodes[index]
        rows, columns = node.shape
        turned = prover.walk.freivalds.pins[index].turned
        for place, true in _some(integers_of(prover.values[index])):
            delta = int(draw.integers(1, 5000))
            name = f"{node.name}[{place}] + {delta}"
            values = prover.consequences(index, place, true + delta)
            yield Lie(name, prover.solve(values), ZERO_TELLS)
            kept = {rho: prover.honest[rho]}
            yield Lie(
                f"{name}, rho kept", prover.solve(values, witnesses=kept), ZERO_TELLS | HASH_TELLS
            )
            frozen = {w: prover.honest[w] for w in words}
            yield Lie(
                f"{name}, not hashed",
                prover.solve(values, witnesses=frozen),
                ZERO_TELLS | HASH_TELLS,
            )
            group = prover.walk.freivalds.group(prover.walk, index)
            step = group * columns if turned else group
            if (place // columns + group < rows) if turned else (place % columns + group < columns):
                # Groups are weighed by 2, 4, 8, ...: only the hash says that this is not rho.
                values = prover.consequences(index, place, true + 2)
                values = _and(prover, values, index, place, place + step)
                yield Lie(f"{name}, rho = 2", prover.solve(values, witnesses={rho: 2}), HASH_TELLS)
    for word, state in zip(words, before, strict=True):
        left_out = prover.honest[state] if state is not None else 0
        if left_out != prover.honest[word]:
            witness = prover.solve(witnesses={word: left_out})
            yield Lie(f"rho without word {word}", witness, ZERO_TELLS | HASH_TELLS)


def _and(
    prover: Prover, values: list[IntegerArray], index: int, first: int, second: int
) -> list[IntegerArray]:
    """The consequences of two wrong elements: + 2 and - 1."""
    lied = integers_of(values[index])
    lied[second] -= 1
    return prover.all_consequences(index, lied)


def challenge(prover: Prover) -> tuple[int, list[int], list[int | None]]:
    """The challenge's witness, the words it is a hash of, and what each was absorbed into.

    Found in the circuit's file: the permutations after the last public input.
    """
    opcodes = prover.checker.opcodes
    public = max(prover.checker.public)
    start = max(
        i for i, (kind, _, b, _) in enumerate(opcodes) if kind == ZERO and public in named(b)
    )
    hashes = [(a, b) for kind, a, b, _ in opcodes[start:] if kind == HASH]
    words: list[int] = []
    before: list[int | None] = []
    known: list[int] | None = None
    for inputs, outputs in hashes:
        for i, word in enumerate(inputs[:3]):
            if known is None or word != known[i]:
                words.append(word)
                before.append(None if known is None else known[i])
        known = outputs
    assert known is not None
    return known[0], words, before


def named(terms: list[tuple[int, int]]) -> set[int]:
    """Witnesses of linear terms."""
    return {witness for _, witness in terms}
