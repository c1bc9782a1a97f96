"""Tune a payment contract by proven gradient descent, and measure what that saves.

    python scripts/tuned_contract.py                  # in-process chain
    python scripts/tuned_contract.py --rpc anvil
    python scripts/tuned_contract.py --rpc http://127.0.0.1:8545 --key-env KEY
    python scripts/tuned_contract.py --check build/tuned-contract/results.json

It measures what a payment costs at 25 settings of a batching contract from receipts, trains a
surrogate of the cost and proves every update step, mints it, moves the live contract's parameters
by proven inferences, tries to move them by poisoned ones, and measures before and after on payments
that were never trained on. Ends in a table, results.json and a PNG. ``--check`` measures the
training points again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from zkdescent.cli.output import Output
from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.tuning.checking import check_measurements
from zkdescent.pipeline.tuning.experiment import TuningResult, run_tuning
from zkdescent.pipeline.tuning.picture import draw_tuning
from zkdescent.verifier import Chain, SendPolicy
from zkdescent.verifier.batchers import exp2_eighths


def main() -> int:
    """Run, or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rpc", default="tester", help="tester, anvil or a node's URL")
    parser.add_argument("--key-env", help="variable with the key that signs, for a node by URL")
    parser.add_argument("--directory", type=Path, default=Path("build/tuned-contract"))
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
    if arguments.rpc == "tester":
        return Chain.tester()
    policy = SendPolicy(poll_s=0.1)
    if arguments.rpc == "anvil":
        return Chain.anvil(policy=policy)
    return Chain.connect(arguments.rpc, key_env=arguments.key_env, policy=policy)


def _run(arguments: argparse.Namespace) -> int:
    began, directory = time.monotonic(), arguments.directory
    with Output().reporter() as report, _open(arguments) as chain:
        result = run_tuning(
            directory / "project", chain, report, rpc=arguments.rpc, key_env=arguments.key_env
        )
    picture = directory / "tuned.png"
    draw_tuning(result, picture)
    (directory / "results.json").write_text(json.dumps(result.to_json(), indent=1))
    if arguments.json:
        print(json.dumps(result.to_json()))
    else:
        print(_table(result))
        print(f"{picture}, {directory / 'results.json'}: {time.monotonic() - began:.0f} s")
    return 0 if result.saving >= 0.3 else 1


def _check(arguments: argparse.Namespace) -> int:
    result = TuningResult.from_json(json.loads(arguments.check.read_text(encoding="utf-8")))
    with Output().reporter() as report, _open(arguments) as chain:
        differences = check_measurements(chain, result, report)
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
