"""Verify proofs off-chain exactly as the chain does: by running the verifier's own bytecode.

No prover is needed and no second implementation has to agree with the first: ezkl's proofs go to
the hardened reusable verifier that ships with the package, barretenberg's to the verifier that
was generated for their circuit, in an in-process EVM. One proof takes a second or two, most of it
the pairing in pure Python (measured, 2-core machine).
"""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.crypto import keccak

from zkdescent.core.errors import ArtefactError, ProofRejected
from zkdescent.core.records import CircuitRecord, ProofRecord
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted, decode_revert
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.honk_code import LoadObject, load_verifier
from zkdescent.verifier.twins.fixed import check_field
from zkdescent.verifier.twins.layout import layout_of

_REGISTER = function_signature_to_4byte_selector("registerVka(bytes32[])")
_VERIFY = function_signature_to_4byte_selector("verifyProof(bytes,uint256[],bytes32[])")
_VERIFY_TYPES = ["bytes", "uint256[]", "bytes32[]"]
_VERIFY_HONK = function_signature_to_4byte_selector("verify(bytes,bytes32[])")


def encode_verify(proof: bytes, public_values: tuple[int, ...], vka: tuple[bytes, ...]) -> bytes:
    """Return the canonical call data of the reusable verifier's verifyProof."""
    return _VERIFY + encode(_VERIFY_TYPES, [proof, list(public_values), list(vka)])


def encode_verify_honk(
    proof: bytes, words: tuple[bytes, ...], public_values: tuple[int, ...]
) -> bytes:
    """Return the canonical call data of an UltraHonk verifier's verify.

    Args:
        proof: bb's own proof, without the words before it.
        words: the committed tensors, 32 bytes each.
        public_values: the field elements that follow them among the public inputs.
    """
    inputs = [*words, *(value.to_bytes(32, "big") for value in public_values)]
    return _VERIFY_HONK + encode(["bytes", "bytes32[]"], [proof, inputs])


class EvmProofVerifier:
    """Checks proofs with verifier contracts in a private EVM; keeps them between proofs.

    Args:
        load_object: gives the objects that circuits name; needed for barretenberg's, whose
            verifier is one of them.
    """

    def __init__(self, load_object: LoadObject | None = None) -> None:
        self._sandbox = Sandbox()
        self._load_object = load_object
        self._reusable: str | None = None
        self._registered: set[bytes] = set()
        self._generated: dict[str, str] = {}

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
        if circuit.backend == "barretenberg":
            self._verify_honk(circuit, proof, where)
        else:
            self._verify_reusable(circuit, proof, where)

    def _verify_honk(self, circuit: CircuitRecord, proof: ProofRecord, where: str) -> None:
        layout = layout_of(circuit.backend, circuit.role, circuit.blocks)
        words = layout.split(proof.proof)
        for number, word in enumerate(words):
            check_field(int.from_bytes(word, "big"), what=f"word {number} of {where}")
        data = encode_verify_honk(proof.proof[layout.front :], words, proof.public_values)
        output = self._send(self._honk_verifier(circuit), data, where)
        if output != (1).to_bytes(32, "big"):
            raise ProofRejected(
                "the verifier contract does not accept the proof",
                expected=1,
                got=output,
                path=where,
            )

    def _honk_verifier(self, circuit: CircuitRecord) -> str:
        """Address of the circuit's verifier in the sandbox.

        One key has two verifiers: for proofs with zero knowledge, and for those without.
        """
        name = circuit.objects.get("verifier", "")
        if name not in self._generated:
            if self._load_object is None:
                raise ArtefactError("the circuit's verifier is needed", got=circuit.role)
            verifier = load_verifier(circuit, self._load_object)
            address = self._sandbox.deploy(verifier.creation_code)
            if self._sandbox.code(address) != verifier.runtime_code:
                raise ProofRejected(
                    "a verifier leaves other code on chain than it says",
                    expected=verifier.code_hash,
                    got=keccak(self._sandbox.code(address)),
                    path=f"verifier of circuit {circuit.role}",
                )
            self._generated[name] = address
        return self._generated[name]

    def _verify_reusable(self, circuit: CircuitRecord, proof: ProofRecord, where: str) -> None:
        _check_words(circuit, where)
        address = self._register(circuit.vka, circuit.vka_digest)
        data = encode_verify(proof.proof, proof.public_values, circuit.vka)
        output = self._send(address, data, where)
        # The generated ABI declares the return data wrongly; the first two words are right.
        success, digest = output[:32], output[32:64]
        if int.from_bytes(success, "big") != 1 or digest != circuit.vka_digest:
            raise ProofRejected(
                "the verifier contract does not accept the proof for this key",
                expected=circuit.vka_digest,
                got=digest,
                path=where,
            )

    def _register(self, vka: tuple[bytes, ...], digest: bytes) -> str:
        if self._reusable is None:
            code = load_artifact("Halo2VerifierReusable").creation_code
            self._reusable = self._sandbox.deploy(code)
        if digest not in self._registered:
            self._sandbox.send(self._reusable, _REGISTER + encode(["bytes32[]"], [list(vka)]))
            self._registered.add(digest)
        return self._reusable

    def _send(self, address: str, data: bytes, where: str) -> bytes:
        try:
            return self._sandbox.send(address, data).output
        except Reverted as error:
            name, _ = decode_revert(error.data)
            raise ProofRejected(
                "the verifier contract rejects the proof",
                got=name or error.halted or "revert without data",
                path=where,
                hint="the proof, a public value or the key was changed; prove again",
            ) from error


def _check_words(circuit: CircuitRecord, where: str) -> None:
    if not circuit.vka or keccak(b"".join(circuit.vka)) != circuit.vka_digest:
        raise ProofRejected(
            "the circuit's verifying-key words are not those it names",
            expected=circuit.vka_digest,
            got=keccak(b"".join(circuit.vka)),
            path=where,
        )


def _check_shape(circuit: CircuitRecord, proof: ProofRecord, where: str) -> None:
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
