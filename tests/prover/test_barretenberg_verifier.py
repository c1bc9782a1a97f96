"""Real proofs of Barretenberg against the generated contract's bytecode, in an in-process EVM.

The circuit is the smallest that says something: public context, private w, w * w = square, square
below 2**20, w below 2**10. It is emitted here by hand, so that nothing but the pinned prover and
this file decides what its verifying key is.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from zkdescent.circuits import solc
from zkdescent.circuits.barretenberg import srs, toolchain
from zkdescent.circuits.barretenberg.doubling import Q
from zkdescent.circuits.barretenberg.solidity import (
    HONK_SETTINGS,
    compile_verifier,
    tau_words,
    verifier_source,
)
from zkdescent.core.errors import ProverError
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted
from zkdescent.verifier.twins.fixed import SCALAR_FIELD as R

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

GOLDEN = Path(__file__).parent / "golden" / "barretenberg_tiny.json"
GOLDEN_PROOF = GOLDEN.with_name("barretenberg_proof.json")
UPGRADE = """the toolchain makes other circuits, keys or verifiers than those recorded in
{path}.
If that is meant (a new bb or solc was pinned): every circuit of every project changes with it.
Say so under "Breaking circuit changes" in CHANGELOG.md, read the generated verifier again
(circuits/barretenberg/solidity.py says what was checked), write the new figures into the file, and
have users compile again, register the circuits of step, inference and aggregate again, create new
tasks on them and prove again: proofs made before do not verify under the new circuits.
If it is not meant, the pinned prover was replaced."""
SELECTOR = keccak(b"verify(bytes,bytes32[])")[:4]
LIMB_TOO_LARGE, COORDINATE_TOO_LARGE, SCALAR_TOO_LARGE = "eb73e0bd", "607be13e", "20a33589"
WRONG_LENGTH, WRONG_COUNT, SHPLEMINI_FAILED = "59895a53", "fa066593", "a5d82e8a"
SUMCHECK_FAILED, INCONSISTENT = "9fc3a218", "a2a2ac83"
CONTEXT, ROOT = 7, 5
# Words of the proof: limbs of the pairing points, then points, then Libra's sum, a scalar.
PAIRING_LIMBS, FIRST_COORDINATE, FIRST_SCALAR = 8, 8, 28


@dataclass(frozen=True, slots=True)
class Tiny:
    """The circuit's artefacts, an honest proof, and a private EVM with its verifier."""

    folder: Path
    gates: int
    string: srs.ReferenceString
    proof: bytes
    inputs: bytes
    source: str
    verifier: dict[str, Any]
    sandbox: Sandbox
    address: str

    def call(self, proof: bytes, inputs: bytes, address: str | None = None) -> bytes:
        return self.send(canonical(proof, inputs), address)

    def send(self, data: bytes, address: str | None = None) -> bytes:
        return self.sandbox.send(address or self.address, data).output

    def refused(self, proof: bytes, inputs: bytes) -> str:
        """The selector that the verifier reverts with; fails if it does not."""
        with pytest.raises(Reverted) as caught:
            self.call(proof, inputs)
        return caught.value.data.hex()[:8]


def canonical(proof: bytes, inputs: bytes) -> bytes:
    words = [inputs[at : at + 32] for at in range(0, len(inputs), 32)]
    return SELECTOR + encode(["bytes", "bytes32[]"], [proof, words])


def field(value: int) -> bytes:
    return (value % R).to_bytes(32, "big")


def packed(value: Any) -> bytes:
    return gzip.compress(b"\x03" + msgpack.packb(value), mtime=0)


def below(witness: int, bits: int) -> Any:
    return {"BlackBoxFuncCall": {"RANGE": [{"Witness": witness}, bits]}}


def program() -> str:
    """Witnesses: 0 the context, public; 1 the root; 2 its square."""
    square = {"AssertZero": [[[field(1), 1, 1]], [[field(-1), 2]], field(0)]}
    main = ["main", [square, below(2, 20), below(1, 10)], [1, 2], [0], [], []]
    bytecode = base64.b64encode(packed([[main], []])).decode()
    return json.dumps({"noir_version": "", "hash": 0, "abi": {}, "bytecode": bytecode})


def prove(folder: Path, string: srs.ReferenceString, root: int, square: int) -> tuple[bytes, bytes]:
    values = {0: field(CONTEXT), 1: field(root), 2: field(square)}
    (folder / "witness.gz").write_bytes(packed([[[0, values]]]))
    out = folder / f"proof-{root}-{square}"
    out.mkdir()
    command: list[str | Path] = ["prove", "-b", folder / "program.json", "-k", folder / "vk"]
    command += ["-w", folder / "witness.gz", "-o", out, "-t", "evm", "-c", string.directory]
    made = toolchain.run(command, timeout=60)
    assert made.peak_memory_mb > 1
    return (out / "proof").read_bytes(), (out / "public_inputs").read_bytes()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    path = folder / "program.json"
    path.write_text(program())
    gates = toolchain.count_gates(path, timeout=60)
    directory = srs.unsafe_srs(srs.points_for(gates))
    string = srs.ReferenceString(directory, "unsafe-local", srs.UNSAFE_G2_WORDS)
    command: list[str | Path] = ["write_vk", "-b", path, "-o", folder, "-t", "evm"]
    toolchain.run([*command, "-c", string.directory], timeout=60)
    proof, inputs = prove(folder, string, ROOT, ROOT * ROOT)
    source = verifier_source(folder / "vk", string)
    verifier = compile_verifier(source)
    sandbox = Sandbox()
    address = sandbox.deploy(bytes.fromhex(verifier["bytecode"][2:]))
    return Tiny(folder, gates, string, proof, inputs, source, verifier, sandbox, address)


def test_an_honest_proof_is_accepted(tiny: Tiny) -> None:
    assert tiny.inputs == field(CONTEXT)
    assert tiny.call(tiny.proof, tiny.inputs) == (1).to_bytes(32, "big")


def test_the_golden_proof_is_still_accepted(tiny: Tiny) -> None:
    """Made once and kept: another verifier, key or reference string would refuse it."""
    stored = json.loads(GOLDEN_PROOF.read_text())
    proof, inputs = (bytes.fromhex(stored[name]) for name in ("proof", "public_inputs"))
    assert proof != tiny.proof, "proofs are randomised"
    assert tiny.call(proof, inputs) == (1).to_bytes(32, "big"), UPGRADE.format(path=GOLDEN_PROOF)
    assert tiny.refused(proof, field(CONTEXT + 1)) == SUMCHECK_FAILED


def test_the_toolchain_makes_the_circuits_it_made_before(tiny: Tiny) -> None:
    vk = (tiny.folder / "vk").read_bytes()
    code = bytes.fromhex(tiny.verifier["deployedBytecode"][2:])
    found = {
        "prover": toolchain.BUILD,
        "gates": tiny.gates,
        "proof_bytes": len(tiny.proof),
        "vk_sha256": hashlib.sha256(vk).hexdigest(),
        "vk_hash": (tiny.folder / "vk_hash").read_bytes().hex(),
        "compiler": solc.SOLC_VERSION,
        "verifier_code_bytes": len(code),
        "verifier_code_sha256": hashlib.sha256(code).hexdigest(),
    }
    assert found == json.loads(GOLDEN.read_text()), UPGRADE.format(path=GOLDEN)
    assert f"VK_HASH = 0x{found['vk_hash']};" in tiny.source


def test_false_witnesses_make_proofs_that_are_rejected(tiny: Tiny) -> None:
    for root, square in ((ROOT, 26), (1 << 10, 1 << 20), (-ROOT, 25)):
        proof, inputs = prove(tiny.folder, tiny.string, root, square)
        assert tiny.refused(proof, inputs) == SUMCHECK_FAILED


def test_words_all_over_the_proof_count(tiny: Tiny) -> None:
    """One in nine, and a point of the last opening; all of them in test_barretenberg_gateway.py."""
    reasons = set()
    for start in (*range(0, len(tiny.proof), 9 * 32), len(tiny.proof) - 4 * 32):
        changed = bytearray(tiny.proof)
        changed[start + 31] ^= 1
        reasons.add(tiny.refused(bytes(changed), tiny.inputs))
    # Empty: the first group operation fails on a point off the curve and takes the gas with it.
    assert reasons == {SUMCHECK_FAILED, INCONSISTENT, SHPLEMINI_FAILED, ""}


def test_every_byte_of_the_public_input_counts(tiny: Tiny) -> None:
    for place in range(32):
        changed = bytearray(tiny.inputs)
        changed[place] ^= 1
        assert tiny.refused(tiny.proof, bytes(changed)) in (SUMCHECK_FAILED, SCALAR_TOO_LARGE)


def test_a_number_has_one_encoding(tiny: Tiny) -> None:
    larger = (CONTEXT + R).to_bytes(32, "big")
    assert tiny.refused(tiny.proof, larger) == SCALAR_TOO_LARGE
    for word, order, reason in (
        (0, 1 << 136, LIMB_TOO_LARGE),
        (1, 1 << 120, LIMB_TOO_LARGE),
        (PAIRING_LIMBS - 1, 1 << 120, LIMB_TOO_LARGE),
        (FIRST_COORDINATE, Q, COORDINATE_TOO_LARGE),
        (FIRST_SCALAR, R, SCALAR_TOO_LARGE),
        (len(tiny.proof) // 32 - 1, Q, COORDINATE_TOO_LARGE),
    ):
        changed = bytearray(tiny.proof)
        value = int.from_bytes(changed[32 * word : 32 * word + 32], "big")
        changed[32 * word : 32 * word + 32] = (value + order).to_bytes(32, "big")
        assert tiny.refused(bytes(changed), tiny.inputs) == reason


def test_lengths_are_exact(tiny: Tiny) -> None:
    for proof in (tiny.proof + b"\0", tiny.proof + bytes(32), tiny.proof[:-32], tiny.proof[:-1]):
        assert tiny.refused(proof, tiny.inputs) in (WRONG_LENGTH, "")
    assert tiny.refused(tiny.proof + bytes(32), tiny.inputs) == WRONG_LENGTH
    # Another number of inputs moves the end of the call data, which is looked at first.
    for inputs in (b"", tiny.inputs + bytes(32), tiny.inputs + tiny.inputs):
        assert tiny.refused(tiny.proof, inputs) == ""


def test_only_the_canonical_encoding_is_taken(tiny: Tiny) -> None:
    data = canonical(tiny.proof, tiny.inputs)
    words = [data[at : at + 32] for at in range(4, len(data), 32)]
    head, rest = words[:2], words[2:]
    gap = [(int.from_bytes(word, "big") + 32).to_bytes(32, "big") for word in head]
    length = len(tiny.proof) // 32 + 1
    swapped_head = [(0x80).to_bytes(32, "big"), (0x40).to_bytes(32, "big")]
    encodings = {
        "a byte too many": [*words, b"\0"],
        "a word too many": [*words, bytes(32)],
        "a byte too few": [*words[:-1], words[-1][:-1]],
        "a gap after the offsets": [*gap, bytes(32), *rest],
        "inputs before the proof": [*swapped_head, *rest[length:], *rest[:length]],
    }
    for name, pieces in encodings.items():
        with pytest.raises(Reverted) as caught:
            tiny.send(SELECTOR + b"".join(pieces))
        assert caught.value.data == b"", name
    assert tiny.send(SELECTOR + b"".join(words)) == (1).to_bytes(32, "big")


def test_without_our_check_other_encodings_would_be_taken(tiny: Tiny) -> None:
    """The check is there for a reason: what bb wrote takes trailing bytes."""
    entry = tiny.source.index("// zkdescent: canonical call data only")
    end = tiny.source.index("{ revert(0x00, 0x00) }\n            }\n", entry)
    bare = tiny.source[:entry] + tiny.source[end:].partition("}\n            }\n")[2]
    address = tiny.sandbox.deploy(bytes.fromhex(compile_verifier(bare)["bytecode"][2:]))
    data = canonical(tiny.proof, tiny.inputs) + bytes(32)
    assert tiny.send(data, address) == (1).to_bytes(32, "big")


def test_a_proof_under_the_unsafe_string_fails_a_verifier_of_the_ceremony(tiny: Tiny) -> None:
    string = srs.ReferenceString(tiny.string.directory, "ceremony", srs.CEREMONY_G2_WORDS)
    source = verifier_source(tiny.folder / "vk", string)
    assert tau_words(source) == srs.CEREMONY_G2_WORDS
    assert "contract HonkVerifier is" in source
    address = tiny.sandbox.deploy(bytes.fromhex(compile_verifier(source)["bytecode"][2:]))
    with pytest.raises(Reverted) as caught:
        tiny.call(tiny.proof, tiny.inputs, address)
    assert caught.value.data.hex()[:8] == SHPLEMINI_FAILED


def test_the_code_says_which_string_it_is_bound_to(tiny: Tiny) -> None:
    assert "contract UnsafeHonkVerifier is" in tiny.source
    code = tiny.verifier["deployedBytecode"]
    assert [code.count(word.hex()) for word in srs.UNSAFE_G2_WORDS] == [1, 1, 1, 1]
    assert not any(word.hex() in code for word in srs.CEREMONY_G2_WORDS)
    assert [entry["name"] for entry in tiny.verifier["abi"] if "name" in entry] == ["verify"]


def test_the_code_holds_the_verifying_key(tiny: Tiny) -> None:
    """vk: log2 of the size, number of public inputs with the pairing limbs, offset, 28 points."""
    vk = (tiny.folder / "vk").read_bytes()
    words = [int.from_bytes(vk[at : at + 32], "big") for at in range(0, len(vk), 32)]
    assert words[:3] == [12, 1 + PAIRING_LIMBS, 5]
    assert len(words) == 3 + 2 * 28
    stored = {int(w, 16) for w in re.findall(r"_LOC, 0x([0-9a-f]{64})\)", tiny.source)}
    assert set(words[3:]) == stored
    assert all(f"{w:064x}" in tiny.verifier["deployedBytecode"] for w in words[3:] if w >> 248)


def test_as_many_points_as_rows_are_enough_and_one_less_is_refused(
    tiny: Tiny, tmp_path: Path
) -> None:
    """bb would look for more on the network."""
    points = (tiny.string.directory / srs.FILE).read_bytes()[: 64 * 4096]
    (tmp_path / srs.FILE).write_bytes(points)
    command: list[str | Path] = ["write_vk", "-b", tiny.folder / "program.json", "-o", tmp_path]
    command += ["-t", "evm"]
    toolchain.run([*command, "-c", tmp_path], timeout=60)
    assert (tmp_path / "vk").read_bytes() == (tiny.folder / "vk").read_bytes()
    (tmp_path / srs.FILE).write_bytes(points[:-64])
    with pytest.raises(ProverError, match="too short"):
        toolchain.run([*command, "-c", tmp_path], timeout=60)


def test_the_cached_compiler_makes_the_same_code(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed wheel has no contracts/ and runs the compiler from the cache."""
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path))
    monkeypatch.delenv(solc.SOLC_ENV, raising=False)
    folder = tmp_path / "solc" / solc.SOLC_VERSION
    folder.mkdir(parents=True)
    source = solc.contracts_folder() / "node_modules" / "solc" / "soljson.js"
    (folder / "soljson.js").symlink_to(source)
    monkeypatch.setattr(solc, "contracts_folder", lambda: tmp_path / "nowhere")
    assert solc.find_compiler()[-1] == str(folder / "soljson.js")
    compiled = solc.compile_solidity({"Verifier.sol": tiny.source}, settings=HONK_SETTINGS)
    assert compiled["UnsafeHonkVerifier"]["bytecode"] == tiny.verifier["bytecode"]
    with pytest.raises(ProverError, match="refused the sources"):
        solc.compile_solidity({"A.sol": 'import "./B.sol";'}, settings=HONK_SETTINGS)
