"""The project file's tables as pydantic models: types, ranges, and rules inside one table.

Strict on purpose: ``batch_size = "32"`` and ``steps = true`` are mistakes, not spellings.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from zkdescent.core._codec import canonical_json
from zkdescent.core.errors import ArtefactError

Source = Literal["csv", "npz", "sklearn", "factory"]
_REFERENCE = re.compile(r"(?:[^:]+\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RAW_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], Strict(False), Field(min_length=1)]


def is_reference(text: str) -> bool:
    """Say whether ``text`` has the form ``FILE.py:function`` or ``package.module:function``."""
    return _REFERENCE.fullmatch(text) is not None


class _Table(BaseModel):
    # hide_input: the text of a pydantic error, seen in tracebacks, must not spell out a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ProjectTable(_Table):
    """``[project]``: the name under which artefacts and models are published."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class ModelTable(_Table):
    """``[model]``: a factory of a torch.nn.Module and its keyword arguments."""

    factory: str
    args: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        _require_reference("factory", self.factory)
        try:
            canonical_json(self.args)
        except ArtefactError as error:
            raise _wrong("args", "numbers, strings, lists and tables", error.got) from error
        return self


class DataTable(_Table):
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
            raise _wrong(key, f"a value, because source = {self.source!r}", None)
        for other in sorted(set(needed.values()) - {key}):
            if (given := getattr(self, other)) is not None:
                raise _wrong(other, f"nothing, because source = {self.source!r}", given)
        if self.source == "csv" and self.target is None:
            raise _wrong("target", "the name of a column, because source = 'csv'", None)
        if self.factory is not None:
            _require_reference("factory", self.factory)
        return self


class TrainTable(_Table):
    """``[train]``: the declared update step, and how long it runs.

    ``steps``, ``batch_size``, loss and optimizer are proven as declared. ``early_stopping``
    (patience in evaluations, 0: off) acts on float training only, to find a good ``steps``.
    """

    loss: str = "mse"
    optimizer: Literal["sgd", "momentum"] = "sgd"
    learning_rate: Finite = Field(gt=0.0)
    momentum: Annotated[Finite, Field(ge=0.0, lt=1.0)] | None = None
    batch_size: Count
    steps: Count
    seed: int = Field(default=0, ge=0, lt=2**63)
    early_stopping: int = Field(default=0, ge=0)
    evaluate_every: Count = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.loss not in ("mse", "bce"):
            _require_reference("loss", self.loss, also="'mse', 'bce' or ")
        if self.momentum is not None and self.optimizer != "momentum":
            raise _wrong(
                "momentum", f"nothing, because optimizer = {self.optimizer!r}", self.momentum
            )
        return self

    @property
    def momentum_value(self) -> float:
        """The momentum factor: as given, 0.9 if not given, 0 for plain SGD."""
        if self.optimizer != "momentum":
            return 0.0
        return 0.9 if self.momentum is None else self.momentum


class CircuitTable(_Table):
    """``[circuit]``: the prover, the fixed-point format, and the size of one proof."""

    backend: Literal["ezkl"] = "ezkl"
    fraction_bits: int = Field(default=12, ge=8, le=16)
    steps_per_proof: Literal["auto"] | Count = "auto"
    logrows: Literal["auto"] | Annotated[int, Field(ge=9, le=26)] = "auto"


class ChainTable(_Table):
    """``[chain]``: the node, the key that signs, and where the batch order's seed comes from.

    ``seed = "auto"`` is a declared seed on local chains and the beacon elsewhere. ``seed_delay``
    counts blocks between the task and the block whose randomness becomes the seed. Contracts see
    only 256 blocks back, so a long delay leaves less time to seal and none above 200 is taken.
    ``verifier = "dedicated"`` compiles a verifier contract for each circuit: cheaper per proof,
    dearer to deploy.
    """

    rpc: str = "tester"
    seed: Literal["auto", "beacon", "declared"] = "auto"
    seed_delay: int = Field(default=2, ge=1, le=200)
    verifier: Literal["reusable", "dedicated"] = "reusable"
    key_env: str | None = None
    keystore: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rpc not in ("tester", "anvil") and not re.fullmatch(r"https?://\S+", self.rpc):
            raise _wrong("rpc", "'tester', 'anvil' or a URL with http:// or https://", self.rpc)
        if self.key_env is not None and _RAW_KEY.fullmatch(self.key_env):
            # Never echo it: messages end up in logs.
            raise _wrong(
                "key_env",
                "the name of an environment variable; a private key never belongs in this file",
                "what looks like a private key (not shown)",
            )
        if self.key_env is not None and not _ENVIRONMENT_NAME.fullmatch(self.key_env):
            raise _wrong("key_env", "the name of an environment variable", self.key_env)
        if self.key_env is not None and self.keystore is not None:
            raise _wrong("keystore", "either key_env or keystore, not both", self.keystore)
        return self


class Config(_Table):
    """The whole project file."""

    project: ProjectTable
    model: ModelTable
    data: DataTable
    train: TrainTable
    circuit: CircuitTable = Field(default_factory=CircuitTable)
    chain: ChainTable = Field(default_factory=ChainTable)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.data.standardize_targets and self.train.loss == "bce":
            raise _wrong("data.standardize_targets", "false, because loss = 'bce'", True)
        k, steps = self.circuit.steps_per_proof, self.train.steps
        if k != "auto" and steps % k != 0:
            divisors = ", ".join(str(n) for n in divisors_of(steps))
            raise _wrong("circuit.steps_per_proof", f"a divisor of steps = {steps}: {divisors}", k)
        return self


def divisors_of(number: int) -> tuple[int, ...]:
    """Return the positive divisors of a positive number, ascending."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return tuple(sorted({*small, *(number // n for n in small)}))


def _require_reference(key: str, value: str, *, also: str = "") -> None:
    if not is_reference(value):
        expected = f"{also}'FILE.py:function' or 'package.module:function'"
        raise _wrong(key, expected, value)


def _wrong(key: str, expected: str, got: object) -> PydanticCustomError:
    # Carried in the context, so that load_project can say expected and got separately.
    context = {"key": key, "expected": expected, "got": got}
    return PydanticCustomError("project_rule", "{key}: expected {expected}", context)
