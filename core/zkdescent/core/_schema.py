"""The project file's tables as pydantic models: types, ranges, and rules inside one table.

Strict on purpose: ``batch_size = "32"`` and ``steps = true`` are mistakes, not spellings.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, model_validator

from zkdescent.core._codec import canonical_json
from zkdescent.core._tables import Count, Finite, Table, require_reference, wrong
from zkdescent.core._tables import is_reference as is_reference
from zkdescent.core._training import CLASSIFYING, TrainTable
from zkdescent.core.amounts import EXPECTED, parse_wei
from zkdescent.core.errors import ArtefactError

Source = Literal["csv", "npz", "sklearn", "factory"]
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RAW_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")

Names = Annotated[tuple[str, ...], Strict(False), Field(min_length=1)]


class ProjectTable(Table):
    """``[project]``: the name under which artefacts and models are published."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class ModelTable(Table):
    """``[model]``: a factory of a torch.nn.Module and its keyword arguments."""

    factory: str
    args: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_reference("factory", self.factory)
        try:
            canonical_json(self.args)
        except ArtefactError as error:
            raise wrong("args", "numbers, strings, lists and tables", error.got) from error
        return self


class DataTable(Table):
    """``[data]``: where the rows come from, which columns count, and how they are prepared.

    ``npz`` files hold the arrays ``features`` (rows, columns) and ``targets`` (rows,) or (rows,
    columns), and may name their columns in the string arrays ``feature_names`` and
    ``target_names``. A ``factory`` returns (features, targets). ``standardize`` is about features;
    ``standardize_targets`` helps regressions on large targets, and then the model's outputs, also
    those a contract accepts, are in standard deviations from the mean.
    """

    source: Source
    path: str | None = None
    name: str | None = None
    factory: str | None = None
    features: Count | Names | None = None
    target: str | Names | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    standardize: bool = True
    standardize_targets: bool = False
    validation: Finite = Field(default=0.2, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        needed = {"csv": "path", "npz": "path", "sklearn": "name", "factory": "factory"}
        key = needed[self.source]
        if getattr(self, key) is None:
            raise wrong(key, f"a value, because source = {self.source!r}", None)
        for other in sorted(set(needed.values()) - {key}):
            if (given := getattr(self, other)) is not None:
                raise wrong(other, f"nothing, because source = {self.source!r}", given)
        if self.source == "csv" and self.target is None:
            raise wrong("target", "the name of a column, because source = 'csv'", None)
        if self.factory is not None:
            require_reference("factory", self.factory)
        return self


class CircuitTable(Table):
    """``[circuit]``: the prover, the fixed-point format, and the size of one proof.

    ``headroom_bits`` bounds the magnitude of parameters, data and rounded values by 2**bits.
    ``objective`` says what sizes left to "auto" are chosen for, over the whole run.
    ``blocks_per_aggregate`` block proofs in a row are proven as one where the prover can (2 or
    more; 0: none are). ``zero_knowledge = false`` makes proofs cheaper, and lets them tell
    something about data and parameters: for those that are public anyway (barretenberg only).
    """

    backend: Literal["ezkl", "barretenberg"] = "ezkl"
    fraction_bits: int = Field(default=12, ge=8, le=16)
    headroom_bits: int = Field(default=8, ge=4, le=12)
    objective: Literal["seconds", "gas", "memory"] = "seconds"
    steps_per_proof: Literal["auto"] | Count = "auto"
    logrows: Literal["auto"] | Annotated[int, Field(ge=9, le=26)] = "auto"
    blocks_per_aggregate: Annotated[int, Field(ge=0, le=4)] = 0
    zero_knowledge: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.backend == "ezkl" and not self.zero_knowledge:
            raise wrong("zero_knowledge", "true, because backend = 'ezkl'", False)
        return self


class ChainTable(Table):
    """``[chain]``: the node, the key that signs, and where the batch order's seed comes from.

    ``seed = "auto"`` is a declared seed on local chains and the beacon elsewhere. ``seed_delay``
    counts blocks between the task and the block whose randomness becomes the seed: at least 2, so
    that the task's own block does not decide it ("auto": 2 on development nodes, 128 elsewhere).
    ``verifier = "dedicated"`` compiles a verifier contract for each circuit: cheaper per proof,
    dearer to deploy.

    ``reward``, an amount with its unit, is escrowed when the task is created, and earned by the
    payee of the first run that is finalised. ``deadline``, a moment with its offset from UTC, is
    when the sponsor may take back what nobody earned and abort a run, and no run opens any more.
    Both are part of the task, so of what proofs are bound to.

    The rest is about nodes reached by URL. ``confirmations`` counts blocks until a transaction is
    settled ("auto": 1 on development nodes, 5 elsewhere). Never more than ``max_fee_gwei`` is
    offered per gas; a transaction that is not mined after ``replace_after_s`` is offered more;
    after ``patience_s`` of waiting for a price or a block the command stops.
    """

    rpc: str = "tester"
    seed: Literal["auto", "beacon", "declared"] = "auto"
    seed_delay: Literal["auto"] | Annotated[int, Field(ge=2, le=200)] = "auto"
    verifier: Literal["reusable", "dedicated"] = "reusable"
    reward: str = "0 wei"
    deadline: datetime | None = None
    key_env: str | None = None
    keystore: str | None = None
    confirmations: Literal["auto"] | Annotated[int, Field(ge=1, le=32)] = "auto"
    max_fee_gwei: Finite | None = Field(default=None, gt=0)
    replace_after_s: Finite = Field(default=120.0, gt=0)
    patience_s: Finite = Field(default=3600.0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rpc not in ("tester", "anvil") and not re.fullmatch(r"https?://\S+", self.rpc):
            raise wrong("rpc", "'tester', 'anvil' or a URL with http:// or https://", self.rpc)
        self._check_reward()
        if self.key_env is not None and _RAW_KEY.fullmatch(self.key_env):
            # Never echo it: messages end up in logs.
            raise wrong(
                "key_env",
                "the name of an environment variable; a private key never belongs in this file",
                "what looks like a private key (not shown)",
            )
        if self.key_env is not None and not _ENVIRONMENT_NAME.fullmatch(self.key_env):
            raise wrong("key_env", "the name of an environment variable", self.key_env)
        if self.key_env is not None and self.keystore is not None:
            raise wrong("keystore", "either key_env or keystore, not both", self.keystore)
        return self

    @property
    def reward_wei(self) -> int:
        """The reward, wei."""
        return parse_wei(self.reward) or 0

    @property
    def deadline_s(self) -> int:
        """The deadline, seconds since 1970 in UTC; 0 for none."""
        return 0 if self.deadline is None else int(self.deadline.timestamp())

    def _check_reward(self) -> None:
        if parse_wei(self.reward) is None:
            raise wrong("reward", EXPECTED, self.reward)
        moment = self.deadline
        if moment is not None and (moment.tzinfo is None or moment.timestamp() <= 0):
            raise wrong(
                "deadline", "a moment with its offset, for example 2030-01-31T12:00:00Z", moment
            )
        if self.reward_wei and moment is None:
            raise wrong("deadline", "a moment, because there is a reward", None)


class Config(Table):
    """The whole project file."""

    project: ProjectTable
    model: ModelTable
    data: DataTable
    train: TrainTable
    circuit: CircuitTable = Field(default_factory=CircuitTable)
    chain: ChainTable = Field(default_factory=ChainTable)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.data.standardize_targets and self.train.loss in CLASSIFYING:
            expected = f"false, because loss = {self.train.loss!r}"
            raise wrong("data.standardize_targets", expected, True)
        self._check_learning_rate()
        k, steps = self.circuit.steps_per_proof, self.train.steps
        if k != "auto" and steps % k != 0:
            divisors = ", ".join(str(n) for n in divisors_of(steps))
            raise wrong("circuit.steps_per_proof", f"a divisor of steps = {steps}: {divisors}", k)
        return self

    def _check_learning_rate(self) -> None:
        """Refuse a rate below half a unit of the parameters: it would be zero in the circuit."""
        bits, rate = self.circuit.fraction_bits, self.train.learning_rate
        unit = f"2^-{bits + 1} = {2.0 ** -(bits + 1):.2g} or more with fraction_bits = {bits}"
        if rate * 2 ** (bits + 1) < 1:
            raise wrong("train.learning_rate", unit, rate)
        factor = self.train.schedule.smallest_factor(self.train.steps)
        if factor is not None and min(16.0, rate) * factor * 2 ** (bits + 1) < 1:
            got = f"a last learning rate of {rate * factor:.2g}"
            raise wrong("train.schedule.gamma", f"one that leaves a rate of {unit}", got)


def divisors_of(number: int) -> tuple[int, ...]:
    """Return the positive divisors of a positive number, ascending."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return tuple(sorted({*small, *(number // n for n in small)}))
