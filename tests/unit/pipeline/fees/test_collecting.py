"""`zkdescent data fees`: killed anywhere it goes on; a node that lies, stalls or drops is named."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.errors import ChainError, ConfigError, DataError
from zkdescent.pipeline.fees import Block, collecting, contiguous, read_blocks, rows_of
from zkdescent.pipeline.fees.collecting import Collection, Rows, collect_fees
from zkdescent.pipeline.reporting import Reporter
from zkdescent.train._sources import from_csv

CHUNK = 8
COUNT = 2 * CHUNK + 5
HEAD = 1_000
Mischief = Callable[[str, list[Any], Any], Any]


def base_fee(number: int) -> int:
    return 10**9 + 1_000_003 * (number % 97)


def block_hash(number: int, fork: int) -> str:
    return f"0x{(fork if number > HEAD - 10 else 0):032x}{number:032x}"


class Node:
    """A node that answers what fee data need, and gets it wrong when it is told to."""

    def __init__(self) -> None:
        self.fork = 1
        self.asked = 0
        self.mischief: Mischief = lambda method, parameters, answer: answer

    def answer(self, method: str, parameters: list[Any]) -> Any:
        self.asked += 1
        if method == "eth_chainId":
            return "0x1"
        if method == "eth_blockNumber":
            return hex(HEAD)
        if method == "eth_feeHistory":
            count, last = int(parameters[0], 16), int(parameters[1], 16)
            fees = [hex(base_fee(n)) for n in range(last - count + 1, last + 2)]
            return {"oldestBlock": hex(last - count + 1), "baseFeePerGas": fees}
        number = int(parameters[0], 16)
        return {
            "number": hex(number),
            "timestamp": hex(12 * number),
            "baseFeePerGas": hex(base_fee(number)),
            "gasUsed": hex(1_000 * (number % 31)),
            "gasLimit": hex(30_000_000),
            "hash": block_hash(number, self.fork),
            "parentHash": block_hash(number - 1, self.fork),
        }


@contextmanager
def serving(node: Node) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            right = node.answer(asked["method"], asked["params"])
            answer = node.mischief(asked["method"], asked["params"], right)
            if answer is ConnectionAbortedError:
                self.connection.close()
                return
            reply = {"jsonrpc": "2.0", "id": asked["id"], "result": answer}
            body = answer if isinstance(answer, bytes) else json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "CHUNK", CHUNK)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def url(node: Node) -> Iterator[str]:
    with serving(node) as address:
        yield address


def collect(url: str, out: Path, count: int = COUNT, **more: Any) -> Collection:
    return collect_fees(url, out, count=count, report=Reporter(), patience_s=0.0, **more)


def expected(first: int, last: int) -> list[Block]:
    return [
        Block(n, 12 * n, base_fee(n), 1_000 * (n % 31), 30_000_000) for n in range(first, last + 1)
    ]


def test_blocks_are_collected_and_rows_written(url: str, tmp_path: Path) -> None:
    out, rows = tmp_path / "fees.csv", tmp_path / "rows.csv"
    found = collect(url, out, rows=Rows(rows, window=3, horizon=2, fraction_bits=12))
    assert (found.first, found.last, found.fetched) == (HEAD - COUNT + 1, HEAD, COUNT)
    assert read_blocks(out) == expected(found.first, found.last)
    table = from_csv(rows)
    assert table.names == ("full_0", "full_1", "full_2", "fee_0", "fee_1", "change")
    features, targets = rows_of(read_blocks(out), window=3, horizon=2, fraction_bits=12)
    assert (table.select(table.names[:-1]) == features).all()
    assert (table.select(("change",)) == targets).all()
    assert not out.with_name("fees.csv.partial").exists()


@pytest.mark.parametrize("torn", [b"", b"871,1045", b"871,1,2,3,4,0xabc,00000000\n"])
def test_a_collection_that_was_killed_goes_on(
    url: str, node: Node, tmp_path: Path, torn: bytes
) -> None:
    """Also when the newest block has moved on, and whatever the last line was cut to."""
    out = tmp_path / "fees.csv"
    stop_at = HEAD - COUNT + 1 + CHUNK

    def mischief(method: str, parameters: list[Any], answer: Any) -> Any:
        late = method == "eth_feeHistory" and int(parameters[1], 16) > stop_at
        return ConnectionAbortedError if late else answer

    node.mischief = mischief
    with pytest.raises(ChainError, match="did not answer eth_feeHistory"):
        collect(url, out)
    partial = out.with_name("fees.csv.partial")
    assert not out.exists()
    with partial.open("ab") as stream:
        stream.write(torn)
    node.mischief = lambda method, parameters, answer: (
        hex(HEAD + 50) if method == "eth_blockNumber" else answer
    )
    found = collect(url, out)
    assert found.fetched == COUNT - CHUNK
    assert read_blocks(out) == expected(HEAD - COUNT + 1, HEAD)


def test_a_damaged_line_is_collected_anew(url: str, node: Node, tmp_path: Path) -> None:
    out = tmp_path / "fees.csv"
    node.mischief = lambda method, parameters, answer: (
        None if method == "eth_getBlockByNumber" and int(parameters[0], 16) == HEAD else answer
    )
    with pytest.raises(ChainError, match=f"no block {HEAD}"):
        collect(url, out)
    partial = out.with_name("fees.csv.partial")
    lines = partial.read_text().splitlines()
    lines[5] = lines[5].replace(",", ",1", 1)
    partial.write_text("\n".join(lines) + "\n")
    node.mischief = lambda method, parameters, answer: answer
    assert collect(url, out).fetched == COUNT - 4
    assert read_blocks(out) == expected(HEAD - COUNT + 1, HEAD)


def test_what_a_reorganisation_took_back_is_collected_anew(
    url: str, node: Node, tmp_path: Path
) -> None:
    """The last blocks are of another fork when the collection goes on."""
    out = tmp_path / "fees.csv"

    def only_before(method: str, parameters: list[Any], answer: Any) -> Any:
        late = method == "eth_getBlockByNumber" and int(parameters[0], 16) > HEAD - 5
        return None if late else answer

    node.mischief = only_before
    with pytest.raises(ChainError):
        collect(url, out, COUNT - 5)
    node.mischief = lambda method, parameters, answer: answer
    first = HEAD - COUNT + 1
    collect_fees(url, tmp_path / "a.csv", count=5, last=first + 4, report=Reporter())
    assert read_blocks(tmp_path / "a.csv") == expected(first, first + 4)
    node.fork = 2
    assert collect(url, out, COUNT - 5).blocks == COUNT - 5
    assert read_blocks(out) == expected(HEAD - COUNT + 6, HEAD)


@pytest.mark.parametrize(
    ("method", "nonsense", "says"),
    [
        ("eth_feeHistory", {"oldestBlock": "0x1", "baseFeePerGas": []}, "of other blocks"),
        ("eth_feeHistory", ["what"], "is not the fee history"),
        ("eth_getBlockByNumber", {"number": "0x3e8"}, "no base fees"),
        ("eth_getBlockByNumber", b"<html>busy</html>", "did not answer"),
        ("eth_getBlockByNumber", b"[1]", "nonsense"),
        ("eth_blockNumber", "soon", "newest block's number"),
        ("eth_chainId", "main", "chain id"),
    ],
)
def test_nonsense_is_named(
    url: str, node: Node, tmp_path: Path, method: str, nonsense: Any, says: str
) -> None:
    node.mischief = lambda asked, parameters, answer: nonsense if asked == method else answer
    with pytest.raises(ChainError) as refused:
        collect(url, tmp_path / "fees.csv")
    assert says in str(refused.value)
    assert "nothing that was collected is lost" in str(refused.value.hint)
    assert not (tmp_path / "fees.csv").exists()


@pytest.mark.parametrize("field", ["baseFeePerGas", "parentHash", "gasUsed", "number"])
def test_a_block_that_contradicts_is_refused(
    url: str, node: Node, tmp_path: Path, field: str
) -> None:
    wrong = "0x" + "ab" * 32 if field == "parentHash" else hex(10**9 - 7)

    def lie(method: str, parameters: list[Any], answer: Any) -> Any:
        if method == "eth_getBlockByNumber" and parameters[0] == hex(HEAD - 3):
            return {**answer, field: wrong}
        return answer

    node.mischief = lie
    with pytest.raises(ChainError):
        collect(url, tmp_path / "fees.csv", 20)


def test_another_collection_into_the_file_is_refused(url: str, node: Node, tmp_path: Path) -> None:
    out = tmp_path / "fees.csv"
    collect(url, out, 20)
    asked = node.asked
    assert collect(url, out, 20).fetched == 0
    assert node.asked == asked
    with pytest.raises(ConfigError, match="another collection"):
        collect(url, out, 21)
    with pytest.raises(ConfigError, match="no such blocks"):
        collect(url, tmp_path / "many.csv", HEAD + 2)
    node.mischief = lambda method, parameters, answer: (
        None if method == "eth_getBlockByNumber" else answer
    )
    with pytest.raises(ChainError):
        collect(url, tmp_path / "b.csv", 20)
    with pytest.raises(ConfigError, match="not finished"):
        collect(url, tmp_path / "b.csv", 22)


def test_no_window_spans_a_missing_block() -> None:
    blocks = [b for b in expected(0, 20) if b.number != 9]
    assert [run[0].number for run in contiguous(blocks, 4)] == [*range(6), *range(10, 18)]
    with pytest.raises(DataError, match="no window"):
        rows_of(blocks[:5], window=4, horizon=2, fraction_bits=12)
    with pytest.raises(DataError, match="rising order"):
        list(contiguous(blocks[::-1], 2))


def test_files_that_hold_no_blocks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fees.csv"
    with pytest.raises(DataError, match="no file of blocks"):
        read_blocks(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="not a file of blocks"):
        read_blocks(path)
    path.write_text("block_number,timestamp,base_fee_wei,gas_used,gas_limit\n1,2,3,4,x\n")
    with pytest.raises(DataError, match="something else"):
        read_blocks(path)
