"""A margin that follows proven forecasts of volatility: VolatilityMargin over a posted price."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.core.config import Project, load_callable
from zkdescent.core.errors import ChainError, ZkDescentError
from zkdescent.pipeline.defi.proven import ProvenModel, refused
from zkdescent.pipeline.defi.story import Decision, Refusal, Story
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from web3.contract import Contract

    from zkdescent.verifier import Chain

DAY_S, SLACK_S, MAX_AGE_S = 1, 86_400, 86_400
"""On a chain for trials a day is a second; on another one, 86,400, an hour or so, and two days."""
MULTIPLE, FLOOR_PPM, CEILING_PPM = 4, 50_000, 400_000
POSITION_WEI = 10**16
UNSEEN_SEED = 13
FIRST_DAY = 300
MONTH, WEEK = 22, 5
POLL_S, LONGEST_WAIT_S = 0.25, 120.0


def tell_volatility(project: Project, chain: Chain, report: Reporter, decisions: int) -> Story:
    """Lead days of a price that no model was trained on, a proven forecast and a margin for each.

    Raises:
        ChainError: a lie was accepted, or the contract's features are not the example's.
    """
    model = ProvenModel.open(project, chain)
    prices = load(project, "prices")(seed=UNSEEN_SEED)
    source = posted_price(chain)
    margin = model.deploy(
        "VolatilityMargin",
        ["address", "(uint32,uint32,uint32,uint32,uint32,uint32)"],
        [source.address, (DAY_S, SLACK_S, MAX_AGE_S, MULTIPLE, FLOOR_PPM, CEILING_PPM)],
    )
    days = _Days(project, model, source, margin, prices)
    report.start("prices", MONTH)
    for day in range(MONTH):
        days.pass_one()
        report.advance("prices", day + 1)
    report.start("forecasts", decisions)
    made, refusals = [], []
    for number in range(1, decisions + 1):
        days.pass_one()
        decision, lies = days.decide(number, lies=number == 1)
        made.append(decision)
        refusals += lies
        report.advance("forecasts", number, decision.outcome)
    refusals += days.trade()
    return Story(
        example="price-volatility",
        chain=chain.name,
        model_id=f"0x{model.prover.plan.model_id:064x}",
        consumer=margin.address,
        steps=project.config.train.steps,
        threshold=0.0,
        decisions=tuple(made),
        refusals=tuple(refusals),
        findings=days.findings(made),
    )


def load(project: Project, name: str) -> Any:
    """A function of the example's data.py."""
    return load_callable(f"data.py:{name}", project.directory, key="data.py")


def posted_price(chain: Chain) -> Contract:
    """Deploy a price that this account posts."""
    from eth_abi.abi import encode

    from zkdescent.verifier import deploy_code
    from zkdescent.verifier._create2 import predict_address
    from zkdescent.verifier.artifacts import load_artifact

    code = load_artifact("PostedPrice").creation_code + encode(["address"], [chain.address])
    deploy_code(chain, code, action="deploy PostedPrice")
    return chain.contract("PostedPrice", predict_address(code))


class _Days:
    """The days of a price, one after the other."""

    def __init__(
        self,
        project: Project,
        model: ProvenModel,
        source: Contract,
        margin: Contract,
        prices: list[int],
    ) -> None:
        self._model, self._chain = model, model.chain
        self._source, self._margin, self._prices = source, margin, prices
        self._today = FIRST_DAY - 1
        self._features_of, self._moves_of = load(project, "features_of"), load(project, "moves_of")

    def pass_one(self) -> None:
        """The next day's price is posted and taken.

        Two blocks of a node may have the same time: then no day lies between, and it is posted
        again.
        """
        self._today += 1
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not self._take(self._prices[self._today]):
            if time.monotonic() > deadline:
                raise ChainError("the chain's time stands still", got=f"day {self._today}")
            time.sleep(POLL_S)

    def _take(self, price: int) -> bool:
        """Post a price and have the contract take it; False if its day has not come."""
        self._chain.send(self._source.functions.post(price), action="post a price")
        try:
            self._chain.send(self._margin.functions.observe(), action="take the day's price")
        except ZkDescentError as error:
            if getattr(error, "error_name", "") != "TooEarly":
                raise
            return False
        return True

    def features(self) -> list[int]:
        """The contract's features of today, which must be the example's."""
        found = [int(v) for v in self._chain.call(self._margin.functions.features())]
        expected = self._features_of(self._prices[: self._today + 1])
        if found != expected:
            raise ChainError("the contract derives other features", expected=expected, got=found)
        return found

    def decide(self, number: int, *, lies: bool) -> tuple[Decision, list[Refusal]]:
        """Prove and submit today's forecast; before it, what must be refused."""
        features = self.features()
        day = int(self._chain.call(self._margin.functions.daysSeen()))
        proven = self._model.prove(features, requester=self._margin.address, nonce=day)
        refusals = []
        submit = self._margin.functions.submit
        if lies:
            refusals = self._model.lie(proven, features, submit)
            off = self._model.prove(
                [features[0] + 1, *features[1:]], requester=self._margin.address, nonce=day
            )
            attempt = submit(list(off.outputs), self._model.evidence(off.record))
            refusals.append(refused(self._chain, attempt, "a feature off by one"))
        sent = submit(list(proven.outputs), self._model.evidence(proven.record))
        receipt = self._chain.send(sent, action="submit a forecast")
        share = int(self._chain.call(self._margin.functions.marginPpm())) / 1e6
        decision = Decision(
            number=number,
            answer=proven.outputs[0] / self._model.one,
            truth=self._week(self._today),
            outcome=f"margin {share:.1%}",
            amount=share,
            gas=receipt.gas_used,
            proving_s=round(proven.seconds, 3),
        )
        return decision, refusals

    def trade(self) -> list[Refusal]:
        """A position with exactly today's margin is taken, and one with a wei less is not."""
        functions = self._margin.functions
        share = int(self._chain.call(functions.marginPpm()))
        needed = -(-POSITION_WEI * share // 10**6)
        self._chain.send(functions.deposit(), action="deposit", value=needed - 1)
        refusal = refused(
            self._chain, functions.setPosition(POSITION_WEI), "a position with a wei too little"
        )
        self._chain.send(functions.deposit(), action="deposit", value=1)
        self._chain.send(functions.setPosition(POSITION_WEI), action="take a position")
        return [refusal]

    def findings(self, made: list[Decision]) -> tuple[tuple[str, str], ...]:
        """How wrong the forecasts were, beside two simple ones."""
        days = range(self._today - len(made) + 1, self._today + 1)
        one = self._model.one
        past = [self._features_of(self._prices[: day + 1]) for day in days]
        truth = np.array([d.truth for d in made])

        def error(answers: list[float]) -> str:
            return f"{np.abs(np.array(answers) - truth).mean():.2f} points"

        return (
            (
                "mean absolute error of the week's daily move: model",
                error([d.answer for d in made]),
            ),
            ("  the last month's mean", error([f[2] / one for f in past])),
            ("  the last week's mean", error([f[1] / one for f in past])),
        )

    def _week(self, day: int) -> float:
        """Mean daily move of the week after a day, percent."""
        moves = self._moves_of(self._prices[day : day + WEEK + 1])
        return float(np.mean(moves) / self._model.one)
