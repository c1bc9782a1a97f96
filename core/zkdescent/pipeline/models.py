"""What a chain says of a model: its commitment, and its provenance back to the first ancestor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.planning import open_chain

if TYPE_CHECKING:
    from zkdescent.verifier import Chain
    from zkdescent.verifier.lineage import Ancestor

_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DECIMAL = re.compile(r"[0-9]{1,78}")


@dataclass(frozen=True, slots=True)
class Lineage:
    """A model and its ancestors, the model first."""

    chain: str
    chain_id: int
    ancestors: tuple[Ancestor, ...]

    def to_json(self) -> dict[str, Any]:
        """One JSON object; each ancestor with ``parent`` below it, null at the first."""
        nested: dict[str, Any] | None = None
        for ancestor in reversed(self.ancestors):
            minted = ancestor.model
            nested = {
                "model_id": f"0x{ancestor.model_id:064x}",
                "minted": minted is not None,
                "owner": None if minted is None else minted.owner,
                "deprecated": None if minted is None else minted.deprecated,
                "uri": None if minted is None else minted.uri,
                "proof_system": None if minted is None else minted.proof_system,
                "commitment_hash": None if minted is None else minted.commitment_hash,
                "run_status": ancestor.status,
                "proofs": ancestor.proofs,
                "seed_source": "beacon" if ancestor.seed_delay else "declared",
                "seed_delay": ancestor.seed_delay,
                "provenance": ancestor.provenance.to_json(),
                "parent": nested,
            }
        return {"chain": self.chain, "chain_id": self.chain_id, **(nested or {})}


def parse_model_id(text: str) -> int:
    """Return a model id that a person wrote: 0x and hex digits, or a decimal number.

    Raises:
        ConfigError: it is neither, or no 256-bit number above zero.
    """
    if _HEX.fullmatch(text):
        number = int(text, 16)
    elif _DECIMAL.fullmatch(text):
        number = int(text)
    else:
        number = 0
    if not 0 < number < 1 << 256:
        raise ConfigError(
            "not a model id",
            expected="0x and up to 64 hex digits, or a decimal number",
            got=text,
            hint="`zkdescent submit` prints it as model_id with --json; leave it out for the "
            "project's own model",
        )
    return number


def show_model(
    project: Project, model_id: str | None = None, *, chain: Chain | None = None
) -> Lineage:
    """Return a model of the project's chain with its ancestors.

    Args:
        model_id: as :func:`parse_model_id` reads it; None for the model of the project's run.

    Raises:
        ConfigError: no model id.
        ChainError: the contracts or the model are not on the chain; without an id, no run is
            planned.
    """
    from zkdescent.verifier import check_deployed, plan_from
    from zkdescent.verifier.lineage import lineage

    wanted = None if model_id is None else parse_model_id(model_id)
    if wanted is None:  # before a chain is opened: that may make files
        wanted = plan_from(project.open_store().read_manifest()).model_id
    if chain is None:
        with open_chain(project, read_only=True) as opened:
            return show_model(project, f"0x{wanted:064x}", chain=opened)
    addresses = check_deployed(chain)
    return Lineage(chain.name, chain.chain_id, lineage(chain, wanted, addresses))


def ancestor_facts(ancestor: Ancestor) -> list[tuple[str, list[tuple[str, object]]]]:
    """What there is to show of a model or an ancestor: (heading, names and values)."""
    origin = ancestor.provenance
    circuits: list[tuple[str, object]] = [
        (role, hexadecimal(getattr(origin, f"{role}_circuit")))
        for role in ("step", "range", "inference", "aggregate")
        if any(getattr(origin, f"{role}_circuit"))
    ]
    return [
        ("model", _model_facts(ancestor)),
        ("run", [
            ("id", hexadecimal(origin.run_id)),
            ("payee", origin.payee),
            ("steps", _steps(ancestor)),
            ("transcript", hexadecimal(origin.transcript)),
        ]),
        ("task", [
            ("id", hexadecimal(origin.task_id)),
            ("sponsor", origin.sponsor),
            ("genesis", hexadecimal(origin.genesis)),
            *_parent_facts(ancestor),
            ("dataset root", hexadecimal(origin.dataset_root)),
            ("hyperparameters", hexadecimal(origin.hyperparameters)),
            ("seed", hexadecimal(origin.seed)),
            *_seed_facts(ancestor),
        ]),
        ("circuits", [*circuits, ("production", "yes" if origin.production else "no")]),
    ]  # fmt: skip


def _model_facts(ancestor: Ancestor) -> list[tuple[str, object]]:
    minted, state = ancestor.model, hexadecimal(ancestor.provenance.final_state)
    if ancestor.status != "finalised":
        return [("state so far", state), ("minted", f"no: the run is {ancestor.status}")]
    if minted is None:
        return [("weights", state), ("minted", "no: a finalised run")]
    return [
        ("weights", state),
        ("owner", minted.owner),
        ("deprecated", "yes" if minted.deprecated else "no"),
        ("proof system", hexadecimal(minted.proof_system)),
        ("commitment to pin", hexadecimal(minted.commitment_hash)),
        *([("uri", minted.uri)] if minted.uri else []),
    ]


def _steps(ancestor: Ancestor) -> str:
    proofs, total = ancestor.proofs, ancestor.provenance.total_proofs
    of = "" if proofs == total else f" of {total:,}"
    return f"{proofs * ancestor.provenance.steps_per_proof:,} in {proofs:,}{of} block proofs"


def _parent_facts(ancestor: Ancestor) -> list[tuple[str, object]]:
    origin = ancestor.provenance
    if not any(origin.parent):
        return []
    epoch = origin.parent_epoch
    return [("genesis is", f"the parent's {f'state after epoch {epoch}' if epoch else 'weights'}")]


def _seed_facts(ancestor: Ancestor) -> list[tuple[str, object]]:
    if not ancestor.seed_delay:
        return [("seed source", "declared by the sponsor")]
    return [
        ("seed source", f"a header, {ancestor.seed_delay} blocks ahead"),
        ("seed blocks that went by unused", ancestor.provenance.rearms),
    ]


def hexadecimal(value: bytes | int) -> str:
    """An id or a hash as people compare it: 0x and 64 digits."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else f"0x{value:064x}"
