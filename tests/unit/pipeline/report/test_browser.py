"""Report and explorer looked at in a real Chromium, at the width of a desk and of a phone.

Nothing is requested from elsewhere, no script fails, nothing overflows or is cut off, and axe-core
finds no serious violation of WCAG.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.config import load_project
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.explorer import ExplorerServer, Pages, Projects, open_explorer
from zkdescent.pipeline.explorer.chain_models import ChainModels
from zkdescent.pipeline.report import write_report
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOOLS = Path(__file__).parents[3] / "browser"
VIEWS = [
    {"name": "desktop", "width": 1280, "height": 900},
    {"name": "phone", "width": 390, "height": 844},
    {"name": "small", "width": 320, "height": 640},
    {"name": "dark", "width": 1280, "height": 900, "scheme": "dark"},
]
Look = Callable[..., list[dict[str, Any]]]


def a_chromium() -> str:
    """The browser, which must be there: without one, leave these tests out with their marker."""
    named = os.environ.get("ZKDESCENT_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.fail("no Chromium: install the package chromium, or name one in ZKDESCENT_CHROMIUM")
    if not (TOOLS / "node_modules" / "axe-core").is_dir():
        pytest.fail("axe-core is not installed: `npm ci` in tests/browser, or `make test-slow`")
    return found


@pytest.fixture
def look() -> Look:
    """Open a page at every width and return what was seen; nothing of it may be wrong."""

    def see(url: str, **page: Any) -> list[dict[str, Any]]:
        job = {"chromium": a_chromium(), "pages": [{"url": url, "views": VIEWS, **page}]}
        done = subprocess.run(
            ["node", "look.mjs"], cwd=TOOLS, input=json.dumps(job), capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        seen: list[dict[str, Any]] = json.loads(done.stdout)
        for view in seen:
            assert view["console"] == []
            own = url.partition("://")[2].partition("/")[0]
            assert {r.partition("://")[2].partition("/")[0] for r in view["requests"]} == {own}
            serious = [v for v in view["violations"] if v["impact"] in ("serious", "critical")]
            assert serious == []
            assert view["passes"] > 15
            assert view["sizes"]["width"] <= view["sizes"]["shown"]
            assert view["sizes"]["cut"] == []
            assert view["firstFocus"] == "skip"
            assert {"header", "main", "footer", "h1"} <= set(view["landmarks"])
        return seen

    return see


@pytest.mark.usefixtures("synthetic_verifier")
def test_a_verified_report(run: Path, look: Look) -> None:
    write_report(load_project(run), Reporter())
    seen = look((run / "report.html").as_uri())
    assert [len(view["requests"]) for view in seen] == [1] * len(VIEWS)


@pytest.mark.usefixtures("synthetic_verifier")
def test_a_rejected_report(run: Path, look: Look, tamper: Callable[[Path, int], None]) -> None:
    tamper(run, 3)
    write_report(load_project(run), Reporter())
    look((run / "report.html").as_uri())


def test_a_report_of_nothing(unmade: Path, look: Look) -> None:
    write_report(load_project(unmade), Reporter())
    look((unmade / "report.html").as_uri())


def test_a_long_run_of_hostile_names(
    tmp_path: Path, look: Look, synthetic: ModuleType, write_run: Callable[..., ArtefactStore]
) -> None:
    name = '<script>document.title="x"</script>' + "long" * 60
    write_run(tmp_path / "long", synthetic.World(total=64), name=name)
    write_report(load_project(tmp_path / "long"), Reporter(), verify=False)
    look((tmp_path / "long" / "report.html").as_uri())


@pytest.fixture
def serve() -> Any:
    """Serve from a thread; stopped at the end."""
    running: list[ExplorerServer] = []

    def start(server: ExplorerServer) -> str:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return server.url

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.usefixtures("synthetic_verifier")
def test_the_explorers_pages(run: Path, look: Look, serve: Callable[..., str]) -> None:
    (run.parent / "broken").mkdir()
    (run.parent / "broken" / "zkdescent.toml").write_text("?")
    url = serve(open_explorer(run.parent))
    look(url)
    look(f"{url}project/run/", waitFor="Verified when this page was made")
    look(f"{url}project/broken/")


def test_a_page_shows_a_proof_that_is_made_while_one_looks(
    run: Path, look: Look, serve: Callable[..., str], synthetic: ModuleType
) -> None:
    store = ArtefactStore(run / ".zkdescent")
    store.remove("proofs/block-00004")
    store.write_manifest(replace(store.read_manifest(), final=None))
    url = serve(open_explorer(run.parent))
    proof = synthetic.World().load("step", 4).to_json()
    timer = threading.Timer(6.0, lambda: store.write_json("proofs/block-00004.proof.json", proof))
    timer.start()
    look(f"{url}project/run/", waitFor="5 of 5 block proofs made so far")
    timer.join()


def test_models_of_a_chain(
    tmp_path: Path, look: Look, serve: Callable[..., str], synthetic: ModuleType, minted: Path
) -> None:
    models = ChainModels(lambda: Chain.tester(minted))
    url = serve(ExplorerServer(("127.0.0.1", 0), Pages(Projects(tmp_path), models)))
    look(f"{url}models/")
    look(f"{url}models/0x{synthetic.World().plan.model_id:064x}/")
    models.close()
