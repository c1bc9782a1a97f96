"""Refuse what ezkl gets silently wrong in third-party ONNX graphs, before anything is compiled.

Each rule was measured with ezkl 23.0.5: the prover accepts these graphs, and the proven output is
not the graph's (docs/provers.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper

from zkdescent.core.errors import UnsupportedOperator

Constants = dict[str, np.ndarray]
Rule = Callable[[onnx.NodeProto, Constants, int], str | None]


def lint_onnx(model: onnx.ModelProto, fraction_bits: int) -> None:
    """Check every node and constant.

    Args:
        fraction_bits: scale at which ezkl will quantise constants.

    Raises:
        UnsupportedOperator: names the node, what is wrong, and a remedy.
    """
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
    for node in model.graph.node:
        for rule in _RULES:
            problem = rule(node, constants, fraction_bits)
            if problem is not None:
                name, _, remedy = problem.partition("; ")
                raise UnsupportedOperator(
                    f"the operator {node.op_type} can't be proven here: {name}",
                    got=node.name or node.output[0],
                    hint=remedy or None,
                )


def _constant(node: onnx.NodeProto) -> np.ndarray:
    for attribute in node.attribute:
        if attribute.name == "value":
            return np.asarray(numpy_helper.to_array(attribute.t))
        if attribute.name in ("value_float", "value_int"):
            return np.asarray(onnx.helper.get_attribute_value(attribute))
    return np.zeros(0)


def _power(node: onnx.NodeProto, constants: Constants, bits: int) -> str | None:
    if node.op_type != "Pow":
        return None
    exponent = constants.get(node.input[1])
    if exponent is None or exponent.size != 1:
        return "the exponent is a tensor; use a constant exponent"
    if float(exponent.reshape(-1)[0]) < 1:
        return "exponents below 1 are computed wrongly; use Sqrt, Reciprocal or a constant"
    return None


def _vanishing(node: onnx.NodeProto, constants: Constants, bits: int) -> str | None:
    if node.op_type not in ("Mul", "Div", "MatMul", "Gemm", "Conv", "Add", "Sub"):
        return None
    smallest = 2.0 ** -(bits + 1)
    for name in node.input:
        values = constants.get(name)
        if values is None or values.dtype.kind != "f" or not values.size:
            continue
        largest = float(np.abs(values).max())
        if 0 < largest < smallest:
            return f"the constant {name} rounds to zero; use more --fraction-bits"
    return None


def _scatter(node: onnx.NodeProto, constants: Constants, bits: int) -> str | None:
    if node.op_type in ("ScatterElements", "ScatterND"):
        return "scatter with a reduction loses updates; use a one-hot matrix product"
    return None


def _padding(node: onnx.NodeProto, constants: Constants, bits: int) -> str | None:
    if node.op_type != "Pad" or len(node.input) < 3:
        return None
    value = constants.get(node.input[2])
    if value is None or value.size == 0 or float(value.reshape(-1)[0]) == 0:
        return None
    return "padding with another value than 0 is ignored; pad with Concat"


def _dilation(node: onnx.NodeProto, constants: Constants, bits: int) -> str | None:
    if node.op_type not in ("Conv", "ConvTranspose"):
        return None
    for attribute in node.attribute:
        if attribute.name == "dilations" and any(d != 1 for d in attribute.ints):
            return "dilated convolutions are not supported; use dilation 1"
    return None


_RULES: tuple[Rule, ...] = (_power, _vanishing, _scatter, _padding, _dilation)
