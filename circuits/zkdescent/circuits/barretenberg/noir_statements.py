"""One node of a program as Noir: lines that define `v<number>`, a flat array."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from math import prod

from zkdescent.circuits.program import TABLES, Node, Op, Program, Shape

INDENT = "    "
_WIDTH = 100


def statement(program: Program, index: int, node: Node) -> list[str]:
    """Return the lines that define v<index>."""
    target = name_of(program, index)
    sources = [name_of(program, i) for i in node.inputs]
    first = program.nodes[node.inputs[0]] if node.inputs else node
    n = node.size
    match node.op:
        case Op.CONSTANT:
            return _literal(target, [str(v) for v in node.attributes])
        case Op.TAKE:
            cells = [f"{sources[0]}[{i}]" if i >= 0 else "0" for i in node.attributes]
            return _literal(target, cells)
        case Op.RESHAPE:
            return [f"let {target} = {sources[0]};"]
        case Op.SLICE:
            return _loop(target, n, f"{sources[0]}[{_plus(node.attributes[0], 'i')}]")
        case Op.TRANSPOSE:
            rows, columns = node.shape
            if 1 in (rows, columns):
                return [f"let {target} = {sources[0]};"]
            return _loop(target, n, f"{sources[0]}[i % {columns} * {rows} + i / {columns}]")
        case Op.CONCAT:
            return _concat(target, sources, [program.nodes[i].size for i in node.inputs])
        case Op.ADD | Op.SUB | Op.MUL:
            sign = {Op.ADD: "+", Op.SUB: "-", Op.MUL: "*"}[node.op]
            left, right = (
                f"{source}[{_place(node.shape, program.nodes[i].shape)}]"
                for source, i in zip(sources, node.inputs, strict=True)
            )
            return _loop(target, n, f"{left} {sign} {right}")
        case Op.NEG:
            return _loop(target, n, f"-{sources[0]}[i]")
        case Op.SHIFT_LEFT:
            return _loop(target, n, f"{sources[0]}[i] * {1 << node.attributes[0]}")
        case Op.SUM:
            where = _place(first.shape, node.shape)
            return [
                _zeros(target, n),
                f"for i in 0..{first.size} {{ {target}[{where}] += {sources[0]}[i]; }}",
            ]
        case Op.MATMUL:
            return _matmul(target, sources, first.shape, node.shape)
        case Op.DIVIDE:
            spread: list[str] = []
            arguments = []
            for letter, source, i in zip("xy", sources, node.inputs, strict=True):
                shape = program.nodes[i].shape
                if shape == node.shape:
                    arguments.append(source)
                else:
                    arguments.append(f"{target}_{letter}")
                    place = _place(node.shape, shape)
                    spread += _loop(arguments[-1], n, f"{source}[{place}]")
            return [*spread, _call(target, "divide", n, node.attributes, arguments)]
        case Op.RESCALE | Op.RANGE_CHECK | Op.IS_POSITIVE | Op.SQRT:
            return [_call(target, node.op.value, n, node.attributes, sources)]
        case _:
            assert node.op in TABLES
            return [f"let {target} = {table_name(node.op, node.attributes[0])}({sources[0]});"]


def _matmul(target: str, sources: list[str], left: Shape, shape: Shape) -> list[str]:
    (rows, columns), inner = shape, left[1]
    a, b = sources
    product = f"{a}[{_row('i', inner)} + k] * {b}[{_row('k', columns)} + j]"
    return [
        _zeros(target, rows * columns),
        f"for i in 0..{rows} {{ for j in 0..{columns} {{ for k in 0..{inner} {{",
        f"{INDENT}{target}[{_row('i', columns)} + j] += {product};",
        "}}}",
    ]


def _concat(target: str, sources: list[str], sizes: list[int]) -> list[str]:
    lines, start = [_zeros(target, sum(sizes))], 0
    for source, size in zip(sources, sizes, strict=True):
        lines.append(f"for i in 0..{size} {{ {target}[{_plus(start, 'i')}] = {source}[i]; }}")
        start += size
    return lines


def _row(index: str, columns: int) -> str:
    return index if columns == 1 else f"{index} * {columns}"


def _plus(start: int, index: str) -> str:
    return f"{start} + {index}" if start else index


def _place(shape: Shape, source: Shape) -> str:
    """Where element i of a tensor of `shape` lies in one that broadcasts to it, or was summed."""
    aligned = (1,) * (len(shape) - len(source)) + source
    runs: list[tuple[int, bool]] = []  # axes that are both kept, or both not, are one
    for size, own in zip(shape, aligned, strict=True):
        if size == 1:
            continue
        kept = own == size
        if runs and runs[-1][1] == kept:
            runs[-1] = (runs[-1][0] * size, kept)
        else:
            runs.append((size, kept))
    terms = []
    for number, (size, kept) in enumerate(runs):
        if not kept:
            continue
        stride = prod(s for s, _ in runs[number + 1 :])
        own = prod(s for s, k in runs[number + 1 :] if k)
        term = "i"
        term += f" / {stride}" if stride > 1 else ""
        term += f" % {size}" if number else ""
        term += f" * {own}" if own > 1 else ""
        terms.append(term)
    return " + ".join(terms) or "0"


def label(node: Node) -> str:
    """Operation, shape and the user's name, which can't end the comment."""
    shape = " x ".join(map(str, node.shape))
    text = f"{node.op.value} {shape}"
    return f"{text}: {re.sub(r'[^ -~]', '?', node.name)}" if node.name else text


def name_of(program: Program, index: int) -> str:
    """Variable of a node."""
    node = program.nodes[index]
    return node.name if node.op is Op.INPUT else f"v{index}"


def table_name(op: Op, bits: int) -> str:
    """Function of a table."""
    return f"{op.value}_{bits}"


def type_of(size: int) -> str:
    """Type of a tensor."""
    return f"[Field; {size}]"


def _zeros(target: str, size: int) -> str:
    return f"let mut {target}: {type_of(size)} = [0; {size}];"


def _loop(target: str, size: int, value: str) -> list[str]:
    return [_zeros(target, size), f"for i in 0..{size} {{ {target}[i] = {value}; }}"]


def _call(
    target: str, function: str, size: int, attributes: Sequence[int], arguments: Sequence[str]
) -> str:
    generics = ", ".join(map(str, (size, *attributes)))
    return f"let {target} = {function}::<{generics}>({', '.join(arguments)});"


def _literal(target: str, cells: Sequence[str]) -> list[str]:
    if len(set(cells)) == 1:
        return [f"let {target}: {type_of(len(cells))} = [{cells[0]}; {len(cells)}];"]
    return array(f"let {target}: {type_of(len(cells))}", cells)


def array(declaration: str, cells: Sequence[str]) -> list[str]:
    """A declaration of an array with its elements, which hold no spaces; broken into lines."""
    line = f"{declaration} = [{', '.join(cells)}];"
    if len(line) <= _WIDTH - len(INDENT):
        return [line]
    wrapped = textwrap.wrap(
        ", ".join(cells),
        _WIDTH - len(INDENT),
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f"{declaration} = [", *wrapped, "];"]
