"""Every name and context the contracts derive by hashing (twin of Statement.sol).

All are keccak256 over ``abi.encode`` (32-byte words) of a domain word followed by the fields, so
no two kinds of name share a preimage. Contexts are cut to 248 bits: they must be canonical
elements of the BN254 scalar field (254 bits), where the proof holds them.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from zkdescent.core.records import CircuitSpecRecord, TaskRecord
from zkdescent.verifier.twins.specs import (
    CIRCUIT_SPEC_ABI,
    TASK_SPEC_ABI,
    circuit_tuple,
    task_tuple,
)


def _domain(name: str) -> bytes:
    return keccak(text=f"zkdescent.{name}.v1")


STEP_DOMAIN = _domain("context.step")
INFERENCE_DOMAIN = _domain("context.inference")
INPUT_DOMAIN = _domain("input")
SEED_DOMAIN = _domain("seed")
LEAF_DOMAIN = _domain("leaf")
TASK_DOMAIN = _domain("task")
RUN_DOMAIN = _domain("run")
CIRCUIT_DOMAIN = _domain("circuit")
TRANSCRIPT_DOMAIN = _domain("transcript")


_SHORT = 5
"""The last bytes of run ids and transcripts are zero: the ledger keeps status and count there."""


def _short(digest: bytes) -> bytes:
    return digest[:-_SHORT] + bytes(_SHORT)


def _hash(types: Sequence[str], values: Sequence[object]) -> bytes:
    return keccak(encode(["bytes32", *types], list(values)))


def circuit_id(spec: CircuitSpecRecord) -> bytes:
    """Return the circuit's id: content-addressed, the same on every chain."""
    return _hash([CIRCUIT_SPEC_ABI], [CIRCUIT_DOMAIN, circuit_tuple(spec)])


def task_id(chain_id: int, ledger: str, sponsor: str, spec: TaskRecord) -> bytes:
    """Return the task's id; binds chain, ledger, sponsor and everything the sponsor declared."""
    return _hash(
        ["uint256", "address", "address", TASK_SPEC_ABI],
        [TASK_DOMAIN, chain_id, ledger, sponsor, task_tuple(spec)],
    )


def run_id(chain_id: int, ledger: str, task: bytes, payee: str, nonce: int) -> bytes:
    """Return the id of the payee's run number ``nonce`` of a task; its last five bytes are zero."""
    digest = _hash(
        ["uint256", "address", "bytes32", "address", "uint256"],
        [RUN_DOMAIN, chain_id, ledger, task, payee, nonce],
    )
    return _short(digest)


def step_context(chain_id: int, ledger: str, run: bytes, index: int, payee: str) -> int:
    """Return the context (< 2**248) that block proof ``index`` of a run must hold.

    The payee is hashed although the run id binds it already: the context alone then names who
    is paid, and stays right if a later ledger lets a run change its payee.
    """
    digest = _hash(
        ["uint256", "address", "bytes32", "uint256", "address"],
        [STEP_DOMAIN, chain_id, ledger, run, index, payee],
    )
    return int.from_bytes(digest, "big") >> 8


def inference_context(
    chain_id: int, registry: str, model_id: int, requester: str, nonce: int
) -> int:
    """Return the context (< 2**248) of the requester's inference ``nonce`` with a model."""
    digest = _hash(
        ["uint256", "address", "uint256", "address", "uint256"],
        [INFERENCE_DOMAIN, chain_id, registry, model_id, requester, nonce],
    )
    return int.from_bytes(digest, "big") >> 8


def input_commitment(
    chain_id: int, registry: str, model_id: int, requester: str, nonce: int, inputs: Sequence[int]
) -> bytes:
    """Return the ERC-7992 input commitment; ``inputs`` are signed fixed-point integers."""
    return _hash(
        ["uint256", "address", "uint256", "address", "uint256", "int256[]"],
        [INPUT_DOMAIN, chain_id, registry, model_id, requester, nonce, list(inputs)],
    )


def seed(chain_id: int, ledger: str, task: bytes, source: bytes) -> bytes:
    """Return a task's seed; ``source`` is the seed block's mixHash or the declared seed."""
    return _hash(
        ["uint256", "address", "bytes32", "bytes32"],
        [SEED_DOMAIN, chain_id, ledger, task, source],
    )


def next_transcript(transcript: bytes, index: int, batch_index: int, state_out: bytes) -> bytes:
    """Fold block proof ``index`` into a run's transcript, which starts at the run id.

    The last five bytes are zero, as in a run id.
    """
    digest = _hash(
        ["bytes32", "uint256", "uint256", "bytes32"],
        [TRANSCRIPT_DOMAIN, transcript, index, batch_index, state_out],
    )
    return _short(digest)
