"""Build the user's torch module, and refuse what the update step could not prove."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from zkdescent.core._importers import where_raised
from zkdescent.core.config import Project
from zkdescent.core.errors import ModelError, ZkDescentError
from zkdescent.train._arrays import FloatArray
from zkdescent.train.data import Dataset
from zkdescent.train.losses import Loss


class FlatParameters(NamedTuple):
    """A module's parameters as one vector: names, shapes, and values (P,) in that order."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    vector: FloatArray


def build_model(project: Project, data: Dataset, loss: Loss) -> nn.Module:
    """Call the project's factory and check the module against data and loss.

    Initial values are a function of [train] seed alone: the factory runs under that seed, and
    torch's global generator is left as it was. The module is float32, in training mode.

    Raises:
        ModelError: the factory raises or returns no module, or :func:`check_model` refuses it.
        ConfigError, ToolMissing: the factory cannot be imported.
    """
    factory = project.model_factory()
    table = project.config.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(project.config.train.seed)
        try:
            module = factory(**dict(table.args))
        except ZkDescentError:
            raise
        except Exception as error:
            raise ModelError(
                f"the model factory raised {type(error).__name__}",
                got=str(error),
                path=where_raised(error),
                hint=f"it was called with {_arguments(table.args)}; see [model] args",
            ) from error
    if not isinstance(module, nn.Module):
        raise ModelError(
            "the model factory returned something else than a module",
            expected="a torch.nn.Module",
            got=type(module).__name__,
            path=table.factory,
        )
    module = module.to(dtype=torch.float32).train()
    check_model(module, data, loss, batch_size=project.config.train.batch_size)
    return module


def check_model(module: nn.Module, data: Dataset, loss: Loss, *, batch_size: int) -> None:
    """Run one batch and refuse a module whose update step has no proof.

    Required: parameters, all trainable; no layer of noise, running statistics or integer indices;
    output (n, t) for mse, (n, 1) for bce, whatever a custom loss takes; finite values; the same
    output when run again; no buffer that changes; a gradient for every parameter.

    Raises:
        ModelError: one of these does not hold; the message names it.
    """
    parameters = dict(module.named_parameters())
    if not parameters:
        raise ModelError(
            "the model has no parameters, so there is nothing to train",
            hint="assign layers to attributes of the module, as in self.layer = nn.Linear(...)",
        )
    frozen = [name for name, p in parameters.items() if not p.requires_grad]
    if frozen:
        raise ModelError(
            "the model has parameters that are not trained",
            expected="requires_grad on every parameter",
            got=frozen,
            hint="make a fixed tensor a buffer: self.register_buffer(name, tensor)",
        )
    _check_layers(module)
    # On a copy: running statistics or counters of the user's module stay untouched.
    probe = copy.deepcopy(module)
    x, y = tensors_of(data.take(np.resize(np.arange(len(data)), batch_size)))
    before = {name: b.clone() for name, b in probe.named_buffers()}
    output = _forward(probe, x)
    _check_output(output, y, loss)
    if any(not torch.equal(b, before[name]) for name, b in probe.named_buffers()):
        raise ModelError(
            "the model keeps state outside its parameters",
            expected="buffers that stay as they are",
            got=sorted(before),
            hint="layers with running statistics (BatchNorm) cannot be proven; use LayerNorm",
        )
    if not torch.equal(_forward(probe, x), output):
        raise ModelError(
            "the model gives two outputs for one input",
            expected="a deterministic model",
            hint="noise cannot be proven; remove it from forward()",
        )
    _check_gradient(probe, output, y, loss)


# Layers by base class: why no update step with them can be proven, and what to use instead.
_REFUSED: tuple[tuple[type[nn.Module], str, str], ...] = (
    (
        nn.modules.dropout._DropoutNd,
        "dropout gives two outputs for one input, and no proof shows that they are random",
        "remove the layer (or set p=0); to regularise, use [train] weight_decay",
    ),
    (
        nn.modules.batchnorm._BatchNorm,
        "BatchNorm keeps state outside its parameters",
        "use nn.LayerNorm",
    ),
    (
        nn.Embedding,
        "an embedding reads rows by integer index, and data columns are fixed-point numbers",
        "give one-hot columns, and nn.Linear(classes, size, bias=False) in place of the embedding",
    ),
    (
        nn.EmbeddingBag,
        "an embedding reads rows by integer index, and data columns are fixed-point numbers",
        "give columns of counts, and nn.Linear(classes, size, bias=False) in place of the bag",
    ),
    (
        nn.modules.pooling._MaxPoolNd,
        "max pooling cannot be proven",
        "use nn.AvgPool2d, or a stride in the convolution",
    ),
)


def _check_layers(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if getattr(layer, "p", None) == 0:  # dropout that drops nothing
            continue
        for kind, reason, remedy in _REFUSED:
            if isinstance(layer, kind):
                raise ModelError(
                    f"the layer {name or 'itself'} cannot be proven: {reason}",
                    got=f"{name}: {layer}" if name else str(layer),
                    hint=remedy,
                )


def tensors_of(data: Dataset) -> tuple[Tensor, Tensor]:
    """Return features (n, d) and targets (n, t) as float32 tensors."""
    return (
        torch.tensor(data.features, dtype=torch.float32),
        torch.tensor(data.targets, dtype=torch.float32),
    )


def flat_parameters(module: nn.Module) -> FlatParameters:
    """Return a module's parameters as one float64 vector (P,), in named_parameters order."""
    named = dict(module.named_parameters())
    pieces = [p.detach().reshape(-1).to(torch.float64).numpy() for p in named.values()]
    vector = np.concatenate(pieces) if pieces else np.zeros(0)
    return FlatParameters(
        tuple(named), tuple(tuple(p.shape) for p in named.values()), vector.astype(np.float64)
    )


def unflatten(
    vector: FloatArray, names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...]
) -> dict[str, Tensor]:
    """Return float32 tensors by name from a vector (P,), the inverse of :func:`flat_parameters`.

    Raises:
        ModelError: the vector has another length than the shapes need.
    """
    sizes = [math.prod(shape) for shape in shapes]
    if vector.shape != (sum(sizes),):
        raise ModelError(
            "a parameter vector has the wrong length", expected=sum(sizes), got=vector.shape
        )
    pieces = np.split(vector, np.cumsum(sizes)[:-1])
    return {
        name: torch.tensor(piece, dtype=torch.float32).reshape(shape)
        for name, shape, piece in zip(names, shapes, pieces, strict=True)
    }


def with_parameters(module: nn.Module, vector: FloatArray) -> nn.Module:
    """Return a copy of the module in evaluation mode that holds the values of a vector (P,).

    Raises:
        ModelError: the vector has the wrong length.
    """
    flat = flat_parameters(module)
    copied = copy.deepcopy(module).eval()
    values = unflatten(vector, flat.names, flat.shapes)
    with torch.no_grad():
        for name, parameter in copied.named_parameters():
            parameter.copy_(values[name])
    return copied


def _forward(module: nn.Module, x: Tensor) -> Tensor:
    try:
        output = module(x)
    except Exception as error:
        raise ModelError(
            f"the model failed on a batch of shape {tuple(x.shape)}: {type(error).__name__}",
            got=str(error),
            path=where_raised(error),
            hint=f"the data has {x.shape[1]} features; compare with [model] args",
        ) from error
    if not isinstance(output, Tensor):
        raise ModelError(
            "the model returned something else than a tensor",
            expected="one tensor",
            got=type(output).__name__,
        )
    return output


def _check_output(output: Tensor, y: Tensor, loss: Loss) -> None:
    shapes = {"regression": tuple(y.shape), "multiclass": tuple(y.shape), "binary": (len(y), 1)}
    fits = shapes.get(loss.task)
    if fits is not None and tuple(output.shape) != fits:
        what = "one logit per row" if loss.task == "binary" else "one output per target column"
        raise ModelError(
            f"the model's output does not fit loss = {loss.name!r}",
            expected=f"shape {fits}: {what}",
            got=f"shape {tuple(output.shape)}",
            hint=_shape_hint(tuple(output.shape), fits),
        )
    if not torch.isfinite(output).all():
        raise ModelError(
            "the untrained model's output is not finite",
            expected="finite numbers",
            got="NaN or infinity",
            hint="check the initial values, and set [data] standardize = true",
        )


def _shape_hint(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if got == expected[:1]:
        return "keep the last dimension: return x, not x.squeeze(-1)"
    return f"the last layer needs {expected[-1]} output feature(s)"


def _check_gradient(module: nn.Module, output: Tensor, y: Tensor, loss: Loss) -> None:
    try:
        value = loss.function(output, y)
    except Exception as error:
        raise ModelError(
            f"the loss {loss.name!r} raised {type(error).__name__}",
            got=str(error),
            path=where_raised(error),
            hint=f"it was called with shapes {tuple(output.shape)} and {tuple(y.shape)}",
        ) from error
    if not isinstance(value, Tensor) or value.ndim != 0:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ModelError(
            f"the loss {loss.name!r} returned no scalar",
            expected="a tensor without dimensions",
            got=got,
            hint="take the mean over the batch: .mean()",
        )
    names, parameters = zip(*module.named_parameters(), strict=True)
    if not value.requires_grad:
        raise ModelError("the loss does not depend on the model's parameters", got=loss.name)
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    unused = [name for name, g in zip(names, gradients, strict=True) if g is None]
    if unused:
        raise ModelError(
            "the loss does not depend on some parameters",
            expected="every parameter used",
            got=unused,
            hint="remove the unused layers",
        )


def _arguments(args: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in args.items()) or "no arguments"
