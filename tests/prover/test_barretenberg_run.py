"""The tiny project on the second prover: compiled, proven, audited, submitted, asked, resumed.

Its rejected twins are in test_barretenberg_rejected_*.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zkdescent.circuits.barretenberg.backend import BarretenbergBackend
from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.barretenberg.commitment import HashRole
from zkdescent.core.config import load_project
from zkdescent.core.errors import ChainOfProofsBroken, ContractRejected, ProofRejected, ProverError
from zkdescent.core.records import Role, canonical_json
from zkdescent.pipeline.artefacts import load_proof, proof_name
from zkdescent.pipeline.auditing import verify_project
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.provers import SALT
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain, EvmProofVerifier, TrainingClient
from zkdescent.verifier.honk_code import check_honk_key, load_key, load_verifier
from zkdescent.verifier.ledger_reading import RunStatus
from zkdescent.verifier.twins import from_field, tensor_hash
from zkdescent.verifier.twins.layout import InferenceWord, StepWord, layout_of

from .honk import HonkRun, flipped

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

STEP = layout_of("barretenberg", "step")
INFERENCE = layout_of("barretenberg", "inference")
TRANSACTION_GAS_CAP = 16_777_216  # EIP-7825


def test_commitments_are_the_digests_of_the_data(honest: HonkRun) -> None:
    manifest, blueprint, states = honest.manifest, honest.blueprint, honest.states
    leaves = [honest.digest(HashRole.BATCH, block) for block in blueprint.fixed_blocks]
    assert list(manifest.dataset.leaves) == leaves
    assert manifest.genesis == honest.digest(HashRole.STATE, blueprint.genesis)
    assert manifest.final == honest.digest(HashRole.STATE, states[-1])
    for index, due in enumerate(honest.plan.order()):
        words = STEP.split(honest.proof(index).proof)
        assert int.from_bytes(words[StepWord.CONTEXT], "big") == honest.plan.context(index)
        assert words[StepWord.STATE_IN] == honest.digest(HashRole.STATE, states[index])
        assert words[StepWord.BATCH] == leaves[due]
        assert words[StepWord.STATE_OUT] == honest.digest(HashRole.STATE, states[index + 1])
    words = INFERENCE.split(honest.inference.proof.proof)
    assert words[InferenceWord.STATE] == manifest.final
    context = honest.plan.inference_context(honest.plan.payee, 0)
    assert int.from_bytes(words[InferenceWord.CONTEXT], "big") == context


def test_every_number_and_the_salt_decide_a_digest(honest: HonkRun) -> None:
    genesis = honest.blueprint.genesis
    digests = {honest.manifest.genesis, honest.digest(HashRole.BATCH, genesis)}
    digests |= {honest.digest(HashRole.STATE, genesis, salt=honest.salt ^ 1 << i) for i in (0, 247)}
    for place in range(len(genesis)):
        changed = genesis.copy()
        changed[place] += 1
        digests.add(honest.digest(HashRole.STATE, changed))
    digests.add(honest.digest(HashRole.STATE, [*genesis, 0]))
    assert len(digests) == 5 + len(genesis)


def test_another_salt_gives_other_commitments(honest: HonkRun, tmp_path: Path) -> None:
    copied = honest.copy_to(tmp_path / "copied")
    copied.open_store().remove(SALT)
    blueprint = make_blueprint(copied)
    tensors = [("state", blueprint.genesis), ("batch", blueprint.fixed_blocks[0])]
    store, step = copied.open_store(), honest.circuit("step")
    digests = blueprint.backend.commit(step, store.path_of, tensors)
    salt = int.from_bytes(store.read_bytes(SALT), "big")
    assert salt != honest.salt, "drawn anew"
    assert digests[0] == honest.digest(HashRole.STATE, blueprint.genesis, salt=salt)
    assert not {honest.manifest.genesis, *honest.manifest.dataset.leaves} & set(digests)


def test_the_salt_is_not_published(honest: HonkRun, tmp_path: Path) -> None:
    secret = honest.store.read_bytes(SALT)
    forms = [secret, secret.hex().encode(), str(honest.salt).encode()]
    searched = 0
    for folder in (honest.store.root, honest.publish_to(tmp_path / "published")):
        for path in folder.rglob("*"):
            if path.is_file() and path.name != SALT:
                content = path.read_bytes()
                assert not [form for form in forms if form in content], path
                searched += 1
    assert searched > 20
    manifest = canonical_json(honest.manifest.to_json())
    assert not [form for form in forms if form in manifest]


def test_the_run_is_audited_submitted_and_asked(honest: HonkRun, tmp_path: Path) -> None:
    project = honest.copy_to(tmp_path / "copied")
    report = verify_project(project, Reporter())
    assert (report.block_proofs, report.range_proofs, report.steps) == (2, 0, 4)
    assert (len(report.inferences), report.final) == (1, honest.manifest.final)
    assert report.unsafe_srs
    assert submit_project(project, Reporter()).model_id == honest.plan.model_id
    assert not any(action.sent for action in submit_project(project, Reporter()).actions)
    rows = tmp_path / "rows.json"
    rows.write_text("[[0.5, -1.25, 2.0]]")
    (inference,) = infer_project(project, rows, Reporter(), submit=True)
    assert inference.accepted


def test_the_inference_is_the_models_output_on_the_row(honest: HonkRun) -> None:
    *inputs, output = (from_field(v) for v in honest.inference.proof.public_values)
    bits = honest.circuit("inference").fraction_bits
    weights, bias = honest.states[-1][:3], int(honest.states[-1][3])
    exact = sum(int(w) * x for w, x in zip(weights, inputs, strict=True)) + (bias << bits)
    assert abs(output - exact / 2**bits) <= 0.5


@pytest.mark.chain
def test_the_same_proofs_serve_anvil_under_the_gas_cap(honest: HonkRun) -> None:
    """No transaction needs more than a public chain allows; the audit agrees with the chain."""
    gas = []
    with Chain.anvil() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        gas += [action.gas for action in honest.verifiers.deploy(chain)]
        specs = honest.verifiers.specs
        gas += [a.gas for a in client.register_circuits(honest.manifest.circuits, specs)]
        gas += [client.create_task(honest.plan).gas, client.open_run(honest.plan).gas]
        step, dataset = honest.circuit("step"), honest.manifest.dataset
        both = client.submit(honest.plan, step, dataset, honest.proof, per_transaction=2)
        gas += [action.gas for action in both]
        client.finalise(honest.plan)
        client.mint(honest.plan)
        consumer = client.consumer(honest.plan.model_id)
        consumer.deploy()
        gas.append(consumer.accept(honest.circuit("inference"), honest.inference).gas)
        run = client.ledger.run(honest.plan.run_id)
        assert verify_project(honest.project, Reporter(), chain=chain).compared_with_chain
    assert run is not None
    assert (run.proofs, run.status) == (2, RunStatus.FINALISED)
    assert run.head == tensor_hash(honest.final)
    assert 0 < max(gas) < TRANSACTION_GAS_CAP


def test_a_removed_proof_is_the_only_one_made_again(honest: HonkRun, tmp_path: Path) -> None:
    project = honest.copy_to(tmp_path / "copied")
    store = project.open_store()
    store.remove(proof_name("step", 0))
    again = prove_project(project, Reporter())
    assert (again.made, again.kept) == (1, 1)
    assert load_proof(store, "step", 1) == honest.proof(1)
    made = load_proof(store, "step", 0)
    assert made is not None
    assert made.proof != honest.proof(0).proof, "zero knowledge: fresh randomness in every proof"
    assert STEP.split(made.proof) == STEP.split(honest.proof(0).proof)
    assert prove_project(project, Reporter()).made == 0
    assert store.read_manifest().final == honest.manifest.final
    EvmProofVerifier(store.get).verify(honest.circuit("step"), made)


def test_a_damaged_proof_is_made_again(honest: HonkRun, tmp_path: Path) -> None:
    project = honest.copy_to(tmp_path / "copied")
    path = project.open_store().root / proof_name("step", 1)
    path.write_bytes(canonical_json(flipped(honest.proof(1)).to_json()))
    again = prove_project(project, Reporter())
    assert (again.made, again.kept) == (1, 1)
    made = load_proof(project.open_store(), "step", 1)
    assert made is not None
    assert STEP.split(made.proof) == STEP.split(honest.proof(1).proof)


def test_a_false_witness_is_found_before_it_is_kept(honest: HonkRun) -> None:
    backend, blueprint, step = honest.blueprint.backend, honest.blueprint, honest.circuit("step")
    assert isinstance(backend, BarretenbergBackend)
    emitted = emit(blueprint.step, blueprint.fixed, public_output=False)
    inputs = {
        "context": np.array([honest.plan.context(0)], dtype=object),
        "state": blueprint.genesis,
        "batch": blueprint.fixed_blocks[honest.plan.order()[0]],
    }
    witness = emitted.witness(inputs, 1)
    path_of = honest.store.path_of
    assert backend.prove_witness(step, path_of, witness).proof
    witness[emitted.walk.inputs["state"].start] += 1
    with pytest.raises(ProverError, match="does not verify"):
        backend.prove_witness(step, path_of, witness)


@pytest.mark.slow
def test_proofs_know_neither_the_chain_nor_its_place(honest: HonkRun) -> None:
    """Two proofs of one statement differ, and both are accepted; the record decides nothing."""
    batch = honest.blueprint.fixed_blocks[honest.plan.order()[0]]
    again = honest.prove_block(honest.plan.context(0), honest.states[0], batch)
    assert again.proof[STEP.front :] != honest.proof().proof[STEP.front :]
    assert replace(again, proof=b"") == replace(honest.proof(), proof=b"")
    with Chain.tester() as chain:
        client = honest.open_on(chain)
        dataset = honest.manifest.dataset
        client.submit(
            honest.plan,
            honest.circuit("step"),
            dataset,
            lambda index: again if index == 0 else honest.proof(index),
        )
        client.finalise(honest.plan)
        assert client.ledger.run(honest.plan.run_id) is not None


@pytest.fixture(scope="module")
def plain(honest: HonkRun, tmp_path_factory: pytest.TempPathFactory) -> HonkRun:
    """The same project, told to do without zero knowledge after it was proven with it."""
    project = honest.copy_to(tmp_path_factory.mktemp("plain") / "tiny")
    path = project.directory / "zkdescent.toml"
    path.write_text(f"{path.read_text()}zero_knowledge = false\n")
    project, report = load_project(project.directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    made = prove_project(project, report, blueprint=blueprint)
    assert (made.made, made.kept) == (2, 0), "other verifiers: no proof of before is of this run"
    infer_project(project, project.directory / "row.json", report)
    return HonkRun(project, blueprint, project.open_store().read_manifest())


def test_without_zero_knowledge_circuits_and_keys_are_the_same(
    honest: HonkRun, plain: HonkRun
) -> None:
    assert plain.manifest.genesis == honest.manifest.genesis
    assert plain.manifest.dataset == honest.manifest.dataset
    sizes: tuple[tuple[Role, int], ...] = (("step", 4), ("inference", 2))
    for role, words in sizes:
        ours, theirs = plain.circuit(role), honest.circuit(role)
        assert (ours.zero_knowledge, theirs.zero_knowledge) == (False, True)
        assert (ours.vk_sha256, ours.logrows) == (theirs.vk_sha256, theirs.logrows)
        assert ours.objects["verifier"] != theirs.objects["verifier"]
        assert ours.proof_length == 32 * (words + 67 + 11 * ours.logrows)
        assert theirs.proof_length == 32 * (words + 82 + 12 * theirs.logrows)
        code = load_verifier(ours, plain.store.get).runtime_code
        check_honk_key(ours, load_key(ours, plain.store.get), code)
    inference = load_verifier(plain.circuit("inference"), plain.store.get).runtime_code
    step = plain.circuit("step")
    with pytest.raises(ProofRejected, match="does not hold the verifying key"):
        check_honk_key(step, load_key(step, plain.store.get), inference)
    batch = plain.blueprint.fixed_blocks[plain.plan.order()[0]]
    again = plain.prove_block(plain.plan.context(0), plain.states[0], batch)
    assert again == plain.proof(), "nothing random in it: whoever guesses the witness can tell"


def test_without_zero_knowledge_a_run_is_audited_submitted_and_asked(
    honest: HonkRun, plain: HonkRun, tmp_path: Path
) -> None:
    """And the verifiers of the two kinds take no proof of the other, whatever its length."""
    with Chain.tester() as chain:
        client = plain.open_on(chain)
        plain.submit_to(client)
        report = verify_project(plain.project, Reporter(), chain=chain)
        assert (report.block_proofs, len(report.inferences)) == (2, 1)
        assert report.compared_with_chain
        consumer = client.consumer(plain.plan.model_id)
        consumer.deploy()
        assert consumer.accept(plain.circuit("inference"), plain.inference).sent
        honest.verifiers.deploy(chain)
        client.register_circuits(honest.manifest.circuits, honest.verifiers.specs)

        def check(run: HonkRun, proof: bytes, context: int) -> object:
            evidence: tuple[bytes, list[int], list[bytes]] = (proof, [], [])
            function = client.gateway.contract.functions.check
            return chain.call(function(run.plan.task.step_circuit, context, evidence))

        for run, other in ((honest, plain), (plain, honest)):
            own, foreign = run.proof(), other.proof()
            assert check(run, own.proof, own.context)
            adapted = foreign.proof[: len(own.proof)].ljust(len(own.proof), b"\0")
            mixed = own.proof[: STEP.front] + adapted[STEP.front :]
            for name, proof, context in (
                ("ProofLength", foreign.proof, foreign.context),
                ("ProofRejected", adapted, foreign.context),
                ("ProofRejected", mixed, own.context),
            ):
                with pytest.raises(ContractRejected) as caught:
                    check(run, proof, context)
                assert caught.value.error_name == name
    directory = plain.publish_to(tmp_path / "published")
    path = directory / ".zkdescent" / proof_name("step", 0)
    words, argument = plain.proof().proof[: STEP.front], honest.proof().proof[STEP.front :]
    longer = replace(plain.proof(), proof=words + argument)
    path.write_bytes(canonical_json(longer.to_json()))
    with pytest.raises(ChainOfProofsBroken, match="length of the proof"):
        verify_project(load_project(directory), Reporter())
    cut = replace(longer, proof=longer.proof[: plain.circuit("step").proof_length])
    path.write_bytes(canonical_json(cut.to_json()))
    with pytest.raises(ProofRejected, match="rejects the proof"):
        verify_project(load_project(directory), Reporter())
