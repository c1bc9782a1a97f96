"""Read and verify a bundle: somebody else's file, so nothing in it is believed.

Needs neither a project nor a prover, torch or a chain: the base install.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zkdescent.core._files import sha256_of, storage_errors
from zkdescent.core.archive import Archive
from zkdescent.core.cid import cid_of_digest
from zkdescent.core.errors import ArtefactError
from zkdescent.core.records import (
    InferenceRecord,
    Manifest,
    ProofRecord,
    Role,
    canonical_json,
    parse_json,
)
from zkdescent.pipeline.artefacts import inference_folder, proof_name
from zkdescent.pipeline.bundling import FORMAT, INDEX, MANIFEST
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier import AuditReport

LARGEST_RECORD = 8 << 20
LARGEST_INDEX = 64 << 20
LARGEST_OBJECT = 64 << 20


class OpenBundle:
    """The content of a bundle, each member checked against the index when it is read.

    Raises:
        ArtefactError: it is no bundle, or its index is not that of its members.
    """

    def __init__(self, archive: Archive, *, path: str | None = None) -> None:
        self._archive, self._path = archive, path
        raw = archive.read(INDEX, limit=LARGEST_INDEX)
        index = parse_json(raw, path=f"{path}:{INDEX}")
        if not isinstance(index, dict) or index.get("format") != FORMAT:
            found = index.get("format") if isinstance(index, dict) else type(index).__name__
            raise self._refusal("unknown bundle format", expected=FORMAT, got=found)
        listed = index.get("members")
        if set(index) != {"format", "project", "members"} or not isinstance(listed, dict):
            raise self._refusal("the index has other keys", expected="format, project, members")
        if canonical_json(index) != raw:
            raise self._refusal("the index is not canonical JSON")
        if {INDEX, *listed} != set(archive.names):
            raise self._refusal("the index lists other members than there are")
        self._listed: dict[str, Any] = listed
        self.manifest = self._manifest()
        if index["project"] != self.manifest.project:
            raise self._refusal("the index names another project", got=index["project"])

    def read(self, name: str, *, limit: int) -> bytes:
        """Return a member that has the listed hash.

        Raises:
            ArtefactError: it is missing, too large or not the listed one.
        """
        data = self._archive.read(name, limit=limit)
        got = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        if self._listed.get(name) != got:
            raise self._refusal(
                f"{name} is not the listed one", expected=self._listed.get(name), got=got["sha256"]
            )
        return data

    def get(self, digest: str) -> bytes:
        """Return a published object by its sha256."""
        data = self.read(f"objects/{digest}", limit=LARGEST_OBJECT)
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._refusal("an object has another hash than its name", expected=digest)
        return data

    def has(self, digest: str) -> bool:
        """Whether an object is there."""
        return f"objects/{digest}" in self._listed

    def proof(self, role: Role, index: int) -> ProofRecord | None:
        """Return a proof; None if there is none."""
        name = proof_name(role, index)
        if name not in self._listed:
            return None
        return ProofRecord.from_json(self._json(name), path=name)

    def inferences(self) -> Iterator[InferenceRecord]:
        """The inferences of the manifest's model."""
        if self.manifest.run is None:
            return
        folder = inference_folder(int.from_bytes(self.manifest.run.run_id, "big"))
        for name in sorted(self._listed):
            if name.startswith(folder):
                yield InferenceRecord.from_json(self._json(name), path=name)

    def _manifest(self) -> Manifest:
        raw = self.read(MANIFEST, limit=LARGEST_INDEX)
        manifest = Manifest.from_json(parse_json(raw, path=MANIFEST), path=MANIFEST)
        named = {n: e.to_json() for n, e in manifest.artefacts.items()}
        rest = {
            n: e for n, e in self._listed.items() if n != MANIFEST and not n.startswith("objects/")
        }
        if named != rest:
            raise self._refusal("the manifest lists other artefacts than the bundle holds")
        return manifest

    def _json(self, name: str) -> Any:
        return parse_json(self.read(name, limit=LARGEST_RECORD), path=name)

    def _refusal(
        self, reason: str, *, expected: object = None, got: object = None
    ) -> ArtefactError:
        return ArtefactError(
            f"a bundle that can't be used: {reason}",
            expected=expected,
            got=got,
            path=self._path,
            hint="ask for the file again, and compare its sha256",
        )


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What a bundle proves, and about whom.

    Attributes:
        bound: who and what the proofs are bound to, in words, each checked.
    """

    audit: AuditReport
    bytes: int
    sha256: str
    cid: str
    bound: dict[str, Any]


@contextmanager
def open_bundle(path: Path) -> Iterator[OpenBundle]:
    """Open a bundle for reading; raises as `OpenBundle`."""
    with storage_errors(path):
        if not path.is_file():
            raise ArtefactError("there is no such bundle", got=str(path), path=path)
        with path.open("rb") as stream:
            yield OpenBundle(Archive(stream, path=str(path)), path=str(path))


def verify_bundle(path: Path, report: Reporter) -> BundleReport:
    """Audit the run in a bundle, as `zkdescent.verifier.audit.audit_run` says, and its inferences.

    Raises:
        ArtefactError: the file is no bundle, cut off, changed or malformed.
        ChainOfProofsBroken, ProofRejected: the first thing that does not hold, named.
    """
    from zkdescent.verifier import audit_run
    from zkdescent.verifier.batched import BatchedProofVerifier
    from zkdescent.verifier.verifying_key import check_key

    with open_bundle(path) as bundle:
        manifest = bundle.manifest
        total = manifest.dataset.blocks_per_epoch * (manifest.circuits.range is not None)
        total += manifest.total_proofs
        report.start("audit", total)
        done = 0

        def progress(role: Role, index: int, of: int) -> None:
            nonlocal done
            done += 1
            report.advance("audit", done, f"{role} proof {index}/{of}")

        for circuit in manifest.circuits.present():
            digest = circuit.vk_sha256.hex()
            if circuit.backend == "ezkl" and bundle.has(digest):
                check_key(circuit, bundle.get(digest), path=f"circuit {circuit.role}")
        verifier = BatchedProofVerifier(bundle.get)
        audit = audit_run(
            manifest,
            bundle.proof,
            verifier,
            inferences=bundle.inferences(),
            load_object=bundle.get,
            progress=progress,
        )
        verifier.settle()
        size, digest = path.stat().st_size, sha256_of(path)
    cid = cid_of_digest(bytes.fromhex(digest))
    return BundleReport(audit, size, digest, cid, _bound(manifest, audit))


def _bound(manifest: Manifest, audit: AuditReport) -> dict[str, Any]:
    """Every value here has been compared or recomputed by the audit of this manifest."""
    run, task = manifest.run, manifest.task
    assert run is not None
    assert task is not None
    return {
        "chain_id": run.chain_id,
        "ledger": run.ledger,
        "sponsor": run.sponsor,
        "payee": run.payee,
        "reward_wei": task.reward,
        "task_id": run.task_id,
        "run_id": run.run_id,
        "dataset_root": task.dataset_root,
        "genesis": manifest.genesis,
        "final": audit.final,
        "requesters": sorted({i.requester for i in audit.inferences}),
    }
