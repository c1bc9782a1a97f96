"""A live parameter moves by a real proof of its own, and by no other."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from zkdescent.core.config import load_project
from zkdescent.core.errors import ContractRejected
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.planning import plan_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.tuning.design import COLUMNS, FLUSH_AGE, Design, Point, specs
from zkdescent.pipeline.tuning.experiment import GUARDIAN, make_project, run_tuning
from zkdescent.pipeline.tuning.moving import Mover, outputs_of
from zkdescent.pipeline.tuning.serving import Measurement
from zkdescent.verifier import Chain, ContractRefused, RegistryClient
from zkdescent.verifier.batchers import BatcherClient
from zkdescent.verifier.controllers import ModelPin

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]


def parabola() -> list[Point]:
    """Costs that are least at batch 40 and hold 16, made up: the measuring has tests of its own."""
    points = []
    for batch, hold in Design().points():
        u, v = (batch - 40) / 16, (hold - 16) / 16
        gas = round(10_000 * (1.0 + 0.3 * u * u + 0.2 * v * v))
        points.append(Point(batch, hold, Measurement("made up", 1, 1, gas, ("0x",), (0,))))
    return points


def test_a_proven_move_is_made_and_its_poisoned_twins_are_not(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", parabola())
    file = project.file
    file.write_text(file.read_text().replace("steps = 60", "steps = 5"))
    project = load_project(project.directory)
    with Chain.tester() as chain:
        compile_project(project, Reporter())
        prove_project(project, Reporter(), chain=chain)
        submit_project(project, Reporter(), chain=chain)
        plan, _ = plan_project(project, project.open_store().read_manifest(), chain=chain)
        model = RegistryClient(chain).model(plan.model_id)
        assert model is not None
        pin = ModelPin.of(model, owner=chain.address, guardian=GUARDIAN)
        batcher = BatcherClient.tuned(chain, FLUSH_AGE, pin, specs(), cooldown=2)
        controller = batcher.controller
        assert batcher.limits() == (4, 1)
        assert controller.specs() == specs()
        mover = Mover(project, controller, COLUMNS[:3], Reporter())

        record = mover.prove()
        outputs = outputs_of(mover.circuit, record)
        targets, after = controller.preview(outputs)
        moved = zip(specs(), (16, 0), targets, strict=True)
        assert after == tuple(spec.moved(value, target) for spec, value, target in moved)
        assert after[0] == 24  # a step towards 40
        with pytest.raises(ContractRefused, match="CoolingDown"):
            controller.move(mover.circuit, record, reusable=False)
        controller.wait_until_due()
        assert controller.move(mover.circuit, record, reusable=False).sent
        assert controller.parameters() == after
        assert not controller.move(mover.circuit, record, reusable=False).sent  # done before
        controller.wait_until_due()
        with pytest.raises(ContractRejected, match="InputDiffers"):
            controller.propose(outputs, mover.circuit, record.proof, reusable=False)

        refused = {poison.attempt: poison.refused_by for poison in mover.poison()}
        assert refused == {
            "other outputs than the proof's": "OutputDiffers",
            "a proof with forged public values": "ProofRejected",
            "a spoiled proof": "ProofRejected",
            "a proof for somebody else, copied": "ContextMismatch",
            "a proof of the next update": "ContextMismatch",
        }
        assert controller.parameters() == after
        assert controller.next_update() == 2


@pytest.mark.slow
def test_held_out_payments_cost_thirty_per_cent_less(tmp_path: Path) -> None:
    with Chain.tester() as chain:
        result = run_tuning(tmp_path / "project", chain, Reporter())
    assert result.saving >= 0.30
    assert result.before.waits != result.after.waits
    assert result.after.longest_wait <= FLUSH_AGE + 32 + 1
    assert len(result.moves) >= 2
    assert len(result.poisons) == 5
    path = [result.start, *(move.parameters for move in result.moves)]
    for one, next_ in pairwise(path):
        for spec, before, after in zip(specs(), one, next_, strict=True):
            assert abs(after - before) <= spec.max_step
            assert spec.min <= after <= spec.max
