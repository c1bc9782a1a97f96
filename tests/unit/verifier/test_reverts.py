"""Revert data reads as the Solidity error's name and values, whatever it holds."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import ContractRejected
from zkdescent.verifier import ContractRefused
from zkdescent.verifier._reverts import (
    STATE_ERRORS,
    Reverted,
    decode_revert,
    known_errors,
    revert_error,
)


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def test_custom_error_carries_its_values() -> None:
    data = selector("StateInMismatch(bytes32,bytes32)") + b"\x01" * 32 + b"\x02" * 32
    error = revert_error(Reverted(data), "submit")
    assert isinstance(error, ContractRejected)
    assert error.error_name == "StateInMismatch"
    assert (error.expected, error.got) == (b"\x01" * 32, b"\x02" * 32)
    assert error.message.startswith("submit: StateInMismatch(expected=0x0101")


def test_state_errors_are_refusals_not_rejections() -> None:
    data = selector("AlreadyAdmitted(uint32)") + encode(["uint32"], [7])
    error = revert_error(Reverted(data), "admit")
    assert isinstance(error, ContractRefused)
    assert (error.exit_code, error.values) == (1, {"index": 7})


def test_state_errors_exist() -> None:
    names = {str(entry["name"]) for entry in known_errors().values()}
    assert {"Error", "Panic"} >= STATE_ERRORS - names


def test_strings_and_panics_are_read() -> None:
    data = selector("Error(string)") + encode(["string"], ["no"])
    assert decode_revert(data) == ("Error", {"reason": "no"})
    data = selector("Panic(uint256)") + encode(["uint256"], [0x11])
    assert decode_revert(data)[1]["reason"] == "arithmetic overflow"


@pytest.mark.parametrize("data", [b"", b"\x01\x02"])
def test_revert_without_data_says_so(data: bytes) -> None:
    error = revert_error(Reverted(data), "check")
    assert "without data" in error.message
    assert error.error_name == ""
    assert error.hint is not None


def test_unknown_and_cut_errors_show_their_selector() -> None:
    assert decode_revert(b"\xde\xad\xbe\xef" + bytes(32)) == ("0xdeadbeef", {})
    cut = selector("StateInMismatch(bytes32,bytes32)")
    assert decode_revert(cut + bytes(31)) == (f"0x{cut.hex()}", {})


@given(st.binary(max_size=120))
def test_no_revert_data_breaks_the_reader(data: bytes) -> None:
    assert revert_error(Reverted(data), "anything").message


def test_halt_is_a_refusal() -> None:
    error = revert_error(Reverted(b"", halted="OutOfGas"), "submit")
    assert isinstance(error, ContractRefused)
    assert error.error_name == "ExecutionHalted"


def test_every_error_of_the_contracts_is_sorted_on_purpose() -> None:
    rejections = {
        "CircuitUnknown", "CircuitRetired", "VerifierChanged", "ProofLength", "PublicValueCount",
        "VkaMismatch", "ContextMismatch", "ProofRejected", "ValueNotInField", "WordNotInField",
        "NotAnInteger", "StateInMismatch",
        "InvalidProof", "ModelMismatch", "InputCommitmentMismatch", "OutputMismatch",
        "UnsupportedProofSystem", "VerificationRefused_ModelDeprecated", "ModelDeprecated",
        "InputCount", "OutputCount", "InputDiffers", "OutputDiffers", "StateDiffers",
        "CircuitNotLive", "WrongRole", "CircuitsIncompatible", "ParentNotFinalised",
        "WrongGenesis", "BlockNotInDataset", "WrongHeader", "HeaderMalformed", "PositionOutOfRange",
        "AdmissionIncomplete", "RunIncomplete", "RunNotFinalised", "TooManyProofs",
        "NotThePinnedModel", "NotThisChain", "NotTheParent", "FieldTooLarge", "ModelShapeDiffers",
        "InputsNotNewer", "AnswerOutOfBounds", "NoMinimum", "OtherInputs",
        "OtherFeatures",
        "BranchDiffers", "BranchLength", "LeafCount", "NoEvidence", "NotANode", "NotAShare",
        "NotAUint64", "SignatureCount", "WrongSigner",
    }  # fmt: skip
    names = {str(entry["name"]) for entry in known_errors().values()}
    assert names - STATE_ERRORS - rejections == set()
