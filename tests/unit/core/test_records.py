"""Records: canonical bytes, exact round trips, and refusal of everything else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import ArtefactError
from zkdescent.core.records import (
    FIELD_MODULUS,
    ArtefactEntry,
    CircuitRecord,
    Circuits,
    CircuitSpecRecord,
    CircuitSpecs,
    DatasetRecord,
    InferenceRecord,
    Manifest,
    ProofRecord,
    Record,
    RunRecord,
    TaskRecord,
    canonical_json,
    parse_json,
)
from zkdescent.core.store import ArtefactStore

ADDRESS = "0x" + "aB" * 20


def proof(**changes: Any) -> ProofRecord:
    base = ProofRecord(
        role="step", index=3, circuit=b"\x01" * 32, context=5, proof=b"\x02\x03", public_values=()
    )
    return dataclasses.replace(base, **changes)


def circuit(**changes: Any) -> CircuitRecord:
    base = CircuitRecord(
        role="step",
        backend="ezkl",
        vk_sha256=b"\x01" * 32,
        vka=(b"\x02" * 32, b"\x03" * 32),
        vka_digest=b"\x04" * 32,
        proof_length=4000,
        public_values=0,
        features=0,
        outputs=0,
        fraction_bits=12,
        steps_per_proof=8,
        logrows=15,
        opening=(1, 2, FIELD_MODULUS, 4),
        srs="unsafe-local",
        objects={"vk": "ab" * 32},
    )
    return dataclasses.replace(base, **changes)


def dataset(**changes: Any) -> DatasetRecord:
    base = DatasetRecord(
        root=bytes(32), leaves=(bytes(64),), rows=10, features=2, targets=1, blocks_per_epoch=1
    )
    return dataclasses.replace(base, **changes)


def task(**changes: Any) -> TaskRecord:
    base = TaskRecord(
        step_circuit=bytes(32),
        range_circuit=bytes(32),
        inference_circuit=bytes(32),
        dataset_root=bytes(32),
        blocks_per_epoch=4,
        genesis=bytes(32),
        hyperparameters=bytes(32),
        total_proofs=16,
        seed_delay=0,
        declared_seed=b"\x07" * 32,
        parent=bytes(32),
        deadline=0,
        salt=bytes(32),
    )
    return dataclasses.replace(base, **changes)


def run(**changes: Any) -> RunRecord:
    base = RunRecord(
        chain_id=31337,
        ledger=ADDRESS,
        sponsor=ADDRESS,
        payee=ADDRESS,
        nonce=0,
        task_id=bytes(32),
        run_id=bytes(32),
        seed=bytes(32),
        seed_source="declared",
    )
    return dataclasses.replace(base, **changes)


def spec(**changes: Any) -> CircuitSpecRecord:
    base = CircuitSpecRecord(
        prover="ezkl-reusable",
        role="step",
        verifier=ADDRESS,
        verifier_code_hash=bytes(32),
        vka_digest=bytes(32),
        vk_hash=bytes(32),
        proof_length=4000,
        public_values=0,
        features=0,
        outputs=0,
        fraction_bits=12,
        steps_per_proof=8,
        opening=(1, 2, 3, 4),
    )
    return dataclasses.replace(base, **changes)


def inference(**changes: Any) -> InferenceRecord:
    base = InferenceRecord(
        chain_id=1,
        registry=ADDRESS,
        model_id=2**255,
        requester=ADDRESS,
        nonce=1,
        proof=proof(role="inference", public_values=(1, FIELD_MODULUS - 1)),
    )
    return dataclasses.replace(base, **changes)


def manifest(**changes: Any) -> Manifest:
    base = Manifest(
        project="p",
        config_sha256="ab" * 32,
        circuits=Circuits(step=circuit(), range=circuit(role="range"), inference=circuit()),
        dataset=dataset(),
        genesis=bytes(64),
        final=None,
        total_proofs=4,
        hyperparameters={"learning_rate": 0.05, "nested": {"a": [1, None]}},
        specs=CircuitSpecs(step=spec(), range=spec(), inference=spec()),
        task=task(),
        run=run(),
        artefacts={"x.json": ArtefactEntry(sha256="cd" * 32, bytes=7)},
    )
    return dataclasses.replace(base, **changes)


ALL: list[Record] = [proof(), circuit(), dataset(), task(), run(), spec(), inference(), manifest()]


@pytest.mark.parametrize("record", ALL, ids=lambda record: type(record).__name__)
def test_a_record_survives_the_trip_through_bytes(record: Record) -> None:
    data = canonical_json(record)
    copy = type(record).from_json(parse_json(data))
    assert copy == record
    assert canonical_json(copy) == data


@pytest.mark.parametrize("record", ALL, ids=lambda record: type(record).__name__)
def test_a_record_refuses_an_unknown_and_a_missing_key(record: Record) -> None:
    value = record.to_json()
    with pytest.raises(ArtefactError, match="unknown key"):
        type(record).from_json({**value, "surplus": 1})
    first = dataclasses.fields(record)[0].name  # type: ignore[arg-type]
    with pytest.raises(ArtefactError, match=f"missing key; expected {first}"):
        type(record).from_json({k: v for k, v in value.items() if k != first})


@pytest.mark.parametrize(
    "record", [proof(), inference(), manifest()], ids=lambda r: type(r).__name__
)
def test_a_tagged_record_refuses_another_format(record: Record) -> None:
    with pytest.raises(ArtefactError, match="unknown file format"):
        type(record).from_json({**record.to_json(), "format": "zkdescent.proof/2"})
    untagged = {k: v for k, v in record.to_json().items() if k != "format"}
    with pytest.raises(ArtefactError, match="unknown file format"):
        type(record).from_json(untagged)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("index", "3"),
        ("index", True),
        ("index", 3.0),
        ("index", None),
        ("role", "steps"),
        ("role", 1),
        ("proof", "0x0"),
        ("proof", "0xAB"),
        ("proof", "0x ab"),
        ("proof", "ab"),
        ("proof", [1]),
        ("public_values", {}),
        ("public_values", ["1"]),
        ("circuit", "0x01"),
        ("context", -1),
        ("context", 1 << 248),
        ("public_values", [FIELD_MODULUS]),
        ("public_values", [-1]),
    ],
)
def test_a_proof_refuses_a_value_of_the_wrong_form(key: str, value: object) -> None:
    with pytest.raises(ArtefactError) as caught:
        ProofRecord.from_json({**proof().to_json(), key: value})
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (circuit, {"vka": (b"\x01",)}),
        (circuit, {"role": "inference", "public_values": 3, "features": 1, "outputs": 1}),
        (circuit, {"objects": {"vk": "AB" * 32}}),
        (circuit, {"logrows": -1}),
        (circuit, {"blocks": 2}),
        (circuit, {"child": bytes(32)}),
        (circuit, {"role": "aggregate", "child": bytes(32)}),
        (circuit, {"role": "aggregate", "blocks": 2}),
        (dataset, {"leaves": (bytes(33),)}),
        (dataset, {"leaves": (bytes(32), bytes(64)), "blocks_per_epoch": 2}),
        (dataset, {"blocks_per_epoch": 2}),
        (dataset, {"leaves": (), "blocks_per_epoch": 0}),
        (task, {"seed_delay": 2}),
        (task, {"blocks_per_epoch": 1 << 32}),
        (task, {"genesis": bytes(64)}),
        (task, {"aggregate_circuit": b""}),
        (run, {"ledger": "0x12"}),
        (run, {"seed": b""}),
        (run, {"mix_hash": b"\x01"}),
        (spec, {"verifier": "nobody"}),
        (spec, {"child": b""}),
        (spec, {"blocks": 1 << 16}),
        (inference, {"proof": proof()}),
        (manifest, {"genesis": bytes(32)}),
        (manifest, {"final": bytes(32)}),
        (manifest, {"dataset": dataset(leaves=(bytes(32),))}),
        (manifest, {"config_sha256": "ab"}),
    ],
)
def test_records_refuse_impossible_values(make: Any, changes: dict[str, Any]) -> None:
    make()
    with pytest.raises(ArtefactError, match="impossible value"):
        make(**changes)


def honk_circuit(**changes: Any) -> CircuitRecord:
    base = {"backend": "barretenberg", "vka": (), "vka_digest": b"", "opening": (0, 0, 0, 0)}
    return circuit(**{**base, **changes})


def test_a_manifest_of_words_has_no_range_circuit() -> None:
    circuits = Circuits(
        step=honk_circuit(),
        inference=honk_circuit(role="inference"),
        aggregate=honk_circuit(role="aggregate", blocks=4, child=bytes(32)),
    )
    assert [c.role for c in circuits.present()] == ["step", "inference", "aggregate"]
    words = manifest(
        circuits=circuits,
        dataset=dataset(leaves=(bytes(32),)),
        genesis=bytes(32),
        final=bytes(32),
        specs=CircuitSpecs(
            step=spec(prover="ultra-honk", production=True),
            inference=spec(prover="ultra-honk"),
            aggregate=spec(prover="ultra-honk", role="aggregate", blocks=4, child=b"\x01" * 32),
        ),
    )
    data = canonical_json(words)
    assert Manifest.from_json(parse_json(data)) == words
    assert "range" not in words.to_json()["circuits"]
    assert "range" not in words.to_json()["specs"]


def test_what_ezkls_circuits_do_not_have_is_not_written() -> None:
    """The bytes of records made before there were aggregates are what they were."""
    written = set(circuit().to_json())
    assert written.isdisjoint({"blocks", "child"})
    assert {"blocks", "child"} <= set(
        circuit(role="aggregate", blocks=1, child=bytes(32)).to_json()
    )
    circuits = manifest().circuits
    assert set(circuits.to_json()) == {"step", "range", "inference"}
    assert [c.role for c in circuits.present()] == ["step", "range", "step"]
    with pytest.raises(ArtefactError, match="missing key"):
        Circuits.from_json({"step": circuit().to_json()})


def test_beacon_task_takes_no_declared_seed_but_a_delay() -> None:
    assert task(seed_delay=2, declared_seed=bytes(32)).seed_delay == 2


def test_canonical_json_matches_the_worked_example() -> None:
    expected = "7b2261223a322c2262223a22307830316666227d0a"
    assert canonical_json({"b": b"\x01\xff", "a": 2}).hex() == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": object()}])
def test_canonical_json_refuses_what_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ArtefactError):
        canonical_json(value)


@pytest.mark.parametrize("data", [b"{", b'{"a":1,"a":2}', b"NaN", b"[Infinity]", b"\xff", b""])
def test_parse_json_refuses_what_is_not_json(data: bytes) -> None:
    with pytest.raises(ArtefactError, match="not the JSON"):
        parse_json(data)


@given(
    st.integers(min_value=0, max_value=(1 << 248) - 1),
    st.binary(max_size=200),
    st.lists(st.integers(min_value=0, max_value=FIELD_MODULUS - 1), max_size=5),
)
def test_any_proof_survives_the_trip(context: int, data: bytes, values: list[int]) -> None:
    record = proof(context=context, proof=data, public_values=tuple(values))
    assert ProofRecord.from_json(parse_json(canonical_json(record))) == record


def test_a_stored_manifest_keeps_the_current_list_of_artefacts(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    store.write_json("before.json", 1)
    store.write_manifest(manifest(artefacts={}))
    store.write_json("train/metrics.json", 2)
    stored = store.read_manifest()
    assert set(stored.artefacts) == {"before.json", "train/metrics.json"}
    assert dataclasses.replace(stored, artefacts={}) == manifest(artefacts={})
    store.write_manifest(stored)
    assert store.read_manifest() == stored


def test_deep_nesting_is_refused_before_the_parser_can_overflow_the_stack() -> None:
    import sys

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1 << 20)  # as py-evm does on import
    try:
        for bad in (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 65 + b"]" * 65):
            with pytest.raises(ArtefactError, match="not the JSON"):
                parse_json(bad)
        assert parse_json(b"[" * 64 + b"]" * 64)
        text = '"' + "[{" * 1000 + '\\"' + '"'
        assert parse_json(text.encode()) == "[{" * 1000 + '"'
    finally:
        sys.setrecursionlimit(limit)


def test_half_a_character_is_refused_on_reading_and_on_writing() -> None:
    with pytest.raises(ArtefactError, match="not the JSON"):
        parse_json(b'{"project":"\\ud800"}')
    with pytest.raises(ArtefactError, match="no canonical JSON form"):
        canonical_json({"project": "\ud800"})
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"
