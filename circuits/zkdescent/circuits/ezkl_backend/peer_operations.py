"""The calls of ezkl for the benchmark's peer: as its documentation runs a model.

Served by the same worker as `operations`; the operations' names begin with `peer_`. Nothing here
is used outside `bench`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zkdescent.circuits.ezkl_backend import operations
from zkdescent.circuits.ezkl_backend.operations import ezkl


def peer_settings(onnx: str, data: str, settings: str) -> dict[str, Any]:
    """Write calibrated settings: ezkl's defaults, except that Freivalds checks are off.

    The defaults make inputs and outputs public, fix constants in the circuit and range-check
    inputs and outputs.
    """
    arguments = ezkl.PyRunArgs()
    # On by default, and unsound: matrix products would be bound to nothing. Off is faster, too.
    arguments.disable_freivalds = True
    ezkl.gen_settings(onnx, settings, arguments)
    ezkl.calibrate_settings(data, onnx, settings, target="resources")
    chosen = json.loads(Path(settings).read_bytes())
    return {
        "logrows": chosen["run_args"]["logrows"],
        "input_scale": chosen["run_args"]["input_scale"],
        "rows": chosen["num_rows"],
        "output_scales": chosen["model_output_scales"],
    }


def peer_setup(onnx: str, settings: str, compiled: str, vk: str, pk: str, srs: str) -> None:
    """Compile and generate keys."""
    ezkl.compile_circuit(onnx, compiled, settings)
    ezkl.setup(compiled, vk, pk, srs)


def peer_prove(
    settings: str, compiled: str, vk: str, pk: str, srs: str, inputs: list[Any], scratch: str
) -> dict[str, Any]:
    """Witness, proof and verification, by the operation that serves our own circuits."""
    answer = operations.prove(settings, compiled, vk, pk, srs, inputs, scratch)
    witness = json.loads((Path(scratch) / "witness.json").read_bytes())
    answer["outputs"] = witness["outputs"]
    return answer
