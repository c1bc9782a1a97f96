"""What a circuit file says, evaluated: an oracle that shares no code with the emission.

It decodes the file by itself and looks at one opcode after another. bb's own verdict on the same
witnesses is compared with it in test_checker.py.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from zkdescent.circuits.barretenberg.poseidon2 import permute

R = 21888242871839275222246405745257275088548364400416034343698204186575808495617

ZERO, RANGE, HASH, READ = "AssertZero", "RANGE", "Poseidon2Permutation", "MemoryOp"


@dataclass(frozen=True, slots=True)
class Violation:
    """An opcode that a witness does not satisfy."""

    index: int
    kind: str
    detail: str


class Checker:
    """A circuit, ready to look at witnesses; `public` are the numbers of the public ones."""

    def __init__(self, program_file: bytes) -> None:
        code = gzip.decompress(base64.b64decode(json.loads(program_file)["bytecode"]))
        assert code[0] == 3
        ((function,), unconstrained) = msgpack.unpackb(code[1:], strict_map_key=False)
        name, opcodes, private, public, returned, asserts = function
        assert (name, unconstrained, returned, asserts) == ("main", [], [], [])
        assert sorted(private + public) == list(range(len(private) + len(public)))
        self.public: list[int] = public
        self.witnesses = len(private) + len(public)
        self.opcodes = [_parsed(opcode) for opcode in opcodes]

    def __call__(self, witness: Sequence[int]) -> Violation | None:
        """The first violated opcode; None if the witness satisfies all."""
        return next(self.violations(witness), None)

    def kinds(self, witness: Sequence[int]) -> set[str]:
        """Kinds of all violated opcodes."""
        return {violation.kind for violation in self.violations(witness)}

    def violations(self, witness: Sequence[int]) -> Iterator[Violation]:
        """All violated opcodes, in their order."""
        assert len(witness) == self.witnesses
        w = [value % R for value in witness]
        memories: dict[int, list[int]] = {}
        for index, (kind, a, b, c) in enumerate(self.opcodes):
            wrong = ""
            if kind == ZERO:
                total = c
                for k, i in b:
                    total += k * w[i]
                for k, i, j in a:
                    total += k * w[i] * w[j]
                if total % R:
                    wrong = f"{total % R} of witnesses {sorted({t[1] for t in [*a, *b]})}"
            elif kind == RANGE:
                if w[a] >> b:
                    wrong = f"witness {a} = {w[a]} has more than {b} bits"
            elif kind == HASH:
                p, q, r, s = (w[i] for i in a)
                if permute((p, q, r, s)) != tuple(w[i] for i in b):
                    wrong = f"witnesses {b} are not the permutation of {a}"
            elif kind == "MemoryInit":
                assert a not in memories
                memories[a] = [w[i] for i in b]
            else:
                cells = memories[a]
                if w[b] >= len(cells) or cells[w[b]] != w[c]:
                    wrong = f"witness {c} = {w[c]} is not at place {w[b]} of memory {a}"
            if wrong:
                yield Violation(index, kind, wrong)


def _parsed(opcode: dict[str, Any]) -> tuple[str, Any, Any, Any]:
    ((kind, body),) = opcode.items()
    if kind == ZERO:
        products, linear, constant = body
        return (
            kind,
            [(_integer(k), a, b) for k, a, b in products],
            [(_integer(k), a) for k, a in linear],
            _integer(constant),
        )
    if kind == "BlackBoxFuncCall":
        ((function, arguments),) = body.items()
        if function == RANGE:
            return function, arguments[0]["Witness"], arguments[1], None
        assert function == HASH
        inputs, outputs = arguments
        assert len(inputs) == len(outputs) == 4
        return function, [i["Witness"] for i in inputs], outputs, None
    if kind == "MemoryInit":
        block, cells, purpose = body
        assert purpose == "Memory"
        return kind, block, cells, None
    assert kind == READ
    block, (writes, place, value) = body
    assert writes is False
    return kind, block, place, value


def _integer(word: bytes) -> int:
    assert len(word) == 32
    value = int.from_bytes(word, "big")
    assert value < R
    return value
