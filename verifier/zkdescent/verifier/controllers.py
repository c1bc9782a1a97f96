"""Client of ParameterController.sol: live parameters that only a verified result moves.

A deriving contract (TunedBatcher, say) has a client of its own for what else it does; its name
among the shipped contracts gives this one the ABI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from web3.contract import Contract

from zkdescent.core.errors import ChainError
from zkdescent.core.records import CircuitRecord, InferenceRecord, ProofRecord, Record
from zkdescent.verifier.actions import Action, done, ensure, evidence
from zkdescent.verifier.addresses import predicted_addresses
from zkdescent.verifier.chain import Chain
from zkdescent.verifier.registry import Model, split_values


@dataclass(frozen=True, slots=True)
class ParameterSpec(Record):
    """Rails, step, smoothing and map of one live parameter (struct ParameterSpec).

    The target is ``offset + scale * output``, rounded down. An update goes 1/``smoothing`` of the
    way to it, at most ``max_step``, never past ``min`` or ``max``.
    """

    initial: int
    min: int
    max: int
    max_step: int
    smoothing: int
    scale: int
    offset: int

    def values(self) -> tuple[int, ...]:
        """The fields in the order of the Solidity struct."""
        return astuple(self)

    def moved(self, value: int, target: int) -> int:
        """Return where an update leads: the twin of ParameterController._moved."""
        goal = min(max(target, self.min), self.max)
        distance = abs(goal - value)
        step = min(-(-distance // self.smoothing), self.max_step)
        return value + step if goal > value else value - step


@dataclass(frozen=True, slots=True)
class ModelPin(Record):
    """Which model a contract listens to, and who may change or stop that (struct ModelPin).

    ``model_delay`` and ``pause_length`` are seconds, from a minute to 30 days.
    """

    registry: str
    model_id: int
    commitment_hash: bytes
    owner: str
    guardian: str
    model_delay: int
    pause_length: int

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        owner: str,
        guardian: str,
        model_delay: int = 86_400,
        pause_length: int = 86_400,
    ) -> ModelPin:
        """Pin a minted model of the registry that belongs to this version."""
        registry = str(predicted_addresses().registry)
        return cls(
            registry, model.model_id, model.commitment_hash, owner, guardian, model_delay,
            pause_length,
        )  # fmt: skip

    def values(self) -> tuple[object, ...]:
        """The fields in the order of the Solidity struct."""
        return astuple(self)


class ControllerClient:
    """Reads a controller and hands in the proofs that move it."""

    def __init__(self, chain: Chain, name: str, address: str) -> None:
        self._chain = chain
        self.name = name
        self.address = address

    @property
    def contract(self) -> Contract:
        """The deriving contract."""
        return self._chain.contract(self.name, self.address)

    def parameters(self) -> tuple[int, ...]:
        """Return the live parameters."""
        return tuple(self._chain.call(self.contract.functions.parameters()))

    def specs(self) -> tuple[ParameterSpec, ...]:
        """Return the rails, steps and maps of all parameters."""
        call, functions = self._chain.call, self.contract.functions
        return tuple(
            ParameterSpec(*call(functions.specOf(index))) for index in range(len(self.parameters()))
        )

    def features(self) -> tuple[int, ...]:
        """Return the inputs that the next update's proof must have, fixed-point integers."""
        return tuple(self._chain.call(self.contract.functions.features()))

    def next_update(self) -> int:
        """Return the number of the next update, the nonce of its proof."""
        return int(self._chain.call(self.contract.functions.nextUpdate()))

    def next_move_block(self) -> int:
        """Return the first block in which the next update may be made."""
        return int(self._chain.call(self.contract.functions.nextMoveBlock()))

    def preview(self, outputs: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the targets of these outputs, and the parameters after a move to them."""
        targets, values = self._chain.call(self.contract.functions.preview(list(outputs)))
        return tuple(targets), tuple(values)

    def wait_until_due(self) -> None:
        """Return when the next update may be made; local chains mine the missing blocks."""
        # A node estimates a move on its newest block, so that block must be late enough.
        self._chain.wait_for_block(self.next_move_block())

    def move(
        self, circuit: CircuitRecord, inference: InferenceRecord, *, reusable: bool = True
    ) -> Action:
        """Make the update that an inference was proven for; once, whoever sends it.

        Raises:
            ContractRejected: wrong weights, context, input, output or proof, by its name.
            ContractRefused: the controller is paused, or its cooldown is not over.
            ChainError: the inference was made for another contract, or for a later update.
        """
        if inference.requester.lower() != self.address.lower():
            raise ChainError(
                "the inference was proven for another requester",
                expected=self.address,
                got=inference.requester,
                hint="prove it for the controller's address",
            )
        due = self.next_update()
        if inference.nonce > due:
            raise ChainError(
                "updates are made in order", expected=due, got=inference.nonce,
                hint="hand in the earlier updates first",
            )  # fmt: skip
        _, outputs = split_values(circuit, inference)
        proof = evidence(circuit, inference.proof, reusable=reusable)
        return ensure(
            self._chain,
            "move parameters",
            lambda: self.next_update() > inference.nonce,
            lambda: self.contract.functions.move(outputs, proof),
            items=1,
        )

    def propose(
        self,
        outputs: Sequence[int],
        circuit: CircuitRecord,
        proof: ProofRecord,
        *,
        reusable: bool = True,
    ) -> Action:
        """Hand in outputs and a proof as they are, unread: what anybody can do.

        Raises:
            ContractRejected, ContractRefused: as of :meth:`move`.
        """
        sent = evidence(circuit, proof, reusable=reusable)
        function = self.contract.functions.move(list(outputs), sent)
        return done("move parameters", self._chain.send(function), items=1)
