"""A dishonest prover: changes whatever it controls and sees whether the constraints still hold.

It controls the committed inputs and the hints. The oracle is the reference executor: if changed
inputs and hints satisfy the circuit, the output must be what the executor computes from the changed
inputs, but for the freedom that the documentation grants (docs/soundness.md): one unit for each
rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from zkdescent.circuits.assemble import STATE
from zkdescent.circuits.executor import evaluate, execute
from zkdescent.circuits.ezkl_backend import gadgets
from zkdescent.circuits.ezkl_backend.backend import EzklBackend
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Program
from zkdescent.circuits.proof_system import CircuitRequest, Locate
from zkdescent.core.errors import RangeOverflow
from zkdescent.core.records import FIELD_MODULUS, CircuitRecord

Witness = list[IntegerArray]


@dataclass(frozen=True)
class Target:
    """A circuit under attack, with an honest witness: inputs in the program's order, then hints."""

    program: Program
    fixed: FixedPoint
    record: CircuitRecord
    locate: Locate
    honest: Witness
    tolerance: int
    slack: int

    @property
    def digits(self) -> Digits:
        """The circuit's digits."""
        return Digits(self.record.logrows)


@dataclass
class Tally:
    """What became of the mutations of a target.

    `harmless` satisfy the circuit and prove what is true: another form of the same digits, or a
    neighbour that the rounding allows.
    """

    rejected: int = 0
    harmless: int = 0
    accepted_lies: list[str] = field(default_factory=list)


def build(
    program: Program,
    inputs: Witness,
    directory: Path,
    *,
    logrows: int,
    tolerance: int = 0,
    slack: int = 0,
    fixed: FixedPoint | None = None,
) -> Target:
    """Compile a program and compute its honest witness, which must satisfy the circuit."""
    fixed = fixed or FixedPoint()
    backend = EzklBackend()
    built = backend.build(CircuitRequest("step", program, fixed), logrows, directory)
    names = {name: sha256(name.encode()).hexdigest() for name in built.files}
    paths = {names[name]: path for name, path in built.files.items()}
    record = replace(built.record, objects=names)
    values = evaluate(program, dict(zip(program.inputs, inputs, strict=True)), fixed)
    hints = gadgets.honest_hints(program, values, Digits(logrows))
    target = Target(program, fixed, record, paths.__getitem__, [*inputs, hints], tolerance, slack)
    (output,) = backend.check_witnesses(record, target.locate, [target.honest])
    assert output is not None
    assert list(output) == list(values[program.output].reshape(-1))
    return target


def attack(target: Target, mutations: list[tuple[str, Witness]]) -> Tally:
    """Try mutations, and tell lies from harmless ones."""
    tally = Tally()
    witnesses = [witness for _, witness in mutations]
    outputs = EzklBackend().check_witnesses(target.record, target.locate, witnesses)
    for (name, witness), output in zip(mutations, outputs, strict=True):
        if output is None:
            tally.rejected += 1
        elif is_true(target, witness, output):
            tally.harmless += 1
        else:
            tally.accepted_lies.append(f"{name}: {list(output)[:6]}")
    return tally


def is_true(target: Target, witness: Witness, output: IntegerArray) -> bool:
    """Whether the output follows from the witness's inputs, within tolerance and slack.

    A comparison may take numbers just above zero, up to the slack, for zero.
    """
    inputs = dict(zip(target.program.inputs, map(signed, witness[:-1]), strict=True))
    lower = inputs | {STATE: inputs[STATE] - target.slack}
    try:
        highest = execute(target.program, inputs, target.fixed) + target.tolerance
        lowest = execute(target.program, lower, target.fixed) - target.tolerance
    except RangeOverflow:
        return False
    return bool(((lowest <= output) & (output <= highest)).all())


def signed(values: IntegerArray) -> IntegerArray:
    """Field elements as the integers nearest to zero."""
    reduced = [int(v) % FIELD_MODULUS for v in values]
    return np.array(
        [v - FIELD_MODULUS if v > FIELD_MODULUS // 2 else v for v in reduced], dtype=object
    )


def hint_mutations(target: Target, seed: int, count: int) -> Iterator[tuple[str, Witness]]:
    """Wrong hints: off by a little or a lot, wrapped around the field, swapped, negated."""
    draw = np.random.default_rng(seed)
    hints = target.honest[-1]
    for number in range(count):
        changed = hints.copy()
        i = int(draw.integers(len(hints)))
        name, change = CHANGES[number % len(CHANGES)]
        changed[i] = change(int(hints[i]), target.digits, draw)
        if changed[i] == hints[i]:  # a swap of equals, a negated zero
            changed[i] += 2
        yield f"hint {i} {name}", [*target.honest[:-1], changed]


def input_mutations(
    target: Target, seed: int, count: int, *, names: tuple[str, ...], bound: int | None
) -> Iterator[tuple[str, Witness]]:
    """Other inputs under the hints of the honest ones: the claim that the result stays.

    Args:
        bound: magnitudes that range proofs keep inputs below; None where the circuit itself does.
    """
    draw = np.random.default_rng(seed)
    positions = {name: i for i, name in enumerate(target.program.inputs)}
    for number in range(count):
        name = names[number % len(names)]
        tensor = target.honest[positions[name]].copy()
        i = int(draw.integers(len(tensor)))
        kind, change = CHANGES[number % len(CHANGES)]
        tensor[i] = change(int(tensor[i]), target.digits, draw)
        if bound is not None and abs(signed(tensor)[i]) >= bound:
            tensor[i] = int(draw.integers(-bound + 1, bound))
        witness = list(target.honest)
        witness[positions[name]] = tensor
        yield f"{name} {i} {kind}", witness


Change = Callable[[int, Digits, np.random.Generator], int]

CHANGES: list[tuple[str, Change]] = [
    ("+ 1", lambda v, d, r: v + 1),
    ("- 1", lambda v, d, r: v - 1),
    ("+ 2", lambda v, d, r: v + 2),
    ("- 2", lambda v, d, r: v - 2),
    ("negated", lambda v, d, r: -v - 1),
    ("another digit", lambda v, d, r: int(r.integers(d.low, d.low + d.count))),
    ("+ base", lambda v, d, r: v + (1 << d.bits)),
    ("+ count", lambda v, d, r: v + d.count),
    ("- count", lambda v, d, r: v - d.count),
    ("the table's end", lambda v, d, r: d.low + (1 << d.logrows)),
    ("below the table", lambda v, d, r: d.low - 1),
    ("half the field", lambda v, d, r: FIELD_MODULUS // 2),
    ("minus one half of the field", lambda v, d, r: -(FIELD_MODULUS // 2)),
    ("an inverse of two", lambda v, d, r: v + pow(2, -1, FIELD_MODULUS)),
    ("an inverse of the base", lambda v, d, r: v + pow(1 << d.bits, -1, FIELD_MODULUS)),
    ("any element", lambda v, d, r: int.from_bytes(r.bytes(31), "big")),
]
