"""Commands `onnx prove` and `onnx verify`: inference proofs for any ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zkdescent.cli.context import AsJson, Verbose, choose_output
from zkdescent.cli.output import pairs, short, table

app = typer.Typer(help="Prove and verify inferences of any ONNX model.", no_args_is_help=True)


@app.command()
def prove(
    model: Annotated[Path, typer.Argument(help="The ONNX file.")],
    input: Annotated[
        Path, typer.Option(help='{"input_data": [[...], ...]}, a flat list per input.')
    ],
    out: Annotated[Path, typer.Option(help="A new directory for the proof.")],
    fraction_bits: Annotated[int, typer.Option(help="Fixed-point precision.", min=4, max=20)] = 12,
    tolerance: Annotated[
        float, typer.Option(help="Largest difference to onnxruntime that is accepted.")
    ] = 0.02,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Prove the model's output on an input; input and output are public, weights are fixed."""
    output = choose_output(as_json, verbose)
    from zkdescent.circuits.ezkl_backend.third_party import prove_onnx

    result = prove_onnx(model, input, out, fraction_bits=fraction_bits, tolerance=tolerance)
    payload = {
        "proven": True,
        "outputs": result.outputs,
        "onnxruntime": result.reference,
        "worst_error": result.worst_error,
        "vk_sha256": result.circuit.vk_sha256,
        "logrows": result.circuit.logrows,
        "proof_bytes": result.circuit.proof_length,
        "seconds": round(result.seconds, 2),
        "out": out,
    }
    rows = list(zip(range(len(result.outputs)), result.outputs, result.reference, strict=True))
    summary = [
        ("worst error", f"{result.worst_error:.2e}"),
        ("verifying key", short(result.circuit.vk_sha256)),
        ("proof bytes", result.circuit.proof_length),
        ("seconds", result.seconds),
        ("written to", out),
    ]
    columns = ("output", "proven", "onnxruntime")
    output.result(payload, table("Outputs", columns, rows), pairs("Proof", summary))


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="The directory that `onnx prove` wrote.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Verify a proof and its files with the verifier contract's bytecode; needs no prover."""
    output = choose_output(as_json, verbose)
    from zkdescent.verifier.onnx_proof import verify_onnx

    checked = verify_onnx(directory)
    payload = {
        "verified": True,
        "outputs": checked.outputs,
        "vk_sha256": checked.vk_sha256,
        "vka_digest": checked.vka_digest,
        "unsafe_srs": checked.unsafe_srs,
    }
    rows = [
        ("outputs", ", ".join(f"{v:.6g}" for v in checked.outputs)),
        ("verifying key", short(checked.vk_sha256)),
        ("reference string", "local, for tests" if checked.unsafe_srs else "ceremony"),
    ]
    output.result(payload, pairs("Verified", rows))
