"""An aggregate's circuit made again from the step circuit's key, and compared with the manifest's.

Which proofs an aggregate verifies is a property of its circuit. That circuit follows from the step
circuit's verifying key and the number of blocks alone, so whoever has bb can make it again: neither
model nor data is needed. Contracts and the audit without bb take the registration's word for it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from zkdescent.core.errors import ConfigError, ProofRejected
from zkdescent.core.records import Circuits
from zkdescent.core.store import ArtefactStore


def rebuild_aggregate(store: ArtefactStore, circuits: Circuits) -> None:
    """Make the aggregate's circuit, verifying key and verifier again: they must be the manifest's.

    Takes as long as when the project was compiled, up to a minute or two, and up to 4 GB of memory.

    Raises:
        ConfigError: there is no aggregate, or the reference string here is another.
        ProofRejected: the circuit is another than the one that verifies so many proofs of the step
            circuit, or the verifier's code is not what bb generates for it.
        ToolMissing: bb or the compiler of its verifiers is not installed.
    """
    from zkdescent.circuits.backends import make_backend
    from zkdescent.verifier.honk_code import load_verifier

    step, aggregate = circuits.step, circuits.aggregate
    if aggregate is None:
        raise ConfigError(
            "there is no aggregate to rebuild",
            expected="a run with [circuit] blocks_per_aggregate",
            hint="leave --rebuild out",
        )
    backend = make_backend(step.backend, zero_knowledge=step.zero_knowledge)
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        built = backend.build_aggregate(step, store.path_of, aggregate.blocks, Path(scratch))
        compiled = json.loads(built.files["verifier"].read_text())
    code = bytes.fromhex(compiled["deployedBytecode"].removeprefix("0x"))
    made = built.record
    if made.srs != aggregate.srs:
        raise ConfigError(
            "the aggregate was made with another reference string than the one here",
            expected=aggregate.srs,
            got=made.srs,
            hint="`zkdescent doctor` says which string is used and how to install the other one",
        )
    for name in ("vk_sha256", "child", "logrows", "proof_length", "steps_per_proof"):
        expected, got = getattr(made, name), getattr(aggregate, name)
        if expected != got:
            raise ProofRejected(
                "the aggregate is not the circuit that verifies the step circuit's proofs",
                expected=f"{name} {_shown(expected)}",
                got=f"{name} {_shown(got)}",
                path="circuit aggregate",
                hint="do not rely on this run: its aggregates may have been made without the steps",
            )
    found = load_verifier(aggregate, store.get).runtime_code
    if found != code:
        raise ProofRejected(
            "the aggregate's verifier is not what bb generates for its circuit",
            expected=f"{len(code)} bytes as generated",
            got=f"{len(found)} other bytes",
            path="circuit aggregate",
            hint="the code holds the right key, but may not use it",
        )


def _shown(value: bytes | int) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
