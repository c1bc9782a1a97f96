"""Stage `prove`: range proofs of every batch block, then every block of update steps, in order.

Resumable: a stored proof that is still the right one (same circuit, context and tensors) is kept.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ProverError
from zkdescent.core.records import CircuitRecord, Manifest, ProofRecord
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import MEASUREMENTS, TRAJECTORY, load_proof, proof_name
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import check_compiled
from zkdescent.pipeline.planning import plan_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier.twins.commitment import check_context
from zkdescent.verifier.twins.layout import layout_of

if TYPE_CHECKING:
    from zkdescent.verifier import Chain


@dataclass(frozen=True, slots=True)
class ProvingResult:
    """What the stage did: proofs made now and kept from before, and their cost."""

    made: int
    kept: int
    seconds: float
    peak_memory_mb: float
    final: bytes


def prove_project(
    project: Project,
    report: Reporter,
    *,
    blueprint: Blueprint | None = None,
    chain: Chain | None = None,
) -> ProvingResult:
    """Prove the whole run.

    Args:
        chain: where the batch order is drawn, if the project draws it; opened if not given.

    Raises:
        ArtefactError: not compiled yet, or not as the project file now is.
        ProverError: the prover failed, or its witness differs from the reference executor.
    """
    blueprint = blueprint or make_blueprint(project)
    store = project.open_store()
    check_compiled(blueprint, store.read_manifest())
    plan, _ = plan_project(project, store.read_manifest(), chain=chain)
    manifest = store.read_manifest()
    states = trajectory(blueprint, plan.order())
    _store_trajectory(store, states)
    prover = _Prover(blueprint, store, manifest)

    checks = manifest.circuits.range
    if checks is not None:
        report.start("range proofs", len(manifest.dataset.leaves))
        for index, leaf in enumerate(manifest.dataset.leaves):
            prover.prove(
                checks,
                index,
                context=0,
                expected=(manifest.genesis, leaf),
                inputs=[blueprint.genesis, blueprint.fixed_blocks[index]],
            )
            report.advance("range proofs", index + 1)

    report.start("block proofs", plan.task.total_proofs)
    order = plan.order()
    inputs = [
        [np.array([plan.context(i)], dtype=object), states[i], blueprint.fixed_blocks[block]]
        for i, block in enumerate(order)
    ]
    leaves = [manifest.dataset.leaves[block] for block in order]
    several = manifest.circuits.aggregate
    head, index = manifest.genesis, 0
    while index < len(order):
        if several is not None and index + several.blocks <= len(order):
            stop = index + several.blocks
            contexts = [plan.context(i) for i in range(index, stop)]
            head = prover.aggregate(
                several, index, head, contexts, leaves[index:stop], inputs[index:stop]
            )
        else:
            stop = index + 1
            record = prover.prove(
                manifest.circuits.step,
                index,
                context=plan.context(index),
                expected=(None, head, leaves[index]),
                inputs=inputs[index],
                output=states[stop],
            )
            head = _state_out(manifest.circuits.step, record)
        index = stop
        report.advance("block proofs", index)
    # A proof beyond the last would be of another, longer run.
    extra = plan.task.total_proofs
    while load_proof(store, "step", extra) is not None:
        store.remove(proof_name("step", extra))
        extra += 1
    store.write_manifest(replace(store.read_manifest(), final=head))
    return ProvingResult(prover.made, prover.kept, prover.seconds, prover.peak_memory_mb, head)


def trajectory(blueprint: Blueprint, order: tuple[int, ...]) -> list[IntegerArray]:
    """States before the first and after each block proof, exact integers."""
    states = [blueprint.genesis]
    for block in order:
        states.append(blueprint.advance(states[-1], block))
    return states


def _store_trajectory(store: ArtefactStore, states: list[IntegerArray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, states=np.array(states, dtype=np.int64))
    store.write_bytes(TRAJECTORY, buffer.getvalue())


def _state_out(circuit: CircuitRecord, record: ProofRecord) -> bytes:
    layout = layout_of(circuit.backend, circuit.role, circuit.blocks)
    return layout.read(record.proof, layout.blocks[-1].state_out)


class _Prover:
    """Makes or keeps one proof after the other, and counts."""

    def __init__(self, blueprint: Blueprint, store: ArtefactStore, manifest: Manifest) -> None:
        self.backend = blueprint.backend
        self.store = store
        self.manifest = manifest
        self.made = self.kept = 0
        self.seconds = self.peak_memory_mb = 0.0
        try:
            self.measurements: dict[str, dict[str, float]] = store.read_json(MEASUREMENTS)
        except ArtefactError:
            self.measurements = {}

    def prove(
        self,
        circuit: CircuitRecord,
        index: int,
        *,
        context: int,
        expected: tuple[bytes | None, ...],
        inputs: list[IntegerArray],
        output: IntegerArray | None = None,
    ) -> ProofRecord:
        """Return the proof; `expected` are commitments of the leading slots (None: the context)."""
        kept = self._kept(circuit, index, context, expected)
        if kept is not None:
            self.kept += 1
            return kept
        proof = self.backend.prove(circuit, self.store.path_of, inputs)
        return self._checked(circuit, index, context, expected, proof, output)

    def aggregate(
        self,
        circuit: CircuitRecord,
        first: int,
        head: bytes,
        contexts: list[int],
        leaves: list[bytes],
        inputs: list[list[IntegerArray]],
    ) -> bytes:
        """Prove blocks in a row as one, and return the state that they end in."""
        expected: tuple[bytes | None, ...] = (head,)
        for context, leaf in zip(contexts, leaves, strict=True):
            expected += (context.to_bytes(32, "big"), leaf, None)
        record = self._kept(circuit, first, 0, expected)
        if record is None:
            proof = self.backend.prove_aggregate(
                circuit, self.manifest.circuits.step, self.store.path_of, inputs
            )
            record = self._checked(circuit, first, 0, expected, proof, None)
        else:
            self.kept += 1
        return _state_out(circuit, record)

    def _checked(
        self,
        circuit: CircuitRecord,
        index: int,
        context: int,
        expected: tuple[bytes | None, ...],
        proof: Proof,
        output: IntegerArray | None,
    ) -> ProofRecord:
        """The proof as a stored record, once it says what it must."""
        if output is not None and list(proof.output) != list(output):
            differing = next(
                i for i, (a, b) in enumerate(zip(proof.output, output, strict=True)) if a != b
            )
            raise ProverError(
                f"the witness of {circuit.role} proof {index} differs from the reference executor",
                expected=output[differing],
                got=proof.output[differing],
                hint=f"element {differing} of the state; please report this",
            )
        record = ProofRecord(
            role=circuit.role,
            index=index,
            circuit=circuit.vk_sha256,
            context=context,
            proof=proof.proof,
            public_values=proof.public_values,
        )
        self._check_slots(circuit, record, expected)
        name = proof_name(circuit.role, index)
        self.store.write_json(name, record.to_json())
        self._measure(name, proof)
        return record

    def _kept(
        self,
        circuit: CircuitRecord,
        index: int,
        context: int,
        expected: tuple[bytes | None, ...],
    ) -> ProofRecord | None:
        name = proof_name(circuit.role, index)
        if name not in self.store.names("proofs/"):
            return None
        try:
            # With the store's checksum: a damaged proof is made again, not kept.
            record = ProofRecord.from_json(self.store.read_json(name), path=name)
        except ArtefactError:
            return None
        if (record.circuit, record.index, record.context) != (circuit.vk_sha256, index, context):
            return None
        slots = layout_of(circuit.backend, circuit.role, circuit.blocks).split(record.proof)
        same = all(want in (None, got) for want, got in zip(expected, slots, strict=False))
        return record if same else None

    def _check_slots(
        self, circuit: CircuitRecord, record: ProofRecord, expected: tuple[bytes | None, ...]
    ) -> None:
        layout = layout_of(circuit.backend, circuit.role, circuit.blocks)
        for position, (want, got) in enumerate(
            zip(expected, layout.split(record.proof), strict=False)
        ):
            if want is None and position != layout.context:
                continue
            if want is None:
                check_context(circuit.opening, record.context, got)
            elif want != got:
                raise ProverError(
                    f"slot {position} of {circuit.role} proof {record.index} is not the "
                    "commitment it must be",
                    expected=want,
                    got=got,
                )

    def _measure(self, name: str, proof: Proof) -> None:
        self.made += 1
        self.seconds += proof.seconds
        self.peak_memory_mb = max(self.peak_memory_mb, proof.peak_memory_mb)
        self.measurements[name] = {
            "seconds": round(proof.seconds, 3),
            "verify_seconds": round(proof.verify_seconds, 3),
            "peak_memory_mb": round(proof.peak_memory_mb, 1),
            "bytes": len(proof.proof),
        }
        self.store.write_json(MEASUREMENTS, self.measurements)
