"""Payments that are held while a proven autoencoder finds them unusual: TransactionScreen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.core.config import Project, load_callable
from zkdescent.pipeline.defi.proven import ProvenModel, refused
from zkdescent.pipeline.defi.story import Decision, Refusal, Story
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

PAYMENT_WEI = 10**15
PATIENCE_S = 86_400
HELD_SHARE = 0.02
"""Share of the rows it was trained on that a screen may hold: where the threshold is put."""
SHOP = "0x" + "55" * 20


def tell_screening(project: Project, chain: Chain, report: Reporter, decisions: int) -> Story:
    """Announce and screen payments, a fifth of them fraudulent; all by this account.

    Raises:
        ChainError: a lie was accepted.
    """
    model = ProvenModel.open(project, chain)
    threshold = int(threshold_of(model) * model.one)
    screen = model.deploy(
        "TransactionScreen",
        ["address", "address", "uint256", "uint256"],
        [chain.address, chain.address, threshold, PATIENCE_S],
    )
    rows, fraudulent = load_callable("data.py:judged", project.directory)()
    payments = _Payments(model, screen)
    report.start("payments", decisions)
    made, refusals = [], []
    for number, inputs in enumerate(model.inputs(rows[:decisions])):
        decision, lies = payments.decide(inputs, bool(fraudulent[number]), lies=number == 0)
        made.append(decision)
        refusals += lies
        report.advance("payments", number + 1, decision.outcome)
    return Story(
        example="anomaly-autoencoder",
        chain=chain.name,
        model_id=f"0x{model.prover.plan.model_id:064x}",
        consumer=screen.address,
        steps=project.config.train.steps,
        threshold=threshold / model.one,
        decisions=tuple(made),
        refusals=tuple(refusals),
        findings=(
            *_findings(made),
            *_judgement(_errors(model, model.standard(rows)) > threshold / model.one, fraudulent),
        ),
    )


def threshold_of(model: ProvenModel) -> float:
    """Return the error that `HELD_SHARE` of the training rows exceed, in the proven model."""
    errors = _errors(model, model.blueprint.data.train.features)
    return float(np.quantile(errors, 1 - HELD_SHARE))


def _errors(model: ProvenModel, standard: Any) -> Any:
    """Mean squared error of reconstruction of each standardised row (n, d), in float: (n,)."""
    return ((model.outputs(standard) - standard) ** 2).mean(axis=1)


class _Payments:
    """Payments through one screen, in the order in which they are announced."""

    def __init__(self, model: ProvenModel, screen: Any) -> None:
        self._model, self._chain, self._screen = model, model.chain, screen

    def decide(
        self, inputs: list[int], fraudulent: bool, *, lies: bool
    ) -> tuple[Decision, list[Refusal]]:
        """Announce a payment, prove what the model reconstructs, and have the contract decide."""
        number = self._announce(inputs)
        proven = self._model.prove(inputs, requester=self._screen.address, nonce=number)
        outputs = list(proven.outputs)
        refusals = self._lie(number, inputs, proven) if lies else []
        evidence = self._model.evidence(proven.record)
        receipt = self._chain.send(
            self._screen.functions.screen(number, inputs, outputs, evidence),
            action="screen a payment",
        )
        error = int(self._chain.call(self._screen.functions.errorOf(inputs, outputs)))
        held = self._chain.call(self._screen.functions.payment(number)).status == _HELD
        decision = Decision(
            number=number,
            answer=error / self._model.one,
            truth=float(fraudulent),
            outcome="held" if held else "paid",
            amount=0.0 if held else PAYMENT_WEI / 1e18,
            gas=receipt.gas_used,
            proving_s=round(proven.seconds, 3),
        )
        return decision, refusals

    def _announce(self, inputs: list[int]) -> int:
        from eth_abi.abi import encode
        from eth_utils.crypto import keccak

        announced = self._screen.events.Announced()
        function = self._screen.functions.announce(
            self._chain.address, SHOP, keccak(encode(["int256[]"], [inputs]))
        )
        receipt = self._chain.send(function, action="announce a payment", value=PAYMENT_WEI)
        (event,) = announced.process_receipt(receipt.raw)
        return int(event["args"]["id"])

    def _lie(self, number: int, inputs: list[int], proven: Any) -> list[Refusal]:
        screen = self._screen.functions.screen
        lies = self._model.lie(
            proven, inputs, lambda outputs, proof: screen(number, inputs, outputs, proof)
        )
        other = [inputs[0] + 1, *inputs[1:]]
        made = self._model.prove(other, requester=self._screen.address, nonce=number)
        attempt = screen(number, other, list(made.outputs), self._model.evidence(made.record))
        lies.append(refused(self._chain, attempt, "inputs that were not announced"))
        return lies


_HELD = 2  # TransactionScreen.Status.Held


def _findings(made: list[Decision]) -> tuple[tuple[str, str], ...]:
    fraud = [d for d in made if d.truth]
    usual = [d for d in made if not d.truth]
    return (
        ("fraudulent payments held", f"{sum(d.outcome == 'held' for d in fraud)} of {len(fraud)}"),
        ("usual payments held", f"{sum(d.outcome == 'held' for d in usual)} of {len(usual)}"),
    )


def _judgement(held: Any, fraudulent: Any) -> tuple[tuple[str, str], ...]:
    """The same for all rows that nobody was trained on, by the proven weights in float."""
    return (
        (
            f"of {len(held)} payments, not proven one by one: fraudulent ones held",
            f"{held[fraudulent].mean():.0%} of {fraudulent.sum()}",
        ),
        ("  usual ones held", f"{held[~fraudulent].mean():.1%} of {(~fraudulent).sum()}"),
    )
