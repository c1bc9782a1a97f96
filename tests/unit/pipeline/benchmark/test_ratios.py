"""Range proofs are shared as said, nothing unmeasured is free, the headline is the honest one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zkdescent.pipeline.benchmark import Measurement
from zkdescent.pipeline.benchmark._measure import with_range_proof
from zkdescent.pipeline.benchmark._ratios import circom_ratios, headlines, ratios_of
from zkdescent.pipeline.benchmark.circom import CircomMeasurement
from zkdescent.pipeline.benchmark.results import HEADLINE_EPOCHS, PEER


def test_range_proof_is_shared_by_steps_and_epochs(
    step: Measurement, range_proof: Measurement
) -> None:
    shared = with_range_proof(step, range_proof, 5)
    assert shared.seconds_per_step == pytest.approx(0.5 + 20 / (10 * 5))
    assert shared.cpu_seconds_per_step == pytest.approx(0.8 + 30 / (10 * 5))
    assert shared.gas_per_step == pytest.approx(100_000 + 1_000_000 / (10 * 5))
    assert shared.rows_per_step == pytest.approx(300 + 5_000 / (10 * 5))
    assert shared.cells_per_parameter == pytest.approx(2 * 400 / 9)
    assert shared.samples_per_second_x_parameters == pytest.approx(32 / 0.9 * 9)
    assert (shared.peak_memory_mb, shared.key_mb) == (800.0, 320.0)
    assert (shared.system, shared.epochs) == ("zkdescent + range proof / 5 epochs", 5)


def test_data_used_once_pays_for_the_whole_range_proof(
    step: Measurement, range_proof: Measurement
) -> None:
    once = with_range_proof(step, range_proof, 1)
    assert once.seconds_per_step == pytest.approx(0.5 + 2.0)
    assert once.system == "zkdescent + range proof / 1 epoch"


def test_unmeasured_gas_is_not_counted_as_free(step: Measurement, range_proof: Measurement) -> None:
    shared = with_range_proof(step, range_proof, 1)
    assert shared.gas_per_step_dedicated is None
    assert "gas per step, dedicated verifiers" in {r.what for r in ratios_of(step, step)}
    assert not any("dedicated" in r.what for r in ratios_of(step, shared))


def test_ratio_is_peer_over_zkdescent(step: Measurement) -> None:
    slower = replace(step, system=PEER, seconds_per_step=5.0)
    assert ratios_of(slower, step)[0].ratio == pytest.approx(10)


def test_headline_takes_the_best_with_range_proofs_only(
    step: Measurement, range_proof: Measurement
) -> None:
    peer = replace(step, system=PEER, seconds_per_step=9.0, gas_per_step=1_200_000.0)
    fast = with_range_proof(step, range_proof, HEADLINE_EPOCHS)
    cheap = replace(fast, system="cheap", seconds_per_step=1.0, gas_per_step=60_000.0)
    # Neither the bare step nor data used once may pass for the headline.
    bare = replace(step, seconds_per_step=0.1, gas_per_step=1.0)
    once = replace(with_range_proof(step, range_proof, 1), seconds_per_step=0.1)
    seconds, cpu, gas = headlines(peer, [bare, once, fast, cheap])
    assert (seconds.system, seconds.headline) == (fast.system, True)
    assert seconds.ratio == pytest.approx(9.0 / 0.9)
    assert cpu.system == fast.system
    assert cpu.ratio == pytest.approx(0.8 / 1.4)
    assert gas.system == "cheap"
    assert gas.ratio == pytest.approx(20)


def test_circom_is_compared_with_its_own_case_only(step: Measurement) -> None:
    circom = CircomMeasurement(
        case="c",
        steps_per_proof=16,
        seconds_per_step=0.1,
        cpu_seconds_per_step=0.2,
        setup_seconds=3.0,
        verify_seconds=0.1,
        constraints=1_000,
        key_mb=1.0,
        proof_bytes=256,
        peak_memory_mb=100.0,
        worst_error=1e-4,
        tools="none",
    )
    seconds, cpu = circom_ratios(circom, [step, replace(step, case="another")])
    assert seconds.ratio == pytest.approx(0.2)
    assert cpu.ratio == pytest.approx(0.25)
    assert seconds.against == circom.system


def test_each_prover_has_its_headline(
    step: Measurement, range_proof: Measurement, honk: Measurement
) -> None:
    peer = replace(step, system=PEER, seconds_per_step=9.0, gas_per_step=1_200_000.0)
    shared = with_range_proof(step, range_proof, HEADLINE_EPOCHS)
    found = headlines(peer, [step, shared, honk])
    assert [r.system for r in found] == [shared.system] * 3 + [honk.system] * 3
    assert found[3].ratio == pytest.approx(9.0 / 0.05)
    # A proof that does not bound its inputs is not the headline without range proofs.
    assert headlines(peer, [step, replace(honk, checks_ranges=False)]) == []


def test_what_cannot_be_compared_is_no_ratio(step: Measurement, honk: Measurement) -> None:
    peer = replace(step, system=PEER, steps_per_proof=1)
    on_ezkl, on_honk = ({r.what: r.ratio for r in ratios_of(peer, one)} for one in (step, honk))
    # A row is not a gate, and no keys are not infinitely fewer.
    assert set(on_ezkl) - set(on_honk) == {"rows per parameter", "proving keys"}
    assert on_honk["proof bytes per step"] == pytest.approx(141)
