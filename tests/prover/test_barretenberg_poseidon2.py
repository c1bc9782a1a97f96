"""The permutation that bb constrains is the one that commitments are computed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import acir, srs, toolchain
from zkdescent.circuits.barretenberg.children import prove_child
from zkdescent.circuits.barretenberg.poseidon2 import WIDTH, permute
from zkdescent.circuits.barretenberg.recursion import ChildKey
from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import FIELD_MODULUS

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

_INPUT = (0, FIELD_MODULUS - 1, 1 << 200, 7)


def test_the_opcode_is_our_permutation(tmp_path: Path) -> None:
    """Public: the input and what is said to be the output; private: the opcode's own output.

    They are apart because bb puts the right value into an opcode's output, whatever the witness
    says: were the output public itself, the proof would be true, of other public inputs.
    """
    public = 2 * WIDTH
    program, witness = tmp_path / "program.json", tmp_path / "witness.gz"
    opcodes = [
        acir.poseidon2(range(WIDTH), range(public, public + WIDTH)),
        *(acir.assert_zero([], [(1, WIDTH + i), (-1, public + i)], 0) for i in range(WIDTH)),
    ]
    program.write_bytes(acir.program_file(opcodes, public + WIDTH, public))
    directory = srs.unsafe_srs(srs.points_for(toolchain.count_gates(program, timeout=60)))
    string = srs.ReferenceString(directory, "unsafe-local", srs.UNSAFE_G2_WORDS)
    command: list[str | Path] = ["write_vk", "-b", program, "-o", tmp_path, "-t", "evm"]
    toolchain.run([*command, "-c", directory], timeout=60)
    key = ChildKey.of((tmp_path / "vk").read_bytes())
    output = permute(_INPUT)
    witness.write_bytes(acir.witness_file([*_INPUT, *output, *output]))
    assert prove_child(program, witness, key, string, timeout=60).words == (*_INPUT, *output)
    for place in range(WIDTH):
        wrong = list(output)
        wrong[place] = (wrong[place] + 1) % FIELD_MODULUS
        for own in (output, wrong):
            witness.write_bytes(acir.witness_file([*_INPUT, *wrong, *own]))
            with pytest.raises(ProofRejected, match="false"):
                prove_child(program, witness, key, string, timeout=60)
