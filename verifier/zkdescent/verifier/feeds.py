"""Clients of feeds: deploy, read by every face, and submit rounds.

A feed's answer is written by a proven inference and by nothing else; whoever submits it needs no
right to. Reading the chain comes first and only what is missing is sent, as everywhere here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eth_utils.crypto import keccak
from web3.contract import Contract

from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.core.records import CircuitRecord, InferenceRecord, Record
from zkdescent.verifier._reverts import ContractRefused
from zkdescent.verifier.actions import Action, ensure, evidence
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.deploy import deploy_code
from zkdescent.verifier.feed_terms import GasFeedPlan, Schedule
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins.gas_features import feature_count, gas_answer, gas_features
from zkdescent.verifier.twins.header import HeaderFields, read_header


@dataclass(frozen=True, slots=True)
class Answer(Record):
    """A stored answer; times are of its oldest and its newest input, in seconds."""

    round: int
    value: int
    started_at_s: int
    updated_at_s: int


@dataclass(frozen=True, slots=True)
class FeedState(Record):
    """What a feed says of itself; ``paused_until_s`` is 0 if it never was paused."""

    latest: Answer | None
    tripped: bool
    stale: bool
    paused_until_s: int

    @property
    def round(self) -> int:
        """The newest answered round, 0 before the first."""
        return 0 if self.latest is None else self.latest.round


@dataclass(frozen=True, slots=True)
class GasWindow:
    """The inputs of a gas feed's round: headers oldest first, and what follows from them."""

    round: int
    headers: tuple[bytes, ...]
    blocks: tuple[HeaderFields, ...]
    features: tuple[int, ...]

    @property
    def base_fee_wei(self) -> int:
        """Base fee of the newest block, wei."""
        return self.blocks[-1].base_fee_wei


class FeedClient:
    """Reads any proven feed."""

    _ABI = "GasFeed"

    def __init__(self, chain: Chain, address: str) -> None:
        self._chain = chain
        self.address = address

    @property
    def contract(self) -> Contract:
        """The feed's contract."""
        return self._chain.contract(self._ABI, self.address)

    @cached_property
    def schedule(self) -> Schedule:
        """When its rounds are; it never changes."""
        names = ("firstBlock", "cadence", "horizon", "grace")
        first, cadence, horizon, grace = (self._ask(name) for name in names)
        return Schedule(first_block=first, cadence=cadence, horizon=horizon, grace=grace)

    @property
    def model(self) -> tuple[int, bytes]:
        """Id and commitment hash of the model whose outputs it accepts now."""
        model_id, commitment_hash = self._chain.call(self.contract.functions.model())
        return int(model_id), bytes(commitment_hash)

    def state(self) -> FeedState:
        """Return its answer and whether that may be used."""
        status = self._chain.call(self.contract.functions.status())
        value, round_, started, updated = status.latest
        latest = Answer(round_, value, started, updated) if round_ else None
        return FeedState(latest, status.tripped, status.stale, status.pausedUntil)

    def due_round(self) -> int | None:
        """Return the newest round to submit now; None while there is none.

        One block after its window: nodes estimate gas on their newest block, where the hash of that
        block itself is not to be had.
        """
        head = self._chain.block_number
        newest = self.schedule.newest_round(head)
        due = newest > self.state().round and self.schedule.is_open(newest, head + 1)
        return newest if due else None

    def answer(self, round_: int) -> Answer | None:
        """Return the answer of a round (AggregatorV3's getRoundData); None if it is not kept."""
        try:
            data = self._chain.call(self.contract.functions.getRoundData(round_))
        except ContractRefused as error:
            if error.error_name == "RoundNotKept":
                return None
            raise
        return Answer(data[0], data[1], data[2], data[3])

    def answered_rounds(self, first_block: int, last_block: int) -> list[int]:
        """Return the rounds that were answered in blocks first .. last, by the feed's events."""
        event = self.contract.events.RoundAnswered
        return [log.args.round for log in self._chain.logs(event, first_block, last_block)]

    def latest_round_data(self) -> tuple[int, int, int, int, int]:
        """Return AggregatorV3's five numbers.

        Raises:
            ContractRefused: NoAnswerYet.
        """
        return tuple(self._chain.call(self.contract.functions.latestRoundData()))

    def value_for(self, feed_id: bytes | None = None) -> tuple[int, int, int]:
        """Return EIP-2362's value, timestamp and status, of this feed's id or of another."""
        wanted = self._chain.call(self.contract.functions.feedId()) if feed_id is None else feed_id
        return tuple(self._chain.call(self.contract.functions.valueFor(wanted)))

    def api3_read(self) -> tuple[int, int]:
        """Return API3's value and timestamp.

        Raises:
            ContractRefused: NoAnswerYet.
        """
        return tuple(self._chain.call(self.contract.functions.read()))

    def _ask(self, name: str) -> int:
        return int(self._chain.call(self.contract.functions[name]()))

    def _check_inference(self, round_: int, inference: InferenceRecord) -> None:
        """Refuse a proof that was made for something else before any gas is spent."""
        for what, expected, got in (
            ("chain", self._chain.chain_id, inference.chain_id),
            ("feed", self.address.lower(), inference.requester.lower()),
            ("round", round_, inference.nonce),
            ("model", self.model[0], inference.model_id),
        ):
            if expected != got:
                raise ChainError(
                    f"the inference was proven for another {what}", expected=expected, got=got
                )

    def _is_answered(self, round_: int) -> bool:
        return self.answer(round_) is not None


class GasFeedClient(FeedClient):
    """Leads rounds of a gas feed: headers, features, submission."""

    @classmethod
    def deploy(cls, chain: Chain, plan: GasFeedPlan) -> tuple[GasFeedClient, tuple[Action, ...]]:
        """Deploy history and feed unless they are there; addresses follow from the plan.

        Raises:
            ChainError: the contract refuses its terms. The factory keeps its reasons to itself.
        """
        history = deploy_code(chain, plan.history_code(), action="deploy ChainHistory")
        try:
            feed = deploy_code(chain, plan.feed_code(), action="deploy GasFeed")
        except ContractRejected as error:
            raise ChainError(
                "the gas feed refuses its terms",
                expected=f"a minted model of {feature_count(plan.window_blocks)} features and one "
                "output, under its commitment hash; a first block with a whole window before it",
                got=f"model {plan.terms.model_id:#x}, window of {plan.window_blocks} blocks, "
                f"first block {plan.terms.schedule.first_block}",
                hint="is the model minted on this chain, and its hash the one you pinned?",
            ) from error
        return cls(chain, plan.address), (history, feed)

    @cached_property
    def history(self) -> Contract:
        """The ChainHistory contract that it reads."""
        address = self._chain.call(self.contract.functions.history())
        return self._chain.contract("ChainHistory", address)

    @cached_property
    def window_blocks(self) -> int:
        """Blocks in a round's window."""
        return self._ask("windowBlocks")

    @cached_property
    def fraction_bits(self) -> int:
        """Fraction bits of features and output."""
        return self._ask("fractionBits")

    def window(self, round_: int) -> GasWindow:
        """Return a round's inputs, from the node's headers.

        Raises:
            ChainError: a block is not there yet, or the chain was reorganised meanwhile.
        """
        end = self.schedule.window_end(round_)
        numbers = range(end - self.window_blocks + 1, end + 1)
        headers = tuple(self._chain.header_rlp(number) for number in numbers)
        blocks = tuple(read_header(header) for header in headers)
        for before, block in zip(headers, blocks[1:], strict=False):
            if keccak(before) != block.parent_hash:
                raise ChainError(
                    "the chain was reorganised while its headers were read",
                    expected=block.parent_hash,
                    got=keccak(before),
                    hint="read them again",
                )
        return GasWindow(round_, headers, blocks, gas_features(blocks, self.fraction_bits))

    def predicted(self, window: GasWindow, output: int) -> int:
        """Return the answer, wei, that an output stands for."""
        return gas_answer(window.base_fee_wei, output, self.fraction_bits)

    def submit(
        self,
        round_: int,
        circuit: CircuitRecord,
        inference: InferenceRecord,
        *,
        window: GasWindow | None = None,
        reusable: bool = True,
    ) -> Action:
        """Submit a round's proven answer, with those headers that the history lacks; once.

        A round whose answer is there, whoever brought it, is found done. Waits for the block after
        the round's window. Afterwards read `state`: an answer beyond the breaker trips the feed and
        is not stored.

        Args:
            inference: proven for this feed as requester and the round as nonce.
            window: the round's inputs, if they are read already.
            reusable: the circuit's verifier is ezkl's reusable one; of no matter to barretenberg's.

        Raises:
            ChainError: the inference is of something else, or the chain's headers have changed
                since it was proven.
            ContractRejected: a lie, by its name.
            ContractRefused: off cadence, paused, tripped.
        """
        self._check_inference(round_, inference)
        inputs, outputs = split_values(circuit, inference)
        if self._is_answered(round_):
            return Action(self._name(round_), items=1)
        window = window or self.window(round_)
        if tuple(inputs) != window.features:
            raise ChainError(
                "the headers have changed since the inference was proven",
                expected=list(window.features),
                got=inputs,
                hint="the chain was reorganised: prove the round again",
            )
        self._chain.wait_for_block(self.schedule.window_end(round_) + 1)  # see due_round
        return ensure(
            self._chain,
            self._name(round_),
            lambda: self._is_answered(round_),
            lambda: self.contract.functions.submit(
                round_,
                [] if self._is_recorded(round_) else list(window.headers),
                outputs,
                evidence(circuit, inference.proof, reusable=reusable),
            ),
            items=1,
        )

    def _is_recorded(self, round_: int) -> bool:
        end = self.schedule.window_end(round_)
        numbers = range(end - self.window_blocks + 1, end + 1)
        known = self.history.functions.isRecorded
        return all(self._chain.call(known(number)) for number in numbers)

    @staticmethod
    def _name(round_: int) -> str:
        return f"submit round {round_}"
