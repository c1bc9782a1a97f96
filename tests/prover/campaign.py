"""Changed evidence against a gateway and a verifier on anvil, and the verdicts on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector
from py_ecc.optimized_bn128 import G1, multiply, neg, normalize

from zkdescent.circuits.barretenberg.doubling import Q
from zkdescent.core.records import ProofRecord, Role
from zkdescent.verifier import Chain
from zkdescent.verifier._reverts import decode_revert
from zkdescent.verifier.twins.fixed import SCALAR_FIELD as R
from zkdescent.verifier.twins.layout import layout_of

CHECK = function_signature_to_4byte_selector("check(bytes32,uint256,(bytes,uint256[],bytes32[]))")
VERIFY = function_signature_to_4byte_selector("verify(bytes,bytes32[])")
GAS = 16_777_216  # EIP-7825
BATCH = 40
WORD, LIMBS = 32, 8
LOW_LIMB_BITS = 136
TRUE = (1).to_bytes(32, "big")
ROLES: tuple[Role, ...] = ("step", "inference")
# Custom errors of the generated verifiers, which no ABI of ours lists.
LIMB, COORDINATE, SCALAR = "0xeb73e0bd", "0x607be13e", "0x20a33589"
LENGTH, COUNT = "0x59895a53", "0xfa066593"
SUMCHECK, CONSISTENCY, SHPLEMINI = "0x9fc3a218", "0xa2a2ac83", "0xa5d82e8a"
ARGUMENT = {LIMB, COORDINATE, SCALAR, SUMCHECK, CONSISTENCY, SHPLEMINI, ""}
"""What refuses an argument; a point off the curve takes its precompile's gas and says nothing."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a proof is: public inputs (words, then values) and bb's own part."""

    words: tuple[int, ...]
    values: tuple[int, ...]
    proof: bytes

    @property
    def inputs(self) -> tuple[int, ...]:
        return (*self.words, *self.values)

    def with_inputs(self, inputs: Iterable[int]) -> Evidence:
        """The same with other public inputs, as many."""
        given = tuple(inputs)
        front = len(self.words)
        return Evidence(given[:front], given[front:], self.proof)

    def with_proof(self, proof: bytes) -> Evidence:
        """The same with another argument."""
        return Evidence(self.words, self.values, proof)


@dataclass(frozen=True)
class Target:
    """A circuit on anvil: its name, its verifier, and an honest proof."""

    chain: Chain
    gateway: str
    verifier: str
    circuit: bytes
    honest: Evidence

    def checked(self, evidence: Evidence, *, context: int | None = None) -> bytes:
        """Call data of the gateway's check; the context asked for is the one that is held."""
        front = b"".join(word.to_bytes(WORD, "big") for word in evidence.words)
        asked = evidence.words[0] if context is None else context
        struct: Any = (front + evidence.proof, list(evidence.values), [])
        types = ["bytes32", "uint256", "(bytes,uint256[],bytes32[])"]
        return CHECK + encode(types, [self.circuit, asked, struct])

    def verified(self, evidence: Evidence) -> bytes:
        """Canonical call data of the verifier."""
        inputs = [value.to_bytes(WORD, "big") for value in evidence.inputs]
        return VERIFY + encode(["bytes", "bytes32[]"], [evidence.proof, inputs])

    def tally(self, to: str, calls: Iterable[bytes]) -> Counter[str]:
        """How often each error refused one of the distinct calls, "accepted" among them."""
        distinct = list(dict.fromkeys(calls))
        reasons: Counter[str] = Counter()
        for start in range(0, len(distinct), BATCH):
            reasons.update(
                verdict for verdict, _ in self._send(to, distinct[start : start + BATCH])
            )
        return reasons

    def answer(self, to: str, call: bytes) -> tuple[str, bytes]:
        """The verdict on one call, and the data it came with."""
        ((verdict, data),) = self._send(to, [call])
        return verdict, data

    def _send(self, to: str, calls: list[bytes]) -> list[tuple[str, bytes]]:
        requests = [
            ("eth_call", [{"to": to, "data": "0x" + c.hex(), "gas": hex(GAS)}, "latest"])
            for c in calls
        ]
        provider: Any = self.chain._node.w3.provider
        replies = provider.make_batch_request(requests)
        assert len(replies) == len(calls)
        return [_verdict(reply) for reply in replies]

    def require_honest(self) -> None:
        """The unchanged proof is accepted both ways."""
        assert self.answer(self.gateway, self.checked(self.honest))[0] == "accepted"
        assert self.answer(self.verifier, self.verified(self.honest)) == ("accepted", TRUE)


def _verdict(reply: dict[str, Any]) -> tuple[str, bytes]:
    if "result" in reply:
        return "accepted", bytes.fromhex(reply["result"].removeprefix("0x"))
    error = reply["error"]
    text = str(error["message"])
    data = error.get("data")
    revert = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    # Everything else would be a call that never reached a contract.
    assert "revert" in text.lower() or "OutOfGas" in text or "OOG" in text, error
    return decode_revert(revert)[0], revert


def evidence_of(role: Role, record: ProofRecord) -> Evidence:
    layout = layout_of("barretenberg", role)
    words = tuple(int.from_bytes(word, "big") for word in layout.split(record.proof))
    return Evidence(words, record.public_values, record.proof[layout.front :])


def numbers(proof: bytes) -> list[int]:
    return [int.from_bytes(proof[i : i + WORD], "big") for i in range(0, len(proof), WORD)]


def joined(words: Iterable[int]) -> bytes:
    return b"".join((word % (1 << 256)).to_bytes(WORD, "big") for word in words)


def replaced(words: list[int], place: int, *new: int) -> list[int]:
    return [*words[:place], *new, *words[place + len(new) :]]


def changed_words(words: list[int]) -> Iterator[list[int]]:
    """Each word: five of its bits flipped, +1, -1, +r, +q, zero, swapped with the next."""
    for place, word in enumerate(words):
        flips = [word ^ 1 << bit for bit in (0, 64, 128, 192, 255)]
        for new in (*flips, word + 1, word - 1, word + R, word + Q, 0):
            if new % (1 << 256) != word:
                yield replaced(words, place, new % (1 << 256))
        if place + 1 < len(words) and words[place + 1] != word:
            yield replaced(words, place, words[place + 1], word)


def on_curve(x: int, y: int) -> bool:
    return x < Q and y < Q and (y * y - x**3 - 3) % Q == 0


def points_of(words: list[int]) -> list[int]:
    """Places of the points among the words of an argument."""
    places, place = [], LIMBS
    while place + 1 < len(words):
        if on_curve(words[place], words[place + 1]):
            places.append(place)
            place += 2
        else:
            place += 1
    return places


def affine(scalar: int) -> tuple[int, int]:
    x, y = normalize(multiply(G1, abs(scalar)) if scalar > 0 else neg(multiply(G1, -scalar)))
    return int(x), int(y)


def limbs(*points: tuple[int, int]) -> list[int]:
    """Pairing points as the argument carries them."""
    low = (1 << LOW_LIMB_BITS) - 1
    return [part for p in points for v in p for part in (v & low, v >> LOW_LIMB_BITS)]


def refused(target: Target, to: str, calls: Iterable[bytes], least: int) -> set[str]:
    """The errors that refused all of at least so many calls."""
    reasons = target.tally(to, calls)
    assert reasons["accepted"] == 0, reasons
    assert reasons.total() >= least, reasons
    return set(reasons)
