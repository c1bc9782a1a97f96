"""Reference strings are fetched, checked and only then kept; nothing unchecked is ever used."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zkdescent.circuits import ceremonies
from zkdescent.circuits.barretenberg import ceremony
from zkdescent.circuits.barretenberg import srs as honk
from zkdescent.circuits.barretenberg.doubling import doubled_points
from zkdescent.circuits.ceremonies import check_string, fetch_string, known_strings
from zkdescent.circuits.ezkl_backend import srs as halo2
from zkdescent.core.errors import ArtefactError, ChainError, ConfigError

LOGROWS = 13
POINTS = b"".join(doubled_points((1 << LOGROWS) + 1))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no variables; and tau = 2 passes for the ceremony's secret."""
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path / "cache"))
    for name in (honk.CRS_ENV, halo2.SRS_ENV):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(honk, "CEREMONY_G2_WORDS", honk.UNSAFE_G2_WORDS)
    monkeypatch.setattr(ceremony, "_SAMPLE", 2)
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server that knows ranges as far as `bytes=0-N`, and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = folder / self.path.strip("/")
            if not file.is_file():
                self.send_error(404)
                return
            data = file.read_bytes()
            wanted = re.fullmatch(r"bytes=0-(\d+)", self.headers.get("Range") or "")
            data = data[: int(wanted[1]) + 1] if wanted else data
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}", folder
    running.shutdown()
    running.server_close()
    thread.join()


def test_as_much_as_is_needed_is_fetched_and_checked(cache: Path, server: tuple[str, Path]) -> None:
    url, folder = server
    (folder / "g1.dat").write_bytes(POINTS + bytes(64))
    told: list[tuple[int, int]] = []
    digest = hashlib.sha256(POINTS).hexdigest()
    path = fetch_string(
        "barretenberg",
        LOGROWS,
        url=f"{url}/g1.dat",
        sha256=digest,
        progress=lambda done, of: told.append((done, of)),
    )
    assert path == cache / "barretenberg" / "srs" / "ceremony" / honk.FILE
    assert path.read_bytes() == POINTS
    assert told[-1] == (len(POINTS), len(POINTS))
    (known,) = known_strings()
    assert (known.source, known.logrows, known.used, known.problem) == (
        "ceremony", LOGROWS, False, None,
    )  # fmt: skip


def test_nothing_is_kept_of_another_string(cache: Path, server: tuple[str, Path]) -> None:
    url, folder = server
    spoiled = bytearray(POINTS)
    spoiled[64 * 1 + 63] ^= 1
    for data in (bytes(spoiled), POINTS[:-64], POINTS[64:] + bytes(64), b""):
        (folder / "g1.dat").write_bytes(data)
        with pytest.raises(ArtefactError):
            fetch_string("barretenberg", LOGROWS, url=f"{url}/g1.dat")
    (folder / "g1.dat").write_bytes(POINTS)
    with pytest.raises(ArtefactError, match="another hash"):
        fetch_string("barretenberg", LOGROWS, url=f"{url}/g1.dat", sha256="0" * 64)
    with pytest.raises(ChainError):
        fetch_string("barretenberg", LOGROWS, url=f"{url}/missing")
    assert list((cache / "barretenberg" / "srs" / "ceremony").iterdir()) == []
    assert known_strings() == []


def test_the_true_ceremony_is_not_the_unsafe_string(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "g1.dat"
    file.write_bytes(POINTS)
    with pytest.raises(ArtefactError, match="not the ceremony's"):
        check_string("barretenberg", file)


def test_ezkl_takes_what_it_pins_and_nothing_else(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "any.srs"
    good.write_bytes(b"pinned")
    digest = hashlib.sha256(b"pinned").hexdigest()
    with pytest.raises(ArtefactError, match="none of the reference strings"):
        fetch_string("ezkl", 12, file=good)
    monkeypatch.setitem(halo2.PINNED, 12, digest)
    path = fetch_string("ezkl", 12, file=good)
    assert path == halo2.cached_ceremony(12)
    with pytest.raises(ArtefactError, match="another number of rows"):
        fetch_string("ezkl", 13, file=good)
    monkeypatch.setenv(halo2.SRS_ENV, str(path.parent))
    assert halo2.select(12) == (path, "ceremony")
    path.write_bytes(b"spoiled")
    with pytest.raises(ArtefactError, match="another hash than ezkl pins"):
        halo2.select(12)
    with pytest.raises(ArtefactError, match="names no folder"):
        halo2.select(13)


def test_the_pins_are_those_of_the_installed_prover() -> None:
    """ezkl holds them as text in its own library, and would refuse other files itself."""
    spec = importlib.util.find_spec("ezkl")
    assert spec is not None
    assert spec.submodule_search_locations
    (library,) = Path(spec.submodule_search_locations[0]).glob("*.so")
    content = library.read_bytes()
    assert all(digest.encode() in content for digest in halo2.PINNED.values())
    assert ceremonies.EZKL_URL.partition("{")[0].encode() in content


@pytest.mark.parametrize("logrows", [0, 12, 26])
def test_other_sizes_and_addresses_are_refused(cache: Path, logrows: int) -> None:
    with pytest.raises(ConfigError):
        fetch_string("barretenberg", logrows)
    with pytest.raises(ConfigError):
        fetch_string("ezkl", logrows + 30)
    with pytest.raises(ConfigError, match="not an address"):
        fetch_string("barretenberg", LOGROWS, url="file:///etc/passwd")
    with pytest.raises(ConfigError, match="not a sha256"):
        fetch_string("barretenberg", LOGROWS, sha256="XY")
