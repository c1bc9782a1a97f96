"""What the code of a generated UltraHonk verifier says: which key, and which reference string.

Every circuit of barretenberg has a verifier contract of its own, in whose code its verifying key
and the G2 point of its reference string are constants. People compare the key, whose sha256 a
compilation reproduces; chains run the code. A manifest could name an honest key beside another
circuit's verifier, so the two are compared here.

Layout of bb 5.0.0's key file for EVM targets (measured, not documented), 1,888 bytes:

    32 bytes   log2 of the dyadic size, big endian
    32 bytes   number of public inputs, with the 8 words of bb's pairing points
    32 bytes   where public inputs begin in the trace
    64 bytes   each of 28 commitments: x, y big endian (zeros: the point at infinity)

The generated contract stores each coordinate at a fixed place of its memory, the same for proofs
with and without zero knowledge: ``PUSH value``, ``PUSH place``, ``MSTORE``. It starts its
transcript with keccak256 of the key file, modulo the scalar field's order, which binds the first
three numbers as well. What this can't see is the rest of the code: the code is pinned whole only by
its hash, which reports therefore name.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eth_utils.crypto import keccak

from zkdescent.core.errors import ArtefactError, ProofRejected
from zkdescent.core.records import CircuitRecord, parse_json
from zkdescent.verifier.twins.fixed import SCALAR_FIELD
from zkdescent.verifier.twins.layout import WORD_BYTES, honk_proof_bytes, layout_of

LoadObject = Callable[[str], bytes]
"""Returns an object of the artefact store by its sha256; raises ArtefactError if it is missing."""

KEY_BYTES = 1888
_HEADER_WORDS = 3
_PAIRING_POINT_WORDS = 8
_KEY_HASH_PLACE = 0x00
_KEY_PLACES = (
    0x1220, 0x1260, 0x12A0, 0x12E0,  # sigma 1 to 4
    0x1320, 0x1360, 0x13A0, 0x13E0,  # id 1 to 4
    0x1420, 0x1460,  # first and last Lagrange polynomial
    0x14A0, 0x14E0, 0x1520, 0x1560, 0x15A0,  # look-up selector, tables 1 to 4
    0x1060, 0x10E0, 0x1120, 0x11A0, 0x10A0, 0x1160,  # selectors m, r, o, c, l, 4
    0x11E0, 0x15E0, 0x1620, 0x1660, 0x16A0,  # arithmetic, range, elliptic, memory, foreign field
    0x16E0, 0x1720,  # Poseidon2, external and internal rounds
)  # fmt: skip
"""Where in memory the x of each commitment of the key file is stored; y follows it."""

_PUSH0, _PUSH32, _MSTORE = 0x5F, 0x7F, 0x52
_POINT_PLACES = (0x100, 0x120, 0x140, 0x160)

CEREMONY_G2 = tuple(
    bytes.fromhex(word)
    for word in (
        "260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1",
        "0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0",
        "04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4",
        "22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55",
    )
)
"""[tau]_2 of Aztec's Ignition ceremony: x (imaginary, real), y (imaginary, real), the order of
EIP-197. Twin of UltraHonk.sol, which says where it comes from."""


@dataclass(frozen=True, slots=True)
class HonkVerifier:
    """A compiled verifier: what is deployed, and the code that must then be on chain."""

    creation_code: bytes
    runtime_code: bytes

    @property
    def code_hash(self) -> bytes:
        """keccak256 of the runtime code."""
        return keccak(self.runtime_code)


def load_verifier(circuit: CircuitRecord, load_object: LoadObject) -> HonkVerifier:
    """Return the circuit's verifier from its object ``verifier``.

    Raises:
        ArtefactError: the object is missing, damaged, or not of the named digest.
    """
    path = f"verifier of circuit {circuit.role}"
    record = parse_json(_object(circuit, "verifier", load_object), path=path)
    try:
        codes = [
            bytes.fromhex(record[key].removeprefix("0x"))
            for key in ("bytecode", "deployedBytecode")
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError("not a compiled verifier", got=str(error), path=path) from error
    return HonkVerifier(*codes)


def load_key(circuit: CircuitRecord, load_object: LoadObject) -> bytes:
    """Return the circuit's verifying key from its object ``vk``; raises as above."""
    return _object(circuit, "vk", load_object)


def _object(circuit: CircuitRecord, name: str, load_object: LoadObject) -> bytes:
    path = f"{name} of circuit {circuit.role}"
    digest = circuit.objects.get(name)
    if digest is None:
        raise ArtefactError(
            "the circuit names no such object",
            expected=name,
            got=sorted(circuit.objects),
            path=path,
        )
    content = load_object(digest)
    if hashlib.sha256(content).hexdigest() != digest:
        got = hashlib.sha256(content).hexdigest()
        raise ArtefactError("an object is not what its name says", expected=digest, got=got)
    return content


def check_honk_key(circuit: CircuitRecord, key: bytes, code: bytes) -> None:
    """Check that ``key`` is the key the circuit names, and that ``code`` verifies with it.

    Args:
        key: the key file.
        code: runtime code of the circuit's verifier.

    Raises:
        ProofRejected: another key, or code that holds another key's constants.
    """
    path = f"circuit {circuit.role}"
    digest = hashlib.sha256(key).digest()
    if digest != circuit.vk_sha256:
        raise ProofRejected(
            "the verifying key is not the one the circuit names",
            expected=circuit.vk_sha256,
            got=digest,
            path=path,
        )
    if len(key) != KEY_BYTES:
        raise ProofRejected("not a key of bb 5.0.0", expected=KEY_BYTES, got=len(key), path=path)
    words = [int.from_bytes(key[i : i + 32], "big") for i in range(0, KEY_BYTES, 32)]
    committed = layout_of(circuit.backend, circuit.role, circuit.blocks).slots
    inputs = committed + circuit.public_values + _PAIRING_POINT_WORDS
    for what, expected, got in (
        ("size of the circuit", circuit.logrows, words[0]),
        ("number of public inputs", inputs, words[1]),
    ):
        if expected != got:
            raise ProofRejected(f"{what} differs from the key's", expected=expected, got=got)
    constants = _stored_constants(code)
    expected_constants = {
        place + offset: words[_HEADER_WORDS + 2 * number + offset // 32]
        for number, place in enumerate(_KEY_PLACES)
        for offset in (0, 32)
    }
    for place, value in expected_constants.items():
        if constants[place] != [value]:
            raise _other_key(path, f"0x{value:064x} at 0x{place:x}", constants[place])
    key_hash = int.from_bytes(keccak(key), "big") % SCALAR_FIELD
    if constants[_KEY_HASH_PLACE].count(key_hash) != 1:
        raise _other_key(path, f"0x{key_hash:064x}, the key's hash", "no such constant")


def _other_key(path: str, expected: str, got: object) -> ProofRejected:
    return ProofRejected(
        "the verifier's code does not hold the verifying key",
        expected=expected,
        got=got,
        path=path,
        hint="the circuit names one key, and its proofs are checked against another",
    )


def hides(circuit: CircuitRecord) -> bool:
    """Whether proofs have the length of those with zero knowledge; the contract takes no other."""
    committed = layout_of(circuit.backend, circuit.role, circuit.blocks).slots
    length = WORD_BYTES * committed + honk_proof_bytes(circuit.logrows, zero_knowledge=True)
    return circuit.proof_length == length


def holds_ceremony_point(code: bytes) -> bool:
    """Whether the code pairs with the ceremony's point: its words are stored where bb puts them.

    It says so of code that bb generated. Code that somebody wrote by hand may hold the words and
    not use them: compare the code's hash with a compilation of one's own.
    """
    constants = _stored_constants(code)
    return all(
        constants[place] == [int.from_bytes(word, "big")]
        for place, word in zip(_POINT_PLACES, CEREMONY_G2, strict=True)
    )


def pushes_ceremony_point(code: bytes) -> bool:
    """What the gateway asks of production circuits: each word is pushed (UltraHonk.sol)."""
    pushed = {bytes(code[start + 1 : stop]) for start, stop in _instructions(code)}
    return all(word in pushed for word in CEREMONY_G2)


def _instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each instruction with its immediate, in a linear sweep."""
    start = 0
    while start < len(code):
        op = code[start]
        stop = start + 1 + (op - _PUSH0 if _PUSH0 <= op <= _PUSH32 else 0)
        yield start, stop
        start = stop


def _stored_constants(code: bytes) -> dict[int, list[int]]:
    """Constants by the place in memory where ``PUSH value PUSH place MSTORE`` stores them."""
    constants: dict[int, list[int]] = defaultdict(list)
    pushed: list[int] = []
    for start, stop in _instructions(code):
        if _PUSH0 <= code[start] <= _PUSH32:
            pushed = [*pushed[-1:], int.from_bytes(code[start + 1 : stop], "big")]
            continue
        if code[start] == _MSTORE and len(pushed) == 2:
            constants[pushed[1]].append(pushed[0])
        pushed = []
    return constants
