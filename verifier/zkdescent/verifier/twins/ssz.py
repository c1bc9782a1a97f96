"""Merkle trees of SSZ objects, and branches in them (twin of Ssz.sol).

consensus-specs: ssz/simple-serialize.md (Merkleization), ssz/merkle-proofs.md (indices);
the layout of BeaconBlock and BeaconState is that of Electra (electra/beacon-chain.md).

>>> tree = container([uint64(7), uint64(9)])
>>> verify_branch(tree.root, 3, uint64(9), tree.branch(3))
>>> tree.root.hex()[:16]
'a8b483762610196c'
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zkdescent.core.errors import ChainOfProofsBroken, DataError

BLOCK_FIELDS = ("slot", "proposer_index", "parent_root", "state_root", "body")
"""BeaconBlock (phase0/beacon-chain.md)."""

VALIDATOR_FIELDS = (
    "pubkey", "withdrawal_credentials", "effective_balance", "slashed",
    "activation_eligibility_epoch", "activation_epoch", "exit_epoch", "withdrawable_epoch",
)  # fmt: skip
"""Validator (phase0/beacon-chain.md)."""

STATE_FIELDS = (
    "genesis_time", "genesis_validators_root", "slot", "fork", "latest_block_header", "block_roots",
    "state_roots", "historical_roots", "eth1_data", "eth1_data_votes", "eth1_deposit_index",
    "validators", "balances", "randao_mixes", "slashings", "previous_epoch_participation",
    "current_epoch_participation", "justification_bits", "previous_justified_checkpoint",
    "current_justified_checkpoint", "finalized_checkpoint", "inactivity_scores",
    "current_sync_committee", "next_sync_committee", "latest_execution_payload_header",
    "next_withdrawal_index", "next_withdrawal_validator_index", "historical_summaries",
    "deposit_requests_start_index", "deposit_balance_to_consume", "exit_balance_to_consume",
    "earliest_exit_epoch", "consolidation_balance_to_consume", "earliest_consolidation_epoch",
    "pending_deposits", "pending_partial_withdrawals", "pending_consolidations",
)  # fmt: skip
"""BeaconState of Electra: 37 fields, so a tree of 64 leaves."""

VALIDATOR_REGISTRY_LIMIT = 2**40


def _sha256(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


ZEROS = [bytes(32)]
for _ in range(63):
    ZEROS.append(_sha256(ZEROS[-1], ZEROS[-1]))


def uint64(value: int) -> bytes:
    """Return the leaf of a uint64: little endian, padded to 32 bytes.

    Raises:
        DataError: it is no uint64.
    """
    if not 0 <= value < 1 << 64:
        raise DataError("not a uint64", expected="0 <= value < 2**64", got=value)
    return value.to_bytes(8, "little") + bytes(24)


def depth_of(gindex: int) -> int:
    """Return how far a node is below the root; the root is node 1.

    Raises:
        DataError: there is no such node.
    """
    if gindex < 1:
        raise DataError("no node of a tree", expected="gindex >= 1", got=gindex)
    return gindex.bit_length() - 1


def concat(*gindices: int) -> int:
    """Return a node's index in the outer tree (concat_generalized_indices)."""
    outer = 1
    for inner in gindices:
        depth = depth_of(inner)
        outer = outer << depth | (inner - (1 << depth))
    return outer


@dataclass(frozen=True)
class Tree:
    """A binary tree of hashes of which only what is not zero is kept: node -> subtree or leaf.

    ``leaves`` are at ``depth``; a leaf may be a tree itself, whose root then is its value.
    """

    leaves: Mapping[int, bytes | Tree]
    depth: int
    _nodes: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        level = {
            (1 << self.depth) + place: leaf.root if isinstance(leaf, Tree) else leaf
            for place, leaf in self.leaves.items()
        }
        self._nodes.update(level)
        for height in range(self.depth):
            parents = {index >> 1 for index in level}
            zero = ZEROS[height]
            level = {
                p: _sha256(level.get(2 * p, zero), level.get(2 * p + 1, zero)) for p in parents
            }
            self._nodes.update(level)

    @property
    def root(self) -> bytes:
        """hash_tree_root, 32 bytes."""
        return self.node(1)

    def node(self, gindex: int) -> bytes:
        """Return a node's hash, also of one inside a leaf that is a tree."""
        depth = depth_of(gindex)
        if depth <= self.depth:
            return self._nodes.get(gindex, ZEROS[self.depth - depth])
        below = depth - self.depth
        leaf = self.leaves.get((gindex >> below) - (1 << self.depth))
        if not isinstance(leaf, Tree):
            raise DataError("the tree ends above this node", expected=self.depth, got=depth)
        return leaf.node(1 << below | gindex & (1 << below) - 1)

    def branch(self, gindex: int) -> list[bytes]:
        """Return the siblings from a node up to the root."""
        return [self.node(gindex >> k ^ 1) for k in range(depth_of(gindex))]


def container(fields: Sequence[bytes | Tree]) -> Tree:
    """Return the tree of a container or vector: the fields in order, padded to a power of two."""
    return Tree(dict(enumerate(fields)), max(0, len(fields) - 1).bit_length())


def ssz_list(elements: Sequence[bytes | Tree], limit: int, length: int | None = None) -> Tree:
    """Return the tree of a list: its elements up to the limit, and its length mixed in.

    Args:
        length: of the list, where ``elements`` are chunks that pack several.
    """
    data = Tree(dict(enumerate(elements)), (limit - 1).bit_length())
    return container([data, uint64(len(elements) if length is None else length)])


def state_gindex(name: str) -> int:
    """Return the index of a field of the state in the tree of a BeaconBlock."""
    block = 8 + BLOCK_FIELDS.index("state_root")
    return concat(block, 64 + STATE_FIELDS.index(name))


def validator_gindex(index: int, name: str) -> int:
    """Return the index of a validator's field in the tree of a BeaconBlock."""
    element = concat(2, VALIDATOR_REGISTRY_LIMIT + index)
    return concat(state_gindex("validators"), element, 8 + VALIDATOR_FIELDS.index(name))


def verify_branch(root: bytes, gindex: int, leaf: bytes, branch: Sequence[bytes]) -> None:
    """Check that a branch leads from a leaf at its place to a root.

    Raises:
        ChainOfProofsBroken: another length, or another root.
    """
    depth = depth_of(gindex)
    if len(branch) != depth:
        raise ChainOfProofsBroken("an SSZ branch", expected=f"{depth} hashes", got=len(branch))
    node = leaf
    for k, sibling in enumerate(branch):
        node = _sha256(sibling, node) if gindex >> k & 1 else _sha256(node, sibling)
    if node != root:
        raise ChainOfProofsBroken("an SSZ branch leads to another root", expected=root, got=node)
