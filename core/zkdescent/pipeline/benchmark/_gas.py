"""Gas of verifying a proof, by transactions on an in-process chain, in the same ways for both.

Figures are what a receipt says, with the transaction's own cost and its call data. Registering a
circuit's key is done once and not in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from zkdescent.circuits.ezkl_backend.solidity import compile_dedicated_verifier
from zkdescent.circuits.proof_system import Locate, Proof
from zkdescent.circuits.solc import find_compiler
from zkdescent.core.errors import ProofRejected, ProverError, ToolMissing
from zkdescent.core.records import CircuitRecord, CircuitSpecRecord
from zkdescent.verifier import Chain, deploy_code, ensure_deployed, reusable_spec
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.addresses import Addresses
from zkdescent.verifier.evm import encode_verify, encode_verify_honk
from zkdescent.verifier.honk_code import load_verifier
from zkdescent.verifier.plan import honk_spec
from zkdescent.verifier.twins.hashing import circuit_id
from zkdescent.verifier.twins.layout import layout_of
from zkdescent.verifier.twins.specs import circuit_tuple

_DEDICATED = function_signature_to_4byte_selector("verifyProof(bytes,uint256[])")


@dataclass(frozen=True, slots=True)
class EvmProof:
    """What a verifier contract takes; `source` is the circuit's own verifier in Solidity."""

    proof: bytes
    public_values: tuple[int, ...]
    vka: tuple[bytes, ...]
    source: str


@dataclass(frozen=True, slots=True)
class GeneratedGas:
    """Gas of one proof of Barretenberg.

    Attributes:
        verifier: of a call of the circuit's own contract.
        gateway: of Circuits.check, which calls that contract and binds the proof to a context.
    """

    verifier: int
    gateway: int


class GasMeter:
    """Measures verification on a chain of its own.

    Example:
        >>> with Chain.tester() as chain:                       # doctest: +SKIP
        ...     GasMeter(chain).reusable(proof)                 # doctest: +SKIP
        760000
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._addresses: Addresses = ensure_deployed(chain).addresses
        self.has_compiler = _has_compiler()

    def reusable(self, proof: EvmProof) -> int:
        """Gas with the one verifier contract for all circuits, after registering the key.

        Raises:
            ContractRejected, ContractRefused, ProofRejected: the proof is not accepted.
        """
        verifier = self._chain.contract("Halo2VerifierReusable", self._addresses.verifier)
        self._chain.send(verifier.functions.registerVka(list(proof.vka)), action="register key")
        data = encode_verify(proof.proof, proof.public_values, proof.vka)
        return self._verify(self._addresses.verifier, data)

    def dedicated(self, proof: EvmProof) -> int | None:
        """Gas with the verifier generated for the circuit, hardened.

        None without a compiler, or if the verifier is too large for a chain.
        """
        if not self.has_compiler:
            return None
        try:
            compiled = compile_dedicated_verifier(proof.source)
        except ProverError:
            return None
        code = bytes.fromhex(compiled["bytecode"].removeprefix("0x"))
        deploy_code(self._chain, code, action="deploy dedicated verifier")
        arguments = encode(["bytes", "uint256[]"], [proof.proof, list(proof.public_values)])
        return self._verify(predict_address(code), _DEDICATED + arguments)

    def gateway(self, circuit: CircuitRecord, context: int, proof: EvmProof) -> int:
        """Gas of Circuits.check, which also binds the proof to a context; needs `reusable` before.

        Raises:
            ContractRejected, ContractRefused: the proof is not accepted.
        """
        evidence = (proof.proof, list(proof.public_values), list(proof.vka))
        return self._check(reusable_spec(circuit), context, evidence)

    def generated(
        self, circuit: CircuitRecord, locate: Locate, context: int, proof: Proof
    ) -> GeneratedGas:
        """Gas with the verifier that was generated for a circuit of Barretenberg.

        Raises:
            ContractRejected, ContractRefused, ProofRejected: the proof is not accepted.
        """
        code = load_verifier(circuit, lambda name: locate(name).read_bytes())
        deploy_code(self._chain, code.creation_code, action="deploy verifier")
        address = predict_address(code.creation_code)
        layout = layout_of(circuit.backend, circuit.role, circuit.blocks)
        words = layout.split(proof.proof)
        data = encode_verify_honk(proof.proof[layout.front :], words, proof.public_values)
        spec = honk_spec(circuit, address, code.code_hash)
        return GeneratedGas(
            self._verify(address, data),
            self._check(spec, context, (proof.proof, list(proof.public_values), [])),
        )

    def _check(self, spec: CircuitSpecRecord, context: int, evidence: tuple[object, ...]) -> int:
        gateway = self._chain.contract("Circuits", self._addresses.circuits)
        self._chain.send(gateway.functions.register(circuit_tuple(spec)), action="register circuit")
        check = gateway.functions.check(circuit_id(spec), context, evidence)
        return self._chain.send(check, action="check").gas_used

    def _verify(self, verifier: str, data: bytes) -> int:
        """Gas of an accepted proof; a receipt alone would not tell it from a returned `false`."""
        answer = self._chain.call_data(verifier, data, action="verify")
        if int.from_bytes(answer[:32], "big") != 1:
            raise ProofRejected("the verifier contract does not accept the proof", path=verifier)
        return self._chain.send_data(verifier, data, action="verify").gas_used


def _has_compiler() -> bool:
    try:
        find_compiler()
    except ToolMissing:
        return False
    return True
