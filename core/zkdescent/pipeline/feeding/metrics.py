"""What a keeper shows of itself over HTTP, on the loopback interface only.

`/metrics` is Prometheus text, `/healthz` a JSON object with status 200, or 503 when the feed needs
somebody's attention.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from zkdescent.core.errors import ChainError

_PREFIX = "zkdescent_keeper_"
_PROVING_BUCKETS_S = (0.5, 1, 2, 5, 10, 20, 60)


class KeeperMetrics:
    """The numbers of one keeper, in a registry of its own."""

    def __init__(self, feed: str, account: str) -> None:
        self.registry = CollectorRegistry()
        labels = {"feed": feed, "account": account}

        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(_PREFIX + name, text, more, registry=self.registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(_PREFIX + name, text, registry=self.registry)

        info = Gauge(_PREFIX + "info", "The feed and the account.", labels, registry=self.registry)
        info.labels(**labels).set(1)
        self.submitted = counter("rounds_submitted", "Rounds that this process submitted.")
        self.found = counter("rounds_found", "Rounds that somebody else had answered.")
        self.gaps = counter("gaps", "Rounds that never got an answer.")
        self.failures = counter("failures", "Attempts that failed, by error.", "error")
        self.gas = counter("gas", "Gas of the submissions.")
        self.head = gauge("head_block", "Newest block that the node tells of.")
        self.round = gauge("latest_round", "Newest answered round.")
        self.answer = gauge("latest_answer_wei", "Its answer, wei.")
        self.updated_at = gauge("latest_input_timestamp_seconds", "Time of its newest input.")
        self.tripped = gauge("tripped", "1 while the breaker holds an old answer.")
        self.stale = gauge("stale", "1 while the answer is older than the feed allows.")
        self.looked_at = gauge("last_look_timestamp_seconds", "When the chain was last read.")
        self.proving = Histogram(
            _PREFIX + "proving_seconds",
            "Seconds of proving a round.",
            registry=self.registry,
            buckets=_PROVING_BUCKETS_S,
        )


class Health:
    """Whether the feed is being kept: the chain is read, and nothing holds the feed up."""

    def __init__(self, unhealthy_after_s: float) -> None:
        self._limit_s = unhealthy_after_s
        self._looked = time.monotonic()
        self.problem: str | None = None
        self.details: dict[str, Any] = {}

    def looked(self, problem: str | None, **details: Any) -> None:
        """The chain was read; `problem` needs somebody's attention."""
        self._looked = time.monotonic()
        self.problem, self.details = problem, details

    def to_json(self) -> dict[str, Any]:
        """``ok``, the problem if there is one, seconds since the chain was read, and details."""
        since = time.monotonic() - self._looked
        problem = self.problem
        if problem is None and since > self._limit_s:
            problem = "the chain could not be read for some time"
        return {
            "ok": problem is None,
            "problem": problem,
            "seconds_since_look": round(since, 1),
            **self.details,
        }


class StatusServer:
    """Serves health and metrics; a context manager.

    Raises:
        ChainError: the port is taken.
    """

    def __init__(
        self, port: int, metrics: KeeperMetrics, health: Callable[[], dict[str, Any]]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
                elif self.path == "/healthz":
                    found = health()
                    body = json.dumps(found).encode()
                    self._answer(200 if found["ok"] else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"/metrics or /healthz\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Every scrape would be a line."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise ChainError(
                "the port of health and metrics is taken",
                got=f"127.0.0.1:{port}: {error.strerror}",
                hint="set [keeper] port to another, or to 0",
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> StatusServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
