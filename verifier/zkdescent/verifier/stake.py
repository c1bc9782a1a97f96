"""For those who attest to StakeRegistry.sol: duties known ahead, votes signed, aggregates.

An epoch's duties follow from the hash of the block before it, so a validator knows where it sits
before anybody has opened the epoch. Seats, committees and blocks are the contract's own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from zkdescent.core.errors import DataError
from zkdescent.core.records import Record
from zkdescent.verifier.twins.shuffle import permute

SEED_DOMAIN = keccak(text="zkdescent.stake.seed.v1")
ATTESTATION_DOMAIN = keccak(text="zkdescent.stake.attestation.v1")
SIGNATURE_BYTES = 64

AggregateTuple = tuple[int, int, bytes]
"""The struct Aggregate: committee, bits of its members, their signatures."""


@dataclass(frozen=True, slots=True)
class StakeParameters(Record):
    """The live parameters (struct StakeParameters): gwei for an increment, seats, blocks."""

    base_reward: int
    committee_size: int
    attestation_deadline: int


@dataclass(frozen=True, slots=True)
class RegistryTerms(Record):
    """What a registry is deployed with, and where it is."""

    address: str
    chain_id: int
    genesis_block: int
    epoch_blocks: int

    def start_of(self, epoch: int) -> int:
        """Return the first block of an epoch; epochs are 1, 2, ..."""
        return self.genesis_block + (epoch - 1) * self.epoch_blocks

    def seed(self, epoch: int, block_hash: bytes) -> bytes:
        """Return the seed of an epoch from the hash of the block before it."""
        words = [SEED_DOMAIN, self.chain_id, self.address, epoch, block_hash]
        return keccak(encode(["bytes32", "uint256", "address", "uint256", "bytes32"], words))

    def digest(self, epoch: int, block_hash: bytes) -> bytes:
        """Return what is signed at a duty: EIP-191 version 0 over the block before the duty's."""
        words = [ATTESTATION_DOMAIN, self.chain_id, epoch, block_hash]
        data = keccak(encode(["bytes32", "uint256", "uint256", "bytes32"], words))
        return keccak(b"\x19\x00" + to_canonical_address(self.address) + data)


@dataclass(frozen=True, slots=True)
class Duty:
    """Where a seat sits in an epoch: committee, place in it, and its duty block."""

    committee: int
    member: int
    block: int


def duties(
    terms: RegistryTerms, epoch: int, seed: bytes, seats: int, parameters: StakeParameters
) -> dict[int, Duty]:
    """Return the duty of every seat in an epoch: the twin of memberAt and dutyBlock.

    Raises:
        DataError: there are no seats, or the parameters can't be run.
    """
    size, deadline = parameters.committee_size, parameters.attestation_deadline
    if seats < 1 or size < 1 or not 0 < deadline < terms.epoch_blocks:
        raise DataError("no such epoch", expected="seats and a deadline within it", got=parameters)
    committees = -(-seats // size)
    span = terms.epoch_blocks - deadline
    found = {}
    for position in range(seats):
        committee, member = divmod(position, size)
        block = terms.start_of(epoch) + committee * span // committees
        found[permute(seed, epoch, position, seats)] = Duty(committee, member, block)
    return found


def sign_vote(key: PrivateKey, digest: bytes) -> bytes:
    """Return a signature in 64 bytes (EIP-2098)."""
    signature = key.sign_msg_hash(digest)
    parity_and_s = int(signature.v) << 255 | int(signature.s)
    return int(signature.r).to_bytes(32, "big") + parity_and_s.to_bytes(32, "big")


def aggregate(committee: int, votes: Mapping[int, bytes]) -> AggregateTuple:
    """Return the struct Aggregate of a committee's votes, by member.

    Raises:
        DataError: a signature has another length, or there is none.
    """
    wrong = [member for member, vote in votes.items() if len(vote) != SIGNATURE_BYTES]
    if wrong or not votes:
        raise DataError("votes of a committee", expected="64 bytes each, one or more", got=wrong)
    bits = sum(1 << member for member in votes)
    return committee, bits, b"".join(votes[member] for member in sorted(votes))


def aggregates(votes: Sequence[tuple[Duty, bytes]]) -> list[AggregateTuple]:
    """Return the aggregates of votes from any committees, by committee."""
    found: dict[int, dict[int, bytes]] = {}
    for duty, vote in votes:
        found.setdefault(duty.committee, {})[duty.member] = vote
    return [aggregate(committee, found[committee]) for committee in sorted(found)]
