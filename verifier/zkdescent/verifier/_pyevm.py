"""The in-process EVM: one Prague chain class and one way to send a message into it.

py-evm gives both the ``tester`` chain and the EVM that runs verifiers off-chain. A message is
applied directly, without a transaction around it: no balance, nonce, intrinsic gas or access
list is involved, so reads are as cheap as they can be and revert data comes back whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth.chains.base import MiningChain
from eth.constants import (
    BLANK_ROOT_HASH,
    POST_MERGE_DIFFICULTY,
    POST_MERGE_MIX_HASH,
    POST_MERGE_NONCE,
    ZERO_ADDRESS,
)
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.exceptions import Revert
from eth.vm.chain_context import ChainContext
from eth.vm.forks.prague import PragueVM
from eth.vm.message import Message
from eth_utils.address import to_canonical_address

from zkdescent.verifier._create2 import FACTORY, FACTORY_CODE, factory_call, predict_address
from zkdescent.verifier._reverts import Reverted

LOCAL_CHAIN_ID = 31337
BLOCK_GAS_LIMIT = 60_000_000
MESSAGE_GAS = 16_777_216  # what one transaction may use (EIP-7825); a proof takes about a million
_GENESIS_TIME = 1_700_000_000


@dataclass(frozen=True, slots=True)
class MessageResult:
    """What a message returned and how much gas its execution took (no intrinsic gas)."""

    output: bytes
    gas_used: int


class PragueChain(MiningChain):  # type: ignore[misc]
    """A single-process chain with Prague rules, constant gas limit and atomic failures."""

    chain_id = LOCAL_CHAIN_ID
    vm_configuration = ((0, PragueVM),)

    def create_header_from_parent(self, parent_header: Any, **header_params: Any) -> Any:
        """Extend the parent, keeping the gas limit where py-evm would let it drift."""
        params = {**header_params, "gas_limit": parent_header.gas_limit}
        return super().create_header_from_parent(parent_header, **params)

    def apply_transaction(self, transaction: Any) -> Any:
        """Apply a transaction to the pending block, or raise and leave the block as it was.

        A public node refuses a transaction that reverts in simulation before it costs anything.
        Here the one execution is also the simulation: proofs take a second each.
        """
        vm = self.get_vm(self.header)
        receipt, computation = vm.apply_transaction(vm.get_block().header, transaction)
        if computation.is_error:
            raise reverted(computation)
        return self._include(vm, transaction, receipt), receipt, computation

    def _include(self, vm: Any, transaction: Any, receipt: Any) -> Any:
        """Append an executed transaction to the pending block (py-evm's MiningChain does both)."""
        base = vm.get_block()
        header = vm.add_receipt_to_header(base.header, receipt)
        vm.state.persist()
        block = vm.set_block_transactions_and_withdrawals(
            base,
            header.copy(state_root=vm.state.state_root),
            (*base.transactions, transaction),
            (*base.get_receipts(self.chaindb), receipt),
        )
        self.header = block.header
        return block


def genesis_chain(
    store: dict[bytes, bytes], accounts: dict[bytes, dict[str, Any]], *, timestamp: int
) -> PragueChain:
    """Create a chain in ``store`` with these accounts and the CREATE2 factory in its genesis."""
    factory = {"balance": 0, "nonce": 1, "code": FACTORY_CODE, "storage": {}}
    params = {
        "coinbase": ZERO_ADDRESS,
        "difficulty": POST_MERGE_DIFFICULTY,
        "extra_data": b"",
        "gas_limit": BLOCK_GAS_LIMIT,
        "mix_hash": POST_MERGE_MIX_HASH,
        "nonce": POST_MERGE_NONCE,
        "receipt_root": BLANK_ROOT_HASH,
        "timestamp": timestamp,
        "transaction_root": BLANK_ROOT_HASH,
    }
    state = {**accounts, to_canonical_address(FACTORY): factory}
    chain: PragueChain = PragueChain.from_genesis(AtomicDB(MemoryDB(store)), params, state)
    return chain


def open_chain(store: dict[bytes, bytes]) -> PragueChain:
    """Continue the chain whose whole database is ``store``."""
    return PragueChain(AtomicDB(MemoryDB(store)))


def reverted(computation: Any) -> Reverted:
    """Return the failure of an EVM computation, with its revert data if it has any."""
    error = computation.error
    if isinstance(error, Revert):
        return Reverted(bytes(computation.output))
    return Reverted(b"", halted=f"{type(error).__name__}: {error}")


def send_message(
    vm: Any, to: bytes, data: bytes, *, sender: bytes = ZERO_ADDRESS, gas: int = MESSAGE_GAS
) -> MessageResult:
    """Apply a message to the VM's state; a successful one keeps its writes in that state.

    Raises:
        Reverted: the message reverted or halted; the state is as before.
    """
    message = Message(gas=gas, to=to, sender=sender, value=0, data=data, code=vm.state.get_code(to))
    context = vm.state.get_transaction_context_class()(gas_price=0, origin=sender)
    computation = vm.state.computation_class.apply_message(vm.state, message, context)
    if computation.is_error:
        raise reverted(computation)
    return MessageResult(bytes(computation.output), computation.get_gas_used())


class Sandbox:
    """A private EVM without accounts, blocks or a clock: deploy code, send messages.

    >>> Sandbox().code("0x4e59b44847b379578588920cA78FbF26c0B4956C") == FACTORY_CODE
    True
    """

    def __init__(self, vm_class: type[PragueVM] = PragueVM) -> None:
        chain = genesis_chain({}, {}, timestamp=_GENESIS_TIME)
        self._vm = vm_class(
            header=chain.ensure_header(None),
            chaindb=chain.chaindb,
            chain_context=ChainContext(chain.chain_id),
            consensus_context=chain.consensus_context,
        )

    def deploy(self, init_code: bytes) -> str:
        """Deploy through the CREATE2 factory; returns the address.

        Raises:
            Reverted: the constructor reverted.
        """
        self.send(FACTORY, factory_call(init_code))
        return predict_address(init_code)

    def send(self, to: str, data: bytes, *, sender: bytes = ZERO_ADDRESS) -> MessageResult:
        """Send a message; raises Reverted if it fails."""
        return send_message(self._vm, to_canonical_address(to), data, sender=sender)

    def code(self, address: str) -> bytes:
        """Return the runtime code at an address."""
        return bytes(self._vm.state.get_code(to_canonical_address(address)))
