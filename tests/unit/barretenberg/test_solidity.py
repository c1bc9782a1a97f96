"""A generated verifier is taken only if it has the form that was reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import solidity, srs
from zkdescent.circuits.barretenberg.solidity import finish, tau_words
from zkdescent.core.errors import ProverError

UNSAFE = srs.ReferenceString(Path(), "unsafe-local", srs.UNSAFE_G2_WORDS)
CEREMONY = srs.ReferenceString(Path(), "ceremony", srs.CEREMONY_G2_WORDS)
TAU = "// G2 [x]\n" + "".join(
    f"        mstore({place}, 0x{word.hex()})\n"
    for place, word in zip(("0x100", "0x120", "0x140", "0x160"), srs.CEREMONY_G2_WORDS, strict=True)
)
# What bb writes, less all that is not looked at.
GENERATED = "\n".join(
    [
        "",
        "// SPDX-License-Identifier: Apache-2.0",
        "pragma solidity ^0.8.27;",
        "contract HonkVerifier is IVerifier {",
        "            let p := P",
        *(solidity._CHECKS | solidity._HIDING_CHECKS).values(),
        TAU,
        "}",
    ]
)


def test_an_unsafe_verifier_says_so_and_pairs_with_the_strings_point() -> None:
    text = finish(GENERATED, UNSAFE)
    assert "contract UnsafeHonkVerifier is IVerifier {" in text
    assert "UNSAFE" in text.partition("pragma")[0]
    assert tau_words(text) == srs.UNSAFE_G2_WORDS
    assert not any(word.hex() in text for word in srs.CEREMONY_G2_WORDS)
    assert text.startswith("// SPDX-License-Identifier")
    assert "bb 5.0.0-nightly.20260710" in text


def test_a_verifier_of_the_ceremony_keeps_name_and_point() -> None:
    text = finish(GENERATED, CEREMONY)
    assert "contract HonkVerifier is IVerifier {" in text
    assert "UNSAFE" not in text.upper().partition("PRAGMA")[0]
    assert tau_words(text) == srs.CEREMONY_G2_WORDS


def test_the_check_of_the_encoding_comes_before_anything_is_read() -> None:
    text = finish(GENERATED, UNSAFE)
    assert text.index("canonical") > text.index("let p := P")
    assert text.index("revert(0x00, 0x00)") < text.index("expected_proof_size")


def test_finishing_twice_is_refused() -> None:
    with pytest.raises(ProverError, match="hardened already"):
        finish(finish(GENERATED, UNSAFE), UNSAFE)


@pytest.mark.parametrize(
    "piece",
    [
        *(solidity._CHECKS | solidity._HIDING_CHECKS).values(),
        "            let p := P\n",
        "pragma solidity ^0.8.27;\n",
        "contract HonkVerifier is IVerifier {",
        TAU,
        *(word.hex() for word in srs.CEREMONY_G2_WORDS),
    ],
)
def test_a_text_that_lacks_a_piece_or_has_it_twice_is_refused(piece: str) -> None:
    assert GENERATED.count(piece) == 1
    with pytest.raises(ProverError, match="not found exactly once") as caught:
        finish(GENERATED.replace(piece, ""), UNSAFE)
    assert (caught.value.expected, caught.value.got) == (1, 0)
    with pytest.raises(ProverError, match="not found exactly once"):
        finish(GENERATED + "\n" + piece, UNSAFE)


def test_another_ceremony_is_refused() -> None:
    word = srs.CEREMONY_G2_WORDS[2].hex()
    with pytest.raises(ProverError, match="another ceremony"):
        finish(GENERATED.replace(word, "11" * 32), UNSAFE)
