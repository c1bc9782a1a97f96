"""The calls of ezkl that a worker process serves; each takes paths and returns plain JSON.

This is the only module that imports ezkl.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import time
from pathlib import Path
from typing import Any

from zkdescent.circuits.ezkl_backend.settings import (
    RunArguments,
    canonical_settings,
    refuse_unsafe_settings,
)

# The stubs that ezkl ships declare other signatures than its functions have.
ezkl: Any = importlib.import_module("ezkl")


def gen_srs(path: str, logrows: int) -> None:
    """Generate an unsafe local reference string."""
    ezkl.gen_srs(path, logrows)


def version() -> dict[str, Any]:
    """Version of the installed prover."""
    return {"version": str(ezkl.__version__)}


def compile_circuit(
    onnx: str,
    settings: str,
    compiled: str,
    logrows: int,
    public_output: bool,
    assignments: int | None,
) -> dict[str, Any]:
    """Write settings (canonical) and the compiled circuit of an emitted graph."""
    arguments = RunArguments(logrows, public_output).apply(ezkl.PyRunArgs())
    ezkl.gen_settings(onnx, settings, arguments)
    path = Path(settings)
    counted = json.loads(path.read_bytes())
    path.write_bytes(canonical_settings(path.read_bytes(), assignments=assignments))
    ezkl.compile_circuit(onnx, compiled, settings)
    return {"total_assignments": counted["total_assignments"]}


def setup(settings: str, compiled: str, vk: str, pk: str, srs: str) -> None:
    """Generate the keys. Fails if the circuit does not fit the allocated columns."""
    refuse_unsafe_settings(Path(settings).read_bytes())
    ezkl.setup(compiled, vk, pk, srs)


def export_verifier(settings: str, vk: str, srs: str, vka: str, source: str) -> dict[str, Any]:
    """Write the words for the reusable verifier and the dedicated verifier's source.

    ezkl writes the source and then fails offline while it looks for a Solidity compiler: that is
    tolerated as long as the source is there, and whole.
    """

    async def export() -> None:
        await ezkl.create_evm_vka(vk, settings, vka, srs)
        try:
            await ezkl.create_evm_verifier(vk, settings, source, source + ".abi", srs, False)
        except RuntimeError:
            if not Path(source).exists():
                raise

    asyncio.run(export())
    lengths = set(re.findall(r"eq\((0x[0-9a-f]+), proof\.length\)", Path(source).read_text()))
    if len(lengths) != 1:
        raise ValueError(f"the generated verifier names {len(lengths)} proof lengths, not one")
    return {"proof_length": int(lengths.pop(), 16)}


def commit(settings: str, vk: str, srs: str, tensors: list[list[str]]) -> dict[str, Any]:
    """KZG commitments of flat tensors; one column each. Returns x||y big endian, hex."""
    points = []
    for tensor in tensors:
        columns = ezkl.kzg_commit(tensor, vk, settings, srs)
        if len(columns) != 1:
            raise ValueError(f"a tensor of {len(tensor)} elements needs {len(columns)} columns")
        x, y = (bytes.fromhex(c)[::-1] for c in (columns[0].x, columns[0].y))
        points.append((x + y).hex())
    return {"commitments": points}


def prove(
    settings: str, compiled: str, vk: str, pk: str, srs: str, inputs: list[list[str]], scratch: str
) -> dict[str, Any]:
    """Witness, proof, and at once its verification: the Python prover never checks itself."""
    refuse_unsafe_settings(Path(settings).read_bytes())
    directory = Path(scratch)
    data, witness, proof = (directory / n for n in ("input.json", "witness.json", "proof.json"))
    data.write_text(json.dumps({"input_data": inputs}))
    ezkl.gen_witness(str(data), compiled, str(witness), vk, srs)
    outputs = json.loads(witness.read_text())["outputs"][0]
    ezkl.prove(str(witness), compiled, pk, str(proof), srs)
    started = time.perf_counter()
    if not ezkl.verify(str(proof), settings, vk, srs):
        raise ValueError("the prover made a proof that does not verify")
    written = json.loads(proof.read_text())
    return {
        "proof": written["hex_proof"].removeprefix("0x"),
        "public_values": written["instances"][0],
        "outputs": outputs,
        "verify_seconds": time.perf_counter() - started,
    }


def check_witnesses(
    settings: str, compiled: str, vk: str, srs: str, witnesses: list[list[list[str]]], scratch: str
) -> dict[str, Any]:
    """Which inputs satisfy a circuit's constraints, without proving: the output, or None."""
    refuse_unsafe_settings(Path(settings).read_bytes())
    directory = Path(scratch)
    data, witness = (directory / n for n in ("input.json", "witness.json"))
    answers: list[list[str] | None] = []
    for inputs in witnesses:
        data.write_text(json.dumps({"input_data": inputs}))
        try:
            ezkl.gen_witness(str(data), compiled, str(witness), vk, srs)
            satisfied = bool(ezkl.mock(str(witness), compiled))
        except RuntimeError:
            satisfied = False
        answers.append(json.loads(witness.read_text())["outputs"][0] if satisfied else None)
    return {"outputs": answers}


def verify(
    settings: str, vk: str, srs: str, proof: str, public_values: list[str], scratch: str
) -> dict[str, Any]:
    """Verify proof bytes; `accepted` is False for a well-formed proof that does not hold."""
    refuse_unsafe_settings(Path(settings).read_bytes())
    path = Path(scratch) / "proof.json"
    path.write_text(
        json.dumps(
            {
                "protocol": None,
                "version": str(ezkl.__version__),
                "instances": [public_values],
                "proof": list(bytes.fromhex(proof)),
                "hex_proof": "0x" + proof,
                "split": None,
                "pretty_public_inputs": None,
                "timestamp": 0,
            }
        )
    )
    try:
        return {"accepted": bool(ezkl.verify(str(path), settings, vk, srs))}
    except RuntimeError as error:
        return {"accepted": False, "reason": str(error)}


def onnx_settings(directory: str, fraction_bits: int) -> dict[str, Any]:
    """Write canonical settings for a third-party graph: calibrated, Freivalds off.

    Digits of 14 bits need a table of 2**15 rows however small the graph is; with digits of 10 bits
    (and one more of them) small graphs fit 2**11 to 2**14 rows, and prove several times faster.
    """
    for base, legs in ((1 << 10, 3), (1 << 14, 2)):
        parsed = _calibrated(Path(directory), fraction_bits, base, legs)
        logrows = int(parsed["run_args"]["logrows"])
        if logrows < 15:
            break
    return {"logrows": logrows}


def _calibrated(work: Path, fraction_bits: int, base: int, legs: int) -> dict[str, Any]:
    model, settings = str(work / "model.onnx"), str(work / "settings.json")
    arguments = ezkl.PyRunArgs()
    arguments.decomp_base = base
    arguments.decomp_legs = legs
    arguments.input_scale = fraction_bits
    arguments.param_scale = fraction_bits
    arguments.input_visibility = "public"
    arguments.output_visibility = "public"
    arguments.param_visibility = "fixed"
    arguments.disable_freivalds = True
    arguments.check_mode = "safe"
    arguments.epsilon = 1e-7
    ezkl.gen_settings(model, settings, arguments)
    data = str(work / "input.json")
    ezkl.calibrate_settings(data, model, settings, "resources", scales=[fraction_bits])
    path = Path(settings)
    path.write_bytes(canonical_settings(path.read_bytes()))
    return refuse_unsafe_settings(path.read_bytes())


def onnx_prove(directory: str, srs: str) -> dict[str, Any]:
    """Compile, set up, prove, verify and export the verifier words of a third-party graph."""
    work = Path(directory)
    model, settings, compiled, vk, pk, data, vka, source, scratch = (
        str(work / name)
        for name in (
            "model.onnx",
            "settings.json",
            "compiled",
            "vk.key",
            "pk.key",
            "input.json",
            "vka",
            "verifier.sol",
            "scratch",
        )
    )
    Path(scratch).mkdir()
    parsed = refuse_unsafe_settings(Path(settings).read_bytes())
    ezkl.compile_circuit(model, compiled, settings)
    ezkl.setup(compiled, vk, pk, srs)
    inputs = json.loads(Path(data).read_text())["input_data"]
    started = time.perf_counter()
    answer = prove(settings, compiled, vk, pk, srs, inputs, scratch)
    answer["prove_seconds"] = time.perf_counter() - started
    export_verifier(settings, vk, srs, vka, source)
    answer["output_scales"] = parsed["model_output_scales"]
    answer["output_sizes"] = [len(o) for o in _witness_outputs(scratch)]
    answer["logrows"] = parsed["run_args"]["logrows"]
    return answer


def _witness_outputs(scratch: str) -> list[list[str]]:
    outputs: list[list[str]] = json.loads((Path(scratch) / "witness.json").read_text())["outputs"]
    return outputs
