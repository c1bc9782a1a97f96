"""Tune a payment contract by proven gradient descent, and measure what that saves.

``python scripts/tuned_contract.py --out FOLDER`` runs on an embedded chain; ``--anvil`` starts a
node, ``--rpc URL --key-env NAME`` uses a running one. It measures what a payment costs at 25
settings of a batching contract from receipts, trains a surrogate of the cost and proves every
update step, mints it, moves the live contract's parameters by proven inferences, tries to move them
by poisoned ones, and measures before and after on payments that were never trained on. FOLDER gets
results.json and tuned.png. ``--check results.json`` measures the training points again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.tuning.checking import check_measurements
from zkdescent.pipeline.tuning.experiment import TuningResult, run_tuning
from zkdescent.pipeline.tuning.picture import draw_tuning
from zkdescent.verifier import Chain, SendPolicy
from zkdescent.verifier.batchers import exp2_eighths


class Lines(Reporter):
    """Progress as lines on the error stream: the output is the result alone."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}

    def start(self, task: str, total: int) -> None:
        """Remember how many there are."""
        self._totals[task] = total

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        """Say how far it is, ten times a task."""
        total = self._totals.get(task, done)
        if done == total or done % max(1, total // 10) == 0:
            print(f"{task}: {done}/{total} {detail}".rstrip(), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Say it."""
        print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run, or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tuned-contract"), help="a new folder")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--anvil", action="store_true", help="start an anvil node")
    where.add_argument("--rpc", help="URL of a running node")
    parser.add_argument("--key-env", help="environment variable with the signing key, for --rpc")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--check", type=Path, help="measure a results.json again, and compare")
    arguments = parser.parse_args()
    try:
        if arguments.check is not None:
            return _check(arguments)
        return _run(arguments)
    except ZkDescentError as error:
        print(error.diagnostics(), file=sys.stderr)
        return error.exit_code


def _open(arguments: argparse.Namespace) -> Chain:
    if arguments.rpc:
        policy = SendPolicy(poll_s=0.1)
        return Chain.connect(arguments.rpc, key_env=arguments.key_env, policy=policy)
    return Chain.anvil() if arguments.anvil else Chain.tester()


def _run(arguments: argparse.Namespace) -> int:
    began, report = time.monotonic(), Lines()
    rpc = arguments.rpc or ("anvil" if arguments.anvil else "tester")
    with _open(arguments) as chain:
        result = run_tuning(
            arguments.out / "project", chain, report, rpc=rpc, key_env=arguments.key_env
        )
    picture = arguments.out / "tuned.png"
    draw_tuning(result, picture)
    (arguments.out / "results.json").write_text(json.dumps(result.to_json(), indent=1))
    if arguments.json:
        print(json.dumps(result.to_json()))
    else:
        print(_table(result))
        print(f"{picture}, {arguments.out / 'results.json'}: {time.monotonic() - began:.0f} s")
    return 0 if result.saving >= 0.3 else 1


def _check(arguments: argparse.Namespace) -> int:
    result = TuningResult.from_json(json.loads(arguments.check.read_text(encoding="utf-8")))
    with _open(arguments) as chain:
        differences = check_measurements(chain, result, Lines())
    worst = max(abs(difference) for difference in differences)
    print(f"{len(differences)} points measured again, gas within {100 * worst:.3f} %")
    return 0


def _table(result: TuningResult) -> str:
    lines = [
        f"trained on {len(result.points)} measured points: {result.steps} update steps proven in "
        f"{result.block_proofs} block proofs, model {result.model_id[:10]}...",
        "",
        f"{'update':>7} {'asked for':>10} {'batch':>6} {'hold':>5} {'gas':>9}",
        f"{'start':>7} {'':>10} {_shown(result.start)}",
    ]
    for move in result.moves:
        asked = ", ".join(str(target) for target in move.targets)
        lines.append(f"{move.update:>7} {asked:>10} {_shown(move.parameters)} {move.gas:>9,}")
    lines += ["", "poisoned proposals, none of which has moved anything:"]
    lines += [f"  {p.attempt:34} {p.refused_by}" for p in result.poisons]
    header = f"{'held-out':>10} {'payments':>9} {'transactions':>13} {'gas a payment':>14}"
    lines += ["", f"{header} {'mean wait':>10} {'longest':>8}"]
    for name, run in (("before", result.before), ("after", result.after)):
        lines.append(
            f"{name:>10} {run.payments:>9} {len(run.transactions):>13} "
            f"{run.gas_per_payment:>14,.0f} {run.mean_wait:>10.1f} {run.longest_wait:>8}"
        )
    return "\n".join([*lines, f"saved: {100 * result.saving:.1f} % of the gas of a payment"])


def _shown(parameters: tuple[int, ...]) -> str:
    batch, hold = parameters
    return f"{exp2_eighths(batch):>6} {exp2_eighths(hold):>5}"


if __name__ == "__main__":
    sys.exit(main())
