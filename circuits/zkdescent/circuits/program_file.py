"""Programs as files: whoever has a circuit's objects can execute it, and so compute its witness."""

from __future__ import annotations

from typing import Any

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Node, Op, Program
from zkdescent.core.errors import ArtefactError
from zkdescent.core.records import canonical_json, parse_json

FORMAT = "zkdescent.program/1"


def save_program(program: Program, fixed: FixedPoint) -> bytes:
    """Canonical JSON of a program and the arithmetic it was lowered for."""
    return canonical_json(
        {
            "format": FORMAT,
            "arithmetic": fixed.to_json(),
            "inputs": [[name, index] for name, index in program.inputs.items()],
            "output": program.output,
            "nodes": [
                [n.op.value, list(n.inputs), list(n.shape), list(n.attributes), n.name]
                for n in program.nodes
            ],
        }
    )


def load_program(raw: bytes) -> tuple[Program, FixedPoint]:
    """Inverse of `save_program`.

    Raises:
        ArtefactError: the bytes are no program.
    """
    stored: Any = parse_json(raw)
    try:
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']!r}")
        nodes = tuple(
            Node(Op(op), tuple(inputs), tuple(shape), tuple(attributes), name)
            for op, inputs, shape, attributes, name in stored["nodes"]
        )
        inputs = dict(stored["inputs"])
        program = Program(nodes, inputs, stored["output"])
        return program, FixedPoint(**stored["arithmetic"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            "a stored program cannot be read",
            expected=FORMAT,
            got=f"{type(error).__name__}: {error}",
            hint="run `zkdescent compile` again",
        ) from error
