"""Credit whose limit is a proven score of attested features: CreditLine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.core.config import Project, load_callable
from zkdescent.pipeline.defi.proven import ProvenModel, refused
from zkdescent.pipeline.defi.story import Decision, Refusal, Story
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from web3.contract import Contract

    from zkdescent.verifier import Chain

CUTOFF, SPAN = 1.0, 2.5
"""Log-odds of paying back from which there is credit, and above that for the highest limit: none
below e to 1 (73 %), all from e^3.5 to 1 (97 %). A lender's policy, like a rate of interest: it is
what he can bear to lose, and no data say it."""
HIGHEST_WEI = 10**16
ATTESTED_S = 30 * 86_400


def tell_credit(project: Project, chain: Chain, report: Reporter, decisions: int) -> Story:
    """Score applicants one after the other; this account is the bureau and each applicant.

    Raises:
        ChainError: a lie was accepted.
    """
    model = ProvenModel.open(project, chain)
    line = model.deploy(
        "CreditLine",
        ["address", "int256", "uint256", "uint128"],
        [chain.address, int(CUTOFF * model.one), int(SPAN * model.one), HIGHEST_WEI],
    )
    chain.send_data(line.address, b"", action="fund the credit line", value=HIGHEST_WEI)
    rows, paid = load_callable("data.py:judged", project.directory)()
    desk = _Desk(model, line)
    report.start("applicants", decisions)
    made, refusals = [], []
    for number, inputs in enumerate(model.inputs(rows[:decisions])):
        decision, lies = desk.decide(number, inputs, bool(paid[number]), lies=number == 0)
        made.append(decision)
        refusals += lies
        report.advance("applicants", number + 1, decision.outcome)
    return Story(
        example="credit-score",
        chain=chain.name,
        model_id=f"0x{model.prover.plan.model_id:064x}",
        consumer=line.address,
        steps=project.config.train.steps,
        threshold=CUTOFF,
        decisions=tuple(made),
        refusals=tuple(refusals),
        findings=(
            *_findings(made),
            *_judgement(model.outputs(model.standard(rows))[:, 0] > CUTOFF, paid),
        ),
    )


class _Desk:
    """One credit line, its bureau and its applicants."""

    def __init__(self, model: ProvenModel, line: Contract) -> None:
        self._model, self._chain, self._line = model, model.chain, line

    def decide(
        self, number: int, inputs: list[int], paid: bool, *, lies: bool
    ) -> tuple[Decision, list[Refusal]]:
        """Attest an applicant's features, prove the score, get a limit, draw it and pay it back."""
        functions, who = self._line.functions, self._chain.address
        salt = self._attest(number, inputs)
        nonce = int(self._chain.call(functions.nonces(who)))
        proven = self._model.prove(inputs, requester=who, nonce=nonce)
        refusals = self._lie(inputs, salt, proven) if lies else []
        score = functions.score(
            inputs, salt, list(proven.outputs), self._model.evidence(proven.record)
        )
        receipt = self._chain.send(score, action="get a limit")
        limit = int(self._chain.call(functions.lines(who))[0])
        if limit:
            self._chain.send(functions.draw(limit), action="draw")
        if lies:  # who has no limit can't draw a wei either
            refusals.append(refused(self._chain, functions.draw(1), "a wei over the limit"))
        if limit:
            self._chain.send(functions.repay(), action="pay back", value=limit)
        decision = Decision(
            number=number,
            answer=proven.outputs[0] / self._model.one,
            truth=float(paid),
            outcome=f"limit {limit / 1e18:.4f} ether" if limit else "no credit",
            amount=limit / 1e18,
            gas=receipt.gas_used,
            proving_s=round(proven.seconds, 3),
        )
        return decision, refusals

    def _attest(self, number: int, inputs: list[int]) -> bytes:
        """The bureau's part; returns the salt, which hides the features until they are shown."""
        import secrets

        from eth_abi.abi import encode
        from eth_utils.crypto import keccak

        who, salt = self._chain.address, secrets.token_bytes(32)
        commitment = keccak(encode(["address", "bytes32", "int256[]"], [who, salt, inputs]))
        until = self._time() + ATTESTED_S
        self._chain.send(
            self._line.functions.attest(who, commitment, until), action=f"attest applicant {number}"
        )
        return salt

    def _time(self) -> int:
        from zkdescent.verifier.twins.header import read_header

        return read_header(self._chain.header_rlp(self._chain.block_number)).timestamp_s

    def _lie(self, inputs: list[int], salt: bytes, proven: Any) -> list[Refusal]:
        score = self._line.functions.score
        lies = self._model.lie(
            proven, inputs, lambda outputs, proof: score(inputs, salt, outputs, proof)
        )
        better = [inputs[0] + self._model.one, *inputs[1:]]
        record = proven.record
        made = self._model.prove(better, requester=record.requester, nonce=record.nonce)
        attempt = score(better, salt, list(made.outputs), self._model.evidence(made.record))
        return [*lies, refused(self._chain, attempt, "features that were not attested")]


def _findings(made: list[Decision]) -> tuple[tuple[str, str], ...]:
    given = np.array([d.amount > 0 for d in made])
    paid = np.array([bool(d.truth) for d in made])
    return (
        ("with credit, paid back", _share(paid[given])),
        ("without, would have paid back", _share(paid[~given])),
    )


def _judgement(given: Any, paid: Any) -> tuple[tuple[str, str], ...]:
    """The same for all applicants that nobody was trained on, by the proven weights in float."""
    return (
        (
            f"of {len(paid)} applicants, not proven one by one: with credit, paid back",
            _share(paid[given]),
        ),
        ("  without, would have paid back", _share(paid[~given])),
    )


def _share(part: Any) -> str:
    return f"{part.mean():.0%} of {len(part)}" if len(part) else "nobody"
