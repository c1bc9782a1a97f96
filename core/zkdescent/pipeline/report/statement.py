"""Circuits, chain of custody and proofs, from the manifest and the stored proofs."""

from __future__ import annotations

from functools import partial

from zkdescent.core.records import CircuitRecord, InferenceRecord, Manifest, Role
from zkdescent.pipeline.artefacts import MEASUREMENTS, inference_folder, load_proof, proof_name
from zkdescent.pipeline.report.model import (
    BlockFacts,
    CircuitFacts,
    Custody,
    Gap,
    InferenceFacts,
    ProofFacts,
)
from zkdescent.pipeline.report.reading import Reading, integer, number, table
from zkdescent.verifier.twins.fixed import from_field
from zkdescent.verifier.twins.layout import layout_of
from zkdescent.verifier.twins.shuffle import block_index

MOST_BLOCKS = 100_000
"""Positions that are looked at: a manifest may claim any number."""

_PROVING_KEYS = {"ezkl": "pk", "barretenberg": "circuit"}


def read_circuits(reading: Reading, manifest: Manifest) -> tuple[CircuitFacts, ...]:
    """Return the compiled circuits: step, range, inference, aggregate, as far as there are any."""
    return tuple(_circuit(reading, circuit) for circuit in manifest.circuits.present())


def _circuit(reading: Reading, circuit: CircuitRecord) -> CircuitFacts:
    def size(name: str) -> int | None:
        path = reading.store.root / "objects" / circuit.objects.get(name, "-")
        return path.stat().st_size if path.is_file() else None

    return CircuitFacts(
        role=circuit.role,
        backend=circuit.backend,
        rows=1 << circuit.logrows if circuit.logrows < 64 else 0,
        logrows=circuit.logrows,
        steps_per_proof=circuit.steps_per_proof,
        fraction_bits=circuit.fraction_bits,
        proof_bytes=circuit.proof_length,
        public_values=circuit.public_values,
        zero_knowledge=circuit.zero_knowledge and circuit.backend != "ezkl",
        srs=circuit.srs,
        vk_sha256=circuit.vk_sha256,
        key_bytes=size(_PROVING_KEYS.get(circuit.backend, "pk")),
        verifier_bytes=size("verifier"),
    )


def read_custody(reading: Reading, manifest: Manifest) -> Custody:
    """Return what leads from the data to the model, as the stored proofs say it."""
    data, run = manifest.dataset, manifest.run
    return Custody(
        dataset_root=data.root,
        rows=data.rows,
        features=data.features,
        targets=data.targets,
        batch_blocks=data.blocks_per_epoch,
        genesis=manifest.genesis,
        final=manifest.final,
        steps_per_proof=manifest.circuits.step.steps_per_proof,
        total_proofs=manifest.total_proofs,
        task_id=None if run is None else run.task_id,
        run_id=None if run is None else run.run_id,
        seed=None if run is None else run.seed,
        seed_source=None if run is None else run.seed_source,
        seed_block=None if run is None else run.seed_block,
        chain_id=None if run is None else run.chain_id,
        blocks=_blocks(reading, manifest),
        inferences=_inferences(reading, manifest),
    )


def _blocks(reading: Reading, manifest: Manifest) -> tuple[BlockFacts, ...]:
    circuits, run = manifest.circuits, manifest.run
    total = min(manifest.total_proofs, MOST_BLOCKS)
    reached: dict[int, tuple[str, bytes]] = {}
    pieces: list[tuple[Role, CircuitRecord]] = [("step", circuits.step)]
    if circuits.aggregate is not None:
        pieces.append(("aggregate", circuits.aggregate))
    for role, circuit in pieces:
        for index in _indices(reading, role):
            read = partial(_states_out, reading, circuit, role, index)
            for offset, state in enumerate(reading.attempt(f"{role} proof {index}", read) or ()):
                reached[index + offset] = (proof_name(role, index), state)
    leaves = manifest.dataset.blocks_per_epoch
    return tuple(
        BlockFacts(
            index=index,
            batch=None if run is None else block_index(run.seed, index, leaves),
            state_out=reached[index][1] if index in reached else None,
            artefact=reached[index][0] if index in reached else None,
        )
        for index in range(total)
    )


def _indices(reading: Reading, role: Role) -> list[int]:
    """Numbers of the stored proofs of a role, ascending."""
    start = proof_name(role, 0).removesuffix("00000.proof.json")
    middle = [n.removeprefix(start).removesuffix(".proof.json") for n in reading.names(start)]
    return sorted(int(m) for m in middle if m.isdecimal() and len(m) <= 9)[:MOST_BLOCKS]


def _states_out(
    reading: Reading, circuit: CircuitRecord, role: Role, index: int
) -> tuple[bytes, ...]:
    """The state after each block of a stored proof, as the proof says."""
    record = load_proof(reading.store, role, index)
    if record is None:
        return ()
    layout = layout_of(circuit.backend, circuit.role, circuit.blocks)
    slots = layout.split(record.proof)
    return tuple(slots[block.state_out] for block in layout.blocks)


def _inferences(reading: Reading, manifest: Manifest) -> tuple[InferenceFacts, ...]:
    if manifest.run is None:
        return ()
    circuit, found = manifest.circuits.inference, []
    for name in reading.names(inference_folder(int.from_bytes(manifest.run.run_id, "big"))):

        def read(name: str = name) -> InferenceFacts:
            stored = reading.store.read_json(name, check=False)
            record = InferenceRecord.from_json(stored, path=name)
            values = [from_field(value) for value in record.proof.public_values]
            scale = 2.0**-circuit.fraction_bits
            return InferenceFacts(
                artefact=name,
                requester=record.requester,
                nonce=record.nonce,
                outputs=tuple(float(value) * scale for value in values[circuit.features :]),
            )

        fact = reading.attempt(name, read)
        found += [] if fact is None else [fact]
    return tuple(sorted(found, key=lambda fact: (fact.requester, fact.nonce)))


def read_proofs(reading: Reading) -> tuple[ProofFacts, ...]:
    """Return every stored proof with what was measured when it was made."""
    measured: dict[str, object] = {}
    if reading.names(MEASUREMENTS):
        measured = table(reading.json(MEASUREMENTS, "times and memory of proofs", ""))
    found = []
    for role in ("range", "step", "aggregate"):
        for index in _indices(reading, role):
            name = proof_name(role, index)
            facts = table(measured.get(name))
            found.append(
                ProofFacts(
                    artefact=name,
                    role=role,
                    index=index,
                    seconds=number(facts.get("seconds")),
                    verify_seconds=number(facts.get("verify_seconds")),
                    peak_memory_mb=number(facts.get("peak_memory_mb")),
                    bytes=integer(facts.get("bytes")),
                )
            )
    return tuple(found)


def read_manifest(reading: Reading) -> Manifest | None:
    """Return the manifest; None and a gap if nothing was compiled or it is damaged."""
    missing = reading.attempt("the manifest", lambda: "circuits" not in reading.raw_manifest())
    if missing:
        gap = Gap(what="circuits and commitments", why="not made yet", command="zkdescent compile")
        reading.gaps.append(gap)
    if missing is not False:
        return None
    return reading.attempt("the manifest", reading.store.read_manifest)
