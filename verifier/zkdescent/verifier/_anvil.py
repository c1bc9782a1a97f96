"""Find, start and stop an anvil node (Foundry's development chain)."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from zkdescent.core.errors import ChainError, ToolMissing

VARIABLE = "ZKDESCENT_ANVIL"
_IN_FOLDER = (
    "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil",
    "contracts/node_modules/.bin/anvil",
    "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil",
    "node_modules/.bin/anvil",
)
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0


def find_anvil(binary: str | Path | None = None, *, start: Path | None = None) -> Path:
    """Return the anvil executable.

    Looked for in this order: ``binary``, $ZKDESCENT_ANVIL, PATH, then the npm package in
    ``contracts/`` or the folder itself, from ``start`` (default: the working folder) upwards.

    Raises:
        ToolMissing: it is nowhere, or the one named explicitly can't be run.
    """
    for named, source in ((binary, "argument"), (os.environ.get(VARIABLE), VARIABLE)):
        if named:
            found = shutil.which(str(named))
            if found is None:
                raise ToolMissing(
                    "anvil can't be run",
                    expected="an executable file",
                    got=str(named),
                    hint=f"correct the {source}",
                )
            return Path(found)
    on_path = shutil.which("anvil")
    if on_path is not None:
        return Path(on_path)
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        for candidate in _IN_FOLDER:
            if os.access(folder / candidate, os.X_OK) and (folder / candidate).is_file():
                return folder / candidate
    raise ToolMissing(
        "anvil is not installed",
        expected="anvil on the PATH or in contracts/node_modules",
        hint=f"npm install @foundry-rs/anvil, or set {VARIABLE}; or use the tester chain",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AnvilProcess:
    """A running anvil on the loopback interface; stopped by close(), and at exit at the latest.

    ``port`` 0 takes a free one. Transactions are capped at 16,777,216 gas (EIP-7825), as on
    public chains, so that what works here works there. With ``block_time_s`` blocks come by the
    clock; without it, one for each transaction.

    Raises:
        ToolMissing: anvil is not installed.
        ChainError: it did not come up; its own words are in ``got``.
    """

    def __init__(
        self,
        binary: str | Path | None = None,
        *,
        port: int = 0,
        block_time_s: float | None = None,
    ) -> None:
        executable = find_anvil(binary)
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the process
        command = [
            str(executable), "--host", "127.0.0.1", "--port", str(self.port),
            "--chain-id", "31337", "--enable-tx-gas-limit",
        ]  # fmt: skip
        if block_time_s is not None:
            command += ["--block-time", f"{block_time_s:g}"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            self._log.close()
            raise ChainError("anvil did not start", got=str(error), path=executable) from error
        atexit.register(self.close)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        request = urllib.request.Request(
            self.url,
            data=b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}',
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback only
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ChainError(
                    "anvil stopped right after its start",
                    got=self._words(),
                    hint=f"is port {self.port} in use?",
                )
            try:
                with opener.open(request, timeout=1):
                    # Another anvil may have taken the port in between, and answers for ours.
                    if b"Listening on" in self._output():
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.05)
        raise ChainError(
            "anvil did not answer", expected=f"within {_START_TIMEOUT_S} s", got=self._words()
        )

    def _output(self) -> bytes:
        return os.pread(self._log.fileno(), 1 << 16, 0)

    def _words(self) -> str:
        return self._output()[-400:].decode(errors="replace").strip()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def close(self) -> None:
        """Stop the node; harmless when it has stopped already."""
        atexit.unregister(self.close)
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
