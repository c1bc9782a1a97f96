"""One chain of validators, played on StakeRegistry block by block.

Whatever behaviour decides, the contract's state is driven by what validators sign or send: votes
signed by the validators' own keys, which a keeper brings in, one call for each block, and for some
seats the validators' own transactions. Deposits, exits and claims are transactions of their owners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError
from zkdescent.pipeline.staking.blocks import BlockMaker
from zkdescent.verifier import Chain, deploy_code
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.stake import (
    Duty,
    RegistryTerms,
    StakeParameters,
    aggregates,
    duties,
    sign_vote,
)

ETHER = 10**18
_ALLOWANCE = ETHER // 4  # what a validator has for its own transactions
_CHANGING_STAKES = 3  # what those have who add, leave and come back
_BATCH = 16


class Behaviour(Protocol):
    """What the validators of an arm do: who sends, and when it arrives."""

    def decide(self, epoch: int, parameters: StakeParameters) -> tuple[Any, Any]:
        """Return who sends (n,) bool and blocks from duty to arrival (n,) int."""


@dataclass(frozen=True)
class Setting:
    """How an arm's chain is set up: seats, stake of each in ether, whose stake changes."""

    initial: StakeParameters
    validators: int
    stake: int
    epoch_blocks: int
    changing: frozenset[int] = frozenset()
    own_transactions: int = 2
    churn_limit: int = 4
    withdrawal_delay: int = 4
    pot: int = 200


@dataclass
class EpochRecord:
    """What an epoch came to, as the contract tells it, and who attested in time (n,) bool."""

    epoch: int
    parameters: StakeParameters
    active: int
    attesting: int
    late: int
    gas: int
    calls: int
    timely: Any

    @property
    def participation(self) -> float:
        """Share of the active stake that attested in time."""
        return self.attesting / self.active


@dataclass
class Arena:
    """A registry with its validators; :meth:`play` leads it through epochs."""

    chain: Chain
    setting: Setting
    name: str
    terms: RegistryTerms
    accounts: list[LocalAccount]
    records: list[EpochRecord] = field(default_factory=list)
    hashes: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = [PrivateKey(bytes(account.key)) for account in self.accounts]
        self.registry = self.chain.contract("StakeRegistry", self.terms.address)
        self._entries: dict[int, Any] = {}  # of changing seats, as they are since their last call

    @classmethod
    def found(cls, chain: Chain, setting: Setting, name: str, *, fund: int = 0) -> Arena:
        """Deploy a registry whose genesis is near, with the acting account as its binder.

        Args:
            name: decides the validators' keys, so arms on one chain have validators of their own.
            fund: blocks to leave before genesis, beside those that deposits take.
        """
        genesis = chain.block_number + 8 + 2 * (setting.validators // _BATCH) + fund
        initial = setting.initial
        arguments = [
            (initial.base_reward, initial.committee_size, initial.attestation_deadline),
            chain.address, genesis, setting.epoch_blocks, setting.churn_limit,
            setting.withdrawal_delay,
        ]  # fmt: skip
        types = ["(uint32,uint16,uint16)", "address", *["uint256"] * 4]
        code = load_artifact("StakeRegistry").creation_code + encode(types, arguments)
        deploy_code(chain, code, action="deploy StakeRegistry")
        terms = RegistryTerms(predict_address(code), chain.chain_id, genesis, setting.epoch_blocks)
        accounts = [
            Account.from_key(keccak(text=f"zkdescent stake {name} {index}"))
            for index in range(setting.validators)
        ]
        return cls(chain, setting, name, terms, accounts)

    def populate(self, blocks: BlockMaker) -> None:
        """Fill the pot, give every validator its ether, and deposit for all; up to genesis."""
        call, setting = self.encode, self.setting
        keeper = self.chain.account
        blocks.put(keeper, self.terms.address, call("fund"), value=setting.pot * ETHER)
        for index, account in enumerate(self.accounts):
            stakes = _CHANGING_STAKES if index in setting.changing else 1
            value = stakes * setting.stake * ETHER + _ALLOWANCE
            blocks.put(keeper, str(account.address), b"", value=value)
            if index % _BATCH == _BATCH - 1:
                self._mine(blocks)
        self._mine(blocks)
        for start in range(0, len(self.accounts), _BATCH):
            for account in self.accounts[start : start + _BATCH]:
                blocks.put(
                    account, self.terms.address, call("deposit"), value=setting.stake * ETHER
                )
            self._mine(blocks)
        while blocks.number < self.terms.genesis_block - 1:
            self._mine(blocks)
        for index in range(len(self.accounts)):
            seat = self.chain.call(self.registry.functions.seatOf(self.accounts[index].address))
            if seat != index:
                raise ChainError("validators sit elsewhere", expected=index, got=seat)

    def play(
        self,
        blocks: BlockMaker,
        behaviour: Behaviour,
        epoch: int,
        parameters: StakeParameters,
        *,
        extra: Sequence[tuple[int, bytes, int]] = (),
        between: Callable[[], None] | None = None,
    ) -> EpochRecord:
        """Play one epoch, its first block next.

        Args:
            parameters: what the registry will open the epoch with.
            extra: transactions of validators in its second block: index, call data, wei.
            between: called after the first block, before the second is put together.
        """
        seats = len(self.accounts)
        seed = self.terms.seed(epoch, self.hashes[blocks.number])
        where = duties(self.terms, epoch, seed, seats, parameters)
        sends, arrival = behaviour.decide(epoch, parameters)
        due: dict[int, list[int]] = {}
        end = self.terms.start_of(epoch + 1) - 1
        idle = self._idle(epoch)
        for seat in np.flatnonzero(sends):
            if int(seat) in idle:
                continue
            block = where[int(seat)].block + int(arrival[seat])
            if block <= end:
                due.setdefault(block, []).append(int(seat))
        first = blocks.number + 1
        for number in range(first, end + 1):
            if number == first + 1:
                if between is not None:
                    between()
                for index, data, value in extra:
                    blocks.put(self.accounts[index], self.terms.address, data, value=value)
                    self._entries.pop(index, None)
            self._attest(blocks, epoch, where, due.get(number, []))
            if number == first and number not in due:
                blocks.put(self.chain.account, self.terms.address, self.encode("open"))
            self._mine(blocks)
        record = self._record(epoch, parameters, seats)
        self.records.append(record)
        return record

    def _idle(self, epoch: int) -> set[int]:
        """Seats without a duty in the epoch: of those who left, or have not come back yet."""
        idle = set()
        for seat in self.setting.changing:
            if seat not in self._entries:
                self._entries[seat] = self.chain.call(self.registry.functions.validator(seat))
            v = self._entries[seat]
            changed = v.changeEpoch != 0 and epoch >= v.changeEpoch
            if (v.nextIncrements if changed else v.increments) == 0:
                idle.add(seat)
        return idle

    def _attest(
        self, blocks: BlockMaker, epoch: int, where: dict[int, Duty], seats: list[int]
    ) -> None:
        own = [seat for seat in seats if seat < self.setting.own_transactions]
        votes = []
        for seat in seats:
            if seat in own:
                continue
            digest = self.terms.digest(epoch, self.hashes[where[seat].block - 1])
            votes.append((where[seat], sign_vote(self._keys[seat], digest)))
        if votes:
            data = self.encode("attest", epoch, aggregates(votes))
            blocks.put(self.chain.account, self.terms.address, data)
        for seat in own:
            data = self.encode("attestOwn", epoch, where[seat].committee, where[seat].member)
            blocks.put(self.accounts[seat], self.terms.address, data)

    def _mine(self, blocks: BlockMaker) -> None:
        block_hash = blocks.mine()
        self.hashes[blocks.number] = block_hash

    def encode(self, name: str, *arguments: object) -> bytes:
        """Return the call data of a function of the registry."""
        data = self.registry.encode_abi(name, args=list(arguments))
        return bytes.fromhex(data.removeprefix("0x"))

    def _record(self, epoch: int, expected: StakeParameters, seats: int) -> EpochRecord:
        said = self.chain.call(self.registry.functions.summary(epoch))
        live = StakeParameters(*said.parameters)
        if live != expected or said.seats != seats:
            raise ChainError("the epoch opened otherwise", expected=expected, got=live)
        words = [
            self.chain.call(self.registry.functions.attendance(epoch, word)).timely
            for word in range(-(-seats // 256))
        ]
        timely = np.array([bool(words[seat >> 8] >> (seat & 255) & 1) for seat in range(seats)])
        return EpochRecord(
            epoch, live, said.activeIncrements, said.attestingIncrements, said.lateValidators,
            said.gas, said.calls, timely,
        )  # fmt: skip
