"""A node as bad networks make it: connections are dropped before and after, answers come late."""

from __future__ import annotations

import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Flaky:
    """A proxy before a node's URL, with mischief by chance, the same chances in every run.

    Args:
        lost: chance that a request never arrives.
        unanswered: chance that it arrives, and its answer is lost.
        late: chance that the answer comes `late_s` later.
    """

    def __init__(
        self, url: str, *, seed: int, lost: float, unanswered: float, late: float, late_s: float
    ) -> None:
        self._url, self._draw, self._lock = url, random.Random(seed), threading.Lock()
        self.chances: tuple[tuple[str, float], ...] = (
            ("lost", lost),
            ("unanswered", unanswered),
            ("late", late),
        )
        self.late_s = late_s
        self.counts: Counter[str] = Counter()
        self.url = ""

    def fate(self) -> str:
        """What happens to a request."""
        with self._lock:
            left, found = self._draw.random(), "served"
            for name, chance in self.chances:
                if left < chance:
                    found = name
                    break
                left -= chance
            self.counts[found] += 1
            return found

    def forward(self, body: bytes) -> bytes:
        """Ask the node."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url, data=body, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as reply:
            return bytes(reply.read())


@contextmanager
def serving(flaky: Flaky) -> Iterator[Flaky]:
    """Serve on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fate = flaky.fate()
            if fate == "lost":
                self.connection.close()
                return
            try:
                answer = flaky.forward(body)
            except (urllib.error.URLError, OSError):
                self.connection.close()
                return
            if fate == "unanswered":
                self.connection.close()
                return
            if fate == "late":
                time.sleep(flaky.late_s)
            try:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                pass  # who asked was killed

        def handle(self) -> None:
            with suppress(OSError, ValueError):  # the connection was closed on purpose
                super().handle()

        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    flaky.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield flaky
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
