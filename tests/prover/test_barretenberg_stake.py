"""A stake feed answers and a stake controller moves by real proofs of their own, and by no others.

Models of the stake oracle's shape, 10 -> 5: the session's tiny one has no targets for three
parameters. A chain of six validators is played for two epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.inference import InferenceProver
from zkdescent.pipeline.staking.arena import Arena, Setting
from zkdescent.pipeline.staking.blocks import making_blocks
from zkdescent.pipeline.staking.oracle import Oracle, OraclePlan
from zkdescent.verifier import Chain, TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.controllers import ParameterSpec
from zkdescent.verifier.stake import StakeParameters
from zkdescent.verifier.twins import to_field

from .honk import STRANGER, HonkRun, proven_run
from .honk_chain import declines, refuses

pytestmark = [pytest.mark.slow, pytest.mark.prover, pytest.mark.barretenberg]

START = StakeParameters(100, 4, 2)
RAILS = ((20, 600, 60), (4, 32, 4), (1, 4, 1))
SEATS, EPOCH_BLOCKS, WINDOW, CADENCE = 6, 8, 2, 2


class Most:
    """The last validator stays away, whatever is paid; the others come a block late."""

    def decide(self, epoch: int, parameters: StakeParameters) -> tuple[Any, Any]:
        """The same in every epoch."""
        return np.arange(SEATS) < SEATS - 1, np.ones(SEATS, dtype=int)


def model_of(directory: Path, *, seed: int = 0) -> HonkRun:
    """The example's model after one block proof."""
    create_project(directory, "stake-oracle")
    file = directory / "zkdescent.toml"
    text = file.read_text().replace("steps = 512", "steps = 32")
    file.write_text(text.replace("seed = 0", f"seed = {seed}"))
    return proven_run(directory)


@dataclass
class Played:
    """The oracle on a chain whose third epoch has begun: round 1 and update 1 are due."""

    run: HonkRun
    chain: Chain
    oracle: Oracle

    @property
    def prover(self) -> InferenceProver:
        """Who proves the oracle's model."""
        return self.oracle.prover

    def features(self) -> list[int]:
        """What the first window shows, to feed and controller alike."""
        return list(self.oracle.controller.features())

    def feed_call(self, record: Any, outputs: Any, *, round_: int = 1, state: bytes = b"") -> Any:
        """The feed's submit with a proof and outputs as they are, unread."""
        proof = evidence(self.oracle.circuit, record.proof, reusable=False)
        feed = self.chain.contract("StakeFeed", self.oracle.feed)
        return feed.functions.submit(round_, state, list(outputs), proof)

    def move_call(self, record: Any, outputs: Any) -> Any:
        """The controller's move, the same."""
        proof = evidence(self.oracle.circuit, record.proof, reusable=False)
        return self.oracle.controller.contract.functions.move(list(outputs), proof)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HonkRun:
    """The oracle's model."""
    return model_of(tmp_path_factory.mktemp("stake") / "model")


@pytest.fixture(scope="module")
def played(run: HonkRun) -> Iterator[Played]:
    """Two epochs of six validators under source, feed and controller."""
    specs = [
        ParameterSpec(value, low, high, step, 1, high - low, low)
        for value, (low, high, step) in zip((100, 4, 2), RAILS, strict=True)
    ]
    setting = Setting(START, SEATS, 32, EPOCH_BLOCKS, pot=1)
    with Chain.tester() as chain:
        run.submit_to(run.open_on(chain))
        model = TrainingClient(chain).model(run.plan.model_id)
        assert model is not None
        arena = Arena.found(chain, setting, "real proofs", fund=8)
        # A model of one block proof is far off: it says that more than everybody attests.
        terms = (specs[0], specs[1], specs[2])
        plan = OraclePlan(WINDOW, CADENCE, 600, 32, terms, max_answer=10**9)
        prover = InferenceProver.open(run.project, run.manifest, run.plan)
        oracle = Oracle(chain, prover, arena, model, plan)
        oracle.bind()
        with making_blocks(chain) as blocks:
            arena.populate(blocks)
            for epoch in (1, 2):
                arena.play(blocks, Most(), epoch, START)
            assert blocks.number == oracle.schedule.first_block
            blocks.mine()
        yield Played(run, chain, oracle)


@pytest.fixture(scope="module")
def lies(played: Played, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Any]:
    """Valid proofs of other things, for a requester and a nonce: what a cheater can make."""
    other = model_of(tmp_path_factory.mktemp("stake") / "other", seed=1)
    assert other.plan.model_id != played.run.plan.model_id
    others = InferenceProver.open(other.project, other.manifest, other.plan)

    def make(requester: str, nonce: int) -> dict[str, Any]:
        features = played.features()
        untrained = replace(
            played.prover,
            final=played.run.states[0],
            manifest=replace(played.run.manifest, final=played.run.manifest.genesis),
        )
        window = [features[0] + 1, *features[1:]]
        prove = played.prover.prove
        return {
            "another window": prove(window, requester=requester, nonce=nonce),
            "another requester": prove(features, requester=STRANGER, nonce=nonce),
            "another time": prove(features, requester=requester, nonce=nonce + 1),
            "another model": others.prove(features, requester=requester, nonce=nonce),
            "other weights": untrained.prove(features, requester=requester, nonce=nonce),
        }

    return make


ERRORS = {
    "another window": "InputDiffers",
    "another requester": "ContextMismatch",
    "another time": "ContextMismatch",
    "another model": "ContextMismatch",
    "other weights": "StateDiffers",
}


def all_refused(
    played: Played, honest: Any, made: dict[str, Any], call: Callable[..., Any]
) -> None:
    """Every lie about an honest proof, and every other valid proof, by the error that names it."""
    send = played.chain.send
    record, outputs = honest.record, honest.outputs
    for name, lie in made.items():
        refuses(ERRORS[name], send, call(lie.record, lie.outputs))
    spoiled = bytearray(record.proof.proof)
    spoiled[-1] ^= 1
    tampered = replace(record, proof=replace(record.proof, proof=bytes(spoiled)))
    refuses("ProofRejected", send, call(tampered, outputs))
    false = [outputs[0], outputs[1], *(value + 4096 for value in outputs[2:])]
    refuses("OutputDiffers", send, call(record, false))
    values = (*record.proof.public_values[: -len(false)], *map(to_field, false))
    forged = replace(record, proof=replace(record.proof, public_values=values))
    refuses("ProofRejected", send, call(forged, false))
    # A copied proof, its context rewritten to the one that is asked for.
    copied = bytearray(made["another requester"].record.proof.proof)
    copied[:32] = record.proof.proof[:32]
    stolen = made["another requester"].record
    stolen = replace(stolen, proof=replace(stolen.proof, proof=bytes(copied)))
    refuses("ProofRejected", send, call(stolen, outputs))


def test_a_feed_answers_by_its_own_proof_alone(
    played: Played, lies: Callable[[str, int], Any]
) -> None:
    oracle, chain = played.oracle, played.chain
    feed = chain.contract("StakeFeed", oracle.feed)
    features = played.features()
    assert features == list(chain.call(feed.functions.features(1, b""))[0])
    honest = played.prover.prove(features, requester=oracle.feed, nonce=1)
    all_refused(played, honest, lies(oracle.feed, 1), played.feed_call)
    declines("RoundNotDue", chain.send, played.feed_call(honest.record, honest.outputs, round_=2))
    call = played.feed_call(honest.record, honest.outputs, state=b"\x00")
    declines("SourceHasNoEvidence", chain.send, call)
    assert chain.call(feed.functions.status()).latest.round == 0

    chain.send(played.feed_call(honest.record, honest.outputs))
    answer = chain.call(feed.functions.latestRoundData())[1]
    assert answer == (honest.outputs[0] * 10**8) >> oracle.circuit.fraction_bits
    declines("RoundNotNew", chain.send, played.feed_call(honest.record, honest.outputs))


def test_a_controller_moves_by_its_own_proof_alone(
    played: Played, lies: Callable[[str, int], Any]
) -> None:
    chain, controller = played.chain, played.oracle.controller
    start = controller.parameters()
    honest = played.prover.prove(played.features(), requester=controller.address, nonce=1)
    all_refused(played, honest, lies(controller.address, 1), played.move_call)
    assert (controller.parameters(), controller.next_update()) == (start, 1)

    _, after = controller.preview(honest.outputs)
    chain.send(played.move_call(honest.record, honest.outputs))
    assert controller.parameters() == after != start
    for old, new, (low, high, step) in zip(start, after, RAILS, strict=True):
        assert abs(new - old) <= step
        assert low <= new <= high
    again = played.prover.prove(played.features(), requester=controller.address, nonce=2)
    declines("CoolingDown", chain.send, played.move_call(again.record, again.outputs))


def test_a_round_is_over_when_its_time_is(played: Played) -> None:
    """The last of this module: it lets the chain run on."""
    oracle, chain = played.oracle, played.chain
    honest = played.prover.prove(played.features(), requester=oracle.feed, nonce=1)
    while chain.block_number < oracle.schedule.first_block + oracle.schedule.horizon:
        chain.mine(1)
    call = played.feed_call(honest.record, honest.outputs)
    declines("RoundExpired", chain.send, call)
