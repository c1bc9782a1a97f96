"""docs/dapp-developers.md, followed word for word in an empty folder."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from zkdescent.verifier._anvil import find_anvil

pytestmark = [
    pytest.mark.chain, pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.slow,
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "dapp-developers.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVE = re.compile(r"Save as `([\w/.]+)`")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Shell:
    """One bash that lives through the page, as a reader's terminal does."""

    def __init__(self, folder: Path) -> None:
        programs = (Path(sys.executable).parent, find_anvil(start=ROOT).parent)
        path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
        self.process = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=folder, env={**os.environ, "PATH": path},
        )  # fmt: skip

    def run(self, block: str) -> tuple[int, str]:
        """Run a block: exit code of the first line that failed, and everything printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        code = "code=0\n"
        for line in block.splitlines():
            code += f"{line}\n" if line.endswith("&") else f"{line} || code=$?\n"
        self.process.stdin.write(code + "echo @@$code\n")
        self.process.stdin.flush()
        printed = ""
        for line in self.process.stdout:
            if line.startswith("@@"):
                return int(line[2:]), printed
            printed += line
        raise AssertionError(printed)

    def close(self) -> None:
        self.run("kill %1")
        self.process.communicate()


def test_the_page_is_true_word_for_word(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    port = free_port()
    shell, answers = Shell(tmp_path), 0
    blocks = list(BLOCK.finditer(text))
    try:
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            language, content = block.groups()
            if language == "python":
                (place,) = SAVE.findall(text[: block.start()])
                (tmp_path / place).write_text(content.replace("8545", str(port)))
            elif language == "sh":
                content = content.replace("--silent", f"--silent --port {port}")
                code, printed = shell.run(content.replace("8545", str(port)))
                if following is not None and following.group(1) == "text":
                    assert code == 1, printed
                    assert following.group(2).strip() in printed
                    answers += 1
                else:
                    assert code == 0, (content, printed)
    finally:
        shell.close()
    assert answers == 3


def test_the_program_on_the_page_is_the_example() -> None:
    (program,) = [b.group(2) for b in BLOCK.finditer(PAGE.read_text()) if b.group(1) == "python"]
    assert program == (ROOT / "examples" / "consumer" / "trust.py").read_text()
