"""Deploy a gas feed for a project's minted model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.feeding.config import FeedFile, TermsTable
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.planning import open_chain
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain, GasFeedPlan

_GWEI = 10**9
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class DeployedFeed:
    """A feed on a chain, and what was sent for it."""

    chain: str
    address: str
    history: str
    model_id: int
    actions: tuple[Action, ...]


def deploy_feed(feed: FeedFile, report: Reporter, *, chain: Chain | None = None) -> DeployedFeed:
    """Mint the project's model, if it is not, and deploy the feed; sends what is missing.

    Raises:
        ConfigError: the file has no terms, or they are out of range.
        ArtefactError: the project is not proven yet.
        ContractRefused: terms that the contract refuses, by name.
    """
    if feed.config.terms is None:
        raise ConfigError(
            "the file says where a feed is, not what to deploy",
            expected="a table [terms] in the place of [feed] address",
            path=feed.path,
        )
    if chain is None:
        with open_chain(feed.project, report) as opened:
            return deploy_feed(feed, report, chain=opened)
    from zkdescent.verifier import GasFeedClient

    minted = submit_project(feed.project, report, chain=chain)
    plan = feed_plan(feed, chain)
    made = until_settled(chain, lambda: GasFeedClient.deploy(chain, plan)[1])
    actions = (*(a for a in minted.actions if a.sent), *made)
    return DeployedFeed(chain.name, plan.address, plan.history, plan.terms.model_id, actions)


def feed_plan(feed: FeedFile, chain: Chain) -> GasFeedPlan:
    """Return what the file's terms deploy for the project's model; the address follows from it.

    Raises:
        ConfigError: there are no terms. ChainError: the model is not minted on this chain.
    """
    from zkdescent.verifier import TrainingClient, plan_from

    terms = feed.config.terms
    if terms is None:
        raise ConfigError("the file has no table [terms]", path=feed.path)
    model_id = plan_from(feed.project.open_store().read_manifest()).model_id
    model = TrainingClient(chain).consumer(model_id).model
    return plan_of(terms, model_id, model.commitment_hash, chain.address)


def plan_of(terms: TermsTable, model_id: int, commitment_hash: bytes, account: str) -> GasFeedPlan:
    """Return the deployment of terms for a model; the account owns the feed unless they say who."""
    from zkdescent.verifier import FeedTerms, GasFeedPlan, Schedule

    optional = {} if terms.guardian is None else {"guardian": terms.guardian}
    return GasFeedPlan(
        terms=FeedTerms(
            model_id=model_id,
            commitment_hash=commitment_hash,
            owner=terms.owner or account,
            schedule=Schedule(
                first_block=terms.first_block,
                cadence=terms.cadence,
                horizon=terms.horizon,
                grace=terms.grace,
            ),
            min_answer=round(terms.min_gwei * _GWEI),
            max_answer=round(terms.max_gwei * _GWEI),
            description=terms.description,
            deviation_ppm=round(terms.deviation * _PPM),
            deviation_floor=round(terms.deviation_floor_gwei * _GWEI),
            stale_seconds=terms.stale_s,
            timelock_seconds=terms.timelock_s,
            pause_seconds=terms.pause_s,
            **optional,
        ),
        window_blocks=terms.window_blocks,
    )


def feed_address(feed: FeedFile, chain: Chain) -> str:
    """Return where the feed is: as the file says, or as its terms say."""
    return feed.config.feed.address or feed_plan(feed, chain).address
