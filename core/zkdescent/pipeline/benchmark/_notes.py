"""What a reader must know to judge the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zkdescent.pipeline.benchmark._growth import worst_errors, worst_seconds
from zkdescent.pipeline.benchmark._measure import Findings, Pair
from zkdescent.pipeline.benchmark.results import (
    HEADLINE_EPOCHS,
    GrowthPoint,
    HonkPoint,
    Measurement,
)

if TYPE_CHECKING:
    from zkdescent.pipeline.benchmark.circom import CircomMeasurement


def notes(
    found: Sequence[Findings],
    growth: Sequence[GrowthPoint],
    honk_growth: Sequence[HonkPoint],
    circom: CircomMeasurement | None,
    *,
    machine: Mapping[str, Any],
    epochs: Sequence[int],
    has_compiler: bool,
    why_no_circom: str | None,
) -> tuple[str, ...]:
    """Sentences, one idea each."""
    dedicated = (
        "and with the dedicated verifiers that ezkl generates, hardened, where they fit EIP-170"
        if has_compiler
        else "no Solidity compiler was found, so dedicated verifiers were not measured"
    )
    return (
        "Peer: ezkl's default run arguments, inputs and outputs public and range-checked, "
        "calibrated for resources, one step per proof. But Freivalds checks are off: they are "
        "unsound, and slower too.",
        "zkdescent: parameters and data committed and bound to a context.",
        *_about_ezkl([pair for case in found for pair in case.ours], epochs),
        *about_barretenberg([one for case in found for one in case.honk]),
        "Seconds are wall-clock, witness and proof without setup, the best of equally many "
        "proofs of peer, fastest configuration of each prover and circom; range proofs, other "
        "configurations and cases without the peer were made once.",
        "Gas is what the receipt of one verifying transaction on an in-process chain (Prague) "
        f"says, with the reusable verifier for both sides on ezkl; {dedicated}.",
        *about_load(machine),
        *(
            f"{case.honk[0].case}: not attempted with the peer nor with ezkl; a proof of each kind."
            for case in found
            if case.peer is None
        ),
        *_about_circom(circom, why_no_circom),
        *_about_growth(growth),
        *about_honk_growth(honk_growth),
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


def _about_ezkl(pairs: Sequence[Pair], epochs: Sequence[int]) -> tuple[str, ...]:
    if not pairs:
        return ()
    ranges = "; ".join(
        f"{pair.range.seconds_per_step:.2f} s for {pair.step.steps_per_proof} batches "
        f"({pair.step.case}, logrows {pair.step.logrows})"
        for pair in pairs
    )
    return (
        "On ezkl inputs are range-checked once, by a proof of their own. The circuits' size and "
        "blocks of columns are fixed for each case, for the fewest seconds and, where another size "
        "is cheaper, for the least gas; steps per proof are what fills them.",
        f"The headline includes range proofs, shared by {HEADLINE_EPOCHS} epochs: a batch block's "
        "range proof is made once, and training visits its data several times. "
        f"All figures are given for {' and '.join(map(str, sorted(epochs)))} epochs. "
        f"Range proofs of one batch block took {ranges}.",
    )


def about_barretenberg(found: Sequence[Measurement]) -> tuple[str, ...]:
    """What its proofs contain, and how long circuits take to emit."""
    if not found:
        return ()
    emitted = {m.case: f"{m.circuit_seconds:.1f} s ({m.case})" for m in found}
    return (
        "On Barretenberg each step proof hashes and range-checks state and batch itself, so "
        "there are no range proofs and nothing to share between epochs. There are no proving keys. "
        "Steps per proof fill a power of two of gates: the one with the fewest rows per step, and "
        "the largest for gas.",
        "Gas on Barretenberg is a call of the circuit's own verifier, the only kind it has; "
        "`gas_per_step_gateway` is through the Circuits contract.",
        f"Tracing, lowering and emitting one step took {'; '.join(emitted.values())}; it is done "
        "once for a project.",
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


def about_honk_growth(growth: Sequence[HonkPoint]) -> tuple[str, ...]:
    """Which points are proofs, and how far the model is from them."""
    if not growth:
        return ()
    proven = sum(p.measured for p in growth)
    return (
        f"Growth on Barretenberg: all {len(growth)} circuits were emitted and {proven} proven, one "
        "step each; seconds and memory of the others are the cost model's, whose seconds are "
        f"scaled by those; its largest error there is {worst_seconds(growth):.0%}.",
    )
