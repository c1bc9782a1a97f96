"""What a fixed-point run is watched for: headroom, vanishing values, saturated tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log2

import numpy as np

from zkdescent.circuits import assemble
from zkdescent.circuits.executor import magnitude
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import TABLES, Op
from zkdescent.core.records import Record
from zkdescent.pipeline.fidelity_runs import OneStep

_GENESIS = "genesis state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak(Record):
    """The largest magnitude of a value that the circuit has a limited number of digits for.

    Attributes:
        value: its name in the traced graph.
        use: why it is limited.
        step: the update step of the peak, from 1.
        peak: integer magnitude; it must stay below 2**capacity_bits.
        bits_left: capacity_bits - log2(peak); None for a value that is zero throughout.
    """

    value: str
    use: str
    step: int
    peak: int
    capacity_bits: int
    bits_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostShare(Record):
    """How much of a value is lost, in the mean over the steps.

    Attributes:
        kind: `vanished`, of the values that are not zero those that round to zero; or
            `saturated`, of the arguments of a table those beyond its ends.
        share: 0 to 1.
    """

    kind: str
    value: str
    share: float


class Watch:
    """Observer of `run_fixed`: gathers peaks and losses of every node over the steps."""

    def __init__(self, step: OneStep) -> None:
        self._program, self._fixed = step.program, step.fixed
        self._gauges = list(_gauges(step))
        self._peaks: dict[int, tuple[int, int]] = {}
        self._counts: dict[int, list[int]] = {}

    def __call__(self, step: int, values: list[IntegerArray]) -> None:
        """Take in one step."""
        for number, (gauged, value, _, _) in enumerate(self._gauges):
            if value == _GENESIS and step > 1:
                continue  # later states are bounded where they are rounded
            size = magnitude(values[gauged])
            if number not in self._peaks or size > self._peaks[number][0]:
                self._peaks[number] = (size, step)
        limit = self._fixed.table_limit
        for index, node in enumerate(self._program.nodes):
            if node.op in (Op.RESCALE, Op.DIVIDE):
                present = np.broadcast_to(values[node.inputs[0]] != 0, node.shape)
                self._count(index, present & (values[index] == 0), int(present.sum()))
            elif node.op in TABLES:
                x = values[node.inputs[0]]
                self._count(index, (x >= limit) | (x <= -limit), x.size)

    def _count(self, node: int, lost: IntegerArray, of: int) -> None:
        counts = self._counts.setdefault(node, [0, 0])
        counts[0] += int(lost.sum())
        counts[1] += of

    def peaks(self) -> tuple[Peak, ...]:
        """Peaks, the tightest first; one for each value and use."""
        worst: dict[tuple[str, str], Peak] = {}
        for number, (_, value, use, capacity) in enumerate(self._gauges):
            if number not in self._peaks:
                continue
            peak, step = self._peaks[number]
            left = capacity - log2(peak) if peak else None
            found = Peak(
                value=value, use=use, step=step, peak=peak, capacity_bits=capacity, bits_left=left
            )
            known = worst.get((value, use))
            if known is None or _left(found) < _left(known):
                worst[value, use] = found
        return tuple(sorted(worst.values(), key=_left))

    def losses(self) -> tuple[LostShare, ...]:
        """Values of which something is lost, the most first."""
        found = [
            LostShare(
                kind="saturated" if self._program.nodes[node].op in TABLES else "vanished",
                value=self._program.nodes[node].label,
                share=lost / of,
            )
            for node, (lost, of) in self._counts.items()
            if lost
        ]
        return tuple(sorted(found, key=lambda lost: -lost.share))


def _left(peak: Peak) -> float:
    return inf if peak.bits_left is None else peak.bits_left


def _gauges(step: OneStep) -> Iterator[tuple[int, str, str, int]]:
    """Node to look at, its name, the use that limits it, and the limit in bits."""
    program, fixed = step.program, step.fixed
    yield program.inputs[assemble.BATCH], "batch block", "range check", fixed.data_capacity
    capacity = assemble.state_capacity(step.layout, fixed)
    yield program.inputs[assemble.STATE], _GENESIS, "range check", capacity
    for index, node in enumerate(program.nodes):
        match node.op:
            case Op.RESCALE:
                yield index, node.label, "rounding", node.attributes[1]
            case Op.DIVIDE:
                yield index, node.label, "quotient", node.attributes[0]
                yield node.inputs[1], node.label, "divisor", node.attributes[1]
            case Op.SQRT:
                yield index, node.label, "root", node.attributes[0]
            case Op.IS_POSITIVE:
                yield node.inputs[0], node.label, "comparison", node.attributes[0]
            case Op.RANGE_CHECK:
                yield index, node.label, "range check", node.attributes[0]
            case _:
                pass
