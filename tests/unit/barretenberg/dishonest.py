"""A prover who lies: about one value, with everything else computed as if it were true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from zkdescent.circuits.barretenberg.circuits import EmittedCircuit
from zkdescent.circuits.barretenberg.system import Solution
from zkdescent.circuits.executor import evaluate
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import Node, Op

from .checker import Checker, R
from .samples import SALT, Sample


@dataclass(frozen=True)
class Lie:
    """A false witness, and the only kinds of opcodes that may tell."""

    name: str
    witness: list[int]
    told_by: frozenset[str]


@dataclass
class Tally:
    """What became of lies."""

    rejected: int = 0
    failures: list[str] = field(default_factory=list)


class Prover:
    """Everything that a prover of a circuit has, and an honest witness."""

    # Lies that any kind of opcode may tell are judged by the first one that does.

    def __init__(self, sample: Sample, *, freivalds: bool = True) -> None:
        self.sample = sample
        self.circuit: EmittedCircuit = sample.emit(freivalds=freivalds)
        self.walk, self.system = self.circuit.walk, self.circuit.system
        self.values = evaluate(sample.program, sample.inputs, self.circuit.fixed)
        self.honest = self.circuit.witness(sample.inputs, SALT)
        self.checker = Checker(self.circuit.program_file())
        self.context = int(sample.inputs["context"][0])

    def node(self, name: str) -> int:
        """Index of the node with a name that computes something."""
        nodes = self.sample.program.nodes
        moved = (Op.RESHAPE, Op.TRANSPOSE, Op.SLICE, Op.NEG)
        (found,) = [i for i, n in enumerate(nodes) if n.name == name and n.op not in moved]
        return found

    def consequences(self, index: int, place: int, value: int) -> list[IntegerArray]:
        """Values of all nodes if one element of a node were another.

        Raises:
            RangeOverflow: the lie does not fit somewhere.
        """
        lied = integers_of(self.values[index])
        lied[place] = value
        return self.all_consequences(index, lied)

    def all_consequences(self, index: int, lied: list[int]) -> list[IntegerArray]:
        """The same for all elements of a node."""
        node = self.sample.program.nodes[index]
        nodes = list(self.sample.program.nodes)
        nodes[index] = Node(Op.CONSTANT, (), node.shape, tuple(lied), node.name)
        program = replace(self.sample.program, nodes=tuple(nodes))
        return evaluate(program, self.sample.inputs, self.circuit.fixed)

    def solve(
        self,
        values: list[IntegerArray] | None = None,
        *,
        witnesses: Mapping[int, int] | None = None,
        salt: int = SALT,
        keep_public: bool = False,
    ) -> list[int]:
        """All witnesses from values of the nodes, some witnesses being as given.

        Whatever is computed from those given (digests, the challenge, public outputs) is computed
        again.

        Args:
            keep_public: public witnesses stay those of the honest statement.
        """
        given = dict(witnesses or {})
        solution = Solution(values or self.values, [0] * self.system.public, salt)
        solution.witness[0] = self.context
        for size, recipe in self.system.recipes:
            start = len(solution.witness)
            solution.witness.extend(int(v) for v in recipe(solution))
            for witness in range(start, start + size):
                if witness in given:
                    solution.witness[witness] = given[witness] % R
        for place, expression in self.system._published:
            solution.witness[place] = solution.of(expression)
        for place in range(self.system.public):
            solution.witness[place] = given.get(place, solution.witness[place])
        if keep_public:
            solution.witness[: self.system.public] = self.honest[: self.system.public]
        return [w % R for w in solution.witness]

    def changed(self, changes: Mapping[int, int]) -> list[int]:
        """The honest witness but for some numbers."""
        witness = list(self.honest)
        for place, value in changes.items():
            witness[place] = value % R
        return witness

    def judge(self, lies: Iterable[Lie]) -> Tally:
        """Whether every lie is found out, by the opcodes that are there for it and no other."""
        tally = Tally()
        for lie in lies:
            if lie.witness == self.honest:
                tally.failures.append(f"{lie.name}: no lie")
                continue
            if len(lie.told_by) > 2:
                first = self.checker(lie.witness)
                kinds = {first.kind} if first else set()
            else:
                kinds = self.checker.kinds(lie.witness)
            if not kinds:
                tally.failures.append(f"{lie.name}: accepted")
            elif not kinds <= lie.told_by:
                tally.failures.append(f"{lie.name}: {sorted(kinds)}, not {sorted(lie.told_by)}")
            else:
                tally.rejected += 1
        return tally


def integers_of(array: IntegerArray) -> list[int]:
    """A tensor's elements."""
    return [int(v) for v in np.asarray(array).reshape(-1)]
