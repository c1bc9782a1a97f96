"""What a reader must know to judge the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zkdescent.pipeline.benchmark._growth import worst_errors
from zkdescent.pipeline.benchmark._measure import Findings
from zkdescent.pipeline.benchmark.results import HEADLINE_EPOCHS, GrowthPoint

if TYPE_CHECKING:
    from zkdescent.pipeline.benchmark.circom import CircomMeasurement


def notes(
    found: Sequence[Findings],
    growth: Sequence[GrowthPoint],
    circom: CircomMeasurement | None,
    *,
    machine: Mapping[str, Any],
    epochs: Sequence[int],
    has_compiler: bool,
    why_no_circom: str | None,
) -> tuple[str, ...]:
    """Sentences, one idea each."""
    ranges = "; ".join(
        f"{pair.range.seconds_per_step:.2f} s for {pair.step.steps_per_proof} batches "
        f"({case.peer.case}, logrows {pair.step.logrows})"
        for case in found
        for pair in case.ours
    )
    dedicated = (
        "and with the dedicated verifiers that ezkl generates, hardened, where they fit EIP-170"
        if has_compiler
        else "no Solidity compiler was found, so dedicated verifiers were not measured"
    )
    return (
        "Peer: ezkl's default run arguments, inputs and outputs public and range-checked, "
        "calibrated for resources, one step per proof. But Freivalds checks are off: they are "
        "unsound, and slower too.",
        "zkdescent: parameters and data committed, bound to a context, range-checked once. The "
        "circuits' size and blocks of columns are fixed for each case, for the fewest seconds and, "
        "where another size is cheaper, for the least gas; steps per proof are what fills them.",
        "Seconds are wall-clock, witness and proof without setup, the best of equally many "
        "proofs of peer, fastest configuration and circom; range proofs and other configurations "
        "were made once.",
        "Gas is what the receipt of one verifying transaction on an in-process chain (Prague) "
        f"says, with the reusable verifier for both; {dedicated}.",
        f"The headline includes range proofs, shared by {HEADLINE_EPOCHS} epochs: a batch block's "
        "range proof is made once, and training visits its data several times. "
        f"All figures are given for {' and '.join(map(str, sorted(epochs)))} epochs. "
        f"Range proofs of one batch block took {ranges}.",
        *about_load(machine),
        *_about_circom(circom, why_no_circom),
        *_about_growth(growth),
    )


def about_load(machine: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning if other jobs kept half of the processors busy before the run."""
    load = machine["load_average_before"]
    if load is None or load[0] < 0.5 * machine["cpus"]:
        return ()
    return (
        f"The machine was busy before this run (load {load[0]:.1f} on {machine['cpus']} "
        "processors): wall-clock seconds and their ratios are not to be trusted; processor "
        "seconds, gas and sizes are.",
    )


def _about_circom(circom: CircomMeasurement | None, why_not: str | None) -> tuple[str, ...]:
    if circom is None:
        return (f"circom was not measured: {why_not}.",) if why_not else ()
    return (
        f"{circom.system}: {circom.case}, {circom.steps_per_proof} steps per proof, "
        f"{circom.seconds_per_step:.3f} s/step, setup {circom.setup_seconds:.1f} s, "
        f"{circom.constraints:,} constraints ({circom.tools}). It proves the arithmetic only: no "
        "commitments to data or weights, no context, no range checks of inputs, written for this "
        "one model by hand, and its setup is trusted and made anew for each circuit.",
    )


def _about_growth(growth: Sequence[GrowthPoint]) -> tuple[str, ...]:
    if not growth:
        return ()
    seconds, gas = worst_errors(growth)
    proven = sum(p.measured for p in growth)
    return (
        f"Growth: {proven} of {len(growth)} points were proven, the rest is the cost model, whose "
        "seconds are scaled to this machine by those; its largest errors there are "
        f"{seconds:.0%} (seconds) and {gas:.1%} (gas). Range proofs are not in it.",
    )
