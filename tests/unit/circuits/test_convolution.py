"""Convolutions and pooling: operator by operator exactly, in training against torch.optim.SGD.

Whole numbers in float64 are exact in torch and scale 0 is exact here, so operators must agree to
the last bit. A training step rounds the new state once (half a unit in the last place, 2**-12) and
multiplies by a constant of 12 bits, so it is off by 2**-12 of the update at the most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from zkdescent.circuits.assemble import BatchShape, step_program
from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint, dequantize, quantize
from zkdescent.circuits.lowering import Lowering, supported_operators
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.symbolic import Symbolic
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import UnsupportedOperator

FIXED = FixedPoint()
ULP = 2.0**-FIXED.fraction_bits
WHOLE = FixedPoint(headroom_bits=40)  # whole numbers at scale 0 need room

aten = torch.ops.aten
Function = Callable[..., Sequence[Tensor]]


# --- operators, exactly ---------------------------------------------------------------------


def lowered(function: Function, arguments: Sequence[Tensor]) -> Program:
    """The integer program of a function of tensors; inputs "0", "1", ... at scale 0."""
    graph = make_fx(function)(*arguments)
    builder = Builder()
    values = []
    for index, tensor in enumerate(arguments):
        flat = builder.input(str(index), tensor.numel())
        values.append(Symbolic(builder.reshape(flat, tuple(tensor.shape)), 0))
    outputs = next(n for n in graph.graph.nodes if n.op == "output").args[0]
    count = sum(isinstance(n, fx.Node) for n in outputs)
    results = Lowering(builder, WHOLE).run(graph, values, [0] * count)
    flat_results = [builder.reshape(r.node, (builder.node(r.node).size,)) for r in results]
    return builder.finish(builder.concat(flat_results))


def agree(function: Function, arguments: Sequence[Tensor]) -> Program:
    """Check that the program computes what torch does, to the last bit."""
    program = lowered(function, arguments)
    inputs = {str(i): t.reshape(-1).long().numpy() for i, t in enumerate(arguments)}
    expected = torch.cat([t.reshape(-1) for t in function(*arguments) if t is not None])
    assert execute(program, inputs, WHOLE).tolist() == expected.tolist()
    return program


def whole(shape: Sequence[int], seed: int = 0, step: int = 1) -> Tensor:
    """Random multiples of `step` in float64."""
    draw = torch.Generator().manual_seed(seed)
    return step * torch.randint(-9, 10, tuple(shape), generator=draw).double()


@dataclass(frozen=True)
class Case:
    """A convolution; one entry an axis."""

    batch: int
    groups: int
    inputs: int
    outputs: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def options(self) -> tuple[Any, ...]:
        """Arguments of aten.convolution after the bias."""
        zeros = [0] * len(self.size)
        lists = [list(v) for v in (self.stride, self.padding, self.dilation)]
        return (*lists, False, zeros, self.groups)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Image, kernel and bias."""
        channels = self.groups * self.outputs
        return (
            whole((self.batch, self.groups * self.inputs, *self.size), 1),
            whole((channels, self.inputs, *self.kernel), 2),
            whole((channels,), 3),
        )


@st.composite
def cases(draw: st.DrawFn, rank: int) -> Case:
    """Convolutions that torch accepts."""
    axes = []
    for _ in range(rank):
        kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        padding = draw(st.integers(0, 3))
        least = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
        axes.append(
            (draw(st.integers(least, 8)), kernel, draw(st.integers(1, 4)), padding, dilation)
        )
    batch, groups, inputs, outputs = (draw(st.integers(1, 3)) for _ in range(4))
    return Case(batch, groups, inputs, outputs, *zip(*axes, strict=True))


ONLY_PADDING = Case(2, 1, 2, 2, (1,), (1,), (3,), (1,), (1,))
UNTOUCHED_TAPS = Case(1, 1, 1, 2, (1, 1), (3, 3), (1, 1), (1, 1), (1, 1))
THREE_AXES = Case(2, 1, 2, 3, (3, 4, 5), (2, 1, 3), (1, 2, 2), (0, 1, 1), (1, 1, 2))


@settings(max_examples=30, deadline=None)
@given(st.one_of(cases(1), cases(2)), st.booleans())
@example(ONLY_PADDING, True)
@example(UNTOUCHED_TAPS, False)
@example(THREE_AXES, True)
def test_a_convolution_is_exact(case: Case, biased: bool) -> None:
    def forward(*arguments: Tensor) -> list[Tensor]:
        bias = arguments[2] if biased else None
        return [aten.convolution(arguments[0], arguments[1], bias, *case.options)]

    agree(forward, case.tensors()[: 2 + biased])


def gradients(case: Case, mask: Sequence[bool]) -> Function:
    """The gradients that a mask asks for, as a function of image, kernel and incoming gradient."""

    def backward(image: Tensor, kernel: Tensor, grad: Tensor) -> list[Tensor]:
        sizes = [case.groups * case.outputs]
        found = aten.convolution_backward(grad, image, kernel, sizes, *case.options, list(mask))
        return [g for g, wanted in zip(found, mask, strict=True) if wanted]

    return backward


def with_gradient(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Image, kernel and a gradient of the result."""
    image, kernel, _ = case.tensors()
    return image, kernel, whole(aten.convolution(image, kernel, None, *case.options).shape, 4)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(cases(1), cases(2)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
)
@example(ONLY_PADDING, (True, True, True))
@example(UNTOUCHED_TAPS, (True, True, True))
@example(THREE_AXES, (True, True, True))
def test_all_three_gradients_are_exact(case: Case, mask: tuple[bool, bool, bool]) -> None:
    program = agree(gradients(case, mask), with_gradient(case))
    assert mask[0] or mask[1] or program.count(Op.MATMUL) == 0, "only what is asked for is computed"


def multiplications(program: Program) -> int:
    """Products of two elements in all matrix products."""
    products = [n for n in program.nodes if n.op is Op.MATMUL]
    return sum(n.size * program.nodes[n.inputs[0]].shape[1] for n in products)


@settings(max_examples=10, deadline=None)
@given(cases(2))
def test_nothing_is_multiplied_by_padding(case: Case) -> None:
    image, kernel, grad = with_gradient(case)
    # With ones everywhere and one channel, the sum of the result counts the pairs that meet.
    spatial = (*case.options[:-1], 1)
    ones = [torch.ones(1, 1, *t.shape[2:]).double() for t in (image, kernel)]
    meetings = int(aten.convolution(*ones, None, *spatial).sum())
    wanted = meetings * case.batch * case.groups * case.inputs * case.outputs
    forward = lowered(lambda x, w: [aten.convolution(x, w, None, *case.options)], (image, kernel))
    assert multiplications(forward) == wanted
    for mask in ((True, False, False), (False, True, False)):
        backward = lowered(gradients(case, mask), (image, kernel, grad))
        assert multiplications(backward) == wanted


def test_an_unpadded_convolution_is_one_product_and_shares_its_windows() -> None:
    case = Case(2, 1, 2, 3, (6, 6), (3, 3), (1, 1), (0, 0), (1, 1))
    image, kernel, grad = with_gradient(case)

    def both(image: Tensor, kernel: Tensor, grad: Tensor) -> list[Tensor]:
        forward = aten.convolution(image, kernel, None, *case.options)
        return [forward, *gradients(case, (False, True, False))(image, kernel, grad)]

    first, second = (n for n in agree(both, (image, kernel, grad)).nodes if n.op is Op.MATMUL)
    assert first.inputs[1] == second.inputs[0]
    padded = Case(2, 1, 2, 3, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1))
    program = lowered(lambda x, w: [aten.convolution(x, w, None, *padded.options)], (image, kernel))
    assert len([n for n in program.nodes if n.op is Op.MATMUL]) == 9  # inside, 4 edges, 4 corners


def test_a_gradient_that_is_one_constant() -> None:
    case = Case(2, 1, 2, 3, (5, 5), (3, 3), (2, 2), (1, 1), (1, 1))
    image, kernel, grad = with_gradient(case)

    def constant(image: Tensor, kernel: Tensor) -> list[Tensor]:
        return list(gradients(case, (True, True, True))(image, kernel, torch.full_like(grad, 3.0)))

    agree(lambda x, w: constant(x, w), (image, kernel))


@st.composite
def pools(draw: st.DrawFn) -> tuple[tuple[int, ...], list[int], list[int], list[int]]:
    """Image shape, kernel, stride, padding; at most half the kernel is padding."""
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    size = [draw(st.integers(k, 8)) for k in kernel]
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size)
    return shape, kernel, [draw(st.integers(1, 5)) for _ in range(2)], padding


@settings(max_examples=30, deadline=None)
@given(pools(), st.sampled_from([None, 2, 4]))
@example(((2, 1, 4, 4), [2, 2], [2, 2], [0, 0]), None)
def test_average_pooling_and_its_gradient_are_exact(
    pool: tuple[tuple[int, ...], list[int], list[int], list[int]], divisor: int | None
) -> None:
    shape, kernel, stride, padding = pool
    options = (kernel, stride, padding, False, True, divisor)
    count = divisor or kernel[0] * kernel[1]
    image = whole(shape, 1, step=count)
    grad = whole(aten.avg_pool2d(image, *options).shape, 2, step=count)

    def both(image: Tensor, grad: Tensor) -> list[Tensor]:
        return [aten.avg_pool2d(image, *options), aten.avg_pool2d_backward(grad, image, *options)]

    # Division by 3 is a constant of 12 bits, so only its result is exact here, not its coefficient.
    if count & (count - 1) == 0:
        program = agree(both, (image, grad))
        overlapping = any(s < k for s, k in zip(stride, kernel, strict=True))
        assert overlapping or program.count(Op.SUM) <= aten.avg_pool2d(image, *options).numel()
    else:
        program = lowered(both, (image, grad))
        inputs = {"0": image.reshape(-1).long().numpy(), "1": grad.reshape(-1).long().numpy()}
        expected = torch.cat([t.reshape(-1) for t in both(image, grad)]).numpy()
        found = execute(program, inputs, WHOLE).astype(float)
        assert np.abs(found - expected).max() <= 0.5 + 2.0**-12 * np.abs(expected).max()


@pytest.mark.parametrize("output", [(1, 1), (2, 4), (4, 2)])
def test_adaptive_pooling_and_its_gradient_are_exact(output: tuple[int, int]) -> None:
    image, grad = whole((2, 3, 4, 8), 1, step=32), whole((2, 3, *output), 2, step=32)

    def both(image: Tensor, grad: Tensor) -> list[Tensor]:
        pooled = aten._adaptive_avg_pool2d(image, list(output))
        return [pooled, aten._adaptive_avg_pool2d_backward(grad, image)]

    agree(both, (image, grad))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=3))
def test_padding_and_cropping_are_exact(pairs: list[tuple[int, int]]) -> None:
    padding = [count for pair in pairs for count in pair]
    program = agree(lambda x: [aten.constant_pad_nd(x, padding, 0.0)], (whole((3, 4, 5)),))
    assert not {n.op for n in program.nodes} & {Op.ADD, Op.MUL, Op.MATMUL, Op.SUM}


# --- training -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """A module under mean squared error and gradient descent."""

    module: nn.Module
    batch: BatchShape
    graph: fx.GraphModule
    layout: StateLayout
    learning_rate: float

    def program(self, steps: int = 1, rescaled: frozenset[str] = frozenset()) -> Program:
        """The integer program of some steps, rounded only where a new state or a chosen node is."""
        return step_program(
            self.graph, self.layout, self.batch, steps=steps, fixed=FIXED, rescaled=rescaled
        )

    def worst_error(self, steps: int, rescaled: frozenset[str] = frozenset()) -> float:
        """Largest difference from torch.optim.SGD in float64, in units in the last place."""
        draw = np.random.default_rng(7)
        state = _grid(0.4 * draw.normal(size=self.layout.size))
        data = _grid(np.clip(draw.normal(size=(steps, self.batch.size)), -2, 2))
        inputs = {
            "context": np.zeros(1, dtype=object),
            "state": quantize(state, FIXED.fraction_bits, what="state"),
            "batch": quantize(data.reshape(-1), FIXED.fraction_bits, what="batch"),
        }
        output = execute(self.program(steps, rescaled), inputs, FIXED)
        proven = dequantize(output, FIXED.fraction_bits)
        real = self._descend(state, data)
        assert np.abs(real - state).max() > 4 * ULP, "the steps must move the state"
        return float(np.abs(proven - real).max() / ULP)

    def _descend(self, state: np.ndarray[Any, Any], data: np.ndarray[Any, Any]) -> Any:
        module = self.module.double()
        nn.utils.vector_to_parameters(torch.tensor(state), module.parameters())
        optimizer = torch.optim.SGD(module.parameters(), lr=self.learning_rate)
        count = self.batch.batch_size * self.batch.features
        for row in torch.tensor(data):
            x, y = (t.reshape(self.batch.batch_size, -1) for t in (row[:count], row[count:]))
            optimizer.zero_grad()
            nn.functional.mse_loss(module(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return nn.utils.parameters_to_vector(module.parameters()).detach().numpy()


def _grid(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """To fixed point and back, so that only the steps themselves differ."""
    return dequantize(quantize(values, FIXED.fraction_bits, what="values"), FIXED.fraction_bits)


def training(
    *layers: nn.Module, image: tuple[int, ...], batch_size: int = 3, learning_rate: float = 0.0625
) -> Training:
    """Trace a stack of layers on images; all outputs are targets."""
    module = nn.Sequential(nn.Unflatten(1, image), *layers, nn.Flatten())
    features = int(np.prod(image))
    targets = module(torch.zeros(1, features)).shape[1]

    def update(
        params: list[Tensor], grads: list[Tensor], slots: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        return [p - learning_rate * g for p, g in zip(params, grads, strict=True)], []

    graph = trace_step(
        module,
        nn.functional.mse_loss,
        update,
        [],
        batch_size=batch_size,
        features=features,
        targets=targets,
    )
    named = list(module.named_parameters())
    layout = StateLayout.uniform(
        tuple(name for name, _ in named),
        tuple(tuple(p.shape) for _, p in named),
        len(named),
        FIXED.fraction_bits,
    )
    batch = BatchShape(batch_size, features, targets)
    return Training(module, batch, graph, layout, learning_rate)


@settings(max_examples=15, deadline=None)
@given(cases(2), st.integers(1, 3), st.booleans())
def test_two_convolutions_train_as_in_torch(case: Case, channels: int, biased: bool) -> None:
    second: type[Any] = nn.Conv2d
    model = training(
        nn.Conv2d(channels, case.groups * case.inputs, 1, bias=biased),
        second(
            case.groups * case.inputs,
            case.groups * case.outputs,
            case.kernel,
            stride=case.stride,
            padding=case.padding,
            dilation=case.dilation,
            groups=case.groups,
        ),
        image=(channels, *case.size),
        batch_size=case.batch,
        learning_rate=0.5,
    )
    assert model.worst_error(1) <= 2


@settings(max_examples=8, deadline=None)
@given(cases(1))
def test_a_sequence_trains_as_in_torch(case: Case) -> None:
    model = training(
        nn.Conv1d(
            case.inputs,
            case.outputs,
            case.kernel[0],
            stride=case.stride[0],
            padding=case.padding[0],
            dilation=case.dilation[0],
        ),
        nn.AdaptiveAvgPool1d(1),
        image=(case.inputs, *case.size),
        batch_size=case.batch,
        learning_rate=0.5,
    )
    assert model.worst_error(1) <= 2


def cnn(batch_size: int = 4) -> Training:
    """A small LeNet on 8 x 8 images."""
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 10))
    return training(*layers, image=(1, 8, 8), batch_size=batch_size)


def test_a_small_lenet_trains_as_in_torch() -> None:
    assert cnn().worst_error(3) <= 6


def test_results_and_gradients_of_convolutions_can_be_rounded() -> None:
    model = training(nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 2, 2, stride=2), image=(1, 6, 6))
    # The gradients come in threes, of which each is rounded by itself.
    names = [n.name for n in model.graph.graph.nodes]
    rounded = frozenset(n for n in names if n.startswith(("convolution", "getitem")))
    program = model.program(1, rounded)
    assert program.count(Op.RESCALE) > model.program().count(Op.RESCALE)
    assert model.worst_error(3, rounded) <= 6


def test_a_deeper_network_trains_as_in_torch() -> None:
    model = training(
        nn.ZeroPad2d((1, 0, 0, 1)),
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False),
        nn.Conv2d(3, 4, 1),
        nn.AdaptiveAvgPool2d((1, 1)),
        image=(1, 7, 7),
    )
    assert model.worst_error(1) <= 2


def test_a_small_lenet_is_lowered_in_no_time() -> None:
    model = cnn(batch_size=16)
    started = time.process_time()
    program = model.program()
    assert time.process_time() - started < 2, "the search for rescales lowers hundreds of times"
    assert program.count(Op.IS_POSITIVE) == 16 * 4 * 36


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "accepted", "named", "remedy"),
    [
        (nn.ConvTranspose2d(2, 2, 2), nn.Conv2d(2, 2, 2), "transposed conv", "repeat elements"),
        (nn.MaxPool2d(2), nn.AvgPool2d(2), "max_pool2d", "AvgPool2d"),
        (nn.AdaptiveMaxPool2d(2), nn.AdaptiveAvgPool2d(2), "max_pool2d", "stride"),
        (nn.AdaptiveAvgPool2d(3), nn.AdaptiveAvgPool2d(4), "unequal size", "AvgPool2d"),
        (
            nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.AvgPool2d(2, 2, ceil_mode=True),
            "unequal size",
            "ceil_mode",
        ),
        (
            nn.AvgPool2d(2, 2, padding=1, count_include_pad=False),
            nn.AvgPool2d(2, 2, padding=1),
            "unequal size",
            "count_include_pad",
        ),
        (nn.ConstantPad2d(1, 0.5), nn.ConstantPad2d(1, 0.0), "padding with zeros", "shift"),
        (nn.Upsample(scale_factor=2), nn.ZeroPad2d(2), "upsample", "repeat"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_proven_is_named_with_a_remedy(
    refused: nn.Module, accepted: nn.Module, named: str, remedy: str
) -> None:
    convolution = nn.Conv2d(1, 2, 1)
    model = training(convolution, refused, image=(1, 4, 4), batch_size=1)
    with pytest.raises(UnsupportedOperator, match=named) as caught:
        model.program()
    assert caught.value.exit_code == 2
    assert remedy in str(caught.value.hint)
    assert "aten" in str(caught.value.got)
    twin = training(convolution, accepted, image=(1, 4, 4), batch_size=1)
    assert twin.worst_error(1) <= 2


class Repeated(nn.Module):
    """The remedy that the message about transposed convolutions names."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(-1).expand(*x.shape, 2).flatten(-2)


def test_the_remedy_for_a_transposed_convolution_can_be_proven() -> None:
    model = training(nn.Conv1d(1, 2, 1), Repeated(), nn.Conv1d(2, 1, 2), image=(1, 4), batch_size=2)
    assert model.worst_error(1) <= 2


def test_supported_operators_leave_out_what_is_refused() -> None:
    names = supported_operators()
    assert {"aten.convolution.default", "aten.avg_pool2d.default"} <= set(names)
    assert not [n for n in names if "max_pool" in n or "upsample" in n]
