"""Events as JSON lines, and figures for Prometheus: for programs that watch a run."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from zkdescent.core.errors import ArtefactError, ConfigError, ToolMissing
from zkdescent.pipeline.reporting import Reporter, Reporters

STDERR = "-"
_BUCKETS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class EventLines(Reporter):
    """A JSON object a line: ``time`` (Unix, UTC), ``elapsed_s`` (monotonic), ``event``, fields."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = time.monotonic()

    def event(self, name: str, **fields: object) -> None:
        """See `Reporter`."""
        line = {
            "time": round(time.time(), 3),
            "elapsed_s": round(time.monotonic() - self._began, 3),
            "event": name,
            **fields,
        }
        self._stream.write(json.dumps(line, default=str) + "\n")
        self._stream.flush()

    def start(self, task: str, total: int) -> None:
        """See `Reporter`."""
        self.event("task started", task=task, total=total)

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        """See `Reporter`."""
        left = None if left_s is None else round(left_s, 1)
        self.event("task advanced", task=task, done=done, left_s=left)

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self.event("note", text=text)


class Metrics(Reporter):
    """Counters and gauges, all named ``zkdescent_...``; see docs/scale.md for the list.

    Raises:
        ToolMissing: prometheus-client is not installed.
    """

    def __init__(self, textfile: Path | None = None) -> None:
        try:
            client: Any = importlib.import_module("prometheus_client")
        except ImportError as error:
            raise ToolMissing(
                "prometheus-client is not installed", hint="pip install 'zkdescent[metrics]'"
            ) from error
        self.registry: Any = client.CollectorRegistry()
        self._client, self._textfile = client, textfile
        known = {"registry": self.registry}
        self._done = client.Gauge("zkdescent_task_done", "Items done", ["task"], **known)
        self._total = client.Gauge("zkdescent_task_total", "Items in all", ["task"], **known)
        self._left = client.Gauge(
            "zkdescent_task_left_seconds", "Time left, by measured proofs", ["task"], **known
        )
        self._made = client.Histogram(
            "zkdescent_proof_seconds", "Time of a proof", ["role"], buckets=_BUCKETS, **known
        )
        self._retried = client.Counter(
            "zkdescent_proofs_retried", "Tries that failed", ["role"], **known
        )
        self._peak = client.Gauge(
            "zkdescent_proof_peak_memory_bytes", "Largest peak of a prover", **known
        )
        self._largest = 0.0

    def start(self, task: str, total: int) -> None:
        """See `Reporter`."""
        self._total.labels(task).set(total)
        self._done.labels(task).set(0)
        self._write()

    def advance(
        self, task: str, done: int, detail: str = "", *, left_s: float | None = None
    ) -> None:
        """See `Reporter`."""
        self._done.labels(task).set(done)
        if left_s is not None:
            self._left.labels(task).set(left_s)
        self._write()

    def event(self, name: str, **fields: Any) -> None:
        """See `Reporter`."""
        if name == "proof made":
            self._made.labels(fields["role"]).observe(fields["seconds"])
            self._largest = max(self._largest, fields["peak_memory_mb"] * (1 << 20))
            self._peak.set(self._largest)
        elif name == "proof retried":
            self._retried.labels(fields["role"]).inc()

    def serve(self, port: int) -> Any:
        """Serve on loopback until `shutdown`; returns the server.

        Raises:
            ConfigError: the port is taken.
        """
        try:
            server, _ = self._client.start_http_server(port, "127.0.0.1", registry=self.registry)
        except OSError as error:
            raise ConfigError(
                "the port for metrics can't be opened", got=port, hint=str(error)
            ) from error
        return server

    def _write(self) -> None:
        if self._textfile is not None:
            with contextlib.suppress(OSError):  # a full disk is the artefacts' to report
                self._client.write_to_textfile(str(self._textfile), self.registry)


@contextlib.contextmanager
def observed(
    report: Reporter,
    *,
    events: str | None = None,
    metrics: Path | None = None,
    metrics_port: int | None = None,
) -> Iterator[Reporter]:
    """Also write events to a file ("-": standard error), and metrics to a file or a port.

    Raises:
        ArtefactError: the file can't be written.
        ConfigError, ToolMissing: as `Metrics`.
    """
    with contextlib.ExitStack() as stack:
        reporters = [report]
        if events is not None:
            reporters.append(EventLines(_opened(stack, events)))
        if metrics is not None or metrics_port is not None:
            counting = Metrics(metrics)
            reporters.append(counting)
            if metrics_port is not None:
                server = counting.serve(metrics_port)
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
        yield report if len(reporters) == 1 else Reporters(*reporters)


def _opened(stack: contextlib.ExitStack, events: str) -> TextIO:
    if events == STDERR:
        return sys.stderr
    try:
        descriptor = os.open(events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise ArtefactError(
            "the file for events can't be written", got=error.strerror, path=events
        ) from error
    return stack.enter_context(open(descriptor, "a", encoding="utf-8"))
