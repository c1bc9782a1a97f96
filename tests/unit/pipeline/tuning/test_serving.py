"""Serving a workload: every payment is made, and its cost is what the receipts say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from zkdescent.core.errors import ArtefactError, ChainError
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.tuning.checking import check_measurements
from zkdescent.pipeline.tuning.design import TRAFFIC, Design, Point, training_rows
from zkdescent.pipeline.tuning.experiment import TuningResult
from zkdescent.pipeline.tuning.picture import draw_tuning
from zkdescent.pipeline.tuning.serving import Measurement, serve
from zkdescent.verifier import Chain, ContractRefused, ensure_deployed
from zkdescent.verifier.batchers import BatcherClient, Payment, exp2_eighths

DESIGN = Design(batch=(24,), hold=(16,), ticks=12)  # batches of 8, held for 4 blocks


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    """An embedded chain with the contracts."""
    with Chain.tester() as opened:
        ensure_deployed(opened)
        yield opened


@pytest.fixture(scope="module")
def measured(chain: Chain) -> Measurement:
    """A short training workload, served."""
    batcher = BatcherClient.configured(chain, 32, (24, 16))
    return serve(chain, batcher, DESIGN.training(), label="a")


def result_of(measured: Measurement) -> TuningResult:
    """A result with one point, as far as a check and a picture need it."""
    return TuningResult(
        chain="tester", design=DESIGN, gas_per_block=250, points=(Point(24, 16, measured),),
        model_id="0x1", controller="0x2", block_proofs=1, steps=5,
        path=((0.0,) * 5, (1.3, -0.5, 0.1, 0.3, 0.2)), before=measured,
        after=replace(measured, gas=measured.gas // 2), start=(16, 0), moves=(), poisons=(),
    )  # fmt: skip


def test_traffic_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert DESIGN.training() == DESIGN.training()
    assert DESIGN.training().arrivals != DESIGN.held_out().arrivals
    workload = TRAFFIC.draw("w", 1, ticks=50)
    assert all(
        0 <= a.tick < 50 and 0 <= a.recipient < 6 and a.quanta > 0 for a in workload.arrivals
    )
    ticks = [arrival.tick for arrival in workload.arrivals]
    assert ticks == sorted(ticks)


def test_every_payment_is_made_and_its_wait_is_bounded(measured: Measurement) -> None:
    assert measured.payments == len(DESIGN.training().arrivals)
    assert (measured.batch_size, measured.hold) == (8, 4)
    assert all(0 < wait <= 32 + 4 + 1 for wait in measured.waits)
    assert measured.gas > 21_000 * len(measured.transactions)
    assert measured.cost(100) == pytest.approx(measured.gas_per_payment + 100 * measured.mean_wait)


def test_the_gas_is_that_of_the_receipts(chain: Chain, measured: Measurement) -> None:
    eth = chain._node.w3.eth
    receipts: list[Any] = [eth.get_transaction_receipt(t) for t in measured.transactions]  # type: ignore[arg-type]
    assert sum(receipt["gasUsed"] for receipt in receipts) == measured.gas


def test_a_batch_that_is_not_due_is_refused_by_name(chain: Chain) -> None:
    batcher = BatcherClient.configured(chain, 32, (24, 16), label="few")
    batcher.fund(10**15)
    payment = Payment("0x" + "ab" * 20, 5, chain.block_number)
    with pytest.raises(ContractRefused, match="TooFewPayments"):
        batcher.flush(0, [payment])
    assert batcher.next_payment() == 0


def test_serve_rejects_a_batcher_that_pays_somebody_less(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = BatcherClient.configured(chain, 32, (24, 0), label="less")
    honest = BatcherClient.flush

    def short(self: Any, first: int, payments: Any, due: Any = ()) -> Any:
        return honest(self, first, [replace(payments[0], quanta=1), *payments[1:]], due)

    monkeypatch.setattr(BatcherClient, "flush", short)
    with pytest.raises(ChainError, match="was not paid"):
        serve(chain, batcher, DESIGN.training(), label="less")


def test_check_measures_again_and_rejects_other_gas(chain: Chain, measured: Measurement) -> None:
    result = result_of(measured)
    (difference,) = check_measurements(chain, result, Reporter())
    assert abs(difference) < 0.01
    wrong = replace(measured, gas=measured.gas * 9 // 10)
    with pytest.raises(ArtefactError, match="other gas than was recorded"):
        check_measurements(chain, result_of(wrong), Reporter())


def test_a_result_survives_json_and_is_drawn(measured: Measurement, tmp_path: Any) -> None:
    result = result_of(measured)
    assert TuningResult.from_json(result.to_json()) == result
    assert result.saving == pytest.approx(0.5, abs=0.001)
    draw_tuning(result, tmp_path / "tuned.png")
    assert (tmp_path / "tuned.png").read_bytes().startswith(b"\x89PNG")


def test_rows_are_coordinates_and_cost(measured: Measurement) -> None:
    header, row = training_rows([Point(24, 16, measured)]).splitlines()
    batch, hold, gate, cost, *zeros = (float(value) for value in row.split(","))
    assert header.startswith("batch,hold,gate,cost,")
    assert (batch, hold, gate, zeros) == (-0.5, -0.5, 0, [0, 0, 0, 0])
    assert cost == pytest.approx(measured.cost(250) / 10_000, abs=1e-6)


def test_octaves_are_the_contracts(chain: Chain) -> None:
    for eighths in (0, 7, 13, 24, 39, 56):
        batcher = BatcherClient.configured(chain, 32, (eighths, 8 + eighths))
        assert batcher.limits() == (exp2_eighths(eighths), exp2_eighths(8 + eighths))
