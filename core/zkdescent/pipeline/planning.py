"""Which run on which chain: ids, contexts and batch order, before anything is proven.

With a declared seed all of it is arithmetic over the chain id and predicted addresses, so that
proofs can be made before anything is deployed. With a beacon, the task must be on the chain and
its seed block mined: planning then deploys, registers, creates and seals.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError
from zkdescent.core.records import Manifest
from zkdescent.pipeline.deployments import record_deployment
from zkdescent.pipeline.gas import record_gas
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.settling import until_settled
from zkdescent.pipeline.verifiers import Verifiers, project_verifiers

if TYPE_CHECKING:
    from zkdescent.verifier import Action, Chain, RunPlan

CHAIN_FOLDER = "chain"
TESTER_STATE = f"{CHAIN_FOLDER}/tester.state"
DEVELOPMENT_CHAIN_ID = 31337


@contextmanager
def open_chain(
    project: Project,
    report: Reporter | None = None,
    *,
    read_only: bool = False,
    patience_s: float | None = None,
    retries: int = 0,
) -> Iterator[Chain]:
    """Open the chain that the project names, and close it.

    `tester` lives in a file of the project, so that the next command finds what this one did. For
    nodes by URL the project keeps what is on its way, so that the next command goes on with it.

    Args:
        report: told what is waited for.
        read_only: for a URL, ask for no key; nothing can be sent then.
        patience_s: wait no longer than this for a transaction, whatever the project says.
        retries: how often a request to a URL is repeated whose connection fails.
    """
    from zkdescent.verifier import Chain, SendPolicy

    table = project.config.chain
    if table.rpc == "tester":
        path = project.store_directory / TESTER_STATE
        path.parent.mkdir(parents=True, exist_ok=True)
        chain = Chain.tester(path)
    elif table.rpc == "anvil":
        chain = Chain.anvil()
    elif read_only:
        chain = Chain.reader(table.rpc)
    else:
        keystore = None if table.keystore is None else project.resolve(table.keystore)
        chain = Chain.connect(
            table.rpc,
            key_env=table.key_env,
            keystore=keystore,
            policy=SendPolicy(
                confirmations=None if table.confirmations == "auto" else table.confirmations,
                max_fee_gwei=table.max_fee_gwei,
                replace_after_s=table.replace_after_s,
                patience_s=min(table.patience_s, patience_s or table.patience_s),
            ),
            outbox=project.store_directory / CHAIN_FOLDER,
            notice=(report or Reporter()).note,
            retries=retries,
        )
    with chain:
        yield chain


def is_local(project: Project) -> bool:
    """Whether the project's chain is one of ours, whose ids and account are known beforehand."""
    return project.config.chain.rpc in ("tester", "anvil")


def uses_beacon(project: Project) -> bool:
    """Whether the batch order is drawn from a future block.

    `auto` means a declared seed on local chains: there the sponsor is also the block proposer, so
    a beacon would protect nobody, and the same proofs serve every local chain.
    """
    seed = project.config.chain.seed
    return seed == "beacon" or (seed == "auto" and not is_local(project))


def seed_delay(project: Project, chain: Chain | None) -> int:
    """Blocks from the task to its seed block, where the seed is drawn.

    Whoever proposes all blocks from the task's to the one before the seed block chooses the seed:
    128 are four epochs of mainnet, as EIP-4399 advises; on a development node one party has all.
    """
    from zkdescent.verifier._waiting import DEVELOPMENT_CHAINS

    said = project.config.chain.seed_delay
    if said != "auto":
        return said
    return 2 if chain is None or chain.chain_id in DEVELOPMENT_CHAINS else 128


def draft_plan(
    project: Project, manifest: Manifest, verifiers: Verifiers, *, chain: Chain | None = None
) -> RunPlan:
    """Return the plan as far as it follows from the project: with a beacon, without its seed.

    Args:
        chain: gives chain id and sponsor; None for those of the local chains.
    """
    from zkdescent.verifier import development_account, plan_run

    beacon = uses_beacon(project)
    return plan_run(
        verifiers.specs,
        manifest.dataset,
        genesis=manifest.genesis,
        hyperparameters=manifest.hyperparameters,
        total_proofs=manifest.total_proofs,
        chain_id=DEVELOPMENT_CHAIN_ID if chain is None else chain.chain_id,
        sponsor=development_account(0).address if chain is None else chain.address,
        seed_delay=seed_delay(project, chain) if beacon else 0,
        declared_seed=bytes(32) if beacon else project.config.train.seed.to_bytes(32, "big"),
        deadline=project.config.chain.deadline_s,
        reward=project.config.chain.reward_wei,
    )


def plan_project(
    project: Project, manifest: Manifest, *, chain: Chain | None = None
) -> tuple[RunPlan, tuple[Action, ...]]:
    """Plan the run, and store the plan in the manifest.

    Args:
        chain: needed for a beacon, and for chains that are not local.

    Returns:
        The plan with its seed, and what was sent to the chain for it.
    """
    from zkdescent.verifier import TrainingClient

    if chain is None and (uses_beacon(project) or not is_local(project)):
        with open_chain(project) as opened:
            return plan_project(project, manifest, chain=opened)
    beacon = uses_beacon(project)
    verifiers = project_verifiers(project, manifest.circuits)
    plan = draft_plan(project, manifest, verifiers, chain=chain)
    actions: list[Action] = []
    if beacon:
        if chain is None:
            raise ConfigError("a beacon seed needs a chain", got=project.config.chain.rpc)
        client = TrainingClient(chain)
        actions += until_settled(
            chain,
            lambda: (
                *deploy_and_register(chain, manifest, verifiers),
                client.create_task(plan),
            ),
        )
        actions += until_settled(chain, lambda: client.seal(plan)[1])
        plan, _ = client.seal(plan)
        record_gas(project.open_store(), chain, actions)
        record_deployment(project.open_store(), chain, verifiers)
    store, specs, record = project.open_store(), plan.specs, plan.run_record()
    if (manifest.task, manifest.specs, manifest.run) != (plan.task, specs, record):
        # Another run: the final state of the one before does not belong to it.
        store.write_manifest(replace(manifest, task=plan.task, specs=specs, run=record, final=None))
    return plan, tuple(actions)


def deploy_and_register(
    chain: Chain, manifest: Manifest, verifiers: Verifiers
) -> tuple[Action, ...]:
    """Deploy contracts and dedicated verifiers, register the circuits; sends what is missing."""
    from zkdescent.verifier import TrainingClient

    client = TrainingClient(chain)
    return (
        *client.ensure_deployed().actions,
        *verifiers.deploy(chain),
        *client.register_circuits(manifest.circuits, verifiers.specs),
    )
