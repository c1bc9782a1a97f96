"""Proofs in the artefact store: which are kept from before, and what a new one must say."""

from __future__ import annotations

from zkdescent.circuits.proof_system import Proof
from zkdescent.core.errors import ArtefactError, ProofRejected, ProverError
from zkdescent.core.records import ProofRecord
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import MEASUREMENTS, proof_name
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.jobs import ProofJob
from zkdescent.verifier.twins.commitment import check_context
from zkdescent.verifier.twins.layout import layout_of


class StoredProofs:
    """Keeps or stores one proof after the other, and counts."""

    def __init__(self, store: ArtefactStore, report: Reporter) -> None:
        self.store = store
        self.report = report
        self.made = self.kept = self.retried = 0
        self.seconds = self.peak_memory_mb = 0.0
        try:
            self.measurements: dict[str, dict[str, float]] = store.read_json(MEASUREMENTS)
        except ArtefactError:
            self.measurements = {}

    def keeps(self, job: ProofJob) -> bool:
        """Whether the proof of a job is stored, whole, and says what the job needs it to say."""
        name = proof_name(job.circuit.role, job.index)
        if name not in self.store.names(name):
            return False
        try:
            # With the store's checksum: a damaged proof is made again, not kept.
            record = ProofRecord.from_json(self.store.read_json(name), path=name)
        except ArtefactError as error:
            self.report.note(f"{job.title} is made again: {error.message}")
            self.report.event(
                "proof damaged", role=job.circuit.role, index=job.index, reason=error.message
            )
            return False
        same = (record.circuit, record.index, record.context) == (
            job.circuit.vk_sha256,
            job.index,
            job.context,
        )
        if not same or not self._speaks_of(job, record):
            return False
        self.kept += 1
        return True

    def accept(self, job: ProofJob, proof: Proof) -> None:
        """Store a proof, once it says what it must.

        Raises:
            ProverError: its output or a commitment is not the expected one.
            ProofRejected: it is not bound to the job's context, or is too short.
        """
        _check_output(job, proof)
        circuit = job.circuit
        record = ProofRecord(
            role=circuit.role,
            index=job.index,
            circuit=circuit.vk_sha256,
            context=job.context,
            proof=proof.proof,
            public_values=proof.public_values,
        )
        _check_slots(job, record)
        name = proof_name(circuit.role, job.index)
        self.made += 1
        self.seconds += proof.seconds
        self.peak_memory_mb = max(self.peak_memory_mb, proof.peak_memory_mb)
        self.measurements[name] = {
            "seconds": round(proof.seconds, 3),
            "verify_seconds": round(proof.verify_seconds, 3),
            "peak_memory_mb": round(proof.peak_memory_mb, 1),
            "bytes": len(proof.proof),
        }
        self.store.write_json(name, record.to_json())
        self.store.write_json(MEASUREMENTS, self.measurements)

    @staticmethod
    def _speaks_of(job: ProofJob, record: ProofRecord) -> bool:
        layout = layout_of(job.circuit.backend, job.circuit.role, job.circuit.blocks)
        try:
            slots = layout.split(record.proof)
        except ProofRejected:
            return False
        return all(want in (None, got) for want, got in zip(job.expected, slots, strict=False))


def _check_output(job: ProofJob, proof: Proof) -> None:
    if job.output is None or list(proof.output) == list(job.output):
        return
    pairs = enumerate(zip(proof.output, job.output, strict=True))
    differing = next(i for i, (a, b) in pairs if a != b)
    raise ProverError(
        f"the witness of {job.circuit.role} proof {job.index} differs from the reference executor",
        expected=job.output[differing],
        got=proof.output[differing],
        hint=f"element {differing} of the state; please report this",
    )


def _check_slots(job: ProofJob, record: ProofRecord) -> None:
    layout = layout_of(job.circuit.backend, job.circuit.role, job.circuit.blocks)
    slots = layout.split(record.proof)
    for position, (want, got) in enumerate(zip(job.expected, slots, strict=False)):
        if want is None and position != layout.context:
            continue
        if want is None:
            check_context(job.circuit.opening, record.context, got)
        elif want != got:
            raise ProverError(
                f"slot {position} of {job.circuit.role} proof {record.index} is not the "
                "commitment it must be",
                expected=want,
                got=got,
            )
