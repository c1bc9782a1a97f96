"""Hardened verifiers read one encoding of a proof and no other.

The generated code reads some words at fixed positions and others through the caller's offsets; the
hardened one reverts wherever the two could differ. Every offset and length word is mutated here, on
chain, in a call to the verifier itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector
from eth_utils.crypto import keccak

from zkdescent.circuits.ezkl_backend.solidity import compile_dedicated_verifier
from zkdescent.circuits.solc import find_compiler
from zkdescent.core.errors import ChainError, ContractRejected, ToolMissing
from zkdescent.verifier import ContractRefused, TrainingClient, dedicated_spec, deploy_code
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.evm import encode_verify
from zkdescent.verifier.twins import circuit_id, circuit_tuple, tensor_hash

pytestmark = pytest.mark.prover
WORD = 32


def has_compiler() -> bool:
    try:
        find_compiler()
    except ToolMissing:
        return False
    return True


needs_compiler = pytest.mark.skipif(
    not has_compiler(),
    reason="no Solidity compiler: `npm ci` in contracts/, or ZKDESCENT_SOLC",
)


def word(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + WORD], "big")


def with_word(data: bytes, position: int, value: int) -> bytes:
    return data[:position] + (value % 2**256).to_bytes(WORD, "big") + data[position + WORD :]


def heads_and_lengths(data: bytes, arguments: int) -> list[int]:
    """Positions of the offset words and of the length words they point to."""
    heads = [4 + WORD * i for i in range(arguments)]
    return heads + [4 + word(data, head) for head in heads]


def mutations(data: bytes, arguments: int) -> Iterator[tuple[str, bytes]]:
    """Encodings that are not the canonical one; some of them any ABI decoder would accept."""
    for position in heads_and_lengths(data, arguments):
        value = word(data, position)
        for change in (1, -1, 32, -32, 1 << 255):
            if value + change >= 0:
                yield f"word at {position} {change:+}", with_word(data, position, value + change)
        yield f"word at {position} zero", with_word(data, position, (value and 0) or 1)
    yield "a byte behind", data + b"\x00"
    yield "a word behind", data + bytes(WORD)
    yield "a byte short", data[:-1]
    yield "a word short", data[:-WORD]
    # The same arguments, moved by one word: valid for every ABI decoder, canonical for none.
    moved = data[:4] + data[4 : 4 + WORD * arguments] + bytes(WORD) + data[4 + WORD * arguments :]
    for head in range(arguments):
        moved = with_word(moved, 4 + WORD * head, word(moved, 4 + WORD * head) + WORD)
    yield "all tails moved", moved
    # Each tail alone, with a copy of it at the end.
    for head in range(arguments):
        start = 4 + word(data, 4 + WORD * head)
        yield (
            f"tail {head} repeated at the end",
            with_word(data, 4 + WORD * head, len(data) - 4) + data[start:],
        )


def refuses_all(client: TrainingClient, verifier: str, data: bytes, arguments: int) -> int:
    count = 0
    for what, mutated in mutations(data, arguments):
        count += 1
        try:
            answer = client.chain.call_data(verifier, mutated)
        except (ContractRejected, ChainError):
            continue
        pytest.fail(f"{what}: accepted with {answer[:32].hex()}")
    return count


@pytest.mark.parametrize("role", ["step", "inference"])
def test_the_reusable_verifier_refuses_every_other_encoding(
    proven: Any, opened: TrainingClient, role: Any
) -> None:
    record = proven.inference.proof if role == "inference" else proven.proof(role)
    circuit, verifier = proven.circuit(role), opened.addresses.verifier
    data = encode_verify(record.proof, record.public_values, circuit.vka)
    answer = opened.chain.call_data(verifier, data)
    assert (word(answer, 0), answer[32:64]) == (1, circuit.vka_digest)
    assert refuses_all(opened, verifier, data, 3) >= 30


def test_public_values_that_are_too_many_or_too_few(proven: Any, opened: TrainingClient) -> None:
    circuit, record = proven.circuit("inference"), proven.inference.proof
    for values in (record.public_values[:-1], (*record.public_values, 0), ()):
        data = encode_verify(record.proof, values, circuit.vka)
        with pytest.raises(ContractRejected):
            opened.chain.call_data(opened.addresses.verifier, data)


def test_a_key_that_was_not_registered(proven: Any, opened: TrainingClient) -> None:
    circuit, record = proven.circuit("step"), proven.proof("step")
    words = (*circuit.vka[:-1], bytes(WORD))
    data = encode_verify(record.proof, (), words)
    with pytest.raises(ContractRefused, match="VKA not registered"):
        opened.chain.call_data(opened.addresses.verifier, data)


@needs_compiler
def test_a_dedicated_verifier_is_registered_and_used(
    proven: Any, opened_copy: TrainingClient
) -> None:
    circuit, client = proven.circuit("inference"), opened_copy
    record = proven.inference.proof
    compiled = compile_dedicated_verifier(proven.store.get(circuit.objects["sol"]).decode())
    init_code = bytes.fromhex(compiled["bytecode"].removeprefix("0x"))
    address = predict_address(init_code)
    assert deploy_code(client.chain, init_code, action="deploy dedicated verifier").sent
    code = client.chain.code(address)
    assert code.hex() == compiled["deployedBytecode"].removeprefix("0x")
    spec = dedicated_spec(circuit, address, keccak(code))
    function = client.gateway.contract.functions.register(circuit_tuple(spec))
    client.chain.send(function, action="register dedicated circuit")

    def check(proof: bytes) -> Any:
        changed: Any = (proof, list(record.public_values), [])
        return client.chain.call(
            client.gateway.contract.functions.check(circuit_id(spec), record.context, changed)
        )

    assert check(record.proof).stateIn == tensor_hash(proven.manifest.final)
    with pytest.raises(ContractRejected) as error:
        check(record.proof[:-64] + (1).to_bytes(32, "big") + (2).to_bytes(32, "big"))
    assert error.value.error_name == "ProofRejected"
    # Words of a verifying key have no place in evidence for a dedicated verifier.
    with pytest.raises(ContractRejected) as error:
        client.chain.call(
            client.gateway.contract.functions.check(
                circuit_id(spec), record.context, evidence(circuit, record)
            )
        )
    assert error.value.error_name == "VkaMismatch"
    # And every other encoding is refused by the contract itself.
    data = selector("verifyProof(bytes,uint256[])") + encode(
        ["bytes", "uint256[]"], [record.proof, list(record.public_values)]
    )
    assert word(client.chain.call_data(address, data), 0) == 1
    assert refuses_all(client, address, data, 2) >= 20
