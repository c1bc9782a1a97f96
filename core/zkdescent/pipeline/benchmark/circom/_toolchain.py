"""circom and snarkjs: installed once, in exact versions, and run in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zkdescent.circuits.cache import cache_directory
from zkdescent.core.errors import ProverError, ToolMissing

HERE = Path(__file__).parent
_TIMEOUT_S = 900
_LAST_LINES = 12
_HINT = "install Node.js 18 or newer with npm, or run the benchmark without the circom circuit"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Node.js and the folder that holds `node_modules`."""

    node: str
    folder: Path

    def compile(self, directory: Path) -> None:
        """Compile `main.circom` of a directory to `main.r1cs` and `main_js/main.wasm` there.

        Raises:
            ProverError: the compiler refused the source.
        """
        compiler = self.folder / "node_modules" / "circom2" / "cli.js"
        command = [self.node, str(compiler), "main.circom", "--r1cs", "--wasm", "--O2"]
        done = _run(command, cwd=directory)
        if done.returncode != 0:
            raise ProverError(
                "circom refused the circuit", got=_tail(done.stdout + done.stderr), path=directory
            )

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Run one operation of `groth16.mjs` and return its answer.

        Raises:
            ProverError: it failed; a witness that breaks a constraint is one way to.
        """
        request = json.dumps({"operation": operation, **arguments}, default=str)
        command = [self.node, str(HERE / "groth16.mjs"), str(self.folder)]
        done = _run(command, text=request)
        try:
            answer = dict(json.loads(done.stdout.strip().splitlines()[-1]))
        except (IndexError, ValueError):
            answer = {"error": f"exit status {done.returncode}"}
        if done.returncode != 0 or "error" in answer:
            reason = answer.get("error", f"exit status {done.returncode}")
            raise ProverError(
                f"snarkjs failed during {operation}", got=reason, hint=_tail(done.stderr) or None
            )
        return answer

    def unsafe_powers(self, power: int) -> Path:
        """Path of local powers of tau for 2**power constraints, generated on first use.

        Whoever made them can forge every proof under them.
        """
        path = cache_directory() / "circom" / f"unsafe-{power}.ptau"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            try:
                self.call("powers", power=power, path=partial)
                os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)
        return path


def install_toolchain() -> Toolchain:
    """Return circom and snarkjs in the locked versions, installing them on first use.

    Raises:
        ToolMissing: there is no Node.js or npm, or npm could not install the packages.
    """
    node, npm = _program("node"), _program("npm")
    lock = (HERE / "package-lock.json").read_bytes()
    folder = cache_directory() / "circom" / hashlib.sha256(lock).hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as scratch:
            partial = Path(scratch) / "packages"
            partial.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(HERE / name, partial / name)
            _install(npm, partial)
            try:
                # In one move: a folder of this name is complete.
                os.replace(partial, folder)
            except OSError:
                if not folder.exists():  # else another process was faster
                    raise
    return Toolchain(node, folder)


def tool_versions() -> str:
    """The locked versions, for people."""
    packages = json.loads((HERE / "package.json").read_bytes())["dependencies"]
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))


def _install(npm: str, folder: Path) -> None:
    # None of the packages needs an install script, so none may run.
    done = _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    if done.returncode != 0:
        raise ToolMissing(
            "npm could not install circom and snarkjs",
            expected=tool_versions(),
            got=_tail(done.stderr),
            hint="npm ci needs a package registry once; " + _HINT,
        )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not installed", expected=tool_versions(), hint=_HINT)
    return found


def _run(
    command: Sequence[str], *, cwd: Path | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProverError(
            f"{Path(command[0]).name} took too long", expected=f"at most {_TIMEOUT_S} s"
        ) from error
    except OSError as error:
        raise ToolMissing(f"cannot run {command[0]}: {error}", hint=_HINT) from error


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LAST_LINES:])
