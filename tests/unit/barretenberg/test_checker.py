"""The checker and bb agree on every kind of opcode, satisfied and not.

bb computes a permutation's outputs itself and joins them with the witnesses that are to be equal,
so that it proves the truth for a wrong output that nothing else reads: outputs are read here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import acir, srs, toolchain
from zkdescent.circuits.barretenberg.poseidon2 import permute
from zkdescent.core.errors import ProverError

from .checker import HASH, RANGE, READ, ZERO, Checker, R
from .dishonest import Prover
from .samples import inference

HASHED, OUTPUTS, CELLS, INDEX, ENTRY = 4, 8, 12, 16, 17
BITS_20, BITS_14, BIT, BITS_253, COUNT = 18, 19, 20, 21, 22
TABLE = (11, 22, 33, 11 << 90)
PREIMAGE = (7, R - 1, 1 << 200, 0)


def circuit() -> bytes:
    """Public 0; 1 * 2 + 3 = 5 * 0; permutation of 4..7, which gives 0; a memory; range checks."""
    opcodes = [
        acir.assert_zero([(1, 1, 2)], [(1, 3), (-5, 0)], 0),
        acir.poseidon2(range(HASHED, HASHED + 4), range(OUTPUTS, OUTPUTS + 4)),
        acir.assert_zero([], [(1, OUTPUTS), (-1, 0)], 0),
        *(acir.assert_zero([], [(1, CELLS + i)], -cell) for i, cell in enumerate(TABLE)),
        acir.memory(0, range(CELLS, CELLS + len(TABLE))),
        acir.read(0, INDEX, ENTRY),
        acir.range_check(BITS_20, 20),
        acir.range_check(BITS_14, 14),
        acir.range_check(BIT, 1),
        acir.range_check(BITS_253, 253),
    ]
    return acir.program_file(opcodes, COUNT, 1)


def satisfying() -> list[int]:
    """A witness of it."""
    outputs = permute(PREIMAGE)
    return [
        outputs[0], 6, 7, 5 * outputs[0] - 42, *PREIMAGE, *outputs, *TABLE, 2, 33,
        (1 << 20) - 1, (1 << 14) - 1, 1, (1 << 253) - 1,
    ]  # fmt: skip


VIOLATIONS: dict[str, tuple[str, dict[int, int]]] = {
    "a product": (ZERO, {3: -1}),
    "the public input": (ZERO, {0: 9}),
    "an input of the hash": (HASH, {HASHED + 2: (1 << 200) + 1}),
    "an output of the hash": (HASH, {0: 9, 3: 5 * 9 - 42, OUTPUTS: 9}),
    "an entry": (READ, {ENTRY: 22}),
    "an index": (READ, {INDEX: 1}),
    "an index beyond the memory": (READ, {INDEX: len(TABLE), ENTRY: 0}),
    "a negative index": (READ, {INDEX: -1, ENTRY: 11 << 90}),
    "20 bits": (RANGE, {BITS_20: 1 << 20}),
    "a negative number": (RANGE, {BITS_20: -1}),
    "14 bits": (RANGE, {BITS_14: 1 << 14}),
    "a bit": (RANGE, {BIT: 2}),
    "253 bits": (RANGE, {BITS_253: 1 << 253}),
}


def violated(changes: dict[int, int]) -> list[int]:
    witness = satisfying()
    for place, value in changes.items():
        witness[place] = value
    return witness


def test_the_checker_names_the_violated_opcode() -> None:
    checker = Checker(circuit())
    assert checker.public == [0]
    assert checker(satisfying()) is None
    for name, (kind, changes) in VIOLATIONS.items():
        assert checker.kinds(violated(changes)) == {kind}, name
        first = checker(violated(changes))
        assert first is not None
        assert first.kind == kind


def judge(folder: Path, program: bytes) -> Callable[[list[int]], bool]:
    """bb's verdict on witnesses: proves, and looks where its verification stops.

    bb has the ceremony's point built in; under the unsafe string an honest proof gets as far as the
    pairing, and a false one does not.
    """
    path = folder / "program.json"
    path.write_bytes(program)
    checker = Checker(program)
    directory = srs.unsafe_srs(srs.points_for(toolchain.count_gates(path, timeout=60)))
    made: list[str | Path] = ["-t", "evm", "-c", directory]
    toolchain.run(["write_vk", "-b", path, "-o", folder, *made], timeout=60)

    def accepts(witness: list[int]) -> bool:
        (folder / "witness.gz").write_bytes(acir.witness_file(witness))
        prove: list[str | Path] = [
            "prove",
            "-b",
            path,
            "-w",
            folder / "witness.gz",
            "-k",
            folder / "vk",
        ]
        files: list[str | Path] = [
            "-p",
            folder / "proof",
            "-i",
            folder / "public_inputs",
            "-k",
            folder / "vk",
        ]
        try:
            toolchain.run([*prove, "-o", folder, *made], timeout=60)
        except ProverError:  # a memory that has no such place
            return False
        with pytest.raises(ProverError) as refused:
            toolchain.run(["verify", *files, *made], timeout=60)
        text = f"{refused.value.got}: {refused.value.hint}"
        honest, false = "at pairing check" in text, "reduction step" in text
        assert honest != false, text
        public = b"".join(acir.field_bytes(witness[i]) for i in checker.public)
        assert (folder / "public_inputs").read_bytes() == public
        return honest

    return accepts


@pytest.mark.prover
@pytest.mark.barretenberg
def test_bb_agrees_on_every_kind_of_opcode(tmp_path: Path) -> None:
    program = circuit()
    checker, accepts = Checker(program), judge(tmp_path, program)
    assert accepts(satisfying())
    for name, (_, changes) in VIOLATIONS.items():
        witness = violated(changes)
        assert checker(witness) is not None
        assert not accepts(witness), name


@pytest.mark.prover
@pytest.mark.barretenberg
def test_bb_agrees_on_an_emitted_circuit(tmp_path: Path) -> None:
    prover = Prover(inference())
    accepts = judge(tmp_path, prover.circuit.program_file())
    assert prover.checker(prover.honest) is None
    assert accepts(prover.honest)
    block = prover.walk.hints[prover.node("rounded")].result
    output = prover.system.public - 1
    for changes in ({block.start: prover.honest[block.start] + 1}, {output: 7}, {1: 5}):
        witness = prover.changed(changes)
        assert prover.checker(witness) is not None
        assert not accepts(witness)
