"""Export the inference graph to ONNX, and check it against the ONNX runtime before using it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from zkdescent.core.errors import ModelError, ToolMissing
from zkdescent.core.quiet import quiet_exporter
from zkdescent.train._arrays import FloatArray

OPSET = 18
MODEL_ONNX = "train/model.onnx"
"""Name of the exported model in the artefact store."""


def export_onnx(module: nn.Module, rows: FloatArray, *, tolerance: float = 1e-5) -> bytes:
    """Return the inference graph for one row as ONNX bytes; equal models give equal bytes.

    The graph has one input ``input`` (1, d) and one output ``output`` (1, t), opset 18, weights
    inside the file. Source locations, which would publish the user's folders, are removed.

    Args:
        rows: feature rows (n, d) in standard units, n >= 1, on which torch and the ONNX runtime
            must agree.
        tolerance: allowed difference, absolute and relative.

    Raises:
        ModelError: the model cannot be exported, or ONNX computes something else.
        ToolMissing: onnx, onnxscript or onnxruntime isn't installed.
    """
    module = copy.deepcopy(module).eval()
    examples = torch.tensor(rows, dtype=torch.float32)
    data = _export(module, examples[:1])
    _check(data, module, examples, tolerance)
    return data


def _export(module: nn.Module, example: torch.Tensor) -> bytes:
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise _missing(error) from error
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=["input"],
                output_names=["output"],
                verbose=False,
            )
    except Exception as error:
        raise ModelError(
            f"the model cannot be exported to ONNX: {type(error).__name__}",
            got=str(error).strip().splitlines()[0] if str(error).strip() else None,
            hint="keep control flow out of forward(); it must not depend on values",
        ) from error
    if program is None:  # pragma: no cover - only without dynamo
        raise ModelError("torch exported nothing")
    proto = program.model_proto
    _strip(proto)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _strip(message: Any) -> None:
    """Remove stack traces and other notes from a protobuf message and all messages in it."""
    for name in ("metadata_props", "doc_string"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in (value,) if hasattr(value, "DESCRIPTOR") else value:
                _strip(item)


def _check(data: bytes, module: nn.Module, examples: torch.Tensor, tolerance: float) -> None:
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing(error) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        data, sess_options=options, providers=["CPUExecutionProvider"]
    )
    for i in range(len(examples)):
        with torch.no_grad():
            expected = module(examples[i : i + 1]).numpy()
        (got,) = session.run(None, {"input": examples[i : i + 1].numpy()})
        if got.shape != expected.shape or not np.allclose(
            got, expected, rtol=tolerance, atol=tolerance
        ):
            raise ModelError(
                f"the exported model computes something else than torch on row {i + 1}",
                expected=expected.tolist(),
                got=got.tolist(),
                hint="a forward() that depends on the batch size cannot be exported for one row",
            )


def _missing(error: ImportError) -> ToolMissing:
    return ToolMissing(
        f"{error.name or 'an ONNX package'} is not installed",
        hint="pip install 'zkdescent[train]'",
    )
