"""The HTTP server: who may ask, how much, and nothing but GET and HEAD."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.explorer.chain_models import ChainModels
from zkdescent.pipeline.explorer.pages import Answer, Pages
from zkdescent.pipeline.explorer.projects import Projects

_LONGEST_PATH = 2048
_MOST_REQUESTS = 16  # at a time
_TIMEOUT_S = 10.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def open_explorer(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    names: Collection[str] = (),
    rpc: str | None = None,
    verify: bool = True,
) -> ExplorerServer:
    """Return a server that is bound and not serving yet.

    Args:
        host: an address to listen on; others than loopback are the caller's explicit wish.
        port: 0 for a free one.
        names: host names under which it may be asked, besides addresses and ``localhost``.
        rpc: a node whose models are shown.
        verify: audit finished runs.

    Raises:
        ConfigError: there is no such folder, or the address can't be listened on.
    """
    projects = Projects(folder, verify=verify)
    models = None if rpc is None else ChainModels.over(rpc)
    try:
        return ExplorerServer((host, port), Pages(projects, models), names, projects.close)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            "can't listen on this address",
            expected="an address of this machine and a free port",
            got=f"{host}:{port}",
            hint=getattr(error, "strerror", None) or str(error),
        ) from error


def is_own_name(header: str | None, bound_to: str, names: Collection[str]) -> bool:
    """Whether a Host header names this server.

    A page of another site can have its own name resolve to this machine and so read our answers
    as its own (DNS rebinding); its requests carry that name. An address can't be rebound.
    """
    if not header or len(header) > 300:
        return False
    name = header.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name in {known.lower() for known in names} | {"localhost"}:
        return True
    try:
        address = ipaddress.ip_address(name)
        listening = ipaddress.ip_address(bound_to)
    except ValueError:
        return False
    return address.is_loopback if listening.is_loopback else True


class ExplorerServer(ThreadingHTTPServer):
    """Serves pages, a bounded number of requests at a time."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        pages: Pages,
        names: Collection[str] = (),
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.pages, self.names, self._closed = pages, names, closed
        self._slots = threading.BoundedSemaphore(_MOST_REQUESTS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        name = str(host)
        return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"

    def server_close(self) -> None:
        """Stop listening, and start no further audit."""
        super().server_close()
        self._closed()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there are not too many."""
        if not self._slots.acquire(blocking=False):
            request.sendall(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and give the slot back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; errors of pages are answered in the handler."""


class _Handler(BaseHTTPRequestHandler):
    server: ExplorerServer
    timeout = _TIMEOUT_S
    server_version = "zkdescent"
    sys_version = ""

    def do_GET(self) -> None:
        self._reply(self._answer())

    def do_HEAD(self) -> None:
        self._reply(self._answer())

    def _refuse(self) -> None:
        self._reply(_refusal(HTTPStatus.METHOD_NOT_ALLOWED))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _answer(self) -> Answer:
        host = str(self.server.server_address[0])
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not is_own_name(hosts[0], host, self.server.names):
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
        if len(self.path) > _LONGEST_PATH:
            return _refusal(HTTPStatus.REQUEST_URI_TOO_LONG)
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return self.server.pages.answer(self.path)
        except Exception:  # a page that fails must not end the server
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _reply(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.location:
            self.send_header("Location", answer.location)
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the library does not print."""


def _refusal(status: HTTPStatus) -> Answer:
    return Answer(status.value, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())
