"""Verify proofs off-chain exactly as the chain does: by running the verifier's own bytecode.

No prover is needed and no second implementation has to agree with the first: the hardened
reusable verifier that ships with the package runs in an in-process EVM. One proof takes a second
or two, most of it the pairing in pure Python (measured, 2-core machine).
"""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.crypto import keccak

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import CircuitRecord, ProofRecord
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted, decode_revert
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.twins.fixed import check_field

_REGISTER = function_signature_to_4byte_selector("registerVka(bytes32[])")
_VERIFY = function_signature_to_4byte_selector("verifyProof(bytes,uint256[],bytes32[])")
_VERIFY_TYPES = ["bytes", "uint256[]", "bytes32[]"]


def encode_verify(proof: bytes, public_values: tuple[int, ...], vka: tuple[bytes, ...]) -> bytes:
    """Return the canonical call data of the reusable verifier's verifyProof."""
    return _VERIFY + encode(_VERIFY_TYPES, [proof, list(public_values), list(vka)])


class EvmProofVerifier:
    """Checks proofs with the reusable verifier in a private EVM; keeps it between proofs."""

    def __init__(self) -> None:
        self._sandbox = Sandbox()
        self._address = self._sandbox.deploy(load_artifact("Halo2VerifierReusable").creation_code)
        self._registered: set[bytes] = set()

    def __call__(self, circuit: CircuitRecord, proof: ProofRecord) -> None:
        """Same as :meth:`verify`, so that the object is a ``verify_proof`` for the auditor."""
        self.verify(circuit, proof)

    def verify(self, circuit: CircuitRecord, proof: ProofRecord) -> None:
        """Return if the proof verifies against the circuit's verifying-key artefact.

        Promises what Circuits.sol promises: the exact proof length and number of public values,
        canonical public values, the pinned key, and a successful verification. It says nothing
        about *which* tensors the proof speaks of: that is the auditor's part.

        Raises:
            ProofRejected: one of these does not hold; ``path`` names the proof.
        """
        where = f"{proof.role} proof {proof.index}"
        _check_shape(circuit, proof, where)
        self._register(circuit.vka, circuit.vka_digest)
        data = encode_verify(proof.proof, proof.public_values, circuit.vka)
        try:
            output = self._sandbox.send(self._address, data).output
        except Reverted as error:
            name, _ = decode_revert(error.data)
            raise ProofRejected(
                "the verifier contract rejects the proof",
                got=name or error.halted or "revert without data",
                path=where,
                hint="the proof, a public value or the key was changed; prove again",
            ) from error
        # The generated ABI declares the return data wrongly; the first two words are right.
        success, digest = output[:32], output[32:64]
        if int.from_bytes(success, "big") != 1 or digest != circuit.vka_digest:
            raise ProofRejected(
                "the verifier contract does not accept the proof for this key",
                expected=circuit.vka_digest,
                got=digest,
                path=where,
            )

    def _register(self, vka: tuple[bytes, ...], digest: bytes) -> None:
        if digest not in self._registered:
            self._sandbox.send(self._address, _REGISTER + encode(["bytes32[]"], [list(vka)]))
            self._registered.add(digest)


def _check_shape(circuit: CircuitRecord, proof: ProofRecord, where: str) -> None:
    if not circuit.vka or keccak(b"".join(circuit.vka)) != circuit.vka_digest:
        raise ProofRejected(
            "the circuit's verifying-key words are not those it names",
            expected=circuit.vka_digest,
            got=keccak(b"".join(circuit.vka)),
            path=where,
        )
    if proof.circuit != circuit.vk_sha256 or proof.role != circuit.role:
        raise ProofRejected(
            "the proof names another circuit",
            expected=(circuit.role, circuit.vk_sha256),
            got=(proof.role, proof.circuit),
            path=where,
        )
    if len(proof.proof) != circuit.proof_length:
        raise ProofRejected(
            "wrong proof length",
            expected=circuit.proof_length,
            got=len(proof.proof),
            path=where,
        )
    if len(proof.public_values) != circuit.public_values:
        raise ProofRejected(
            "wrong number of public values",
            expected=circuit.public_values,
            got=len(proof.public_values),
            path=where,
        )
    for index, value in enumerate(proof.public_values):
        check_field(value, what=f"public value {index} of {where}")
