"""The gas feed on real blocks: trained on the first part of a series, judged on the later part.

Answers are what the circuits compute: the reference executor's exact integers, which the prover
tests compare with the circuits element by element. `pytest -m realdata -s` prints the figures of
docs/feeds.md.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.core.config import load_project
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.fees import Block, Judgement, judge, rows_of

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ZKDESCENT_DATA") or ROOT.parent / "shared" / "data") / "gas"
WINDOW, HORIZON, BITS = 8, 5, 14  # chosen on the training part, docs/feeds.md
GWEI = 10**9
SPLIT = 14_006_000

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="needs gas/*.csv of the real data, in $ZKDESCENT_DATA"
    ),
]


def blocks_2022() -> list[Block]:
    """9,799 blocks of January 2022: exact gas, base fees rounded to gwei; some are missing."""
    with (DATA / "blocks_14000000_14009999.csv").open(newline="") as stream:
        return [
            Block(
                number=int(row["block_number"]),
                timestamp=0,  # the file has none, and no feature needs it
                base_fee_wei=round(float(row["base_fee_gwei_rounded"]) * GWEI),
                gas_used=int(row["gas_used"]),
                gas_limit=int(row["gas_limit"]),
            )
            for row in csv.DictReader(stream)
        ]


def blocks_2025() -> list[Block]:
    """339 blocks of January 2025, base fees to six decimals of a gwei.

    The file has no gas: EIP-1559, which set each next base fee by it, is solved for it.
    """
    with (DATA / "basefee_21527387_21527726.csv").open(newline="") as stream:
        rows = [
            (int(r["block_number"]), int(r["timestamp"]), round(float(r["base_fee_gwei"]) * GWEI))
            for r in csv.DictReader(stream)
        ]
    limit = 30_000_000
    made = []
    for (number, timestamp, fee), (_, _, after) in pairwise(rows):
        used = limit // 2 + limit // 2 * 8 * (after - fee) // fee
        made.append(Block(number, timestamp, fee, max(0, min(limit, used)), limit))
    return made


@dataclass(frozen=True)
class Trained:
    """The example project, trained in the circuit's arithmetic, and its answers."""

    blueprint: Blueprint
    state: IntegerArray

    def predict(self, row: list[int]) -> int:
        """Output of the inference circuit for the features of a window, fixed point."""
        inputs = {
            "context": np.zeros(1, dtype=object),
            "state": self.state,
            "x": np.array(row, dtype=object),
        }
        return int(execute(self.blueprint.inference, inputs, self.blueprint.fixed)[len(row)])

    def judge(self, blocks: Sequence[Block]) -> Judgement:
        """Beside the baselines, over a series."""
        return judge(self.predict, blocks, window=WINDOW, horizon=HORIZON, fraction_bits=BITS)


def train(folder: Path, blocks: Sequence[Block] | None) -> Trained:
    """Train the example as its project file says, on blocks, or on what it makes itself."""
    shutil.copytree(ROOT / "examples" / "gas-feed", folder)
    if blocks is not None:
        features, targets = rows_of(blocks, window=WINDOW, horizon=HORIZON, fraction_bits=BITS)
        np.savez(folder / "rows.npz", features=features, targets=targets)
        file = folder / "zkdescent.toml"
        text = file.read_text()
        made_up = 'source = "factory"\nfactory = "data.py:windows"'
        assert made_up in text
        file.write_text(text.replace(made_up, 'source = "npz"\npath = "rows.npz"'))
    blueprint = make_blueprint(load_project(folder))
    state = blueprint.genesis
    for index in range(blueprint.total_proofs):
        state = blueprint.advance(state, index % len(blueprint.fixed_blocks))
    return Trained(blueprint, state)


def show(what: str, found: Judgement) -> None:
    print(
        f"\n{what}: {found.windows} windows; model {found.model / GWEI:.3f}, EIP-1559 "
        f"{found.rule / GWEI:.3f}, last value {found.last_value / GWEI:.3f} gwei; {found.gain:+.1%}"
    )


@pytest.fixture(scope="module")
def first_part(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained on the first 6,000 blocks of the series of 2022."""
    blocks = [b for b in blocks_2022() if b.number < SPLIT]
    return train(tmp_path_factory.mktemp("gas") / "first", blocks)


def test_the_later_part_is_foretold_better_than_by_either_baseline(first_part: Trained) -> None:
    found = first_part.judge([b for b in blocks_2022() if b.number >= SPLIT])
    show("2022, trained on the first part, judged on the later", found)
    assert found.windows > 2_900
    assert found.model < 0.95 * found.rule < found.last_value


def test_the_model_of_2022_is_no_worse_than_the_rule_in_2025(first_part: Trained) -> None:
    found = first_part.judge(blocks_2025())
    show("2025, trained on 2022", found)
    assert found.model < found.rule < found.last_value


def test_trained_on_made_up_blocks_only(tmp_path: Path) -> None:
    made_up = train(tmp_path / "made-up", None)
    found = made_up.judge([b for b in blocks_2022() if b.number >= SPLIT])
    show("2022's later part, trained on made-up blocks", found)
    assert found.model < found.rule
    show("2025, trained on made-up blocks", made_up.judge(blocks_2025()))


def test_the_later_part_of_2025_is_foretold_better(tmp_path: Path) -> None:
    """A short series: 67 windows to judge by."""
    blocks = blocks_2025()
    found = train(tmp_path / "small", blocks[:260]).judge(blocks[260:])
    show("2025, trained on its first 260 blocks, judged on the rest", found)
    assert found.model < found.rule < found.last_value
