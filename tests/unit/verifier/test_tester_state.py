"""A tester chain outlives its process, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import ChainError
from zkdescent.verifier import Chain, check_deployed, ensure_deployed
from zkdescent.verifier._tester_state import MAGIC, decode_store, encode_store

STORES = st.dictionaries(st.binary(max_size=40), st.binary(max_size=80), max_size=8)


@given(STORES)
def test_store_round_trip(store: dict[bytes, bytes]) -> None:
    assert decode_store(encode_store(store), Path("x")) == store


@given(STORES, st.data())
def test_any_changed_byte_is_found(store: dict[bytes, bytes], data: st.DataObject) -> None:
    content = bytearray(encode_store(store))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ChainError, match="damaged"):
        decode_store(bytes(content), Path("x"))


@given(STORES, st.data())
def test_any_cut_is_found(store: dict[bytes, bytes], data: st.DataObject) -> None:
    content = encode_store(store)
    with pytest.raises(ChainError, match="damaged"):
        decode_store(content[: data.draw(st.integers(0, len(content) - 1))], Path("x"))


def test_empty_store_has_the_documented_bytes() -> None:
    digest = encode_store({})[len(MAGIC) : len(MAGIC) + 32]
    assert digest.hex().startswith("af5570f5a1810b7a")
    assert encode_store({}) == MAGIC + digest + bytes(8)


def test_chain_survives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "chain.bin"
    code = (
        "import sys; from zkdescent.verifier import Chain, ensure_deployed\n"
        "chain = Chain.tester(sys.argv[1])\n"
        "ensure_deployed(chain); chain.mine(2); print(chain.header_rlp(5).hex())\n"
    )
    first = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    with Chain.tester(path) as chain:
        assert chain.block_number == 6
        assert chain.header_rlp(5).hex() == first.stdout.strip()
        check_deployed(chain)
        assert not any(action.sent for action in ensure_deployed(chain).actions)
        chain.mine()
    with Chain.tester(path) as chain:
        assert chain.block_number == 7


def test_killed_process_leaves_a_readable_chain(tmp_path: Path) -> None:
    path = tmp_path / "chain.bin"
    code = (
        "import os, sys; from zkdescent.verifier import Chain\n"
        "chain = Chain.tester(sys.argv[1]); chain.mine(3); os._exit(9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == 9
    with Chain.tester(path) as chain:
        assert chain.block_number == 3


def test_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "chain.bin"
    with Chain.tester(path) as chain:
        chain.mine()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ChainError, match="damaged") as error:
        Chain.tester(path)
    assert "delete" in str(error.value.hint)
    path.unlink()
    with Chain.tester(path) as chain:  # the lock was released, the advice works
        assert chain.block_number == 0


def test_second_user_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chain.bin"
    with Chain.tester(path), pytest.raises(ChainError, match="another process"):
        Chain.tester(path)
    with Chain.tester(path):
        pass


def test_unwritable_folder_is_a_chain_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ChainError, match="can't keep"):
        Chain.tester(tmp_path / "file" / "chain.bin")


def test_failed_write_keeps_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chain.bin"

    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    with Chain.tester(path) as chain:
        chain.mine()
        before = path.read_bytes()
        monkeypatch.setattr("os.replace", refuse)
        with pytest.raises(ChainError, match="can't write"):
            chain.mine()
        monkeypatch.undo()
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chain.bin", "chain.bin.lock"]
