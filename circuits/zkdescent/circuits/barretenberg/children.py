"""Proofs that an aggregate is to verify: made with bb, and looked at before they are put in.

A proof that fails inside an aggregate wastes minutes, and only the aggregate's proof shows it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from zkdescent.circuits.barretenberg.recursion import CHILD_TARGET, ChildKey, ChildProof
from zkdescent.circuits.barretenberg.srs import ReferenceString
from zkdescent.circuits.barretenberg.toolchain import run
from zkdescent.core.errors import ProofRejected, ProverError

# `bb verify` knows no other tau than the ceremony's: under the unsafe string every proof ends here.
_PAIRING: Final = "verification failed at pairing check"
_FALSE: Final = ("verification failed", "point is not on the curve")
_TIMEOUT_S: Final = 60


def prove_child(
    program: Path,
    witness: Path,
    key: ChildKey,
    string: ReferenceString,
    *,
    timeout: float,
    threads: int | None = None,
) -> ChildProof:
    """Prove a child circuit for an aggregate, and check the proof.

    Args:
        program: the child's circuit.
        witness: all its witnesses; a wrong one makes a false proof.
        key: of that circuit.
        string: long enough for it.
        timeout: seconds, for the proof.
        threads: how many bb may use; None: as many as there are cores.

    Returns:
        The proof with the public inputs that bb proved. They may be others than the witness has:
        bb puts the right values into the outputs of an opcode. Compare them with what was meant.

    Raises:
        ProverError: bb failed or took too long.
        ProofRejected: the proof is false; see `check_child` for what is found.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-child-") as scratch:
        folder = Path(scratch)
        (folder / "vk").write_bytes(key.file())
        options = ["-b", str(program), "-w", str(witness), "-k", str(folder / "vk")]
        options += ["-o", scratch, "-t", CHILD_TARGET, "-c", str(string.directory)]
        run(["prove", *options], timeout=timeout, threads=threads)
        proof = ChildProof.of(
            (folder / "public_inputs").read_bytes(), (folder / "proof").read_bytes()
        )
    check_child(proof, key, string)
    return proof


def check_child(proof: ChildProof, key: ChildKey, string: ReferenceString) -> None:
    """Check a proof by itself, as far as bb can under this string.

    Under the ceremony's string the check is complete. Under the unsafe one it ends before the
    pairing: what the proof claims about its circuit, its public inputs and its claimed evaluations
    is checked, not that its commitments open to these. What is left shows in the aggregate.

    Raises:
        ProofRejected: the proof is false.
        ProverError: bb did not tell.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-child-") as scratch:
        folder = Path(scratch)
        (folder / "vk").write_bytes(key.file())
        (folder / "proof").write_bytes(proof.file())
        (folder / "public_inputs").write_bytes(proof.public_inputs())
        options = ["-k", str(folder / "vk"), "-p", str(folder / "proof")]
        options += ["-i", str(folder / "public_inputs"), "-t", CHILD_TARGET]
        try:
            run(["verify", *options, "-c", str(string.directory)], timeout=_TIMEOUT_S)
        except ProverError as error:
            said = error.hint or ""
            if _PAIRING in said and string.source == "unsafe-local":
                return
            if any(words in said for words in _FALSE):
                raise ProofRejected(
                    "a proof that an aggregate was to verify is false", got=said
                ) from error
            raise
    if string.source == "unsafe-local":
        raise ProverError(
            "bb accepted a proof under a string that it does not know",
            hint="another version of bb: read what it verifies with",
        )
