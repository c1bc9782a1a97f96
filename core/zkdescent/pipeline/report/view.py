"""What the report's template is given: data in the order and the words in which it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from zkdescent.pipeline.report.custody_picture import draw_custody
from zkdescent.pipeline.report.model import Curves, ProofFacts, ReportData
from zkdescent.pipeline.report.pictures import (
    Picture,
    curve_pictures,
    fidelity_pictures,
    proof_pictures,
)
from zkdescent.pipeline.report.text import count, hexadecimal, measured, seconds, short

MOST_ROWS = 400
"""Proofs in the table; the JSON has all."""

_MOST_STEPS = 60  # rows of the table of curves
_EMBEDDED = ("tester", "anvil")


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A row of the table of proofs."""

    name: str
    batch: str
    state: str
    memory: str
    proof: ProofFacts


def report_view(data: ReportData) -> dict[str, Any]:
    """Return the values of ``report.html.j2``."""
    return {
        "data": data,
        "lead": _lead(data),
        "figures": _figures(data),
        "sections": _sections(data),
        "commitments": _commitments(data),
        "pictures": _pictures(data),
        "curve_table": None if data.curves is None else _curve_table(data.curves),
        "proof_rows": _proof_rows(data),
        "totals": _totals(data.proofs),
        "commands": _commands(data),
        "made_at": shown_time(data.made_at),
    }


def shown_time(iso: str) -> str:
    """A time for people: 28 November 2026, 14:05 UTC."""
    return f"{datetime.fromisoformat(iso):%d %B %Y, %H:%M} UTC".lstrip("0")


def _pictures(data: ReportData) -> dict[str, Any]:
    custody, curves, state = data.custody, data.curves, data.verdict.state
    nothing = Markup("")
    return {
        "custody_wide": nothing if custody is None else draw_custody(custody, state),
        "custody_narrow": nothing if custody is None else draw_custody(custody, state, narrow=True),
        "proven": curves is not None and any(s.run == "proven" for s in curves.losses),
        "curves": [] if curves is None else curve_pictures(curves),
        "fidelity": [] if data.fidelity is None else fidelity_pictures(data.fidelity),
        "proofs": proof_pictures(data.proofs),
    }


def _lead(data: ReportData) -> str:
    custody, declared = data.custody, dict(data.declared)
    if custody is None:
        return (
            f"{declared['update steps']} update steps of {declared['optimizer']}, not compiled yet."
        )
    steps = custody.total_proofs * custody.steps_per_proof
    rows = f"on {count(custody.rows)} rows"
    proofs = f"{count(custody.total_proofs)} block proofs"
    if data.verdict.state == "rejected":
        return f"It claims {count(steps)} update steps {rows} in {proofs}. They do not hold."
    if custody.final is None:
        made = f"{count(custody.proven)} of {proofs} made so far"
        return f"{count(steps)} update steps {rows}, to be proven: {made}."
    end = " and minted on chain" if data.stage == "minted" else ""
    return f"A model trained by {count(steps)} update steps {rows}, proven in {proofs}{end}."


def _figures(data: ReportData) -> list[tuple[str, str, str]]:
    """Name, value and a remark of the key figures, as far as they are known."""
    custody, curves, found = data.custody, data.curves, []
    if custody is not None:
        done = custody.proven * custody.steps_per_proof
        total = custody.total_proofs * custody.steps_per_proof
        found.append((f"update steps {_claim(data)}", count(done), f"of {count(total)}"))
        found.append(("block proofs", count(custody.proven), f"of {count(custody.total_proofs)}"))
    if curves is not None and curves.metric != "loss":
        proven, floats = curves.last("proven"), curves.last("float")
        value = floats if proven is None else proven
        name = f"{curves.metric}, {'float' if proven is None else _claim(data)}"
        remark = "" if proven is None else f"float {measured(floats, curves.metric)}"
        found.append((name, measured(value, curves.metric), remark))
    times = [proof.seconds for proof in data.proofs if proof.seconds is not None]
    if times:
        each = f"{seconds(sum(times) / len(times))} for each proof"
        found.append(("time proving", seconds(sum(times)), each))
    memory = [p.peak_memory_mb for p in data.proofs if p.peak_memory_mb is not None]
    if memory:
        found.append(("peak memory", _memory(max(memory)), "of a proving process"))
    for chain in data.chains[:1]:
        submitted = sum(i.gas for i in chain.items if i.action.startswith("submit"))
        if submitted and custody is not None and custody.proven:
            per_step = submitted // (custody.proven * custody.steps_per_proof)
            found.append(("gas per update step", count(per_step), f"on {chain.name}"))
    return found


def _claim(data: ReportData) -> str:
    """What figures of the stored proofs are called: rejected proofs prove nothing."""
    return "claimed" if data.verdict.state == "rejected" else "proven"


def _memory(mebibytes: float | None) -> str:
    return "–" if mebibytes is None else f"{mebibytes:,.0f} MiB"


def _sections(data: ReportData) -> list[tuple[str, str]]:
    names = [
        ("custody", "Chain of custody"), ("learning", "Learning"), ("fidelity", "Fidelity"),
        ("circuits", "Circuits"), ("proofs", "Proofs"), ("chain", "On chain"),
        ("verification", "Verification"),
    ]  # fmt: skip
    return [*names, ("gaps", "What is missing")] if data.gaps else names


def _commitments(data: ReportData) -> list[tuple[str, str]]:
    """What to compare with a compilation, a chain or a publication of one's own."""
    custody = data.custody
    if custody is None:
        return []
    named = [
        ("dataset root", custody.dataset_root),
        ("initial weights", custody.genesis),
        ("final weights", custody.final),
        ("task", custody.task_id),
        ("run and model", custody.run_id),
        ("seed", custody.seed),
    ]
    return [(name, hexadecimal(value)) for name, value in named if value is not None]


def _curve_table(curves: Curves) -> dict[str, Any]:
    every = [("loss", s) for s in curves.losses] + [(curves.metric, s) for s in curves.metrics]
    values = [(metric, dict(series.points)) for metric, series in every]
    steps = sorted({step for _, points in values for step in points})
    if len(steps) > _MOST_STEPS:
        last = len(steps) - 1
        steps = [steps[round(i * last / (_MOST_STEPS - 1))] for i in range(_MOST_STEPS)]
    return {
        "columns": [f"{metric}, {s.run}, {s.part}" for metric, s in every],
        "rows": [
            (step, [measured(points.get(step), metric) for metric, points in values])
            for step in steps
        ],
    }


def _proof_rows(data: ReportData) -> list[ProofRow]:
    blocks = {} if data.custody is None else {b.index: b for b in data.custody.blocks}
    rows = []
    for proof in data.proofs[:MOST_ROWS]:
        block = blocks.get(proof.index) if proof.role != "range" else None
        batch = "–" if block is None or block.batch is None else count(block.batch)
        batch = count(proof.index) if proof.role == "range" else batch
        name = f"block {proof.index}" if proof.role == "step" else f"{proof.role} {proof.index}"
        state = "–" if block is None else short(block.state_out)
        rows.append(ProofRow(name, batch, state, _memory(proof.peak_memory_mb), proof))
    return rows


def _totals(proofs: tuple[ProofFacts, ...]) -> dict[str, Any]:
    def together(values: Iterable[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        return sum(known) if known else None

    peaks = [p.peak_memory_mb for p in proofs if p.peak_memory_mb is not None]
    return {
        "seconds": together(p.seconds for p in proofs),
        "verify": together(p.verify_seconds for p in proofs),
        "bytes": together(p.bytes for p in proofs),
        "memory": f"most {_memory(max(peaks))}" if peaks else "–",
        "left_out": max(0, len(proofs) - MOST_ROWS),
    }


def _commands(data: ReportData) -> list[tuple[str, str]]:
    found = [
        ("Install; nothing of the prover is needed.", "pip install zkdescent"),
        ("Check the whole run from its public files.", "zkdescent verify -C PROJECT"),
        ("Make this report again, verified on your machine.", "zkdescent report -C PROJECT"),
    ]
    public = [chain for chain in data.chains if chain.name not in _EMBEDDED]
    if public:
        note = "Compare with the chain as well, over a node that you trust ([chain] rpc)."
        found.insert(2, (note, "zkdescent verify -C PROJECT --chain"))
    if data.stage == "minted" and data.custody is not None and data.custody.run_id is not None:
        command = f"zkdescent model show {hexadecimal(data.custody.run_id)} -C PROJECT"
        found.append(("Read the model's provenance from its chain.", command))
    found.append(
        (
            "Compile the project yourself and compare the verifying keys.",
            "zkdescent compile -C COPY",
        )
    )
    return found


__all__ = ["MOST_ROWS", "Picture", "ProofRow", "report_view"]
