"""Both systems see one model and one data set; circuits are filled and never overfilled."""

from __future__ import annotations

import numpy as np
import pytest

from zkdescent.circuits.backends import make_backend
from zkdescent.core.errors import ProverError
from zkdescent.pipeline.benchmark._cases import CASES, LARGE, Case, linear_case, mlp_case
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark._ours import trace_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_systems_see_the_same_data_and_model(case: Case) -> None:
    (x, y), *_ = case.batches(3)
    assert x.shape == (case.batch_size, case.features)
    assert y.shape == (case.batch_size, case.targets)
    assert case.batches(1)[0][0].equal(x)
    assert case.batches(1)[0][1].equal(y)
    once, twice = (train_float(case.module(), case.batches(1)) for _ in range(2))
    assert np.array_equal(once, twice)
    assert not np.array_equal(once, train_float(case.module(), case.batches(2)))


def test_names_say_which_parameters() -> None:
    counts = [sum(p.numel() for p in case.module().parameters()) for case in CASES]
    assert counts == [9, 81, 138]
    assert sum(p.numel() for p in LARGE.module().parameters()) == 10_384
    assert sum(p.numel() for p in linear_case(99).module().parameters()) == 100
    assert sum(p.numel() for p in mlp_case(8, 30).module().parameters()) == 301


def test_steps_fill_the_blocks_they_are_given() -> None:
    traced = trace_case(CASES[0], make_backend("ezkl"), 12)
    one, two = traced.steps(1), traced.steps(2)
    assert 1 < one < two
    program = traced.step_request(one).program
    assert 0.8 * (1 << 12) < traced.backend.cost(program, 12) < 1 << 12


def test_steps_end_where_a_batch_block_fills_its_column() -> None:
    traced = trace_case(CASES[0], make_backend("ezkl"), 12)
    most = traced.steps(4)
    assert traced.backend.fits(traced.range_request(most), 12)
    assert not traced.backend.fits(traced.range_request(most + 1), 12)


def test_a_range_proof_can_be_kept_to_fewer_blocks() -> None:
    traced = trace_case(CASES[0], make_backend("ezkl"), 12)
    kept = traced.steps(2, range_blocks=1)
    assert kept < traced.steps(2)
    cost = [traced.backend.cost(traced.range_request(k).program, 12) for k in (kept, kept + 1)]
    assert cost[0] <= (1 << 12) - 16 < cost[1]


def test_a_step_that_fits_no_block_is_refused() -> None:
    traced = trace_case(linear_case(99), make_backend("ezkl"), 11)
    with pytest.raises(ProverError, match="fits 1 blocks"):
        traced.steps(1)
