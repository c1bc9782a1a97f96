"""The hand-written circom circuit proves what its reference computes, and nothing else.

Needs Node.js with npm; circom and snarkjs are installed on first use.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from zkdescent.core.errors import ProofRejected, ProverError
from zkdescent.pipeline.benchmark.circom import _circom, measure_circom
from zkdescent.pipeline.benchmark.circom._case import benchmark_training
from zkdescent.pipeline.benchmark.circom._circom import (
    CircomCircuit,
    CircomProof,
    build_circuit,
    circuit_source,
)
from zkdescent.pipeline.benchmark.circom._reference import (
    FIELD_MODULUS,
    LinearTraining,
    TrainingInputs,
    train_integers,
)
from zkdescent.pipeline.benchmark.circom._toolchain import Toolchain, install_toolchain

pytestmark = [pytest.mark.prover, pytest.mark.slow]

TINY = LinearTraining(
    steps=2, features=2, batch_size=2, fraction_bits=12, rate_bits=4, parameter_bits=19
)
LIMIT = 1 << (TINY.parameter_bits - 1)
QUOTIENT_HINT = "signal raised_quotient <-- raised >> shift;"
REMAINDER_HINT = "signal remainder <-- raised & (2**shift - 1);"


@pytest.fixture(scope="module")
def tools() -> Toolchain:
    return install_toolchain()


@pytest.fixture(scope="module")
def circuit(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> CircomCircuit:
    return build_circuit(tools, TINY, tmp_path_factory.mktemp("circom"))


@pytest.fixture(scope="module")
def proof(circuit: CircomCircuit) -> CircomProof:
    return circuit.prove(_drawn(0))


def _drawn(seed: int) -> TrainingInputs:
    """Features and parameters of both signs, about standard normal."""
    draw = random.Random(seed)

    def number() -> int:
        return round(draw.gauss(0, 1) * 4096)

    return TrainingInputs(
        x=[[[number() for _ in range(2)] for _ in range(2)] for _ in range(2)],
        y=[[number() for _ in range(2)] for _ in range(2)],
        parameters=[number() for _ in range(3)],
    )


def _still(parameters: list[int], distance: int) -> TrainingInputs:
    """Features of zero: weights stay, the bias moves to the targets, `distance` below it."""
    target = parameters[-1] - distance
    return TrainingInputs([[[0, 0]] * 2] * 2, [[target] * 2] * 2, parameters)


@pytest.mark.parametrize("seed", range(1, 4))
def test_circuit_computes_what_the_reference_computes(circuit: CircomCircuit, seed: int) -> None:
    circuit.verify(circuit.prove(_drawn(seed)))


@pytest.mark.parametrize("distance", [4, -4])
def test_circuit_rounds_halves_up_as_the_reference_does(
    circuit: CircomCircuit, distance: int
) -> None:
    # One step moves the bias by distance * 2 / 16: by exactly a half.
    circuit.verify(circuit.prove(_still([5, -5, 100], distance)))


def test_a_result_of_another_reference_is_refused(
    circuit: CircomCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = _drawn(0)
    first, *others = train_integers(TINY, inputs)
    monkeypatch.setattr(_circom, "train_integers", lambda *_: [first + 1, *others])
    with pytest.raises(ProverError, match="something else than the reference"):
        circuit.prove(inputs)


@pytest.mark.parametrize("index", range(6))
def test_a_tampered_public_signal_is_rejected(
    circuit: CircomCircuit, proof: CircomProof, index: int
) -> None:
    circuit.verify(proof)
    signals = list(proof.public_signals)
    signals[index] = str((int(signals[index]) + 1) % FIELD_MODULUS)
    with pytest.raises(ProofRejected):
        circuit.verify(replace(proof, public_signals=tuple(signals)))


def test_a_proof_of_other_steps_is_rejected(circuit: CircomCircuit, proof: CircomProof) -> None:
    other = circuit.prove(_drawn(1))
    with pytest.raises(ProofRejected):
        circuit.verify(replace(proof, proof=other.proof))


@pytest.mark.parametrize("wire", [0, 1])
def test_a_proof_from_a_witness_with_a_wrong_quotient_is_rejected(
    circuit: CircomCircuit, wire: int
) -> None:
    circuit.prove(_drawn(2))
    honest = circuit.prove_witness()
    circuit.verify(honest)
    # Wire 0 is the constant one; the outputs follow: the quotients of the last step.
    _add_one(circuit.witness, 1 + wire)
    cheated = circuit.prove_witness()
    assert int(cheated.public_signals[wire]) == int(honest.public_signals[wire]) + 1
    with pytest.raises(ProofRejected):
        circuit.verify(cheated)


@pytest.mark.parametrize(
    ("quotient", "remainder"),
    [
        ("(raised >> shift) + 1", "raised & (2**shift - 1)"),  # the sum is wrong
        ("(raised >> shift) + 1", "(raised & (2**shift - 1)) - 2**shift"),  # out of range
        ("0", "raised"),  # too large a remainder
    ],
)
def test_a_wrong_quotient_has_no_witness(
    tools: Toolchain, tmp_path: Path, quotient: str, remainder: str
) -> None:
    source = circuit_source()
    assert source.count(QUOTIENT_HINT) == source.count(REMAINDER_HINT) == 1
    cheating = source.replace(QUOTIENT_HINT, f"signal raised_quotient <-- {quotient};")
    cheating = cheating.replace(REMAINDER_HINT, f"signal remainder <-- {remainder};")
    circuit = build_circuit(tools, TINY, tmp_path, source=cheating)
    with pytest.raises(ProverError, match="Assert Failed"):
        circuit.prove(_drawn(0))


@pytest.mark.parametrize(
    ("limit", "beyond"), [(LIMIT - 1, LIMIT), (-LIMIT, -LIMIT - 1)], ids=["upper", "lower"]
)
def test_parameters_are_in_range_after_an_update(
    circuit: CircomCircuit, monkeypatch: pytest.MonkeyPatch, limit: int, beyond: int
) -> None:
    circuit.verify(circuit.prove(_still([limit, 0, 0], 0)))
    unchecked: Callable[..., list[int]] = lambda _, inputs: list(inputs.parameters)  # noqa: E731
    monkeypatch.setattr(_circom, "train_integers", unchecked)
    with pytest.raises(ProverError, match="Assert Failed"):
        circuit.prove(_still([beyond, 0, 0], 0))


def test_source_that_is_no_circuit_is_refused(tools: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(ProverError, match="refused the circuit"):
        build_circuit(tools, TINY, tmp_path, source=circuit_source() + "\ntemplate {")


def test_measurement_of_one_step() -> None:
    measured = measure_circom(1, proofs=1)
    training = benchmark_training(1)
    assert measured.steps_per_proof == 1
    assert measured.constraints == _constraints(training)
    assert 0 < measured.worst_error < 1e-3
    assert 0 < measured.seconds_per_step < 60
    assert measured.cpu_seconds_per_step > 0
    assert measured.peak_memory_mb > 10
    assert 0.1 < measured.key_mb < 10


def test_constraints_are_products_and_bits(circuit: CircomCircuit) -> None:
    assert circuit.constraints == _constraints(TINY)


def _constraints(training: LinearTraining) -> int:
    """Two products per feature and row, one constraint per bit of quotients and remainders."""
    products = 2 * training.batch_size * training.features
    weight = training.weight_shift + training.parameter_bits
    bias = training.bias_shift + training.parameter_bits
    return training.steps * (products + training.features * weight + bias)


def _add_one(witness: Path, wire: int) -> None:
    """Change one wire of a .wtns file: 12 bytes, then sections (id u32, size u64, content)."""
    data = bytearray(witness.read_bytes())
    position = 12
    while int.from_bytes(data[position : position + 4], "little") != 2:
        position += 12 + int.from_bytes(data[position + 4 : position + 12], "little")
    start = position + 12 + 32 * wire
    value = int.from_bytes(data[start : start + 32], "little") + 1
    data[start : start + 32] = value.to_bytes(32, "little")
    witness.write_bytes(data)
