"""Settings of ezkl circuits: the safe values, and a canonical file.

ezkl's defaults are not safe (Freivalds checks that bind nothing) and not reproducible (lists in
random order change the verifying key). Every settings file passes through here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from zkdescent.circuits.ezkl_backend.codegen import REBASE_LABEL
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.core.errors import ProverError
from zkdescent.core.records import shallow_json

INNER_COLUMNS = 2
RESERVED_ROWS = 16  # unusable rows of a column, rounded up


@dataclass(frozen=True, slots=True)
class RunArguments:
    """The run arguments this project sets; everything else stays at ezkl's default.

    Both scales are the label above which ezkl would round by itself, which none has (`codegen`).
    Inputs are range-checked by a circuit of their own, not here: ezkl does not check committed
    inputs whatever this flag says. Nothing is decomposed by ezkl, so its own digits don't matter.
    """

    logrows: int
    public_output: bool

    def apply(self, arguments: Any) -> Any:
        """Set the fields of an `ezkl.PyRunArgs`."""
        arguments.input_scale = REBASE_LABEL
        arguments.param_scale = REBASE_LABEL
        arguments.logrows = self.logrows
        arguments.num_inner_cols = INNER_COLUMNS
        arguments.lookup_range = Digits(self.logrows).lookup_range
        arguments.input_visibility = "polycommit"
        arguments.param_visibility = "fixed"
        arguments.output_visibility = "public" if self.public_output else "polycommit"
        arguments.ignore_range_check_inputs_outputs = True
        arguments.disable_freivalds = True
        arguments.check_mode = "safe"
        arguments.epsilon = 1e-7
        return arguments


def canonical_settings(raw: bytes, *, assignments: int | None = None) -> bytes:
    """Sort what ezkl writes in random order, zero the timestamp, refuse what is unsafe.

    Args:
        assignments: cells to allocate instead of ezkl's count, which includes copies that the
            circuit does not make. Too few is an error at setup, never an unsound circuit.

    Raises:
        ProverError: the settings are unsafe or not of the known form.
    """
    try:
        settings = json.loads(shallow_json(raw))
        settings["timestamp"] = 0
        for name in ("required_range_checks", "required_lookups"):
            settings[name] = sorted(settings[name], key=_canonical)
        einsum = settings["einsum_params"]
        einsum["equations"] = sorted(einsum["equations"], key=_canonical)
        if assignments is not None:
            settings["total_assignments"] = min(assignments, settings["total_assignments"])
            settings["num_rows"] = settings["total_assignments"] // INNER_COLUMNS
    except (ValueError, KeyError, TypeError) as error:
        raise _unknown_form(error) from error
    canonical = (json.dumps(settings, sort_keys=True, separators=(",", ":")) + "\n").encode()
    refuse_unsafe_settings(canonical)
    return canonical


def refuse_unsafe_settings(raw: bytes) -> dict[str, Any]:
    """Return the parsed settings if they are safe to prove or verify under.

    Raises:
        ProverError: Freivalds checks are on, or the file can't be read. With them, results of
            matrix products are bound to nothing: two different models share one verifying key.
    """
    try:
        settings: dict[str, Any] = json.loads(shallow_json(raw))
        columns = settings.get("einsum_params", {}).get("total_einsum_col_size")
        disabled = settings.get("run_args", {}).get("disable_freivalds")
    except (ValueError, AttributeError) as error:
        raise _unknown_form(error) from error
    if disabled is not True or columns != 0:
        raise ProverError(
            "the circuit's settings switch Freivalds checks on, which is unsound",
            expected={"disable_freivalds": True, "total_einsum_col_size": 0},
            got={"disable_freivalds": disabled, "total_einsum_col_size": columns},
            hint="compile again with zkdescent; never calibrate or edit settings by hand",
        )
    return settings


def capacity(logrows: int, blocks: int) -> int:
    """Cells that `blocks` column blocks of a circuit hold."""
    return blocks * INNER_COLUMNS * ((1 << logrows) - RESERVED_ROWS)


def _unknown_form(error: Exception) -> ProverError:
    return ProverError(
        "the prover's settings are not of the known form",
        expected="settings.json of ezkl 23.0.5",
        got=f"{type(error).__name__}: {error}",
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
