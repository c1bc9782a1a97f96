"""What can't be proven, and what to do instead."""

from __future__ import annotations

from torch import fx

from zkdescent.circuits.user_code import recorded_line
from zkdescent.core.errors import UnsupportedOperator

_REMEDIES = {
    "max_pool": "use nn.AvgPool2d, or a stride in the convolution",
    "batch_norm": "use nn.LayerNorm, which keeps no running statistics",
    "bernoulli": "remove dropout; weight_decay regularises and can be proven",
    "dropout": "remove dropout; weight_decay regularises and can be proven",
    "rand": "the step must be a function of state and data; remove the noise",
    "normal": "the step must be a function of state and data; remove the noise",
    "embedding": "multiply one-hot rows with the weight: one_hot @ embedding.weight",
    "nll_loss": "give targets as one-hot columns: cross_entropy(prediction, one_hot)",
    "argmax": "indices are not numbers of the circuit; use one-hot targets, or torch.amax",
    "max.dim": "use torch.amax, which returns no indices",
    "min.dim": "use torch.amin, which returns no indices",
    "topk": "use torch.amax, or comparisons with a constant",
    "sort": "use torch.amax, or comparisons with a constant",
    "binary_cross_entropy": "return logits and use binary_cross_entropy_with_logits",
    "upsample": "repeat rows and columns with expand and reshape",
    "group_norm": "use nn.LayerNorm",
    "log": "use log_softmax, logsigmoid or softplus, whose logarithms can be proven",
    "erf": "use nn.GELU, or torch.tanh",
    "sin": "compute it beforehand and keep it in a buffer, or use torch.tanh",
    "cos": "compute it beforehand and keep it in a buffer, or use torch.tanh",
    "new_empty_strided": "don't assign to parts of a tensor; join parts with torch.cat or stack",
    "as_strided": "don't assign to parts of a tensor; join parts with torch.cat or stack",
    "nonzero": "shapes must not depend on data; multiply with a mask instead",
    "masked_select": "shapes must not depend on data; multiply with a mask instead",
    "_local_scalar_dense": "no .item() and no branch on data; use torch.where",
}


def refused(
    node: fx.Node, message: str, *, expected: object = None, hint: str | None = None
) -> UnsupportedOperator:
    """Return the error that names a graph node, and the user's line if torch recorded it."""
    return UnsupportedOperator(
        message,
        expected=expected,
        got=f"{node.name} = {node.format_node()}",
        path=recorded_line(node.meta.get("stack_trace")),
        hint=hint,
    )


def unsupported(node: fx.Node, supported: list[str]) -> UnsupportedOperator:
    """Return the error for an operator without a handler, with what to use in its place."""
    name = str(node.target)
    plain = name.removeprefix("aten.")
    remedy = next((hint for part, hint in _REMEDIES.items() if plain.startswith(part)), None)
    remedy = remedy or next((hint for part, hint in _REMEDIES.items() if part in plain), None)
    return refused(
        node,
        f"the operator {name} can't be proven",
        hint=remedy or "supported: " + ", ".join(supported),
    )
