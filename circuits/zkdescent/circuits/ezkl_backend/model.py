"""What circuits cost in ezkl, before any setup: fitted to measured keys, proofs and transactions.

With n = 2**logrows rows, B blocks of two columns, L tables, c committed tensors, p public values:

| figure | form | worst error |
|---|---|---|
| proof, bytes | 288 + 288 c + 32 L + B (1248 + 512 L) | none to B = 3, 32 bytes at B = 4 |
| proving key, bytes | 32 n (42 + 6 c + 6 L + B (60 + 12 L)), less the verifying key in it | 0.2 % |
| gas of a transaction | 270,700 + 30,000 c + 12,600 L + B (225,000 + 68,200 L) + 1,460 p | 0.2 % |
| peak memory | linear in 1, n, n B, n B L | 3 % |
| seconds | the same form, from processor time | 30 % (root mean square 12 %) |

Measured on logrows 11 to 15, B from 1 to 4, L from 1 to 4, p from 0 to 8, see docs/log.md. How full
the columns are hardly matters. Seconds are those of two idle cores of the reference machine, on
which proving takes 1 / 1.94 of its processor time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from zkdescent.circuits.ezkl_backend import cost, gadgets
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.settings import RESERVED_ROWS
from zkdescent.circuits.program import DECOMPOSING, TABLES, Op, Program
from zkdescent.circuits.tuner.costs import CircuitCost, Demand
from zkdescent.core.errors import ProverError

HINTS, OUTPUT = "hints", "output"


_Linear = tuple[float, float, float, float]
"""Coefficients of 1, n, n B, n B L, with n in units of 1,024 rows."""

_PROOF_SECONDS: _Linear = (0.24, 0.034, 0.067, 0.030)
_SETUP_SECONDS: _Linear = (1.34, 0.059, 0.093, 0.012)
_MEMORY: _Linear = (60.3, 5.29, 3.19, 1.72)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The columns of a circuit: n, B, L, c and p of the table above."""

    rows: int
    blocks: int
    tables: int
    committed: int
    public_values: int

    def linear(self, coefficients: _Linear) -> float:
        n = self.rows / 1024
        terms = (1.0, n, n * self.blocks, n * self.blocks * self.tables)
        return sum(c * t for c, t in zip(coefficients, terms, strict=True))

    @property
    def proof_bytes(self) -> int:
        fixed = 288 + 288 * self.committed + 32 * self.tables
        return fixed + self.blocks * (1248 + 512 * self.tables)

    @property
    def key_bytes(self) -> int:
        fixed = 42 + 6 * self.committed + 6 * self.tables
        return 32 * self.rows * (fixed + self.blocks * (60 + 12 * self.tables))

    @property
    def gas(self) -> int:
        fixed = 270_700 + 30_000 * self.committed + 12_600 * self.tables
        return fixed + self.blocks * (225_000 + 68_200 * self.tables) + 1_460 * self.public_values


class EzklModel:
    """Implements `tuner.costs.CostModel`; seconds are of the reference machine, two idle cores."""

    def demand(self, program: Program, size: int, *, public_output: bool = False) -> Demand:
        """Rows and look-ups as `codegen` emits them."""
        digits = Digits(size)
        rows = cost.rows(program, digits)
        tensors = [(name, program.nodes[i].size) for name, i in program.inputs.items()]
        output = program.nodes[program.output].size
        if rows < inf:
            tensors.append((HINTS, gadgets.plan(program, digits).size))
        tensors.append((OUTPUT, output))
        return Demand(
            rows=rows,
            tensors=tuple(tensors),
            tables=tables(program),
            public_values=output if public_output else 0,
            obstacle=_too_wide(program, digits),
        )

    def obstacle(self, demand: Demand, size: int) -> str | None:
        """A value too wide for the digits, or a tensor longer than a column."""
        if demand.obstacle:
            return demand.obstacle
        column = column_rows(size)
        name, elements = max(demand.tensors, key=lambda tensor: tensor[1])
        if elements <= column:
            return None
        return f"{name} has {elements:,} elements, a column of 2^{size} rows holds {column:,}"

    def cost(self, demand: Demand, size: int) -> CircuitCost:
        """The figures of the table above."""
        blocks = max(1, ceil(int(demand.rows) / column_rows(size)))
        # A public output is no committed tensor.
        committed = len(demand.tensors) - (demand.public_values > 0)
        shape = _Shape(1 << size, blocks, demand.tables, committed, demand.public_values)
        return CircuitCost(
            blocks=blocks,
            seconds=shape.linear(_PROOF_SECONDS),
            setup_seconds=shape.linear(_SETUP_SECONDS),
            peak_memory_mb=shape.linear(_MEMORY),
            proving_key_mb=shape.key_bytes / 1e6,
            proof_bytes=shape.proof_bytes,
            gas=shape.gas,
            logrows=size,
        )


def column_rows(size: int) -> int:
    """Elements that a column of 2**size rows holds."""
    return (1 << size) - RESERVED_ROWS


def tables(program: Program) -> int:
    """Different functions that a program looks up: the range of digits, their sign, and tables."""
    ops = {node.op for node in program.nodes}
    functions = {(n.op, n.attributes) for n in program.nodes if n.op in TABLES}
    return bool(ops & DECOMPOSING) + (Op.IS_POSITIVE in ops) + len(functions)


def _too_wide(program: Program, digits: Digits) -> str:
    """What is too wide for the digits, by name; empty if nothing is."""
    if cost.rows(program, digits) < inf:
        return ""
    try:
        gadgets.plan(program, digits)
    except ProverError as error:
        return str(error)
    return f"a table of functions does not fit 2^{digits.logrows} rows"
