"""Client of Circuits.sol: register circuits, and the verifying keys they use."""

from __future__ import annotations

from enum import IntEnum

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract import Contract

from zkdescent.core.errors import ChainError
from zkdescent.core.records import CircuitRecord, Circuits, CircuitSpecRecord, CircuitSpecs
from zkdescent.verifier.actions import Action, done, ensure
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.twins.hashing import circuit_id
from zkdescent.verifier.twins.specs import circuit_tuple

_REGISTERED_VKAS_SLOT = 0


class CircuitStatus(IntEnum):
    """State of a circuit, or of one account's registration of it (enum CircuitStatus)."""

    UNKNOWN = 0
    LIVE = 1
    RETIRED = 2


class GatewayClient:
    """Registers circuits with the gateway that every proof goes through."""

    def __init__(self, chain: Chain, addresses: Addresses | None = None) -> None:
        self._chain = chain
        self.addresses = addresses or predicted_addresses()

    @property
    def contract(self) -> Contract:
        """The Circuits contract."""
        return self._chain.contract("Circuits", self.addresses.circuits)

    def status(self, circuit: bytes) -> CircuitStatus:
        """Return whether proofs of a circuit (32-byte id) are accepted."""
        return CircuitStatus(self._chain.call(self.contract.functions.statusOf(circuit)))

    def register(self, circuits: Circuits, specs: CircuitSpecs) -> tuple[Action, ...]:
        """Register the circuits, and the keys of those that use the reusable verifier.

        Registers in the own name also where somebody else has done so: a circuit is retired
        only when all its registrants have retired it.

        Raises:
            ContractRejected: the verifier is not the one the registration names.
            ContractRefused: the registration is impossible, or this account retired the circuit.
        """
        actions = []
        for circuit, spec in zip(circuits.present(), specs.present(), strict=True):
            if spec.prover == "ezkl-reusable":
                actions.append(self._register_vka(circuit, spec))
            actions.append(self._register(spec))
        return tuple(actions)

    def retire(self, circuit: bytes) -> Action:
        """Withdraw this account's registration, for good."""
        function = self.contract.functions.retire(circuit)
        return done("retire circuit", self._chain.send(function, action="retire circuit"))

    def _register(self, spec: CircuitSpecRecord) -> Action:
        name, id_ = f"register {spec.role} circuit", circuit_id(spec)
        mine = self.contract.functions.registrationOf(id_, self._chain.address)
        return ensure(
            self._chain,
            name,
            lambda: bool(self._chain.call(mine) == CircuitStatus.LIVE),
            lambda: self.contract.functions.register(circuit_tuple(spec)),
        )

    def _register_vka(self, circuit: CircuitRecord, spec: CircuitSpecRecord) -> Action:
        name = f"register {spec.role} verifying key"
        if keccak(b"".join(circuit.vka)) != spec.vka_digest:
            raise ChainError(
                f"{name}: the words are not those of the registration",
                expected=spec.vka_digest,
                got=keccak(b"".join(circuit.vka)),
            )
        # The generated verifier has no getter for its mapping, so the storage slot is read:
        # keccak256(key ++ slot number), Solidity's layout of mappings.
        place = keccak(encode(["bytes32", "uint256"], [spec.vka_digest, _REGISTERED_VKAS_SLOT]))
        slot = int.from_bytes(place, "big")
        verifier = self._chain.contract("Halo2VerifierReusable", spec.verifier)
        return ensure(
            self._chain,
            name,
            lambda: any(self._chain.storage(spec.verifier, slot)),
            lambda: verifier.functions.registerVka(list(circuit.vka)),
        )
