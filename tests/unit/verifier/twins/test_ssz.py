"""SSZ trees and branches: the twin, and the beacon source on constructed roots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainOfProofsBroken, DataError
from zkdescent.verifier import Chain, deploy_code
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier._pyevm import send_message
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.twins.ssz import (
    BLOCK_FIELDS,
    STATE_FIELDS,
    VALIDATOR_REGISTRY_LIMIT,
    Tree,
    concat,
    container,
    ssz_list,
    state_gindex,
    uint64,
    validator_gindex,
    verify_branch,
)

ROOTS = "0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02"
ROOTS_CODE = bytes.fromhex(  # EIP-4788
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f3580156049576200"
    "1fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f35906200"
    "1fff015500"
)
RING = 8191
EFFECTIVE, SLOT, FINALISED = 31_000_000_000, 9_000_001, 281_250
WHOLE = 4


def beacon_block() -> Tree:
    """A BeaconBlock of Electra's shape with three validators; what is not read is made up."""
    validators = [
        container([*(keccak(b"%d" % i) for i in range(2)), uint64(EFFECTIVE + i),
                   *(uint64(7 + k) for k in range(5))])
        for i in range(3)
    ]  # fmt: skip
    fields: list[bytes | Tree] = [keccak(name.encode()) for name in STATE_FIELDS]
    fields[STATE_FIELDS.index("slot")] = uint64(SLOT)
    fields[STATE_FIELDS.index("validators")] = ssz_list(validators, VALIDATOR_REGISTRY_LIMIT)
    packed = b"".join((10 + k).to_bytes(8, "little") for k in range(3)) + bytes(8)
    balances = ssz_list([packed], VALIDATOR_REGISTRY_LIMIT // 4, 3)
    fields[STATE_FIELDS.index("balances")] = balances
    checkpoint = container([uint64(FINALISED), keccak(b"root")])
    fields[STATE_FIELDS.index("finalized_checkpoint")] = checkpoint
    block: list[bytes | Tree] = [keccak(name.encode()) for name in BLOCK_FIELDS]
    block[0], block[3] = uint64(SLOT), container(fields)
    return container(block)


BLOCK = beacon_block()
LEAVES = (
    (validator_gindex(2, "effective_balance"), WHOLE, 32_000_000_000),
    (concat(state_gindex("validators"), 3), WHOLE, 1),
    (concat(state_gindex("finalized_checkpoint"), 2), WHOLE, 2**20),
    (state_gindex("slot"), WHOLE, 2**24),
    (concat(state_gindex("balances"), 2, VALIDATOR_REGISTRY_LIMIT // 4), 1, 1),
)
VALUES = (EFFECTIVE + 2, 3, FINALISED, SLOT, 11)


def test_indices_are_those_of_the_specification() -> None:
    assert state_gindex("slot") == concat(11, 66) == 706
    assert state_gindex("validators") == concat(11, 64 + 11)
    assert len(STATE_FIELDS) == 37
    assert validator_gindex(0, "effective_balance").bit_length() - 1 == 3 + 6 + 1 + 40 + 3


def test_a_branch_leads_to_the_root_and_a_changed_one_does_not() -> None:
    gindex = LEAVES[0][0]
    leaf, branch = BLOCK.node(gindex), BLOCK.branch(gindex)
    verify_branch(BLOCK.root, gindex, leaf, branch)
    for place in range(len(branch)):
        changed = [*branch]
        changed[place] = keccak(changed[place])
        with pytest.raises(ChainOfProofsBroken):
            verify_branch(BLOCK.root, gindex, leaf, changed)
    for wrong in (gindex ^ 1, gindex + 8, gindex >> 1):
        with pytest.raises(ChainOfProofsBroken):
            verify_branch(BLOCK.root, wrong, leaf, branch)
    with pytest.raises(ChainOfProofsBroken):
        verify_branch(BLOCK.root, gindex, uint64(EFFECTIVE), branch)
    with pytest.raises(DataError):
        verify_branch(BLOCK.root, 0, leaf, branch)
    with pytest.raises(DataError):
        uint64(2**64)


@dataclass(frozen=True)
class Question:
    """What is asked of a source."""

    block: int
    header: bytes
    leaves: tuple[bytes, ...]
    branches: tuple[tuple[bytes, ...], ...]


class Source:
    """A BeaconStakeSource on a chain whose EIP-4788 contract knows the constructed root."""

    def __init__(self, chain: Chain) -> None:
        code = load_artifact("BeaconStakeSource").creation_code
        code += encode(["(uint256,uint8,uint64)[]"], [LEAVES])
        deploy_code(chain, code, action="deploy")
        chain.mine(4)
        self.contract = chain.contract("BeaconStakeSource", predict_address(code))
        self.head = chain.block_number
        node: Any = chain._node
        self._chain, self._headers = node.backend.chain, chain
        number = self.head - 2
        self.timestamp = int(node.w3.eth.get_block(number)["timestamp"])
        self.question = Question(
            number,
            chain.header_rlp(number),
            tuple(BLOCK.node(gindex) for gindex, _, _ in LEAVES),
            tuple(tuple(BLOCK.branch(gindex)) for gindex, _, _ in LEAVES),
        )

    def header(self, number: int) -> bytes:
        """A block's header."""
        return self._headers.header_rlp(number)

    def ask(self, question: Question, root: bytes = BLOCK.root) -> bytes:
        """The source's answer in a state where the root is kept under the block's timestamp."""
        vm = self._chain.get_vm(at_header=self._chain.get_canonical_head())
        roots, place = to_canonical_address(ROOTS), self.timestamp % RING
        vm.state.set_code(roots, ROOTS_CODE)
        vm.state.set_storage(roots, place, self.timestamp)
        vm.state.set_storage(roots, place + RING, int.from_bytes(root, "big"))
        evidence = encode(
            ["(bytes,bytes32[],bytes32[][])"],
            [(question.header, question.leaves, question.branches)],
        )
        data = self.contract.encode_abi("read", args=[question.block, evidence])
        address = to_canonical_address(self.contract.address)
        return send_message(vm, address, bytes.fromhex(data[2:])).output


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with Chain.tester() as chain:
        yield Source(chain)


def test_the_source_reads_single_leaves(source: Source) -> None:
    answer = source.ask(source.question)
    shares, started, updated = decode(["(uint256,uint256)[]", "uint256", "uint256"], answer)
    units = [unit for _, _, unit in LEAVES]
    assert list(shares) == list(zip(VALUES, units, strict=True))
    assert started == updated == source.timestamp


def test_the_source_rejects_every_change(source: Source) -> None:
    honest = source.question
    for place in range(len(LEAVES)):
        leaves = [*honest.leaves]
        leaves[place] = keccak(leaves[place])
        refused(source, replace(honest, leaves=tuple(leaves)), "BranchDiffers(bytes32,bytes32)")
        for step in range(0, len(honest.branches[place]), 5):
            branches = [list(branch) for branch in honest.branches]
            branches[place][step] = keccak(branches[place][step])
            changed = replace(honest, branches=tuple(tuple(b) for b in branches))
            refused(source, changed, "BranchDiffers(bytes32,bytes32)")
    swapped = (honest.leaves[1], honest.leaves[0], *honest.leaves[2:])
    refused(source, replace(honest, leaves=swapped), "BranchDiffers(bytes32,bytes32)")
    short = (honest.branches[0][:-1], *honest.branches[1:])
    refused(source, replace(honest, branches=short), "BranchLength(uint256,uint256)")
    refused(source, replace(honest, leaves=honest.leaves[:-1]), "LeafCount(uint256,uint256)")
    # Another validator's balance, honestly proven, at the place of the first.
    other = validator_gindex(1, "effective_balance")
    foreign = replace(
        honest,
        leaves=(BLOCK.node(other), *honest.leaves[1:]),
        branches=(tuple(BLOCK.branch(other)), *honest.branches[1:]),
    )
    refused(source, foreign, "BranchDiffers(bytes32,bytes32)")


def test_the_source_rejects_another_time(source: Source) -> None:
    honest = source.question
    # The block after: its timestamp has no root.
    later = replace(honest, block=honest.block + 1, header=source.header(honest.block + 1))
    refused(source, later, "RootNotAvailable(uint256)")
    refused(source, replace(honest, block=honest.block + 1), "WrongHeader(uint256)")
    header = bytearray(honest.header)
    header[-1] ^= 1
    refused(source, replace(honest, header=bytes(header)), "WrongHeader(uint256)")
    refused(source, replace(honest, block=source.head), "WindowNotOver(uint256,uint256)")
    with pytest.raises(Reverted) as error:
        source.ask(honest, keccak(b"another root"))
    assert error.value.data[:4] == keccak(text="BranchDiffers(bytes32,bytes32)")[:4]


def refused(source: Source, question: Question, error: str) -> None:
    """The source refuses with this error."""
    with pytest.raises(Reverted) as caught:
        source.ask(question)
    assert caught.value.data[:4] == keccak(text=error)[:4], caught.value.data.hex()
