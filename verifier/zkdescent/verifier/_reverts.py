"""Revert data turned into named errors.

A revert carries a 4-byte selector and ABI-encoded values. The selectors of all shipped contracts
are known, so that a rejection reaches the user as the Solidity error's name and its values.

Two families, because the command line's exit code differs: errors in :data:`STATE_ERRORS` say
that an action is impossible now or was asked for wrongly (exit 1, :class:`ContractRefused`); all
others say that a proof or a link of a chain of proofs was rejected (exit 3, ContractRejected).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import ABIError
from eth_utils.abi import abi_to_signature, function_signature_to_4byte_selector
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.verifier.artifacts import artifact_names, load_artifact

_PANICS = {
    0x01: "assertion failed", 0x11: "arithmetic overflow", 0x12: "division by zero",
    0x21: "value outside its enum", 0x32: "array index out of range", 0x41: "out of memory",
}  # fmt: skip
_ERROR_STRING = function_signature_to_4byte_selector("Error(string)")
_PANIC = function_signature_to_4byte_selector("Panic(uint256)")


class Reverted(Exception):  # noqa: N818 - what happened, not yet one of the package's errors
    """The EVM reverted with this data; internal, always turned into an error of the package.

    ``halted`` is set when it was no REVERT but an exceptional halt (out of gas, bad opcode).
    """

    def __init__(self, data: bytes, *, halted: str = "") -> None:
        super().__init__(halted or f"0x{data.hex()}")
        self.data = data
        self.halted = halted


class ContractRefused(ChainError):  # noqa: N818 - named like its sibling ContractRejected
    """A contract refused an action for a reason that has nothing to do with a proof.

    ``error_name`` is the Solidity error's name, ``values`` its decoded arguments by name.
    """

    def __init__(
        self,
        message: str,
        *,
        error_name: str = "",
        values: Mapping[str, object] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.error_name = error_name
        self.values: dict[str, object] = dict(values or {})

    def to_json(self) -> dict[str, object]:
        """Return the error with the Solidity error's name and values."""
        values = {key: str(_readable(value)) for key, value in self.values.items()}
        return {**super().to_json(), "error_name": self.error_name, "values": values}


@cache
def known_errors() -> dict[bytes, Mapping[str, Any]]:
    """Return the ABI entries of all custom errors of the shipped contracts, by selector."""
    return {
        keccak(text=abi_to_signature(cast(ABIError, entry)))[:4]: entry
        for name in artifact_names()
        for entry in load_artifact(name).abi
        if entry["type"] == "error"
    }


def decode_revert(data: bytes) -> tuple[str, dict[str, object]]:
    """Return the name and the values of a revert; ``("", {})`` where there is nothing to read."""
    selector, payload = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return "Error", {"reason": decode(["string"], payload)[0]}
        if selector == _PANIC:
            code = decode(["uint256"], payload)[0]
            return "Panic", {"code": code, "reason": _PANICS.get(code, "unknown panic")}
        entry = known_errors().get(selector)
        if entry is None:
            return ("", {}) if len(data) < 4 else (f"0x{selector.hex()}", {})
        values = decode([i["type"] for i in entry["inputs"]], payload)
    except DecodingError:
        return f"0x{selector.hex()}", {}
    names = [i["name"] or f"value{n}" for n, i in enumerate(entry["inputs"])]
    return str(entry["name"]), dict(zip(names, values, strict=True))


def revert_error(reverted: Reverted, action: str) -> ContractRejected | ContractRefused:
    """Return the error to raise for a reverted ``action`` (a verb phrase for the message)."""
    if reverted.halted:
        return ContractRefused(
            f"{action}: execution halted",
            error_name="ExecutionHalted",
            got=reverted.halted,
            hint="raise the gas limit, or look at the call with a debugger",
        )
    name, values = decode_revert(reverted.data)
    shown = ", ".join(f"{key}={_readable(value)}" for key, value in values.items())
    message = f"{action}: {name}({shown})" if name else f"{action}: reverted without data"
    kind = ContractRefused if name in STATE_ERRORS else ContractRejected
    return kind(
        message,
        error_name=name,
        values=values,
        expected=values.get("expected"),
        got=values.get("got"),
        hint=None if name else "malformed or non-canonical call data, or no such function",
    )


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, tuple | list):
        return [_readable(item) for item in value]
    return value


STATE_ERRORS = frozenset({
    "Error", "Panic",
    # Circuits
    "NotRegistrant", "AlreadyRetired", "SpecInvalid", "OpeningInvalid", "NotCeremonyVerifier",
    "RoleMismatch", "ContextCount",
    # TrainingLedger: a wrong moment, sender or argument
    "TaskExists", "TaskUnknown", "SeedAmbiguous", "SeedTooNear", "DeadlinePassed",
    "DeadlineNotReached", "IndexOutOfRange", "AlreadyAdmitted", "AlreadySealed", "SeedBlockPending",
    "SeedBlockExpired", "SeedBlockAvailable", "NotSealed", "NotAllowed", "PayeeIsZero", "RunExists",
    "RunUnknown", "RunNotOpen", "RunComplete", "BlockProofCount", "FieldIsZero", "NothingToAdmit",
    "NoAggregateCircuit", "CheckpointUnknown", "WrongValue", "RewardNeedsDeadline",
    "NothingEscrowed", "RunWaiting", "NothingToWithdraw", "WithdrawalFailed", "CodeStoreFailed",
    "KeyedStoreFailed", "GatewayAnswer",
    # ModelRegistry
    "MintInstead", "ModelsAreImmutable", "AlreadyMinted", "NotPayeeOrSponsor", "ModelNotFound",
    "NotModelOwner", "InferenceNotFound", "InferenceAlreadyStored",
    # ChainHistory
    "CapacityInvalid", "NoHeaders", "BlockOutOfReach", "BlockOverwritten", "BlockNotRecorded",
    "NoBaseFee",
    # Feeds: a wrong moment, sender or argument
    "TermsInvalid", "StringTooLong", "InvalidShortString", "WindowInvalid", "RoundNotDue",
    "RoundExpired", "RoundNotNew", "RoundNotKept", "FeedTripped", "FeedNotTripped", "FeedPaused",
    "NoAnswerYet", "NotGuardian", "PauseTooSoon", "ChangeUnknown", "ChangeNotReady",
    "ChangeExpired", "ChangePending", "BaseFeeIsZero", "GasLimitIsZero",
    "OwnableUnauthorizedAccount", "OwnableInvalidOwner",
    # FeedReader, PatientPayments
    "FeedHasNoAnswer", "FeedIsTripped", "FeedIsStale", "FeedOutOfRange", "NothingQueued",
    "AmountInvalid", "BetterWait",
    # PinnedModel, ParameterController: a wrong moment, sender or configuration
    "IsPaused", "NotTheGuardian", "ModelChangeTooEarly", "NoModelChange",
    "ModelChangeExpired", "ModelDoesNotFit", "ModelNotForProduction", "DelayOutOfRange",
    "CoolingDown", "NoParameters", "NoCooldown", "TooManyParameters", "BadParameter", "BadScale",
    "NoSuchParameter", "TargetCount", "RailsOutOfRange", "NotInOctaves",
    # PaymentBatcher
    "NotTheOperator", "WrongFirst", "PaymentCount", "TooFewPayments", "RequestInTheFuture",
    "NothingBooked", "NotCovered", "PushFailed", "NoFlushAge", "TooLittleGas",
    "ReentrancyGuardReentrantCall",
    # VolatilityMargin, TransactionScreen, CreditLine, PostedPrice
    "AlreadyForecast", "HistoryTooShort", "PriceInvalid", "PriceTooOld", "TooEarly", "TooLate",
    "Undermargined", "NotThePoster", "NoSuchRound", "NotTheProcessor", "NotTheReviewer", "StatusIs",
    "NotTheBureau", "NotAttested", "Expired", "OverTheLimit", "MoreThanDrawn", "PaymentFailed",
    # StakeRegistry, its sources and controller
    "ParametersOutOfRange", "BadEpochBlocks", "BadGenesis", "NotTheBinder", "AlreadyBound",
    "NotAContract", "NotBegun", "NotWholeIncrements", "NotWholeGwei", "TooMuchStake",
    "RegistryFull", "NotAValidator", "Exiting", "NotSettled", "NotWithdrawable", "NotTheEpoch",
    "NoSuchCommittee", "NoSuchMember", "DutyNotReached", "NotActive", "NothingNew", "EpochNotOver",
    "WindowIsEmpty", "UnitIsZero", "NotAnEpochEnd", "WindowNotComplete", "EpochMissing",
    "SourceHasNoEvidence", "NotThreeParameters", "CooldownTooShort", "NotAWindowEnd", "NoWindowYet",
    "NoLeaves",
    "BadLeaf", "WindowNotOver", "BlockNotAvailable", "RootNotAvailable",
})  # fmt: skip
"""Custom errors that name a wrong moment, sender or argument, not a wrong proof."""
