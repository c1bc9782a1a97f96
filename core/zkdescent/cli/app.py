"""The application: its commands, and the one place where errors become exit codes.

| code | meaning |
|---|---|
| 0 | ok |
| 1 | failed |
| 2 | usage or configuration |
| 3 | a proof or a chain of proofs was rejected |
"""

from __future__ import annotations

import sys
import traceback

import typer

from zkdescent.cli import (
    bundles,
    data,
    feed,
    gas,
    model,
    onnx,
    projects,
    proving,
    report,
    setup,
    srs,
    stages,
    task,
    tune,
)
from zkdescent.cli.context import current
from zkdescent.core.errors import ToolMissing, ZkDescentError

app = typer.Typer(
    name="zkdescent",
    help="Prove mini-batch gradient descent, step by step, and have Solidity contracts verify it.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 a proof was rejected.",
)

# Packages that the base install leaves out, and the extra that brings them.
_EXTRAS = {
    "torch": "train",
    "sklearn": "train",
    "matplotlib": "train",
    "onnxscript": "train",
    "onnx": "prove",
    "onnxruntime": "prove",
    "ezkl": "prove",
    "msgpack": "prove",
    "joblib": "prove",
    "optuna": "tune",
    "ray": "ray",
}

for command in (
    *projects.COMMANDS,
    *stages.COMMANDS,
    *proving.COMMANDS,
    *bundles.COMMANDS,
    *report.COMMANDS,
):
    app.command()(command)
app.command()(gas.gas)
app.command()(tune.tune)
app.command()(feed.keep)
app.add_typer(feed.app, name="feed")
app.add_typer(data.app, name="data")
app.add_typer(task.app, name="task")
app.add_typer(model.app, name="model")
app.add_typer(onnx.app, name="onnx")
app.add_typer(setup.app, name="setup")
app.add_typer(srs.app, name="srs")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits the process."""
    try:
        # standalone: usage errors are told by typer itself and exit with 2.
        app(args=arguments)
    except ZkDescentError as error:
        output = current()
        if output.verbose:
            traceback.print_exc()
        output.error(error)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        missing = ToolMissing(
            f"this command needs {error.name}, which is not installed",
            hint=f"pip install 'zkdescent[{extra}]'",
        )
        current().error(missing)
        sys.exit(missing.exit_code)
    except KeyboardInterrupt:
        print("interrupted; run the command again to resume", file=sys.stderr)
        sys.exit(1)
