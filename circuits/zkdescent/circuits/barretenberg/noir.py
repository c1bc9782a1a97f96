"""A program as readable Noir, for auditors.

The circuit that is proven is written by `walk`, as opcodes. This is the same statement in a
language that people read: same public inputs, same values, one statement per node, with the user's
names. It compiles and runs (tests/noir), so it is a second implementation of every equation and of
the commitments; its keys are others, because it writes matrix products out.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from zkdescent.circuits.barretenberg.circuits import capacity_of
from zkdescent.circuits.barretenberg.noir_statements import (
    INDENT,
    array,
    label,
    name_of,
    statement,
    table_name,
    type_of,
)
from zkdescent.circuits.barretenberg.tables import intervals
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.inputs import BATCH, CONTEXT, ROW, STATE
from zkdescent.circuits.program import TABLES, Op, Program
from zkdescent.core.errors import ConfigError

_STEP, _INFERENCE = [CONTEXT, STATE, BATCH], [CONTEXT, STATE, ROW]

_HEADER = """\
// {title}, rendered by zkdescent for readers.
//
// This is not the circuit that is proven, whose opcodes are written directly: its keys are others,
// its public inputs and the values that it accepts are the same. Products of matrices are written
// out here; the proven circuit checks large ones at a random point (Freivalds).
//
// Data, weights and outputs are integers in units of 2^-{fraction_bits}. Tensors are flat, row by
// row; their shapes stand in the comments. v3, v4, ... are the program's nodes by number.
"""


def render(program: Program, fixed: FixedPoint, *, public_output: bool) -> str:
    """Return the source of a Noir program equal to the circuit of `circuits.emit`.

    Its public inputs are, in order: context, digest of the state, and then for a step the digests
    of the batch block and of the new state, for an inference the outputs. Private inputs: `salt`
    and the program's other inputs by name.

    Args:
        public_output: the output is public values instead of a committed state.

    Raises:
        ConfigError: it is neither a step nor an inference.
    """
    expected = _INFERENCE if public_output else _STEP
    if list(program.inputs) != expected:
        raise ConfigError(
            "only steps and inferences are rendered",
            expected=f"the inputs {', '.join(expected)}",
            got=", ".join(program.inputs),
        )
    title = "An inference" if public_output else "A block of update steps"
    parts = [
        _HEADER.format(title=title, fraction_bits=fixed.fraction_bits),
        resources.files(__package__).joinpath("noir_prelude.nr").read_text(encoding="utf-8"),
        *_tables(program, fixed),
        _main(program, public_output=public_output),
    ]
    return "\n".join(parts)


# --- the program's frame ----------------------------------------------------------------------


def _main(program: Program, *, public_output: bool) -> str:
    committed = [name for name in (STATE, BATCH) if name in program.inputs]
    size = program.nodes[program.output].size
    public = [(CONTEXT, "Field"), *((f"{name}_digest", "Field") for name in committed)]
    public.append(("outputs", f"[Field; {size}]") if public_output else ("new_digest", "Field"))
    sizes = {name: program.nodes[i].size for name, i in program.inputs.items()}
    private = [("salt", "Field")]
    private += [(name, type_of(n)) for name, n in sizes.items() if name != CONTEXT]
    lines = ["// --- The program " + "-" * 82, "", "fn main("]
    lines += [f"{INDENT}{name}: pub {kind}," for name, kind in public]
    lines += [f"{INDENT}{name}: {kind}," for name, kind in private]
    lines.append(") {")
    body = [f"let _ = {CONTEXT}; // in no equation: it binds a proof to what it was made for"]
    for name in committed:
        digest = _digest(name.upper(), name, sizes[name], program, name)
        body.append(f"assert({digest} == {name}_digest);")
    for index, node in enumerate(program.nodes):
        if node.op is not Op.INPUT:
            body += ["", f"// {label(node)}", *statement(program, index, node)]
    output = name_of(program, program.output)
    body.append("")
    if public_output:
        body.append(f"assert({output} == outputs);")
    else:
        digest = _digest("STATE", output, size, program, STATE)
        body.append(f"assert({digest} == new_digest);")
    lines += [INDENT + line if line else "" for line in body]
    return "\n".join([*lines, "}", ""])


def _digest(role: str, values: str, size: int, program: Program, name: str) -> str:
    return f"tensor_digest::<{size}, {capacity_of(program, name)}>({role}, {values}, salt)"


def _tables(program: Program, fixed: FixedPoint) -> Iterable[str]:
    used = {(node.op, node.attributes[0]) for node in program.nodes if node.op in TABLES}
    for op, bits in sorted(used):
        table = intervals(op, bits, fixed.table_limit)
        name = table_name(op, bits)
        starts = [*map(str, table.starts.tolist()), str(table.limit + 1)]
        lines = [
            f"// {op.value} in units of 2^-{bits}, from -{table.limit} to {table.limit}.",
            "// Where the intervals of arguments with one result begin; the last number is an end.",
            *array(f"global {name.upper()}_STARTS: {type_of(len(starts))}", starts),
        ]
        at = f"interval::<{len(starts)}, {table.bits}>(x[i], {name.upper()}_STARTS, {table.limit})"
        if table.steps_by_one:
            result = f"{table.first} + {at} as Field"
        else:
            results = [str(v) for v in table.results.tolist()]
            lines += array(f"global {name.upper()}_RESULTS: {type_of(len(results))}", results)
            result = f"{name.upper()}_RESULTS[{at}]"
        lines += [
            "",
            f"fn {name}<let N: u32>(x: [Field; N]) -> [Field; N] {{",
            f"{INDENT}let mut result = [0; N];",
            f"{INDENT}for i in 0..N {{",
            f"{INDENT * 2}result[i] = {result};",
            f"{INDENT}}}",
            f"{INDENT}result",
            "}",
            "",
        ]
        yield "\n".join(lines)
