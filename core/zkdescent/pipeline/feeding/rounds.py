"""One round of a gas feed: headers, features, proof, submission.

Whatever leads rounds uses this: the keeper, and scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zkdescent.core._codec import canonical_json, parse_json
from zkdescent.core._files import storage_errors, write_bytes_atomic
from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError, ZkDescentError
from zkdescent.core.records import InferenceRecord, Record
from zkdescent.pipeline.inference import InferenceProver
from zkdescent.verifier.twins.gas_features import next_base_fee

if TYPE_CHECKING:
    from zkdescent.verifier import Chain, GasFeedClient, GasWindow

_KEPT_PROOFS = 16


@dataclass(frozen=True, slots=True)
class Round(Record):
    """What a round came to; prices in wei.

    Attributes:
        base_fee: of the window's newest block.
        rule: what EIP-1559 makes of that block for the next one.
        forecast: the proven answer, `horizon` blocks ahead of the window.
        stored: the answer that the feed has for the round now; None if its breaker refused it.
        sent: whether this process saw its own transaction mined; if not, the answer was there
            when it looked.
        tripped: the feed's breaker refused the answer and holds the one before.
    """

    round: int
    window_end: int
    horizon: int
    base_fee: int
    rule: int
    forecast: int
    stored: int | None
    proving_s: float
    proof_kept: bool
    sent: bool
    gas: int
    transaction: str | None
    tripped: bool


class RoundMaker:
    """Makes the rounds of one feed with a project's proven model.

    Attributes:
        feed: reads the feed and submits to it.
        prover: the model, opened once; it proves for this feed's rounds or for anybody else.
        folder: where proofs of rounds are kept.

    Raises:
        ArtefactError: the project has no finished run.
        ConfigError: the feed is not there, or takes another model.
    """

    def __init__(self, project: Project, chain: Chain, address: str) -> None:
        from zkdescent.verifier import GasFeedClient, plan_from

        manifest = project.open_store().read_manifest()
        self.prover = InferenceProver.open(project, manifest, plan_from(manifest))
        self.feed: GasFeedClient = GasFeedClient(chain, address)
        self._chain = chain
        self.folder = round_folder(project, chain, address)
        self._check(chain)

    def make(self, round_: int) -> Round:
        """Prove a round and submit it; once, whoever else does.

        A proof that an earlier process made for the same features is used again.

        Raises:
            ChainError: the node failed, or the chain was reorganised meanwhile: make it again.
            ContractRefused, ContractRejected: too late, paused, tripped, or a lie, by name.
            ProverError: the prover failed.
        """
        window = self.feed.window(round_)
        record, seconds = self._proof(window)
        circuit = self.prover.manifest.circuits.inference
        action = self.feed.submit(
            round_, circuit, record, window=window, reusable=self.prover.is_reusable
        )
        self._forget_old()
        (output,) = self._outputs(record)
        stored = self.feed.answer(round_)
        return Round(
            round=round_,
            window_end=window.blocks[-1].number,
            horizon=self.feed.schedule.horizon,
            base_fee=window.base_fee_wei,
            rule=next_base_fee(window.blocks[-1]),
            forecast=self.feed.predicted(window, output),
            stored=None if stored is None else stored.value,
            proving_s=round(seconds, 3),
            proof_kept=seconds == 0.0,
            sent=action.sent,
            gas=action.gas,
            transaction=action.transaction,
            tripped=action.sent and self.feed.state().tripped,
        )

    def _proof(self, window: GasWindow) -> tuple[InferenceRecord, float]:
        """The proof of a window, and the seconds it took: 0 if it was there."""
        path = self.folder / f"round-{window.round:08d}.proof.json"
        kept = self._stored(path)
        if kept is not None and self._is_of(kept, window):
            return kept, 0.0
        made = self.prover.prove(window.features, requester=self.feed.address, nonce=window.round)
        with storage_errors(path):
            scratch = self.folder / "scratch"
            write_bytes_atomic(path, canonical_json(made.record), scratch=scratch)
        return made.record, made.seconds

    def _is_of(self, record: InferenceRecord, window: GasWindow) -> bool:
        from zkdescent.verifier.registry import split_values

        circuit, plan = self.prover.manifest.circuits.inference, self.prover.plan
        place = (record.chain_id, record.model_id, record.requester.lower(), record.nonce)
        wanted = (plan.chain_id, plan.model_id, self.feed.address.lower(), window.round)
        if place != wanted or record.proof.circuit != circuit.vk_sha256:
            return False
        return tuple(split_values(circuit, record)[0]) == window.features

    def _outputs(self, record: InferenceRecord) -> list[int]:
        from zkdescent.verifier.registry import split_values

        return split_values(self.prover.manifest.circuits.inference, record)[1]

    def _stored(self, path: Path) -> InferenceRecord | None:
        """A stored proof; a damaged one is made again."""
        try:
            with storage_errors(path):
                data = path.read_bytes() if path.is_file() else None
            return None if data is None else InferenceRecord.from_json(parse_json(data))
        except ZkDescentError:
            return None

    def _forget_old(self) -> None:
        """Keep the newest proofs: older rounds can't be submitted any more."""
        with storage_errors(self.folder):
            for path in sorted(self.folder.glob("round-*.proof.json"))[:-_KEPT_PROOFS]:
                path.unlink(missing_ok=True)

    def _check(self, chain: Chain) -> None:
        address, circuit = self.feed.address, self.prover.manifest.circuits.inference
        if not chain.code(address):
            raise ConfigError(
                "there is no feed at this address",
                expected=address,
                got=f"no code there on {chain.name}",
                hint="deploy it: zkdescent feed deploy CONFIG",
            )
        for what, expected, got in (
            ("model", self.feed.model[0], self.prover.plan.model_id),
            ("number of features", 2 * self.feed.window_blocks - 1, circuit.features),
            ("fixed point", self.feed.fraction_bits, circuit.fraction_bits),
        ):
            if expected != got:
                raise ConfigError(
                    f"the feed takes another {what} than the project has",
                    expected=expected,
                    got=got,
                    path=address,
                    hint="name the project whose model the feed was deployed with",
                )


def round_folder(project: Project, chain: Chain, address: str) -> Path:
    """Where a feed's proofs, and what its keeper remembers, are kept."""
    return project.store_directory / "feeds" / f"{chain.chain_id}-{address.lower()}"
