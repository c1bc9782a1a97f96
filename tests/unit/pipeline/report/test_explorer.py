"""The explorer: what it shows, whom it answers, and that nothing else can be had from it."""

from __future__ import annotations

import http.client
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ConfigError
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.explorer import ChainModels, ExplorerServer, Pages, Projects, open_explorer
from zkdescent.pipeline.explorer.server import is_own_name
from zkdescent.verifier import Chain

Ask = Callable[..., tuple[int, str, dict[str, str]]]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def server(run: Path) -> Iterator[ExplorerServer]:
    with open_explorer(run.parent) as opened:
        thread = threading.Thread(target=opened.serve_forever, daemon=True)
        thread.start()
        yield opened
        opened.shutdown()


@pytest.fixture
def ask(server: ExplorerServer) -> Ask:
    """Send one request: status, body, headers."""

    def send(
        path: str, *, method: str = "GET", host: str | None = None, body: str | None = None
    ) -> tuple[int, str, dict[str, str]]:
        port = server.server_address[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, body, {"Host": host} if host is not None else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, dict(answer.getheaders())

    return send


def until(ready: Callable[[], bool]) -> None:
    stop = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < stop
        time.sleep(0.05)


@pytest.mark.usefixtures("synthetic_verifier")
def test_a_folder_is_listed_and_a_run_is_shown_verified(ask: Ask, page: ModuleType) -> None:
    until(lambda: "verified" in ask("/")[1] and "being verified" not in ask("/")[1])
    index = page.Page(ask("/")[1])
    index.check_harmless()
    assert "5 of 5 block proofs" in index.words
    status, text, headers = ask("/project/run/")
    shown = page.Page(text)
    shown.check_harmless()
    assert status == 200
    assert "Verified when this page was made" in shown.words
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert ask("/project/run")[2]["Location"] == "/project/run/"
    assert '"format": "zkdescent.report/1"' in ask("/project/run/report.json")[1]


@pytest.mark.usefixtures("synthetic_verifier")
def test_it_follows_a_run_and_notices_a_changed_proof(
    ask: Ask, run: Path, tamper: Callable[[Path, int], None]
) -> None:
    until(lambda: "Verified when" in ask("/project/run/")[1])
    before = ask("/project/run/state")[1]
    assert ask("/project/run/state")[1] == before
    tamper(run, 1)
    assert ask("/project/run/state")[1] != before
    until(lambda: "Rejected: the run" in ask("/project/run/")[1])


def test_an_unfinished_run_grows_on_the_page(ask: Ask, run: Path, synthetic: ModuleType) -> None:
    store = ArtefactStore(run / ".zkdescent")
    store.remove("proofs/block-00004")
    store.write_manifest(replace(store.read_manifest(), final=None))
    assert "4 of 5 block proofs" in ask("/project/run/")[1]
    record = synthetic.World().load("step", 4)
    store.write_json("proofs/block-00004.proof.json", record.to_json())
    assert "5 of 5 block proofs" in ask("/project/run/")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/project/../run/",
        "/project/%2e%2e/",
        "/project/run%2f..%2f..%2f/",
        "/project/run/..%2fzkdescent.toml",
        "/project/run/.zkdescent/salt",
        "/project/run/.zkdescent/manifest.json",
        "/zkdescent.toml",
        "//etc/passwd",
        "/project//etc/passwd",
        "/project/run/%00",
        "/models/",
        "/%",
        "/project/%ff/",
    ],
)
def test_nothing_but_pages_can_be_had(ask: Ask, path: str) -> None:
    assert ask(path)[0] == 404


def test_links_out_of_the_folder_are_not_followed(
    server: ExplorerServer, ask: Ask, run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret"
    shutil.copytree(run, outside)
    (run.parent / "link").symlink_to(outside)
    assert ask("/project/link/")[0] == 404
    assert "link" not in ask("/")[1].partition("<main")[2].partition("</main")[0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(ask: Ask, method: str) -> None:
    status, _, headers = ask("/project/run/", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_no_body(ask: Ask) -> None:
    status, text, headers = ask("/", method="HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 1000


def test_requests_are_bounded(ask: Ask) -> None:
    assert ask("/" + "a" * 3000)[0] == 414
    assert ask("/", body="x")[0] == 413


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_another_name_is_not_answered(ask: Ask, host: str) -> None:
    status, text, _ = ask("/", host=host)
    assert status == 421
    assert "project" not in text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:5"])
def test_its_own_names_are_answered(ask: Ask, host: str) -> None:
    assert ask("/", host=host)[0] == 200


def test_two_host_headers_are_none(server: ExplorerServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.0 421")


def test_names_of_a_server_that_the_network_sees() -> None:
    assert is_own_name("192.168.1.7:80", "0.0.0.0", ())
    assert is_own_name("box.example", "0.0.0.0", ["Box.example"])
    assert not is_own_name("box.example", "0.0.0.0", ())
    assert not is_own_name("192.168.1.7", "127.0.0.1", ())
    assert not is_own_name(None, "127.0.0.1", ())
    assert not is_own_name("a" * 400, "127.0.0.1", ["a" * 400])


def test_a_folder_or_an_address_that_is_none(tmp_path: Path, cli: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        open_explorer(tmp_path / "nothing")
    answer = cli("explore", tmp_path, "--host", "203.0.113.9", "--port", "1", "--json")
    assert answer.code == 2
    assert answer.json["message"] == "can't listen on this address"


def test_broken_and_hostile_projects_are_listed_harmlessly(
    ask: Ask, run: Path, page: ModuleType
) -> None:
    (run.parent / "broken").mkdir()
    (run.parent / "broken" / "zkdescent.toml").write_text("[project\n" + HOSTILE)
    hostile = run.parent / f"{HOSTILE.replace('/', '')}‮"
    shutil.copytree(run, hostile)
    store = ArtefactStore(hostile / ".zkdescent")
    store.write_manifest(replace(store.read_manifest(), project=HOSTILE, final=None))
    index = page.Page(ask("/")[1])
    index.check_harmless()
    assert "the project file is not TOML" in index.words
    assert HOSTILE in index.words
    links = [v for _, name, v in index.attributes if name == "href" and v.startswith("/project/")]
    assert len(links) == 3
    for link in links:
        status, text, _ = ask(link)
        assert status == 200
        page.Page(text).check_harmless()


def test_models_of_a_chain_are_listed_with_their_provenance(
    tmp_path: Path, minted: Path, synthetic: ModuleType, page: ModuleType
) -> None:
    models = ChainModels(lambda: Chain.tester(minted))
    pages = Pages(Projects(tmp_path), models)
    model_id = f"0x{synthetic.World().plan.model_id:064x}"
    listed = page.Page(pages.answer("/models/").body.decode())
    listed.check_harmless()
    assert f"/models/{model_id}/" in {v for _, name, v in listed.attributes if name == "href"}
    assert "[U+202E]" in listed.words
    shown = page.Page(pages.answer(f"/models/{model_id}/").body.decode())
    shown.check_harmless()
    assert f"{synthetic.World().dataset.root.hex()}" in shown.words
    assert pages.answer("/models/7/").status == 502
    assert pages.answer("/models/x/").status == 502
    assert pages.answer(f"/models/{model_id}/x").status == 404
    models.close()


def test_a_node_that_does_not_answer_is_a_page(tmp_path: Path, page: ModuleType) -> None:
    pages = Pages(Projects(tmp_path), ChainModels.over("http://127.0.0.1:1/secret-token"))
    answer = pages.answer("/models/")
    assert answer.status == 502
    assert b"secret-token" not in answer.body
    page.Page(answer.body.decode()).check_harmless()
