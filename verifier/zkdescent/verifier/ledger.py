"""Client of TrainingLedger.sol: tasks, seeds, admissions, runs and block proofs.

Every method takes a :class:`~.plan.RunPlan`, reads the chain, and sends only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from web3.contract.contract import ContractFunction

from zkdescent.core.errors import ChainError, ChainOfProofsBroken
from zkdescent.core.records import (
    CircuitRecord,
    CircuitSpecRecord,
    DatasetRecord,
    ProofRecord,
)
from zkdescent.verifier._pieces import Aggregates, Piece, grouped, submitted_pieces
from zkdescent.verifier.actions import Action, Progress, ensure, evidence
from zkdescent.verifier.ledger_reading import LedgerReader, RunState, RunStatus, TaskState
from zkdescent.verifier.plan import RunPlan
from zkdescent.verifier.twins.commitment import tensor_hash
from zkdescent.verifier.twins.hashing import next_transcript
from zkdescent.verifier.twins.header import mix_hash
from zkdescent.verifier.twins.merkle import leaf, merkle_proof
from zkdescent.verifier.twins.specs import task_tuple

MAX_PROOFS_PER_TRANSACTION = 8
_BLOCKHASH_WINDOW = 256


class LedgerClient(LedgerReader):
    """Leads a run through the ledger: create, admit, seal, open, submit, finalise."""

    def create_task(self, plan: RunPlan) -> Action:
        """Publish the task. Only the sponsor can: the sender is part of its id."""
        self._check_chain(plan)
        known = self.task(plan.task_id) is not None
        if not known and plan.sponsor.lower() != self._chain.address.lower():
            raise ChainError(
                "only the sponsor can create the task",
                expected=plan.sponsor,
                got=self._chain.address,
            )
        return ensure(
            self._chain,
            "create task",
            lambda: self.task(plan.task_id) is not None,
            lambda: self.contract.functions.createTask(task_tuple(plan.task)),
            value=plan.task.reward,
        )

    def admit(
        self,
        plan: RunPlan,
        circuit: CircuitRecord,
        dataset: DatasetRecord,
        load_proof: Callable[[int], ProofRecord],
        *,
        progress: Progress | None = None,
    ) -> tuple[Action, ...]:
        """Submit the range proof of each batch block that is not admitted yet.

        Raises:
            ContractRejected: a proof is about another genesis or block, or does not verify.
        """
        leaves, actions = _leaf_hashes(dataset), []
        for index in range(dataset.blocks_per_epoch):
            admitted = self.contract.functions.isAdmitted(plan.task_id, index)

            def admission(index: int = index) -> ContractFunction:
                return self.contract.functions.admit(
                    plan.task_id,
                    index,
                    list(merkle_proof(leaves, index)),
                    evidence(circuit, load_proof(index), reusable=_is_reusable(plan.specs.range)),
                )

            actions.append(
                ensure(
                    self._chain,
                    f"admit block {index}",
                    lambda call=admitted: bool(self._chain.call(call)),  # type: ignore[misc]
                    admission,
                    items=1,
                )
            )
            _tell(progress, "admit", index + 1, dataset.blocks_per_epoch)
        return tuple(actions)

    def seal(self, plan: RunPlan) -> tuple[RunPlan, tuple[Action, ...]]:
        """Fix a beacon task's seed and return the plan with it; waits for the seed block.

        A task with a declared seed is sealed at its creation. If the seed block has left the
        256 blocks a contract can see, a new one is armed, which the ledger counts.

        Raises:
            ChainError: the task is not on the chain, or the seed block did not come.
            ChainOfProofsBroken: the ledger drew another seed than the header gives.
        """
        actions = []
        state = self._require_task(plan)
        if plan.task.seed_delay == 0:
            return plan, (Action("seal task"),)
        if state.seed is None and self._chain.block_number >= state.seed_block + _BLOCKHASH_WINDOW:
            # >=, because the transaction would be in the next block, just outside the window.
            self._chain.wait_for_block(state.seed_block + _BLOCKHASH_WINDOW + 1)
            expired = state.rearms
            actions.append(
                ensure(
                    self._chain,
                    "rearm seed",
                    lambda: self._require_task(plan).rearms > expired,
                    lambda: self.contract.functions.rearm(plan.task_id),
                )
            )
            state = self._require_task(plan)
        if state.seed is None:
            # Deep enough that no reorganisation draws another seed after proofs were made for this
            # one, and one block more than the ledger needs: nodes simulate on the newest block.
            seed_block = state.seed_block
            self._chain.wait_for_block(seed_block + self._chain.confirmations)
            actions.append(
                ensure(
                    self._chain,
                    "seal task",
                    lambda: self._require_task(plan).seed is not None,
                    lambda: self.contract.functions.seal(
                        plan.task_id, self._chain.header_rlp(seed_block)
                    ),
                )
            )
            state = self._require_task(plan)
        else:
            actions.append(Action("seal task"))
        source = mix_hash(self._chain.header_rlp(state.seed_block))
        sealed = plan.sealed(state.seed_block, source)
        if sealed.seed != state.seed:
            raise ChainOfProofsBroken(
                "the ledger's seed is not that of its seed block",
                expected=sealed.seed,
                got=state.seed,
                path="seal",
            )
        return sealed, tuple(actions)

    def open_run(self, plan: RunPlan) -> Action:
        """Open the run; for its payee or the sponsor, when all blocks are admitted."""
        return ensure(
            self._chain,
            "open run",
            lambda: self.run(plan.run_id) is not None,
            lambda: self.contract.functions.openRun(plan.task_id, plan.payee, plan.nonce),
        )

    def submit(
        self,
        plan: RunPlan,
        circuit: CircuitRecord,
        dataset: DatasetRecord,
        load_proof: Callable[[int], ProofRecord],
        *,
        aggregates: Aggregates | None = None,
        per_transaction: int = 1,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Action, ...]:
        """Submit the block proofs that the ledger does not have, in order.

        Args:
            plan: the run, with its seed.
            circuit: the step circuit.
            dataset: the batch blocks.
            load_proof: gives block proof ``index``.
            aggregates: sent in the place of the block proofs they cover, where there are any.
            per_transaction: 1 to 8 block proofs share a transaction; an aggregate has its own.
            limit: stop after so many transactions; None for no limit.
            progress: told ("submit", proofs on chain, proofs in all) after each transaction.

        Raises:
            ChainOfProofsBroken: the ledger holds other block proofs of this run than these.
            ContractRejected: a proof was rejected; nothing of its transaction was kept.
        """
        if not 1 <= per_transaction <= MAX_PROOFS_PER_TRANSACTION:
            raise ChainError(
                "too many proofs for a transaction",
                got=per_transaction,
                expected=f"1 to {MAX_PROOFS_PER_TRANSACTION}",
            )
        state, total = self._require_run(plan), plan.task.total_proofs
        missing = self._check_prefix(
            plan, state, submitted_pieces(circuit, load_proof, aggregates, total)
        )
        actions = []
        for group in islice(grouped(missing, per_transaction), limit):
            if group[0].circuit.role == "aggregate":
                actions.append(self._send_aggregate(plan, group[0], dataset))
            else:
                actions.append(self._send_blocks(plan, group, dataset))
            _tell(progress, "submit", group[-1].stop, total)
        return tuple(actions)

    def submit_aggregate(
        self,
        plan: RunPlan,
        circuit: CircuitRecord,
        dataset: DatasetRecord,
        proof: ProofRecord,
    ) -> Action:
        """Submit one aggregate, unless the ledger has the block proofs it covers.

        Raises:
            ChainError: the ledger does not stand where the aggregate begins.
            ContractRejected: the aggregate was rejected.
        """
        piece, state = Piece(proof.index, circuit, proof), self._require_run(plan)
        if state.proofs >= piece.stop:
            return Action(f"submit {piece.name}", items=circuit.blocks)
        if state.proofs != piece.first:
            raise ChainError(
                "the aggregate does not begin where the ledger stands",
                expected=state.proofs,
                got=piece.first,
                hint="submit what lies between, or block proofs instead",
            )
        return self._send_aggregate(plan, piece, dataset)

    def _send_aggregate(self, plan: RunPlan, piece: Piece, dataset: DatasetRecord) -> Action:
        order, leaves = plan.order(), _leaf_hashes(dataset)
        paths = [list(merkle_proof(leaves, order[i])) for i in range(piece.first, piece.stop)]
        return ensure(
            self._chain,
            f"submit {piece.name}",
            lambda: self._require_run(plan).proofs >= piece.stop,
            lambda: self.contract.functions.submitAggregate(
                plan.run_id, paths, evidence(piece.circuit, piece.proof, reusable=False)
            ),
            items=piece.circuit.blocks,
        )

    def _send_blocks(self, plan: RunPlan, group: Sequence[Piece], dataset: DatasetRecord) -> Action:
        order, leaves = plan.order(), _leaf_hashes(dataset)
        reusable = _is_reusable(plan.specs.step)
        blocks = [
            (
                list(merkle_proof(leaves, order[piece.first])),
                evidence(piece.circuit, piece.proof, reusable=reusable),
            )
            for piece in group
        ]
        name = f"submit {group[0].name}" + (f" to {group[-1].first}" if len(group) > 1 else "")
        return ensure(
            self._chain,
            name,
            lambda: self._require_run(plan).proofs >= group[-1].stop,
            lambda: self.contract.functions.submit(plan.run_id, blocks),
            items=len(blocks),
        )

    def finalise(self, plan: RunPlan) -> Action:
        """Close the complete run; its final state never changes again."""
        return ensure(
            self._chain,
            "finalise run",
            lambda: self._require_run(plan).status == RunStatus.FINALISED,
            lambda: self.contract.functions.finalise(plan.run_id),
        )

    def abort(self, plan: RunPlan) -> Action:
        """Close an open run for good; for its payee, or the sponsor after the deadline."""
        return ensure(
            self._chain,
            "abort run",
            lambda: self._require_run(plan).status == RunStatus.ABORTED,
            lambda: self.contract.functions.abort(plan.run_id),
        )

    def reclaim(self, plan: RunPlan) -> Action:
        """Give a reward that nobody earned back to the sponsor, as a credit.

        Raises:
            ContractRefused: the deadline has not passed (DeadlineNotReached), a complete run waits
                to be finalised (RunWaiting), or nothing is left (NothingEscrowed).
        """
        return ensure(
            self._chain,
            "reclaim reward",
            # Sent once: nothing is left when it was mined, and nothing to send it for before.
            lambda: plan.task.reward > 0 and self._require_task(plan).escrow == 0,
            lambda: self.contract.functions.reclaim(plan.task_id),
        )

    def withdraw(self) -> Action:
        """Pay the acting account what the ledger owes it; nothing is sent if that is nothing."""
        return ensure(
            self._chain,
            "withdraw",
            lambda: self.credit(self._chain.address) == 0,
            self.contract.functions.withdraw,
        )

    def _check_prefix(
        self, plan: RunPlan, state: RunState, run: Iterable[Piece]
    ) -> Iterator[Piece]:
        """Return the pieces that the ledger does not have.

        Those it has must be ours, or what follows would be sent in vain.
        """
        transcript, order, position = plan.run_id, plan.order(), 0
        rest = iter(run)
        while position < state.proofs:
            piece = next(rest)
            if piece.stop > state.proofs:
                raise ChainOfProofsBroken(
                    "the ledger stands within an aggregate",
                    expected=piece.stop,
                    got=state.proofs,
                    path=piece.name,
                    hint="submit the block proofs that are left of it, not the aggregate",
                )
            for index, block in enumerate(piece.claims()[1], start=piece.first):
                name = tensor_hash(block.state_out)
                transcript = next_transcript(transcript, index, order[index], name)
            position = piece.stop
        if transcript != state.transcript:
            raise ChainOfProofsBroken(
                "the ledger holds other block proofs of this run",
                expected=transcript,
                got=state.transcript,
                path=f"block proofs 0 to {state.proofs - 1}",
                hint="open another run (nonce) for these proofs",
            )
        return rest

    def _check_chain(self, plan: RunPlan) -> None:
        if plan.chain_id != self._chain.chain_id:
            raise ChainError(
                "the run was planned for another chain",
                expected=plan.chain_id,
                got=self._chain.chain_id,
                hint="contexts bind the chain; prove again",
            )

    def _require_task(self, plan: RunPlan) -> TaskState:
        self._check_chain(plan)
        state = self.task(plan.task_id)
        if state is None:
            raise ChainError(
                "the task is not on this chain", expected=plan.task_id, hint="create it first"
            )
        return state

    def _require_run(self, plan: RunPlan) -> RunState:
        self._check_chain(plan)
        state = self.run(plan.run_id)
        if state is None:
            raise ChainError(
                "the run is not on this chain", expected=plan.run_id, hint="open it first"
            )
        return state


def _is_reusable(spec: CircuitSpecRecord | None) -> bool:
    return spec is not None and spec.prover == "ezkl-reusable"


def _leaf_hashes(dataset: DatasetRecord) -> Sequence[bytes]:
    return [leaf(i, tensor_hash(commitment)) for i, commitment in enumerate(dataset.leaves)]


def _tell(progress: Progress | None, action: str, done_: int, total: int) -> None:
    if progress is not None:
        progress(action, done_, total)
