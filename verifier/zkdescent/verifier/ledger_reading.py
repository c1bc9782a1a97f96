"""What the ledger says: tasks, runs, checkpoints and credits, and whether it tells our story.

Needs no key: an auditor reads through it, :class:`~.ledger.LedgerClient` acts on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from web3.contract import Contract

from zkdescent.core.errors import ChainOfProofsBroken
from zkdescent.core.records import RunRecord, TaskRecord
from zkdescent.verifier._reverts import ContractRefused
from zkdescent.verifier.addresses import Addresses, predicted_addresses
from zkdescent.verifier.chain import Chain


class RunStatus(IntEnum):
    """State of a run (enum RunStatus)."""

    NONE = 0
    OPEN = 1
    FINALISED = 2
    ABORTED = 3


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task on chain; ``seed`` is None until it is sealed.

    ``escrow`` is what is left of the reward, wei; ``waiting`` counts complete runs that nobody has
    finalised yet, in tasks with a reward.
    """

    sponsor: str
    seed: bytes | None
    seed_block: int
    admitted: int
    rearms: int
    escrow: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class RunState:
    """A run on chain; ``head`` is the tensor hash of its current state."""

    task_id: bytes
    head: bytes
    transcript: bytes
    payee: str
    proofs: int
    status: RunStatus


class LedgerReader:
    """Reads one ledger over one chain."""

    def __init__(self, chain: Chain, addresses: Addresses | None = None) -> None:
        self._chain = chain
        self.addresses = addresses or predicted_addresses()

    @property
    def contract(self) -> Contract:
        """The TrainingLedger contract."""
        return self._chain.contract("TrainingLedger", self.addresses.ledger)

    def task(self, task_id: bytes) -> TaskState | None:
        """Return a task's state, None if the ledger has no such task."""
        try:
            answer = self._chain.call(self.contract.functions.task(task_id))
        except ContractRefused as error:
            if error.error_name == "TaskUnknown":
                return None
            raise
        return TaskState(
            sponsor=answer.sponsor,
            seed=answer.seed if any(answer.seed) else None,
            seed_block=answer.seedBlock,
            admitted=answer.admitted,
            rearms=answer.rearms,
            escrow=answer.escrow,
            waiting=answer.waiting,
        )

    def run(self, run_id: bytes) -> RunState | None:
        """Return a run's state, None if the ledger has no such run."""
        try:
            answer = self._chain.call(self.contract.functions.run(run_id))
        except ContractRefused as error:
            if error.error_name == "RunUnknown":
                return None
            raise
        return RunState(
            task_id=answer.taskId,
            head=answer.head,
            transcript=answer.transcript,
            payee=answer.payee,
            proofs=answer.proofs,
            status=RunStatus(answer.status),
        )

    def credit(self, account: str) -> int:
        """Return what an account can withdraw, wei."""
        return int(self._chain.call(self.contract.functions.creditOf(account)))

    def checkpoint(self, run_id: bytes, epoch: int) -> bytes | None:
        """Return the tensor hash of a run's state after an epoch (1, 2, ...), None before that."""
        try:
            return bytes(self._chain.call(self.contract.functions.checkpointOf(run_id, epoch)))
        except ContractRefused as error:
            if error.error_name == "CheckpointUnknown":
                return None
            raise

    def compare(self, task: TaskRecord, run: RunRecord, final: bytes, transcript: bytes) -> None:
        """Check that the ledger tells the same story: seed, seed block, run, head, transcript.

        Args:
            task: what was trained.
            run: the run's record.
            final: tensor hash (32 bytes) of the final state.
            transcript: the transcript after the last block proof.

        Raises:
            ChainOfProofsBroken: something differs, or the ledger does not know the run.
        """
        on_task, on_run = self.task(run.task_id), self.run(run.run_id)
        if on_task is None or on_run is None:
            raise ChainOfProofsBroken(
                "the ledger does not know the run",
                got=self._chain.name,
                expected=run.run_id,
                path="chain",
            )
        block = on_task.seed_block if task.seed_delay else None
        for what, expected, got in (
            ("chain id", run.chain_id, self._chain.chain_id),
            ("sponsor", run.sponsor.lower(), on_task.sponsor.lower()),
            ("seed", run.seed, on_task.seed),
            ("seed block", run.seed_block, block),
            ("task of the run", run.task_id, on_run.task_id),
            ("payee", run.payee.lower(), on_run.payee.lower()),
            ("number of proofs", task.total_proofs, on_run.proofs),
            ("status", RunStatus.FINALISED.name, on_run.status.name),
            ("final state", final, on_run.head),
            ("transcript", transcript, on_run.transcript),
        ):
            if expected != got:
                raise ChainOfProofsBroken(
                    f"{what} differs from the ledger's", expected=expected, got=got, path="chain"
                )
