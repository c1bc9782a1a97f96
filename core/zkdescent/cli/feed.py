"""Commands about feeds: `feed deploy`, `keep`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from zkdescent.cli.context import AsJson, Verbose, choose_output
from zkdescent.cli.output import pairs, table

app = typer.Typer(help="Feeds: proven answers on chain, round after round.", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The feed's file, TOML.")]


@app.command()
def deploy(config: Config, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Mint the project's model, if it is not yet, and deploy the feed that [terms] describes."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.feeding.config import load_feed
    from zkdescent.pipeline.feeding.deploying import deploy_feed

    feed = load_feed(config)
    with output.reporter() as report:
        made = deploy_feed(feed, report)
    payload = {
        "chain": made.chain,
        "feed": made.address,
        "history": made.history,
        "model_id": f"0x{made.model_id:064x}",
        "actions": [{"name": a.name, "gas": a.gas, "sent": a.sent} for a in made.actions],
    }
    rows = [(a.name, a.gas if a.sent else "already done") for a in made.actions]
    summary = [("feed", made.address), ("history", made.history), ("model", payload["model_id"])]
    output.result(
        payload, table(f"On {made.chain}", ("action", "gas"), rows), pairs("Feed", summary)
    )


def keep(
    config: Config,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", min=1, help="Stop after so many submitted rounds."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Keep a feed: prove and submit its rounds until SIGTERM or Ctrl-C."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.feeding.config import load_feed
    from zkdescent.pipeline.feeding.keeping import keep_feed

    feed = load_feed(config)
    with output.reporter() as report:

        def tell(event: dict[str, Any]) -> None:
            if output.as_json:
                sys.stdout.write(json.dumps(event, default=str) + "\n")
                sys.stdout.flush()
            else:
                report.note(describe(event))

        keep_feed(feed, tell, rounds=rounds, report=report)


def describe(event: dict[str, Any]) -> str:
    """An event as a line for people."""
    rest = {k: v for k, v in event.items() if k != "event" and v is not None}
    if event["event"] == "submitted":
        return (
            f"round {event['round']}: base fee {event['base_fee'] / 1e9:.3f} gwei at block "
            f"{event['window_end']}, {event['forecast'] / 1e9:.3f} foretold {event['horizon']} "
            f"blocks later; {event['gas']:,} gas, proven in {event['proving_s']:.1f} s"
        )
    return f"{event['event']}: " + ", ".join(f"{k} {v}" for k, v in rest.items())
