"""`zkdescent gas`: what each action of a project costs on its chain, before it is sent.

Three sources, the better one first:

- ``estimated``: by the project's node (eth_estimateGas), for what could be sent to it now;
- ``measured``: carried out now on a chain in memory (rpc = "anvil": on a node of its own);
- ``recorded``: what the action cost when the project sent it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zkdescent.core.config import Project
from zkdescent.core.records import Manifest
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import load_proof
from zkdescent.pipeline.gas import read_gas
from zkdescent.pipeline.measuring import estimate_actions, measure_actions
from zkdescent.pipeline.planning import is_local, open_chain, uses_beacon
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.verifiers import Verifiers, project_verifiers

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

_GWEI = 10**9
_ALWAYS_ALL = 8  # so few block proofs take seconds on the chain in memory
_KINDS = (
    ("admit block", "admit a batch block"),
    ("submit block proof", "submit a block proof"),
    ("submit aggregate", "submit an aggregate"),
)
_AFTER_THE_RUN = ("deploy consumer", "accept inference")


@dataclass(frozen=True, slots=True)
class Priced:
    """An action: how often a run needs it, what one costs, and how that is known."""

    action: str
    times: int
    gas: int
    source: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What a project costs. ``unmeasured`` are actions whose cost could not be found out."""

    chain: str
    chain_id: int
    gas_price_gwei: float
    items: tuple[Priced, ...]
    unmeasured: tuple[str, ...]
    steps: int
    notes: tuple[str, ...]

    @property
    def gas(self) -> int:
        """Gas of the whole run, deployment included."""
        return sum(item.gas * item.times for item in self.items if _of_run(item.action))

    @property
    def gas_per_step(self) -> int:
        """Gas of the submissions for each update step."""
        submitted = sum(i.gas * i.times for i in self.items if i.action.startswith("submit"))
        return submitted // self.steps

    def ether(self, gas: int) -> str:
        """What so much gas costs."""
        return f"{gas * self.gas_price_gwei / _GWEI:.6f}"

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, with totals."""
        return {
            "chain": self.chain,
            "chain_id": self.chain_id,
            "gas_price_gwei": self.gas_price_gwei,
            "actions": [
                {**asdict(i), "ether": float(self.ether(i.gas * i.times))} for i in self.items
            ],
            "gas": self.gas,
            "ether": float(self.ether(self.gas)),
            "gas_per_step": self.gas_per_step,
            "unmeasured": list(self.unmeasured),
        }


def price_project(
    project: Project,
    report: Reporter,
    *,
    gas_price_gwei: float | None = None,
    full: bool = False,
    chain: Chain | None = None,
) -> Bill:
    """Find out what each action costs; nothing is sent to the project's chain.

    Args:
        gas_price_gwei: for the conversion to ether; None for the chain's price now.
        full: carry out every block proof, and then finalise and mint as well.
        chain: the project's; opened here if None.

    Raises:
        ArtefactError: not compiled yet.
        GasCapExceeded: an action needs more gas than a transaction may use.
    """
    store = project.open_store()
    manifest = store.read_manifest()
    if chain is None:
        with open_chain(project, report) as opened:
            return price_project(
                project, report, gas_price_gwei=gas_price_gwei, full=full, chain=opened
            )
    verifiers = project_verifiers(project, manifest.circuits)
    quick = manifest.total_proofs <= _ALWAYS_ALL or project.config.chain.rpc == "anvil"
    measured = measure_actions(project, manifest, verifiers, report, every=full or quick)
    known = {
        "recorded": _kinds(read_gas(store).get(f"{chain.chain_id}:{chain.name}", {})),
        "measured": _kinds(measured),
        "estimated": {},
    }
    if not is_local(project):
        known["estimated"] = _kinds(estimate_actions(project, manifest, verifiers, chain))
    times = _times(project, manifest, verifiers, store)
    items = []
    for action, count in times.items():
        for source in ("estimated", "measured", "recorded"):
            if action in known[source]:
                items.append(Priced(action, count, known[source][action], source))
                break
    unmeasured = tuple(
        action
        for action in times
        if _of_run(action) and action not in {item.action for item in items}
    )
    price = chain.gas_price() / _GWEI if gas_price_gwei is None else gas_price_gwei
    return Bill(
        chain.name, chain.chain_id, price, tuple(items), unmeasured,
        manifest.total_proofs * manifest.circuits.step.steps_per_proof,
        _notes(project, manifest, store, unmeasured, price),
    )  # fmt: skip


def _notes(
    project: Project,
    manifest: Manifest,
    store: ArtefactStore,
    unmeasured: tuple[str, ...],
    price_gwei: float,
) -> tuple[str, ...]:
    notes = []
    if unmeasured and load_proof(store, "step", 0) is None:
        notes.append("Nothing is proven yet: `zkdescent prove` makes what submissions carry.")
    elif unmeasured:
        notes.append("Measure the rest with --full, which carries out every block proof.")
    cap = project.config.chain.max_fee_gwei
    if cap is not None and price_gwei > cap:
        notes.append(f"Above [chain] max_fee_gwei = {cap:g}: nothing would be sent at this price.")
    return tuple(notes)


def _times(
    project: Project, manifest: Manifest, verifiers: Verifiers, store: ArtefactStore
) -> dict[str, int]:
    """How often a run needs each action, in order."""
    from zkdescent.verifier.addresses import CONTRACT_NAMES

    times = {f"deploy {name}": 1 for name in CONTRACT_NAMES.values()}
    times |= {f"deploy {role} verifier": 1 for role in verifiers.init_codes}
    for spec in verifiers.specs.present():
        if spec.prover == "ezkl-reusable":
            times[f"register {spec.role} verifying key"] = 1
        times[f"register {spec.role} circuit"] = 1
    times["create task"] = 1
    if uses_beacon(project):
        times["seal task"] = 1
    if manifest.circuits.range is not None:
        times["admit a batch block"] = manifest.dataset.blocks_per_epoch
    times["open run"] = 1
    single, several = _pieces(manifest, store)
    if several:
        times["submit an aggregate"] = several
    if single:
        times["submit a block proof"] = single
    return times | {"finalise run": 1, "mint model": 1} | dict.fromkeys(_AFTER_THE_RUN, 1)


def _pieces(manifest: Manifest, store: ArtefactStore) -> tuple[int, int]:
    """Block proofs that are submitted one by one, and aggregates."""
    aggregate, position, single, several = manifest.circuits.aggregate, 0, 0, 0
    while position < manifest.total_proofs:
        if aggregate is not None and load_proof(store, "aggregate", position) is not None:
            several, position = several + 1, position + aggregate.blocks
        else:
            single, position = single + 1, position + 1
    return single, several


def _kinds(actions: dict[str, int]) -> dict[str, int]:
    """Actions by kind: the mean of those that differ only by their number."""
    grouped: dict[str, list[int]] = {}
    for name, gas in actions.items():
        grouped.setdefault(kind_of(name), []).append(gas)
    return {kind: sum(values) // len(values) for kind, values in grouped.items()}


def kind_of(action: str) -> str:
    """What an action is called together with those that differ from it only by their number."""
    return next((kind for prefix, kind in _KINDS if action.startswith(prefix)), action)


def _of_run(action: str) -> bool:
    return action not in _AFTER_THE_RUN
