"""Move a controller by inferences that are proven for it, and try to move it by others."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkdescent.core.config import Project
from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.core.records import CircuitRecord, InferenceRecord, Record
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier.controllers import ControllerClient


@dataclass(frozen=True, slots=True)
class Move(Record):
    """One update: what the model asked for, where the parameters are now, what it cost."""

    update: int
    targets: tuple[int, ...]
    parameters: tuple[int, ...]
    gas: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Poison(Record):
    """A proposal that must not move anything: what was tried, and the error that refused it."""

    attempt: str
    refused_by: str
    parameters: tuple[int, ...]


class Mover:
    """A project with a minted model, and the controller that pins the model."""

    def __init__(
        self,
        project: Project,
        controller: ControllerClient,
        columns: tuple[str, ...],
        report: Reporter,
    ) -> None:
        self._project = project
        self._controller = controller
        self._columns = columns
        self._report = report
        self._store = project.open_store()

    @property
    def circuit(self) -> CircuitRecord:
        """The model's inference circuit."""
        return self._store.read_manifest().circuits.inference

    def prove(self, *, requester: str | None = None, nonce: int | None = None) -> InferenceRecord:
        """Prove the next update over the inputs that the controller asks for."""
        unit = 2.0**-self.circuit.fraction_bits  # exact: features are integers times it
        features = [unit * value for value in self._controller.features()]
        row = dict(zip(self._columns, features, strict=True))
        file = self._project.directory / "update.json"
        file.write_text(json.dumps([row]), encoding="utf-8")
        (inference,) = infer_project(
            self._project,
            file,
            self._report,
            requester=requester or self._controller.address,
            nonce=self._controller.next_update() if nonce is None else nonce,
        )
        return InferenceRecord.from_json(self._store.read_json(inference.proof))

    def follow(self, *, most: int = 32) -> list[Move]:
        """Make updates until the parameters are where the model wants them.

        Raises:
            ChainError: they are not there after ``most`` updates.
        """
        moves: list[Move] = []
        for _ in range(most):
            record = self.prove()
            outputs = outputs_of(self.circuit, record)
            targets, after = self._controller.preview(outputs)
            if after == self._controller.parameters():
                return moves
            self._controller.wait_until_due()
            action = self._controller.move(self.circuit, record, reusable=False)
            reached = self._controller.parameters()
            moves.append(Move(record.nonce, targets, reached, action.gas, action.transaction or ""))
            self._report.note(f"update {record.nonce}: parameters {reached}, {action.gas:,} gas")
        raise ChainError("the parameters did not settle", expected=f"{most} updates or fewer")

    def poison(self) -> list[Poison]:
        """Try to move the parameters the other way: forged, spoiled and copied proofs.

        Raises:
            ChainError: an attempt was accepted, or a parameter has moved.
        """
        honest = self.prove()
        count = len(self._controller.parameters())
        outputs = outputs_of(self.circuit, honest)
        # Slopes of the other sign: the same parabola upside down, as far as its minimiser goes.
        worse = [outputs[0], *(-slope for slope in outputs[1 : 1 + count]), *outputs[1 + count :]]
        proof = honest.proof
        spoiled = bytearray(proof.proof)
        spoiled[-1] ^= 1
        features = len(proof.public_values) - len(outputs)
        forged = (*proof.public_values[:features], *(_field(value) for value in worse))
        attempts = {
            "other outputs than the proof's": (worse, honest),
            "a proof with forged public values": (
                worse, replace(honest, proof=replace(proof, public_values=forged)),
            ),
            "a spoiled proof": (
                outputs, replace(honest, proof=replace(proof, proof=bytes(spoiled))),
            ),
            "a proof for somebody else, copied": (
                outputs, self.prove(requester="0x" + "be" * 20, nonce=honest.nonce),
            ),
            "a proof of the next update": (outputs, self.prove(nonce=honest.nonce + 1)),
        }  # fmt: skip
        self._controller.wait_until_due()
        return [self._attempt(name, *attempt) for name, attempt in attempts.items()]

    def _attempt(self, name: str, outputs: list[int], record: InferenceRecord) -> Poison:
        before = (self._controller.parameters(), self._controller.next_update())
        try:
            self._controller.propose(outputs, self.circuit, record.proof, reusable=False)
        except ContractRejected as error:
            after = (self._controller.parameters(), self._controller.next_update())
            if after != before:
                raise ChainError("a refused proposal has moved it", path=name) from error
            return Poison(name, error.error_name, after[0])
        raise ChainError("a poisoned proposal was accepted", path=name)


def outputs_of(circuit: CircuitRecord, record: InferenceRecord) -> list[int]:
    """Return an inference's outputs as fixed-point integers."""
    from zkdescent.verifier.registry import split_values

    return split_values(circuit, record)[1]


def _field(value: int) -> int:
    from zkdescent.core.records import FIELD_MODULUS

    return value % FIELD_MODULUS
