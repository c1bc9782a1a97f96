"""Start keepers fast: forks of a process that has loaded everything a keeper needs.

One command a line on stdin, one answer a line on stdout: ``start FILE OUT ACCOUNT`` forks a keeper
whose stdout is OUT and answers its process id; ``wait PID`` answers its exit code, negative for a
signal. A fork is a process like any other: it can be killed, and shares no state with the rest.
"""

from __future__ import annotations

import os
import sys

import zkdescent.circuits.barretenberg.backend
import zkdescent.pipeline.feeding.keeping
import zkdescent.verifier.chain
from zkdescent.cli import main
from zkdescent.verifier import development_account

LOADED = (zkdescent.circuits, zkdescent.pipeline, zkdescent.verifier)


def start(file: str, out: str, account: int) -> int:
    """Fork a keeper; returns in the parent alone."""
    child = os.fork()
    if child:
        return child
    os.environ["KEEPER_KEY"] = "0x" + bytes(development_account(account).key).hex()
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)
    code = 1
    try:
        main(["keep", file, "--json"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def serve() -> None:
    """Answer commands until stdin ends."""
    development_account(0)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "start":
            answer = start(words[0], words[1], int(words[2]))
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(int(words[0]), 0)[1])
        print(answer, flush=True)


if __name__ == "__main__":
    serve()
