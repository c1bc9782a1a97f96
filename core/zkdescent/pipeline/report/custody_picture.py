"""The chain of custody as SVG, drawn from the run's own hashes.

Drawn twice, for wide and for narrow screens; the page's CSS shows one of them. A run of many
blocks is drawn in small cells, whose hashes are in their titles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from zkdescent.pipeline.report.model import BlockFacts, Custody, VerdictState
from zkdescent.pipeline.report.text import count, figure, hexadecimal, short

_CARDS = 24  # more blocks than this are drawn as cells
_MOST_CELLS = 480
_GAP = 26
_PAD = 12
_BOX = '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{}">{}</rect>'


@dataclass(frozen=True, slots=True)
class _Shape:
    """Widths of a drawing: of all, and how many cards and cells share a row."""

    width: int
    cards: int
    cells: int
    boxes: int  # of the first and the last row


_WIDE = _Shape(width=960, cards=4, cells=16, boxes=3)
_NARROW = _Shape(width=340, cards=2, cells=8, boxes=1)


@dataclass(slots=True)
class _Drawing:
    """SVG elements so far, and where the next row begins."""

    parts: list[Markup] = field(default_factory=list)
    y: float = 4.0

    def add(self, template: str, *values: object) -> None:
        self.parts.append(Markup(template).format(*values))

    def text(self, x: float, y: float, style: str, content: object) -> None:
        self.add('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>', style, x, y, content)

    def arrow(self, *points: tuple[float, float], head: bool = True) -> None:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.add('<path class="arrow" d="{}"/>', path)
        if head:
            (x0, y0), (x, y) = points[-2:]
            dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
            tip = f"M{x} {y}l{-6 * dx - 4 * dy} {-6 * dy + 4 * dx}v0l{8 * dy} {-8 * dx}z"
            self.add('<path class="tip" d="{}"/>', tip)

    def box(
        self, x: float, width: float, height: float, style: str, lines: list[tuple[str, object]],
        title: str = "",
    ) -> None:  # fmt: skip
        tip = Markup("<title>{}</title>").format(title) if title else ""
        self.add(_BOX, style, x, self.y, width, height, 8, tip)
        for row, (kind, content) in enumerate(lines):
            self.text(x + _PAD, self.y + 22 + 19 * row, kind, content)


def draw_custody(custody: Custody, verdict: VerdictState, *, narrow: bool = False) -> Markup:
    """Return the chain of custody of a run, as far as it got."""
    shape = _NARROW if narrow else _WIDE
    drawing = _Drawing()
    _row(drawing, shape, _sources(custody), first=True)
    _chain(drawing, shape, custody, verdict)
    _row(drawing, shape, _results(custody, verdict), first=False)
    words = described(custody)
    return Markup(
        '<svg class="custody {}" viewBox="-1 -1 {} {:.0f}" role="img"'
        ' aria-label="Chain of custody. {}"><title>Chain of custody</title><desc>{}</desc>{}</svg>'
    ).format(
        "narrow" if narrow else "wide",
        shape.width + 2,
        drawing.y + 2,
        words,
        words,
        Markup("").join(drawing.parts),
    )


def described(custody: Custody) -> str:
    """The picture in words."""
    made = f"{count(custody.proven)} of {count(custody.total_proofs)} block proofs"
    end = (
        f"end in the final weights {short(custody.final)}"
        if custody.final is not None
        else "are there so far; there are no final weights yet"
    )
    return (
        f"From the data set {short(custody.dataset_root)} and the initial weights "
        f"{short(custody.genesis)}, {made} {end}. "
        f"{count(len(custody.inferences))} proven inferences use them."
    )


_Box = tuple[str, list[tuple[str, object]], str]


def _sources(custody: Custody) -> list[_Box]:
    size = f"{count(custody.rows)} rows × {count(custody.features)} features"
    blocks = f"{count(custody.batch_blocks)} batch block{_s(custody.batch_blocks)}"
    seed = {"beacon": f"seed of block {custody.seed_block}", "declared": "declared seed"}
    order = seed.get(custody.seed_source or "", "no seed yet")
    return [
        ("node", [("label", "Data set"), ("hash", short(custody.dataset_root)),
                  ("small", f"{size}, {blocks}")], hexadecimal(custody.dataset_root)),
        ("node", [("label", _state(0, "Initial weights ")), ("hash", short(custody.genesis)),
                  ("small", "the state that proof 0 starts from")],
         hexadecimal(custody.genesis)),
        ("node" if custody.run_id else "node missing",
         [("label", "Task and run"), ("hash", short(custody.run_id)),
          ("small", f"fixes both, and the order: {order}")], hexadecimal(custody.run_id)),
    ]  # fmt: skip


def _results(custody: Custody, verdict: VerdictState) -> list[_Box]:
    proven = custody.final is not None
    done = ("node done" if verdict == "verified" else "node") if proven else "node missing"
    uses: list[tuple[str, object]] = [("label", f"Inferences: {count(len(custody.inferences))}")]
    for inference in custody.inferences[:2]:
        values = ", ".join(figure(v) for v in inference.outputs[:3])
        more = ", …" if len(inference.outputs) > 3 else ""
        uses.append(("small", f"#{inference.nonce} → {values}{more}"))
    uses += [("small", "none yet")] if not custody.inferences else []
    return [
        (done, [("label", _state(custody.total_proofs, "Final weights ")),
                ("hash", short(custody.final)),
                ("small", "where the last proof leads" if proven else "not proven yet")],
         hexadecimal(custody.final)),
        (done, [("label", "Model"), ("hash", short(custody.run_id) if proven else "–"),
                ("small", "its id is the run's" if proven else "no model yet")],
         hexadecimal(custody.run_id)),
        (done if custody.inferences else "node missing", uses, ""),
    ]  # fmt: skip


def _state(index: int, before: str = "") -> Markup:
    number = Markup('{}<tspan class="italic">C</tspan><tspan class="sub" dy="3">{}</tspan>')
    return number.format(before, count(index))


def _row(drawing: _Drawing, shape: _Shape, boxes: list[_Box], *, first: bool) -> None:
    """Boxes beside each other, or below each other where there is no room.

    Of the first row, data and initial weights go into the task together, and it leads down.
    """
    height, columns = 76.0, shape.boxes
    width = (shape.width - _GAP * (columns - 1)) / columns
    for place, (style, lines, title) in enumerate(boxes):
        column, plus = place % columns, first and place == 1
        x, middle = column * (width + _GAP), drawing.y + height / 2
        if place and column == 0:
            drawing.y += height + 20
            start = (shape.width / 2, drawing.y - 20)
            _plus(drawing, *start) if plus else drawing.arrow(start, (start[0], drawing.y - 2))
        elif place and plus:
            _plus(drawing, x - _GAP / 2, middle - 10)
        elif place:
            drawing.arrow((x - _GAP, middle), (x - 2, middle))
        drawing.box(x, width, height, style, lines, title)
    drawing.y += height
    if first:
        x = shape.width - width / 2
        drawing.arrow((x, drawing.y), (x, drawing.y + 22))
        drawing.y += 24


def _plus(drawing: _Drawing, x: float, y: float) -> None:
    drawing.arrow((x - 5, y + 10), (x + 5, y + 10), head=False)
    drawing.arrow((x, y + 5), (x, y + 15), head=False)


def _chain(drawing: _Drawing, shape: _Shape, custody: Custody, verdict: VerdictState) -> None:
    """The block proofs, row after row, in a frame."""
    blocks = custody.blocks
    cards = len(blocks) <= _CARDS
    columns = shape.cards if cards else shape.cells
    gap, height = (_GAP - 4, 66.0) if cards else (5, 34.0)
    inner = shape.width - 2 * _PAD
    width = (inner - gap * (columns - 1)) / columns
    shown, left_out = blocks[:_MOST_CELLS], max(0, custody.total_proofs - _MOST_CELLS)
    rows = -(-len(shown) // columns)
    row_gap = 20 if cards else 6
    frame = 38 + rows * height + max(0, rows - 1) * row_gap + _PAD + (20 if left_out else 0)
    steps = f"{count(custody.steps_per_proof)} update step{_s(custody.steps_per_proof)} each"
    drawing.box(0, shape.width, frame, "frame", [
        ("label", f"{count(custody.total_proofs)} block proofs, {steps}"),
    ])  # fmt: skip
    top, drawing.y = drawing.y, drawing.y + 36
    for place, block in enumerate(shown):
        column = place % columns
        if place and column == 0:
            if cards:
                _turn(drawing, shape, height, row_gap, width)
            drawing.y += height + row_gap
        x = _PAD + column * (width + gap)
        if cards and column:
            drawing.arrow((x - gap, drawing.y + height / 2), (x - 2, drawing.y + height / 2))
        (_card if cards else _cell)(drawing, x, width, height, block, verdict)
    drawing.y = top + frame
    if left_out:
        drawing.text(_PAD, drawing.y - 10, "small", f"and {count(left_out)} more")
    x = shape.width / (2 * shape.boxes) if shape.boxes > 1 else shape.width / 2
    drawing.arrow((x, drawing.y), (x, drawing.y + 22))
    drawing.y += 24


def _turn(drawing: _Drawing, shape: _Shape, height: float, row_gap: float, width: float) -> None:
    """From the end of a row to the beginning of the next."""
    bottom = drawing.y + height
    start, end = shape.width - _PAD - width / 2, _PAD + width / 2
    between = bottom + row_gap / 2
    drawing.arrow((start, bottom), (start, between), (end, between), (end, bottom + row_gap - 1))


def _look(block: BlockFacts, verdict: VerdictState) -> str:
    if block.artefact is None:
        return "missing"
    return "done" if verdict == "verified" else ""


def _title(block: BlockFacts) -> str:
    end = f"leads to {hexadecimal(block.state_out)}" if block.artefact else "not proven yet"
    batch = "" if block.batch is None else f", on batch block {block.batch}"
    return f"Block proof {block.index}{batch}: {end}"


def _card(
    drawing: _Drawing,
    x: float,
    width: float,
    height: float,
    block: BlockFacts,
    verdict: VerdictState,
) -> None:
    data = "" if block.batch is None else f" · data {count(block.batch)}"
    leads = _state(block.index + 1, "→ ") if block.artefact else "not proven yet"
    drawing.box(x, width, height, f"card {_look(block, verdict)}", [
        ("strong", f"Proof {count(block.index)}{data}"),
        ("small", leads),
    ], _title(block))  # fmt: skip
    if block.state_out is not None:
        drawing.text(x + _PAD, drawing.y + 57, "hash tiny", short(block.state_out, 6))


def _cell(
    drawing: _Drawing,
    x: float,
    width: float,
    height: float,
    block: BlockFacts,
    verdict: VerdictState,
) -> None:
    tip = Markup("<title>{}</title>").format(_title(block))
    drawing.add(_BOX, f"card {_look(block, verdict)}", x, drawing.y, width, height, 4, tip)
    drawing.add(
        '<text class="cell" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>',
        x + width / 2, drawing.y + height / 2 + 4, block.index,
    )  # fmt: skip


def _s(number: int) -> str:
    return "" if number == 1 else "s"
