"""Send a transaction so that it is mined once, whatever happens in between.

What can happen, and what is done about it:

- *the process is killed*: the entry is in the outbox before the bytes leave; the next process
  broadcasts the same bytes again, or finds them mined (:mod:`._outbox`);
- *the transaction is stuck*: after ``replace_after_s`` the same call goes out under the same
  nonce with fees 12.5 % higher or more; at most one of the two can be mined;
- *gas is dear*: above ``max_fee_gwei`` nothing is offered. It waits, says so, and after
  ``patience_s`` stops with the price;
- *the node forgets it*: the same bytes again;
- *the chain is reorganised*: :meth:`Sender.confirm` waits until everything is ``confirmations``
  blocks deep, sends again what fell out, and tells if something can't come back;
- *somebody took the nonce* (a wallet with the same key): another look, another nonce.

Transactions are sent one at a time, so that each is estimated on the state that it will meet. One
that would take more than EIP-7825's 16,777,216 gas is refused before it is signed.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound
from web3.types import TxReceipt

from zkdescent.core.errors import ChainError
from zkdescent.verifier._fees import Fees, bumped, gwei
from zkdescent.verifier._outbox import Entry, Outbox
from zkdescent.verifier._refusals import GasCapExceeded, refusal_of
from zkdescent.verifier._waiting import Notice, SendPolicy, Waiting

if TYPE_CHECKING:
    from zkdescent.verifier._http import HttpNode

GAS_CAP = 16_777_216  # EIP-7825
_GAS_MARGIN = 1.25  # estimates are made on an older state; a proof's cost varies by under 1%
_ATTEMPTS = 5
_LATE_POLLS, _LATE_S = 10, 1.0  # how long a receipt may be missing after its nonce is spent
_ASK_EVERY = 4  # polls between two questions whether the node still knows the transaction


class Sender:
    """Sends an account's transactions over one node; see the module."""

    def __init__(
        self,
        node: HttpNode,
        account: LocalAccount,
        policy: SendPolicy,
        outbox: Outbox,
        notice: Notice,
    ) -> None:
        self.policy = policy
        self._node, self._account = node, account
        self._outbox, self._notice = outbox, notice
        self._wait = Waiting(policy, node, notice)
        self._made: dict[int, tuple[HexBytes, HexBytes]] = {}

    def send(self, to: str, data: bytes, action: str, value: int = 0) -> TxReceipt:
        """Send a call with ``value`` wei, and return its receipt once it is mined.

        What an earlier process left is brought to its end first.

        Raises:
            web3's ContractLogicError: it would revert; nothing was sent.
            GasCapExceeded, GasPriceTooHigh, ChainError: see the module.
        """
        with self._outbox.hold():
            self._resume()
            self._prune()
            for _ in range(_ATTEMPTS):
                nonce = self._free_nonce(action)
                try:
                    gas = self.gas(to, data, action, value)
                except Exception as error:
                    if refusal_of(error) == "revert" and self._fell_out():
                        self._resume()  # it was refused on a state that lacks what came before it
                        continue
                    raise
                offer = self._wait.for_price(action)
                entry = Entry(action, nonce, to_checksum_address(to), data, gas, (offer,), value)
                receipt = self._land(entry)
                if receipt is not None:
                    return receipt
            raise ChainError(
                f"{action}: another program keeps using this account's nonces",
                got=self._account.address,
                hint="let one program at a time send from it, or use an account of its own",
            )

    def confirm(self) -> bool:
        """Wait until all that was sent is deep enough; send again what a reorganisation removed.

        Returns:
            False if something can't come back as it was: read the chain, and send what it lacks.
        """
        whole, started = True, time.monotonic()
        with self._outbox.hold():
            while self._outbox.entries:
                entry = self._outbox.entries[0]
                receipt = self._receipt(entry)
                if receipt is None:
                    self._notice(f"{entry.action}: no longer on the chain, sending it again")
                    whole = self._again(entry) and whole
                elif receipt["status"] != 1:
                    self._outbox.drop(entry.nonce)
                    whole = False
                elif self._depth(receipt) >= self.policy.depth:
                    self._outbox.drop(entry.nonce)
                else:
                    self._wait.pause(started, f"{entry.action}: not confirmed in time")
        return whole

    def gas(self, to: str, data: bytes, action: str, value: int = 0) -> int:
        """Return the gas limit for a call: its estimate, and a margin."""
        return min(int(self.estimate(to, data, action, value) * _GAS_MARGIN), GAS_CAP)

    def estimate(self, to: str, data: bytes, action: str, value: int = 0) -> int:
        """Return the gas of a call on the newest state.

        Raises:
            web3's ContractLogicError: it would revert.
            GasCapExceeded: it needs more than a transaction may use.
        """
        transaction: Any = {
            "from": self._account.address, "to": to_checksum_address(to), "data": data,
            "value": value,
        }  # fmt: skip
        try:
            estimate = int(self._node.w3.eth.estimate_gas(transaction))
        except Exception as error:
            if refusal_of(error) == "gas":
                raise GasCapExceeded(action, "more than the node simulates") from error
            raise
        if estimate > GAS_CAP:
            raise GasCapExceeded(action, estimate)
        return estimate

    # one transaction

    def _land(self, entry: Entry) -> TxReceipt | None:
        """Have an entry mined; None if its nonce went to something else."""
        policy, started = self.policy, time.monotonic()
        self._outbox.put(entry)
        accepted = self._broadcast(entry)
        offered, polls = time.monotonic(), 0
        while True:
            receipt = self._receipt(entry)
            if receipt is None and self._mined() > entry.nonce:
                receipt = self._late_receipt(entry)
                if receipt is None:
                    self._outbox.drop(entry.nonce)
                    return None
            if receipt is not None:
                if policy.depth <= 1:
                    self._outbox.drop(entry.nonce)
                return receipt
            polls += 1
            if not accepted or time.monotonic() - offered > policy.replace_after_s:
                entry = self._offer_more(entry)
                accepted, offered = self._broadcast(entry), time.monotonic()
            elif polls % _ASK_EVERY == 0:
                for earlier in self._fell_out():
                    if earlier.nonce < entry.nonce:
                        self._notice(f"{earlier.action}: no longer on the chain, sending it again")
                        self._broadcast(earlier)
                if not self._known(entry):
                    accepted = self._broadcast(entry)
            self._wait.pause(started, f"{entry.action}: not mined in time", entry.offers[-1])

    def _offer_more(self, entry: Entry) -> Entry:
        market, offer = self._node.market(), entry.offers[-1]
        more = bumped(offer, market, self.policy.cap)
        if more is None:
            self._wait.say(
                f"{entry.action}: stuck at {gwei(offer.max_fee)} gwei, gas costs "
                f"{gwei(market.price)}, and max_fee_gwei = {self.policy.max_fee_gwei} "
                "allows no better offer: waiting"
            )
            return entry
        self._notice(
            f"{entry.action}: not mined, replacing it (nonce {entry.nonce}) at "
            f"{gwei(more.max_fee)} gwei instead of {gwei(offer.max_fee)}"
        )
        raised = replace(entry, offers=(*entry.offers, more))
        self._outbox.put(raised)
        return raised

    def _broadcast(self, entry: Entry) -> bool:
        """Give the newest offer to the node; False if it wants higher fees for it."""
        try:
            self._node.w3.eth.send_raw_transaction(self._signed(entry, entry.offers[-1])[1])
        except Exception as error:
            refused = refusal_of(error)
            if refused in ("known", "nonce", "silence"):  # silence: it may have arrived
                return True
            if refused == "fees":
                return False
            self._outbox.drop(entry.nonce)
            if refused == "funds":
                raise self._poor(entry) from error
            raise
        return True

    def _signed(self, entry: Entry, offer: Fees) -> tuple[HexBytes, HexBytes]:
        """Hash and bytes of an offer; the same each time."""
        key = hash((entry.nonce, entry.to, entry.data, entry.gas, entry.value, offer))
        if key not in self._made:
            fields: dict[str, Any] = {
                "type": 2, "chainId": self._node.chain_id, "to": entry.to,
                "value": entry.value,
                "data": entry.data, "nonce": entry.nonce, "gas": entry.gas,
                "maxFeePerGas": offer.max_fee, "maxPriorityFeePerGas": offer.tip,
            }  # fmt: skip
            signed = self._account.sign_transaction(fields)
            self._made[key] = (signed.hash, signed.raw_transaction)
        return self._made[key]

    # what earlier processes left

    def _resume(self) -> None:
        """Finish what is not mined: its bytes may be on their way, or never have left."""
        for entry in self._outbox.entries:
            if self._receipt(entry) is None:
                if not self._known(entry):
                    self._notice(f"continuing with {entry.action}, nonce {entry.nonce}")
                self._again(entry)

    def _fell_out(self) -> list[Entry]:
        """What was sent, and is neither on the chain nor on its way."""
        return [e for e in self._outbox.entries if self._receipt(e) is None and not self._known(e)]

    def _again(self, entry: Entry) -> bool:
        """Send an entry once more as it was; False if it can't be, or would fail."""
        possible = self._mined() == entry.nonce
        if possible and not self._known(entry):
            try:
                self.gas(entry.to, entry.data, entry.action, entry.value)
            except Exception as error:
                if refusal_of(error) == "silence":
                    raise
                possible = False
        if not possible:
            receipt = self._late_receipt(entry) if self._mined() > entry.nonce else None
            self._outbox.drop(entry.nonce)
            return receipt is not None
        receipt = self._land(entry)
        return receipt is not None and receipt["status"] == 1

    def _prune(self) -> None:
        """Forget what is deep enough, so that the outbox stays short."""
        for entry in self._outbox.entries:
            receipt = self._receipt(entry)
            if receipt is None or self._depth(receipt) < self.policy.depth:
                return
            self._outbox.drop(entry.nonce)

    def _free_nonce(self, action: str) -> int:
        """The next nonce, when no transaction of this account is on its way."""
        started = time.monotonic()
        while True:
            mined = self._mined()
            pending = int(self._node.w3.eth.get_transaction_count(self._account.address, "pending"))
            if pending <= mined:
                return mined
            self._wait.say(
                f"{action}: waits for an earlier transaction of this account, nonce {mined}"
            )
            self._wait.pause(started, f"{action}: an earlier transaction is not mined")

    # questions to the node

    def _mined(self) -> int:
        return int(self._node.w3.eth.get_transaction_count(self._account.address, "latest"))

    def _depth(self, receipt: TxReceipt) -> int:
        return int(self._node.w3.eth.block_number) - int(receipt["blockNumber"]) + 1

    def _known(self, entry: Entry) -> bool:
        hash_ = self._signed(entry, entry.offers[-1])[0]
        return self._node.rpc("eth_getTransactionByHash", "0x" + bytes(hash_).hex()) is not None

    def _receipt(self, entry: Entry) -> TxReceipt | None:
        """The receipt of whichever offer was mined."""
        for offer in reversed(entry.offers):
            try:
                return self._node.w3.eth.get_transaction_receipt(self._signed(entry, offer)[0])
            except TransactionNotFound:
                continue
        return None

    def _late_receipt(self, entry: Entry) -> TxReceipt | None:
        """The receipt of an entry whose nonce is spent; None if something else spent it.

        A node counts a nonce before it has the block's receipts, and a balancer may ask two nodes:
        who gave up at once would take his own transaction for somebody else's.
        """
        until = time.monotonic() + max(_LATE_S, _LATE_POLLS * self.policy.poll_s)
        while (receipt := self._receipt(entry)) is None and time.monotonic() < until:
            time.sleep(self.policy.poll_s)
        return receipt

    def _poor(self, entry: Entry) -> ChainError:
        worst = entry.gas * entry.offers[-1].max_fee + entry.value
        balance = int(self._node.w3.eth.get_balance(self._account.address))
        return ChainError(
            f"{entry.action}: the account can't pay for this",
            expected=f"{worst / 10**18:.6f} ether",
            got=f"{balance / 10**18:.6f} ether at {self._account.address}",
            hint="send ether to the account, or lower max_fee_gwei, which bounds what is put aside",
        )
