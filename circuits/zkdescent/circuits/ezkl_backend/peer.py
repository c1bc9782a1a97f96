"""The benchmark's peer: one gradient step in ezkl as its documentation tells users to run a model.

The step is exported by torch's ONNX exporter, then: gen_settings, calibrate_settings for
resources, compile, setup, gen_witness, prove, verify. Everything stays at ezkl's default (inputs
and outputs public and range-checked, constants fixed, one step per proof) but Freivalds checks,
which are off: with them matrix products are bound to nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from zkdescent.circuits.ezkl_backend import worker
from zkdescent.circuits.ezkl_backend.backend import vka_words
from zkdescent.circuits.ezkl_backend.srs import unsafe_srs
from zkdescent.circuits.trace import Loss
from zkdescent.core.errors import ProverError
from zkdescent.core.quiet import quiet_exporter
from zkdescent.core.records import FIELD_MODULUS

OPSET = 18


@dataclass(frozen=True, slots=True)
class PeerProof:
    """A proof of one step; `outputs` are the new parameters that it proves, in real numbers."""

    proof: bytes
    public_values: tuple[int, ...]
    outputs: NDArray[np.float64]
    seconds: float
    verify_seconds: float
    peak_memory_mb: float


@dataclass(frozen=True, slots=True)
class PeerStep:
    """A circuit of one step with keys; files lie in the directory given to `build_peer_step`."""

    files: dict[str, Path]
    inputs: list[list[float]]
    output_scales: tuple[int, ...]
    logrows: int
    rows: int
    vka: tuple[bytes, ...]
    setup_seconds: float

    @property
    def key_bytes(self) -> int:
        """Size of the proving key."""
        return self.files["pk"].stat().st_size

    @property
    def verifier_source(self) -> str:
        """Solidity of the verifier that ezkl generates for this circuit."""
        return self.files["sol"].read_text()

    def prove(self) -> PeerProof:
        """Prove the step on its inputs, and verify the proof.

        Raises:
            ProverError: the prover failed.
        """
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
            answer = worker.call(
                "peer_prove",
                **_paths(self.files, "settings", "compiled", "vk", "pk", "srs"),
                inputs=self.inputs,
                scratch=scratch,
            )
        outputs = [
            _signed(v) / 2.0**scale
            for tensor, scale in zip(answer["outputs"], self.output_scales, strict=True)
            for v in tensor
        ]
        verify_seconds = float(answer["verify_seconds"])
        return PeerProof(
            proof=bytes.fromhex(answer["proof"]),
            public_values=tuple(_integer(v) for v in answer["public_values"]),
            outputs=np.array(outputs),
            seconds=float(answer["seconds"]) - verify_seconds,
            verify_seconds=verify_seconds,
            peak_memory_mb=float(answer["peak_memory_mb"]),
        )


def step_graph(
    module: torch.nn.Module, loss: Loss, learning_rate: float, x: Tensor, y: Tensor
) -> fx.GraphModule:
    """Trace one SGD step as a function of (x, y, parameters...) to the new parameters.

    Args:
        x: (batch, features).
        y: (batch, targets).
    """
    names = [name for name, _ in module.named_parameters()]

    def step(x: Tensor, y: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
        def objective(params: Sequence[Tensor]) -> Tensor:
            named = dict(zip(names, params, strict=True))
            return loss(torch.func.functional_call(module, named, (x,)), y)

        gradients = torch.func.grad(objective)(list(params))
        return tuple(p - learning_rate * g for p, g in zip(params, gradients, strict=True))

    params = [p.detach().clone() for p in module.parameters()]
    table: Any = core_aten_decompositions()
    graph: fx.GraphModule = make_fx(step, table)(x, y, *params)
    return graph


def build_peer_step(
    graph: fx.GraphModule, arguments: Sequence[Tensor], directory: Path
) -> PeerStep:
    """Export, calibrate, compile, set up.

    Args:
        graph: from `step_graph`.
        arguments: x, y, parameters... of the step that is proven; calibration sees them too.
        directory: empty; receives all files.

    Raises:
        ProverError: torch can't export the graph, or the prover failed.
    """
    names = ("onnx", "settings", "compiled", "vk", "pk", "vka", "sol", "data")
    files = {name: directory / f"peer.{name}" for name in names}
    _export(graph, arguments, files["onnx"])
    inputs = [a.detach().numpy().astype(float).reshape(-1).tolist() for a in arguments]
    files["data"].write_text(json.dumps({"input_data": inputs}))
    started = time.perf_counter()
    chosen = worker.call("peer_settings", **_paths(files, "onnx", "data", "settings"))
    calibration_seconds = time.perf_counter() - started
    # Not counted in setup: users of either system download theirs.
    files["srs"] = unsafe_srs(int(chosen["logrows"]))
    started = time.perf_counter()
    worker.call("peer_setup", **_paths(files, "onnx", "settings", "compiled", "vk", "pk", "srs"))
    worker.call(
        "export_verifier", **_paths(files, "settings", "vk", "srs", "vka"), source=str(files["sol"])
    )
    return PeerStep(
        files=files,
        inputs=inputs,
        output_scales=tuple(chosen["output_scales"]),
        logrows=int(chosen["logrows"]),
        rows=int(chosen["rows"]),
        vka=vka_words(files["vka"].read_bytes()),
        setup_seconds=calibration_seconds + time.perf_counter() - started,
    )


def _export(graph: fx.GraphModule, arguments: Sequence[Tensor], path: Path) -> None:
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                graph,
                tuple(arguments),
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        raise ProverError(
            "torch could not export the peer's step to ONNX", got=f"{type(error).__name__}: {error}"
        ) from error
    if program is None:  # pragma: no cover - only without dynamo
        raise ProverError("torch exported nothing")
    path.write_bytes(program.model_proto.SerializeToString())


def _paths(files: dict[str, Path], *names: str) -> dict[str, Any]:
    return {name: str(files[name]) for name in names}


def _integer(felt: str) -> int:
    return int.from_bytes(bytes.fromhex(felt), "little")


def _signed(felt: str) -> int:
    value = _integer(felt)
    return value - FIELD_MODULUS if value > FIELD_MODULUS // 2 else value
