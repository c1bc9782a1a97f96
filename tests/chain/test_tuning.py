"""Tuning on a node: gas is estimated on the newest block, and transactions come one after another.

The same on the in-process chain is in tests/prover/test_barretenberg_tuning.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.core.config import load_project
from zkdescent.core.errors import ContractRejected
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.running import run_project
from zkdescent.pipeline.tuning.design import COLUMNS, FLUSH_AGE, TRAFFIC, Design, Point, specs
from zkdescent.pipeline.tuning.experiment import GUARDIAN, make_project
from zkdescent.pipeline.tuning.moving import Mover, outputs_of
from zkdescent.pipeline.tuning.serving import Measurement, serve
from zkdescent.verifier import Chain, ContractRefused, RegistryClient, ensure_deployed
from zkdescent.verifier.batchers import BatcherClient
from zkdescent.verifier.controllers import ModelPin

pytestmark = [pytest.mark.chain]


def made_up() -> list[Point]:
    """Costs that are least at batch 32 and hold 8, made up: two moves away."""
    points = []
    for batch, hold in Design().points():
        u, v = (batch - 32) / 16, (hold - 8) / 16
        gas = round(10_000 * (1.0 + 0.3 * u * u + 0.2 * v * v))
        points.append(Point(batch, hold, Measurement("made up", 1, 1, gas, ("0x",), (0,))))
    return points


@pytest.mark.parametrize("hold", [0, 16])
def test_a_workload_is_served_on_a_node(anvil: Chain, hold: int) -> None:
    """Every recipient has what was asked for, or serve() raises; nobody waits beyond the rails."""
    ensure_deployed(anvil)
    workload = TRAFFIC.draw("short", 3, ticks=8)
    batcher = BatcherClient.configured(anvil, FLUSH_AGE, (16, hold))
    measured = serve(anvil, batcher, workload, label="short")
    assert measured.payments == len(workload.arrivals) == batcher.next_payment()
    assert measured.longest_wait <= FLUSH_AGE + batcher.limits()[1] + 1


@pytest.mark.slow
@pytest.mark.barretenberg
@pytest.mark.prover
def test_moves_wait_for_their_block_on_a_node(anvil: Chain, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", made_up(), rpc="anvil")
    file = project.file
    file.write_text(file.read_text().replace("steps = 60", "steps = 10"))
    project = load_project(project.directory)
    ensure_deployed(anvil)
    summary = run_project(project, Reporter(), chain=anvil)
    model = RegistryClient(anvil).model(int(summary.model_id, 16))
    assert model is not None
    pin = ModelPin.of(model, owner=anvil.address, guardian=GUARDIAN)
    controller = BatcherClient.tuned(anvil, FLUSH_AGE, pin, specs(), cooldown=4).controller
    mover = Mover(project, controller, COLUMNS[:3], Reporter())

    record = mover.prove()
    early = controller.next_move_block() - 1 - anvil.block_number
    anvil.mine(early)  # the block after the newest one would do, an estimate says no
    with pytest.raises((ContractRefused, ContractRejected), match="CoolingDown"):
        controller.propose(outputs_of(mover.circuit, record), mover.circuit, record.proof)
    moves = mover.follow()
    assert len(moves) >= 2
    assert controller.next_update() == len(moves) + 1
    assert controller.parameters() == moves[-1].parameters
