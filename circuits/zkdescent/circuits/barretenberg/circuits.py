"""Whole circuits: a program between its commitments.

| role | public inputs, in order |
|---|---|
| step | context, digest of the state, of the batch block, of the new state |
| inference | context, digest of the state, features, outputs |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zkdescent.circuits.barretenberg.commitment import HashRole
from zkdescent.circuits.barretenberg.expression import atom
from zkdescent.circuits.barretenberg.system import ConstraintSystem
from zkdescent.circuits.barretenberg.uses import repeated
from zkdescent.circuits.barretenberg.walk import Walk
from zkdescent.circuits.collector import paused_collector
from zkdescent.circuits.executor import evaluate, execute
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.inputs import BATCH, CONTEXT, STATE
from zkdescent.circuits.program import Program

EMISSION = 4
"""Changes whenever equal programs give other circuits than before."""

ROLES = {STATE: HashRole.STATE, BATCH: HashRole.BATCH}


@dataclass(frozen=True)
class EmittedCircuit:
    """A program's circuit and the way to its witnesses.

    Attributes:
        walk: the emission, which knows where each node's witnesses are.
        words: public inputs that are the context or commitments, before the public values.
    """

    program: Program
    fixed: FixedPoint
    walk: Walk
    system: ConstraintSystem
    words: int

    def program_file(self) -> bytes:
        """The circuit as bb reads it."""
        return self.system.program_file()

    def output(self, inputs: Mapping[str, IntegerArray]) -> IntegerArray:
        """The flat output, by the reference executor."""
        return execute(self.program, inputs, self.fixed)

    def witness(self, inputs: Mapping[str, IntegerArray], salt: int) -> list[int]:
        """Field elements of all witnesses for an honest prover, canonical.

        Raises:
            RangeOverflow: a value leaves its range, by the reference executor.
        """
        values = evaluate(self.program, inputs, self.fixed)
        context = int(inputs[CONTEXT][0])
        return self.system.solve([context], values, salt)


@paused_collector()
def emit(
    program: Program,
    fixed: FixedPoint,
    *,
    public_output: bool,
    freivalds: bool = True,
) -> EmittedCircuit:
    """Emit the circuit of a program.

    Args:
        public_output: the output is public values instead of a committed state.
    """
    size = program.nodes[program.output].size
    words = 2 if public_output else 4
    system = ConstraintSystem(public=words + (size if public_output else 0))
    walk = Walk(program, fixed, system, freivalds=freivalds)
    walk.run()
    salt = atom(system.allocate(1, lambda s: [s.salt]))
    digests = [
        system.tensor_digest(
            ROLES[name],
            [atom(w) for w in range(block.start, block.start + block.size)],
            block.bits,
            salt,
        )
        for name, block in walk.inputs.items()
    ]
    output = walk.fetch(program.output)
    if public_output:
        system.publish(1, digests)
        system.publish(words, output)
        walk.freivalds.finish(walk, digests, frozenset())
    else:
        capacity = capacity_of(program, STATE)
        naturals = walk.naturals(program.output, capacity)
        digests.append(system.tensor_digest(HashRole.STATE, naturals, capacity + 1, salt))
        system.publish(1, digests)
        walk.freivalds.finish(walk, digests, repeated(program, program.output))
    return EmittedCircuit(program, fixed, walk, system, words)


def capacity_of(program: Program, name: str) -> int:
    """The declared capacity of a committed input."""
    return program.nodes[program.inputs[name]].attributes[1]
