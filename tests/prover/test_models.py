"""One block of every example, range-checked, trained on in a proof, and verified by both verifiers.

What is made and measured is `scripts/measure_models.py`'s; docs/models.md holds its table.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.errors import ProofRejected, ProverError
from zkdescent.core.records import ProofRecord
from zkdescent.pipeline.examples import example_names
from zkdescent.verifier import EvmProofVerifier
from zkdescent.verifier.twins import RangeSlot, StepSlot, open_context, split_proof

pytestmark = pytest.mark.prover
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "measure_models.py"
POINT = 64  # bytes of a commitment
QUICK = ("diabetes-ridge",)  # the others take up to a minute each
NAMES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in example_names()
]


@pytest.fixture(scope="module")
def models() -> Iterator[Any]:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("measure_models", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module


def altered(proof: ProofRecord, slot: StepSlot, point: bytes) -> ProofRecord:
    """The proof with another commitment in a slot."""
    start = POINT * slot
    return replace(proof, proof=proof.proof[:start] + point + proof.proof[start + POINT :])


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_proven_and_accepted_by_both_verifiers(
    models: Any, tmp_path: Path, name: str
) -> None:
    blueprint = models.blueprint_of(name, tmp_path / name)
    evm = EvmProofVerifier()
    step = models.build(blueprint, "step", tmp_path / "step")
    proof, made = step.prove()
    models.check_output(blueprint, made)
    wrong = replace(made, output=made.output + 1)
    with pytest.raises(ProverError, match="differs from the reference executor"):
        models.check_output(blueprint, wrong)
    step.verify(proof)
    evm.verify(step.record, proof)

    slots = split_proof(proof.proof, len(StepSlot))
    assert slots[StepSlot.CONTEXT] == open_context(step.record.opening, proof.context)
    # The state before is a point on the curve, but not the commitment of the new weights.
    unchanged = altered(proof, StepSlot.STATE_OUT, slots[StepSlot.STATE_IN])
    flipped = bytearray(slots[StepSlot.STATE_OUT])
    flipped[-1] ^= 1
    for bad in (unchanged, altered(proof, StepSlot.STATE_OUT, bytes(flipped))):
        with pytest.raises(ProofRejected, match="does not verify"):
            step.verify(bad)
        with pytest.raises(ProofRejected, match="rejects the proof"):
            evm.verify(step.record, bad)

    bound = models.build(blueprint, "range", tmp_path / "range")
    checked, _ = bound.prove()
    bound.verify(checked)
    evm.verify(bound.record, checked)
    ranges = split_proof(checked.proof, len(RangeSlot))
    assert ranges[RangeSlot.STATE] == slots[StepSlot.STATE_IN]
    assert ranges[RangeSlot.BATCH] == slots[StepSlot.BATCH]
    with pytest.raises(ProofRejected, match="another circuit"):
        evm.verify(bound.record, proof)


def test_the_table_has_a_line_for_every_measurement(models: Any) -> None:
    one = models.Measurement(
        model="tiny",
        parameters=1234,
        optimizer="sgd",
        batch_size=4,
        rows_per_step=1000.5,
        steps_per_proof=2,
        logrows=12,
        column_blocks=1,
        seconds_per_step=0.504,
        range_seconds=1.0,
        gas_per_step=300_000.0,
        proof_bytes=3520,
        peak_memory_mb=140.2,
        fraction_bits=12,
        steps=30,
        metric="r2",
        float_metric=0.5,
        fixed_metric=0.49999,
        float_loss=0.25,
        fixed_loss=0.25004,
    )
    both = [one, replace(one, model="other")]
    head, rule, first, second = models.table(both, models.COSTS).splitlines()
    assert head.count("|") == rule.count("|") == first.count("|")
    assert first.startswith("| `tiny` | 1,234 | sgd | 4 | 1,000 | 2 | 12 | 1 | 0.50 |")
    assert second.startswith("| `other` |")
    *_, fidelity = models.table(both[:1], models.FIDELITY).splitlines()
    assert fidelity == "| `tiny` | 12 | 30 | r2 | 0.5000 | 0.5000 | 0.2500 | 0.2500 |"
