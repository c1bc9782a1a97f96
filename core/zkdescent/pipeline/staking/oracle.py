"""The proven side: source, feed and controller over a registry, and their rounds.

Feed and controller each are the requester of their own inferences, so one window is proven twice:
for the feed's round and for the controller's update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from zkdescent.core.records import CircuitRecord
from zkdescent.pipeline.inference import InferenceProver, ProvenInference
from zkdescent.pipeline.staking.arena import Arena
from zkdescent.verifier import Chain, Model, deploy_code
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.controllers import ControllerClient, ModelPin, ParameterSpec
from zkdescent.verifier.feed_terms import FEED_TERMS_ABI, FeedTerms, Schedule
from zkdescent.verifier.stake import StakeParameters

OUTPUTS = 5
_PIN_ABI = "(address,uint256,bytes32,address,address,uint32,uint32)"
_SPEC_ABI = "(int64,int64,int64,uint56,uint8,int64,int64)"


@dataclass(frozen=True)
class OraclePlan:
    """Window and cadence in epochs, units of the features, and the parameters' specs.

    ``max_answer`` bounds the feed's answers, eight decimals.
    """

    window: int
    cadence: int
    reward_unit: int
    committee_unit: int
    specs: tuple[ParameterSpec, ParameterSpec, ParameterSpec]
    max_answer: int = 110_000_000


@dataclass(frozen=True)
class Move:
    """An update as it was made: what went in, what the model said, and what became of it."""

    update: int
    window_end: int
    features: tuple[int, ...]
    outputs: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    seconds: float


class Oracle:
    """Source, feed and controller of an arena, deployed; proves and hands in rounds."""

    def __init__(
        self, chain: Chain, prover: InferenceProver, arena: Arena, model: Model, plan: OraclePlan
    ) -> None:
        self.chain, self.prover, self.arena, self.plan = chain, prover, arena, plan
        self.circuit: CircuitRecord = prover.manifest.circuits.inference
        blocks = arena.setting.epoch_blocks
        self.schedule = Schedule(
            first_block=arena.terms.start_of(plan.cadence + 1) - 1,
            cadence=plan.cadence * blocks,
            horizon=plan.cadence * blocks,
            grace=0,
        )
        self._source = _deploy(
            chain, "LocalStakeSource", ["address", *["uint256"] * 4],
            [arena.terms.address, plan.window, blocks, plan.reward_unit, plan.committee_unit],
        )  # fmt: skip
        terms = FeedTerms(
            model_id=model.model_id,
            commitment_hash=model.commitment_hash,
            owner=chain.address,
            schedule=self.schedule,
            min_answer=0,
            max_answer=plan.max_answer,
            description=f"participation {arena.terms.address[:10]}",
            stale_seconds=86_400,
        )
        self.feed = _deploy(
            chain, "StakeFeed", [FEED_TERMS_ABI, "address", "uint256"],
            [terms.values(), self._source, OUTPUTS],
        )  # fmt: skip
        pin = ModelPin.of(model, owner=chain.address, guardian=chain.address)
        address = _deploy(
            chain, "StakeController",
            [_PIN_ABI, "uint32", f"{_SPEC_ABI}[]", "address", "uint256", "uint256"],
            [pin.values(), self.schedule.cadence, [s.values() for s in plan.specs], self._source,
             self.schedule.first_block, self.schedule.cadence],
        )  # fmt: skip
        self.controller = ControllerClient(chain, "StakeController", address)

    def bind(self) -> None:
        """Make the controller the registry's; for good."""
        self.chain.send(self.arena.registry.functions.bind(self.controller.address))

    def parameters(self) -> StakeParameters:
        """Return the live parameters."""
        return StakeParameters(*self.controller.parameters())

    def move_data(self) -> tuple[bytes, Move]:
        """Prove the update that is due, and return its call and what it will do.

        The chain must be past the window's end by a block; nothing is sent.
        """
        controller = self.controller
        features, update = controller.features(), controller.next_update()
        window_end = int(self.chain.call(controller.contract.functions.windowEnd()))
        made = self.prover.prove(features, requester=controller.address, nonce=update)
        before = controller.parameters()
        _, after = controller.preview(made.outputs)
        data = controller.contract.encode_abi(
            "move", args=[list(made.outputs), self._evidence(made)]
        )
        move = Move(update, window_end, features, made.outputs, before, after, made.seconds)
        return bytes.fromhex(data.removeprefix("0x")), move

    def round_data(self, round_: int) -> tuple[bytes, int]:
        """Prove a round of the feed; returns its call and the answer it gives, 8 decimals."""
        feed = self.chain.contract("StakeFeed", self.feed)
        features, _, _ = self.chain.call(feed.functions.features(round_, b""))
        made = self.prover.prove(features, requester=self.feed, nonce=round_)
        arguments = [round_, b"", list(made.outputs), self._evidence(made)]
        data = feed.encode_abi("submit", args=arguments)
        answer = (made.outputs[0] * 10**8) >> self.circuit.fraction_bits
        return bytes.fromhex(data.removeprefix("0x")), answer

    def _evidence(self, made: ProvenInference) -> tuple[bytes, list[int], list[bytes]]:
        return evidence(self.circuit, made.record.proof, reusable=False)


def _deploy(chain: Chain, name: str, types: Sequence[str], values: Sequence[object]) -> str:
    code = load_artifact(name).creation_code + encode(list(types), list(values))
    deploy_code(chain, code, action=f"deploy {name}")
    return str(predict_address(code))
