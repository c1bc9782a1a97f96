"""A DeFi example from nothing: make the project, run it, and lead its consumer's decisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit

from zkdescent.core.config import PROJECT_FILE, Project, load_project
from zkdescent.core.errors import ConfigError, suggestion
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.defi.credit import tell_credit
from zkdescent.pipeline.defi.screening import tell_screening
from zkdescent.pipeline.defi.story import Story
from zkdescent.pipeline.defi.volatility import tell_volatility
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

_TELLERS: dict[str, Callable[[Project, Chain, Reporter, int], Story]] = {
    "price-volatility": tell_volatility,
    "anomaly-autoencoder": tell_screening,
    "credit-score": tell_credit,
}
STORIES = tuple(_TELLERS)


def make_story_project(
    directory: Path, example: str, *, rpc: str = "tester", key_env: str | None = None
) -> Project:
    """Copy an example, on barretenberg; one that is there is taken as it is, but for the chain.

    Raises:
        ConfigError: no example of a consumer has this name.
    """
    if example not in _TELLERS:
        raise ConfigError(
            "there is no such example",
            expected=list(STORIES),
            got=example,
            hint=suggestion(example, list(STORIES), what="examples"),
        )
    file = directory / PROJECT_FILE
    if not file.is_file():
        create_project(directory, example, backend="barretenberg")
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    chain = tomlkit.table()
    chain["rpc"] = rpc
    if key_env is not None:
        chain["key_env"] = key_env
    document["chain"] = chain
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return load_project(directory)


def tell_story(project: Project, example: str, chain: Chain, report: Reporter, *,
               decisions: int = 12) -> Story:  # fmt: skip
    """Train, prove and mint what is not yet, and have the example's contract act on it.

    Args:
        decisions: how many, 1 to 100.

    Raises:
        ConfigError: too few or too many decisions.
        ChainError: the contract accepted a lie.
    """
    if not 1 <= decisions <= 100:
        raise ConfigError("not a number of decisions", expected="1 to 100", got=decisions)
    # The descent is in the proofs: the float run of `zkdescent run` is for comparing.
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    prove_project(project, report, blueprint=blueprint, chain=chain)
    submit_project(project, report, chain=chain)
    return _TELLERS[example](project, chain, report, decisions)
