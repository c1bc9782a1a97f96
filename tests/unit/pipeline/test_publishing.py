"""An IPFS node's HTTP API, as far as a bundle needs it: a small server that really stores."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from zkdescent.core.cid import cid_of
from zkdescent.core.errors import ArtefactError, ChainError, ConfigError
from zkdescent.pipeline.publishing import publish


class Node(ThreadingHTTPServer):
    """Keeps what is added by the CID of its bytes; `spoils` and `says` make it misbehave."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blocks: dict[str, bytes] = {}
        self.pinned: set[str] = set()
        self.spoils = False
        self.says: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """`POST /api/v0/add` of Kubo: one file in multipart/form-data."""

    server: Node

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        options = parse_qs(url.query)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if url.path != "/api/v0/add" or options["raw-leaves"] != ["true"]:
            self.send_error(404)
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts: Any = message_from_bytes(head + body).get_payload()
        data = parts[0].get_payload(decode=True)
        assert isinstance(data, bytes)
        data = data[:-1] if self.server.spoils else data
        cid = cid_of(data)
        self.server.blocks[cid] = data
        if options.get("pin") == ["true"]:
            self.server.pinned.add(cid)
        said = json.dumps({"Name": "run.zkbundle", "Hash": cid, "Size": str(len(data))}).encode()
        said = said + b"\n" if self.server.says is None else self.server.says
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def node() -> Iterator[Node]:
    server = Node()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.zkbundle"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def test_a_bundle_is_stored_pinned_and_named_by_its_bytes(node: Node, file: Path) -> None:
    published = publish(file, node.url + "/")
    assert published.cid == cid_of(file.read_bytes())
    assert (published.checked, published.bytes) == (True, file.stat().st_size)
    assert node.blocks[published.cid] == file.read_bytes()
    assert node.pinned == {published.cid}


def test_a_node_that_stored_something_else_is_found_out(node: Node, file: Path) -> None:
    node.spoils = True
    with pytest.raises(ArtefactError, match="stored something else"):
        publish(file, node.url)


def test_of_a_file_of_several_blocks_the_node_s_word_is_taken_and_said(
    node: Node, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes((1 << 20) + 1))
    assert not publish(path, node.url).checked


@pytest.mark.parametrize(
    "says", [b"", b"no JSON", b"[" * 100_000, b"{}", b'{"Hash":7}', b'{"Hash":"../x"}', b"\xff"]
)
def test_other_answers_are_refused(node: Node, file: Path, says: bytes) -> None:
    node.says = says
    with pytest.raises(ChainError, match="can't be understood"):
        publish(file, node.url)


def test_no_node_and_no_address(file: Path, node: Node) -> None:
    for bad in ("ipfs", "ftp://127.0.0.1", "http://"):
        with pytest.raises(ConfigError):
            publish(file, bad)
    with pytest.raises(ChainError, match="did not take"):
        publish(file, "http://127.0.0.1:1")
    assert hashlib.sha256(file.read_bytes()).hexdigest()
