"""Each lint rule refuses what ezkl gets silently wrong, and accepts its harmless twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zkdescent.circuits.onnx_lint import lint_onnx
from zkdescent.core.errors import UnsupportedOperator

BITS = 12
FLOAT = TensorProto.FLOAT


def model(
    op: str, *constants: np.ndarray[Any, Any] | None, as_nodes: bool = False, **attributes: Any
) -> onnx.ModelProto:
    """One operator on an input and constants; None stands for a second graph input."""
    names, nodes, initializers = ["x"], [], []
    inputs = [helper.make_tensor_value_info("x", FLOAT, None)]
    for index, constant in enumerate(constants):
        name = f"c{index}"
        names.append(name)
        if constant is None:
            inputs.append(helper.make_tensor_value_info(name, FLOAT, None))
        elif as_nodes:
            tensor = numpy_helper.from_array(constant)
            nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            initializers.append(numpy_helper.from_array(constant, name))
    nodes.append(helper.make_node(op, names, ["y"], name="culprit", **attributes))
    outputs = [helper.make_tensor_value_info("y", FLOAT, None)]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, initializers))


def floats(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=np.float32)


SMALL, ENOUGH = 2.0 ** -(BITS + 1) * 0.99, 2.0 ** -(BITS + 1) * 1.01
WEIGHTS = np.ones((1, 1, 2, 2), np.float32)
PADS = np.array([0, 0, 1, 1], np.int64)

REFUSED = {
    "a power of -1": (model("Pow", floats(-1)), "exponents below 1"),
    "a power of 0": (model("Pow", floats(0)), "exponents below 1"),
    "a root as a power": (model("Pow", floats(0.5)), "exponents below 1"),
    "a power by a Constant node": (model("Pow", floats(-1), as_nodes=True), "exponents below 1"),
    "a power by a tensor": (model("Pow", None), "exponent is a tensor"),
    "a power by several numbers": (model("Pow", floats(1, 2)), "exponent is a tensor"),
    "a factor that vanishes": (model("Mul", floats(SMALL)), "c0 rounds to zero"),
    "a negative one": (model("Add", floats(-SMALL)), "c0 rounds to zero"),
    "a vanishing Constant node": (model("Mul", floats(SMALL), as_nodes=True), "rounds to zero"),
    "weights that all vanish": (model("Gemm", floats(SMALL, 0)), "c0 rounds to zero"),
    "a scatter": (model("ScatterElements", np.array([0]), floats(1)), "one-hot"),
    "a scatter by index": (model("ScatterND", np.array([[0]]), floats(1)), "one-hot"),
    "padding with a one": (model("Pad", PADS, floats(1)), "padding with another value"),
    "a dilated convolution": (model("Conv", WEIGHTS, dilations=[2, 1]), "dilat"),
}
ACCEPTED = {
    "a square": model("Pow", floats(2)),
    "a power of 1": model("Pow", floats(1)),
    "a factor of half a unit": model("Mul", floats(ENOUGH)),
    "an exact zero": model("Add", floats(0)),
    "weights of which some vanish": model("Gemm", floats(SMALL, 1)),
    "an integer constant": model("Reshape", np.array([0], np.int64)),
    "padding with zeros": model("Pad", PADS, floats(0)),
    "padding by default": model("Pad", PADS),
    "a plain convolution": model("Conv", WEIGHTS, dilations=[1, 1]),
    "a convolution that names no dilation": model("Conv", WEIGHTS),
    "an operator without a rule": model("Relu"),
}


@pytest.mark.parametrize(("graph", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(graph: onnx.ModelProto, said: str) -> None:
    with pytest.raises(UnsupportedOperator) as caught:
        lint_onnx(graph, BITS)
    assert said in caught.value.diagnostics()
    assert caught.value.got == "culprit"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("graph", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(graph: onnx.ModelProto) -> None:
    lint_onnx(graph, BITS)


def test_more_fraction_bits_let_a_small_constant_through() -> None:
    lint_onnx(model("Mul", floats(SMALL)), BITS + 1)
