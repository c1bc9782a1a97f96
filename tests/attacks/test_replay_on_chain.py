"""Replay: a proof that the ledger took in one place is sent to it in another.

The attacker has the block proofs of a finished run, which are public. He wants them to count again:
in a second run of the same payee, in another task, on another ledger with the same code, on another
chain. He sends them as they are, and then with the context that is due there instead of theirs.

They fail because a proof's first word is a context: keccak256 over chain id, ledger, run, place
and payee, which the gateway compares with the one it expects (``ContextMismatch``). The context is
a public input of the circuit, so another word makes another statement, for which the proof is none
(``ProofRejected``). Real proofs, because the second line of defence is the cryptography.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from zkdescent.verifier import Chain, TrainingClient, _tester
from zkdescent.verifier._create2 import FACTORY
from zkdescent.verifier._pyevm import PragueChain
from zkdescent.verifier.addresses import init_codes
from zkdescent.verifier.twins import tensor_hash

from .actors import VICTIM, acting_as, address, block_of, call, relocated, send

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]
OTHER_CHAIN = 424_242


@pytest.fixture(scope="module")
def home(honest: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingClient]:
    """A chain where the honest run is complete: its proofs were accepted once."""
    path: Path = tmp_path_factory.mktemp("home") / "chain"
    with Chain.tester(path) as chain:
        client = honest.open_on(chain)
        honest.submit_to(client)
        run = client.ledger.run(honest.plan.run_id)
        assert run.head == tensor_hash(honest.final)
        yield client


def refused_there(client: TrainingClient, honest: Any, plan: Any) -> None:
    """The proof of the honest run fails for this plan's open run; one made for it is accepted."""
    dataset, step = honest.manifest.dataset, honest.circuit("step")
    copied = honest.proof(0)
    as_it_is = block_of(dataset, plan, step, copied, 0)
    assert call(client, "submit", plan.run_id, [as_it_is]) == "ContextMismatch"
    context = plan.context(0).to_bytes(32, "big")
    assert context != copied.proof[:32]
    spelt = replace(copied, proof=context + copied.proof[32:])
    assert call(client, "submit", plan.run_id, [block_of(dataset, plan, step, spelt, 0)]) == (
        "ProofRejected"
    )
    batch = honest.blueprint.fixed_blocks[plan.order()[0]]
    own = honest.prove_block(plan.context(0), honest.states[0], batch)
    assert send(client, "submit", plan.run_id, [block_of(dataset, plan, step, own, 0)]) == (
        "accepted"
    )


def test_another_run_of_the_same_payee(honest: Any, home: TrainingClient) -> None:
    plan = honest.replanned(nonce=1)
    home.open_run(plan)
    refused_there(home, honest, plan)


def test_another_payee(honest: Any, home: TrainingClient) -> None:
    plan = honest.replanned(payee=address(VICTIM))
    acting_as(home, VICTIM).open_run(plan)
    refused_there(home, honest, plan)


def test_another_task(honest: Any, home: TrainingClient) -> None:
    plan = honest.replanned(salt=b"\x01" * 32)
    home.create_task(plan)
    home.open_run(plan)
    refused_there(home, honest, plan)


def test_another_ledger(honest: Any, home: TrainingClient) -> None:
    """The same code under another salt of the factory, over the same circuits."""
    salt = b"\x07" * 32
    creation = init_codes()["ledger"]
    receipt = home.chain.send_data(FACTORY, salt + creation)
    assert receipt.gas_used > 0
    preimage = b"\xff" + to_canonical_address(FACTORY) + salt + keccak(creation)
    ledger = to_checksum_address(keccak(preimage)[12:])
    assert home.chain.code(ledger)
    plan = relocated(honest.plan, ledger=ledger)
    other = TrainingClient(home.chain, plan.addresses)
    other.create_task(plan)
    other.open_run(plan)
    refused_there(other, honest, plan)


def test_another_chain(honest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same contracts at the same addresses on a chain with another id."""
    monkeypatch.setattr(PragueChain, "chain_id", OTHER_CHAIN)
    monkeypatch.setattr(_tester.TesterNode, "chain_id", OTHER_CHAIN)
    plan = relocated(honest.plan, chain_id=OTHER_CHAIN)
    with Chain.tester() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        honest.verifiers.deploy(chain)
        client.register_circuits(honest.manifest.circuits, honest.verifiers.specs)
        client.create_task(plan)
        client.open_run(plan)
        assert client.addresses.ledger == honest.plan.addresses.ledger
        refused_there(client, honest, plan)
