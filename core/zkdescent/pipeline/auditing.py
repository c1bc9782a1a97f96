"""Stage `verify`: re-check the whole chain of custody from public artefacts alone.

Needs no torch, no data, no weights and no proving key. The cryptographic check runs the verifier
contract's own bytecode in an in-process EVM, or ezkl where it is installed and wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from zkdescent.core.config import Project
from zkdescent.core.records import CircuitRecord, InferenceRecord, Manifest, ProofRecord, Role
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder, load_proof
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier import AuditReport, Chain

Engine = Literal["evm", "native"]


def verify_project(
    project: Project,
    report: Reporter,
    *,
    engine: Engine = "evm",
    chain: Chain | None = None,
    rebuild: bool = False,
    entered: Callable[[int], None] = lambda number: None,
) -> AuditReport:
    """Audit a project's run and its inferences; see `zkdescent.verifier.audit.audit_run`.

    Args:
        engine: `evm` needs nothing but the base install; `native` uses ezkl, faster.
        chain: compare with this chain as well.
        rebuild: make the aggregate's circuit again with bb, from the step circuit's key.
        entered: told the number of each step of the audit as it begins.

    Raises:
        ChainOfProofsBroken, ProofRejected: the first thing that does not hold, named.
        ArtefactError: an artefact is missing or damaged.
        ConfigError: there is no aggregate to rebuild.
    """
    from zkdescent.verifier import audit_run

    store = project.open_store()
    manifest = store.read_manifest()
    total = manifest.dataset.blocks_per_epoch + manifest.total_proofs
    done = 0
    report.start("audit", total)

    def progress(role: Role, index: int, of: int) -> None:
        nonlocal done
        done += 1
        report.advance("audit", done, f"{role} proof {index}/{of}")

    def load(role: Role, index: int) -> ProofRecord | None:
        return load_proof(store, role, index)

    _check_keys(store, manifest)
    audit = audit_run(
        manifest,
        load,
        proof_verifier(store, engine),
        inferences=_inferences(store, manifest),
        load_object=store.get,
        chain=chain,
        progress=progress,
        entered=entered,
    )
    if rebuild:
        from zkdescent.pipeline.rebuilding import rebuild_aggregate

        rebuild_aggregate(store, manifest.circuits)
    return replace(audit, rebuilt_aggregate=rebuild)


def proof_verifier(
    store: ArtefactStore, engine: Engine
) -> Callable[[CircuitRecord, ProofRecord], None]:
    """Return the function that checks one proof cryptographically."""
    if engine == "evm":
        from zkdescent.verifier import EvmProofVerifier

        return EvmProofVerifier(store.get)
    from zkdescent.circuits.backends import make_backend

    def verify(circuit: CircuitRecord, proof: ProofRecord) -> None:
        backend = make_backend(circuit.backend)
        backend.verify(circuit, store.path_of, proof.proof, proof.public_values)

    return verify


def _check_keys(store: ArtefactStore, manifest: Manifest) -> None:
    """The keys that are here are those the circuits name, and their words are made from them.

    Without a key there is nothing to compare: the report names the words' digest.
    """
    from zkdescent.verifier.verifying_key import check_key

    for circuit in manifest.circuits.present():
        if circuit.backend != "ezkl":
            continue
        digest = circuit.vk_sha256.hex()
        if store.has(digest):
            check_key(circuit, store.get(digest), path=f"circuit {circuit.role}")


def _inferences(store: ArtefactStore, manifest: Manifest) -> list[InferenceRecord]:
    """The published inferences of the manifest's model."""
    if manifest.run is None:
        return []
    folder = inference_folder(int.from_bytes(manifest.run.run_id, "big"))
    names = store.names(folder)
    return [InferenceRecord.from_json(store.read_json(n, check=False), path=n) for n in names]
