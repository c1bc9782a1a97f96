"""Contracts act on real proofs of proven models, and on nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.defi.picture import draw_story
from zkdescent.pipeline.defi.story import Story
from zkdescent.pipeline.defi.telling import STORIES, make_story_project, tell_story
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]
PNG = b"\x89PNG\r\n\x1a\n"
LIES = {
    "other outputs than the proof's": "OutputDiffers",
    "a proof with forged public values": "ProofRejected",
    "a spoiled proof": "ProofRejected",
    "a proof for somebody else, copied": "ContextMismatch",
    "a proof for another nonce": "ContextMismatch",
}


def shortened(project: Project, steps: int, per_proof: int) -> Project:
    """With fewer steps."""
    text = project.file.read_text()
    now = project.config
    text = text.replace(f"steps = {now.train.steps}\n", f"steps = {steps}\n")
    text = text.replace(
        f"steps_per_proof = {now.circuit.steps_per_proof}\n", f"steps_per_proof = {per_proof}\n"
    )
    project.file.write_text(text)
    changed = load_project(project.directory)
    assert changed.config.train.steps == steps
    return changed


def refusals(story: Story) -> dict[str, str]:
    return {refusal.attempt: refusal.refused_by for refusal in story.refusals}


def test_a_credit_limit_follows_a_proven_score_and_its_twins_are_refused(tmp_path: Path) -> None:
    project = shortened(make_story_project(tmp_path / "credit", "credit-score"), 16, 16)
    with Chain.tester() as chain:
        story = tell_story(project, "credit-score", chain, Reporter(), decisions=1)
    assert refusals(story).items() >= LIES.items()
    assert refusals(story)["features that were not attested"] == "OtherFeatures"
    assert len(story.decisions) == 1
    for decision in story.decisions:
        wanted = 0.01 * min(max(decision.answer - story.threshold, 0.0), 2.5) / 2.5
        assert decision.amount == pytest.approx(wanted, rel=1e-9)
    assert Story.from_json(story.to_json()) == story
    assert draw_story(story).startswith(PNG)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_every_story_ends_as_its_documentation_says(tmp_path: Path, name: str) -> None:
    project = make_story_project(tmp_path / name, name)
    with Chain.tester() as chain:
        story = tell_story(project, name, chain, Reporter(), decisions=12)
    found = refusals(story)
    assert found.items() >= LIES.items()
    own = {
        "price-volatility": {
            "a feature off by one": "InputDiffers",
            "a position with a wei too little": "Undermargined",
        },
        "anomaly-autoencoder": {"inputs that were not announced": "OtherInputs"},
        "credit-score": {
            "features that were not attested": "OtherFeatures",
            "a wei over the limit": "OverTheLimit",
        },
    }
    # A first applicant without credit can't draw too much either.
    assert found.items() >= own[name].items() or name == "credit-score"
    assert len(story.decisions) == 12
    if name == "anomaly-autoencoder":
        assert sum(d.outcome == "held" for d in story.decisions if d.truth) >= 2  # of 3
        assert sum(d.outcome == "held" for d in story.decisions if not d.truth) <= 1
    assert draw_story(story).startswith(PNG)


def test_unknown_stories_and_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such example"):
        make_story_project(tmp_path / "other", "gas-feed")
    assert not (tmp_path / "other").exists()
    make_story_project(tmp_path / "credit", "credit-score", rpc="anvil", key_env="KEY")
    project = make_story_project(tmp_path / "credit", "credit-score")
    assert (project.config.chain.rpc, project.config.chain.key_env) == ("tester", None)
    with Chain.tester() as chain, pytest.raises(ConfigError, match="number of decisions"):
        tell_story(project, "credit-score", chain, Reporter(), decisions=0)
