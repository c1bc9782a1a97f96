"""Every name is keccak256 of 32-byte words behind a domain; each field matters."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.verifier.twins import (
    circuit_id,
    circuit_tuple,
    inference_context,
    input_commitment,
    next_transcript,
    run_id,
    seed,
    step_context,
    task_id,
    task_tuple,
)

LEDGER = "0x" + "11" * 20
PAYEE = "0x" + "22" * 20
TASK, RUN = keccak(text="task"), keccak(text="run")


def word(value: Any) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(32, "big", signed=value < 0)
    if isinstance(value, str):  # an address
        return bytes(12) + bytes.fromhex(value[2:])
    return bytes(value)


def words(domain: str, *values: Any) -> bytes:
    return keccak(keccak(text=f"zkdescent.{domain}.v1") + b"".join(map(word, values)))


def test_names_are_hashes_of_words() -> None:
    assert seed(5, LEDGER, TASK, RUN) == words("seed", 5, LEDGER, TASK, RUN)


def test_run_ids_and_transcripts_leave_the_last_five_bytes_to_the_ledger() -> None:
    name = words("run", 5, LEDGER, TASK, PAYEE, 9)
    assert run_id(5, LEDGER, TASK, PAYEE, 9) == name[:27] + bytes(5)
    transcript = words("transcript", RUN, 1, 2, TASK)
    assert next_transcript(RUN, 1, 2, TASK) == transcript[:27] + bytes(5)


def test_contexts_are_248_bits_of_a_hash() -> None:
    step = words("context.step", 5, LEDGER, RUN, 3, PAYEE)
    assert step_context(5, LEDGER, RUN, 3, PAYEE) == int.from_bytes(step[:31], "big")
    inference = words("context.inference", 5, LEDGER, 77, PAYEE, 3)
    assert inference_context(5, LEDGER, 77, PAYEE, 3) == int.from_bytes(inference[:31], "big")


def test_specs_are_hashed_field_by_field(synthetic: ModuleType) -> None:
    world = synthetic.World()
    *fields, opening = circuit_tuple(world.specs.step)
    expected = words("circuit", *fields, *opening)  # type: ignore[misc]
    assert circuit_id(world.specs.step) == expected
    expected = words("task", 5, LEDGER, PAYEE, *task_tuple(world.plan.task))
    assert task_id(5, LEDGER, PAYEE, world.plan.task) == expected


def test_input_commitment_binds_the_inputs() -> None:
    tail = (6 * 32 + 32, 2, 1, -1)  # offset of the array, its length, its values
    expected = words("input", 5, LEDGER, 7, PAYEE, 0, *tail)
    assert input_commitment(5, LEDGER, 7, PAYEE, 0, [1, -1]) == expected


@pytest.mark.parametrize(
    "other",
    [
        (6, LEDGER, RUN, 3, PAYEE),
        (5, PAYEE, RUN, 3, PAYEE),
        (5, LEDGER, TASK, 3, PAYEE),
        (5, LEDGER, RUN, 4, PAYEE),
        (5, LEDGER, RUN, 3, LEDGER),
    ],
)
def test_context_differs_for_another_chain_ledger_run_index_or_payee(other: Any) -> None:
    assert step_context(*other) != step_context(5, LEDGER, RUN, 3, PAYEE)


def test_task_id_binds_every_field(synthetic: ModuleType) -> None:
    task = synthetic.World(deadline=1, parent=keccak(text="a run")).plan.task
    changes: dict[str, object] = {
        name: keccak(text=name) if isinstance(getattr(task, name), bytes) else 1234
        for name in task.__slots__
        if name != "seed_delay"
    }
    ids = {task_id(1, LEDGER, PAYEE, replace(task, **{k: v})) for k, v in changes.items()}
    without_seed = replace(task, seed_delay=3, declared_seed=bytes(32))
    ids |= {task_id(1, LEDGER, PAYEE, without_seed), task_id(1, LEDGER, PAYEE, task)}
    assert len(ids) == len(changes) + 2
