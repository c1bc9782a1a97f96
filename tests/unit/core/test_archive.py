"""Bundles on disk: one encoding, and none of what makes archives dangerous."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdescent.core.archive import BLOCK, LARGEST_MEMBER, Archive, write_archive
from zkdescent.core.cid import cid_of
from zkdescent.core.errors import ArtefactError

NAMES = st.from_regex(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}(/[A-Za-z0-9][A-Za-z0-9._-]{0,20})?", fullmatch=True
)


def written(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    write_archive(out, members)
    return out.getvalue()


def tar(*entries: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """A tar as other programs write it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size, info.mode = len(entry[1]), 0o644
                archive.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6))
def test_what_is_written_is_read(members: dict[str, bytes]) -> None:
    data = written(members)
    archive = Archive(io.BytesIO(data))
    assert archive.names == tuple(sorted(members))
    assert {name: archive.read(name) for name in archive.names} == members
    assert written({n: archive.read(n) for n in archive.names}) == data
    with tarfile.open(fileobj=io.BytesIO(data)) as other:
        assert other.getnames() == sorted(members)


def link(kind: bytes, name: str = "a", target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o644
    return info


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../b", "./a", "a//b", "a/", "-a", ".a", "a b", "ä", "a\\b", "a\nb"]
)
def test_names_that_climb_or_hide_are_refused(name: str) -> None:
    with pytest.raises(ArtefactError):
        written({name: b""})
    with pytest.raises(ArtefactError):
        Archive(io.BytesIO(tar((name, b"x")).ljust(2048, b"\0")[: 2 * BLOCK] + bytes(2 * BLOCK)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: tar(link(tarfile.SYMTYPE)),
        lambda: tar(link(tarfile.LNKTYPE)),
        lambda: tar(link(tarfile.CHRTYPE)),
        lambda: tar(link(tarfile.DIRTYPE, target="")),
        lambda: tar(("a", b"1"), ("a", b"2")),
        lambda: tar(("b", b"1"), ("a", b"2")),
        lambda: gzip.compress(written({"a": bytes(1 << 20)})),
        lambda: b"PK\x03\x04" + bytes(2044),
        lambda: written({"a": b"1"})[:-BLOCK],
        lambda: written({"a": b"1"}) + bytes(BLOCK),
        lambda: written({"a": b"1"})[:-1],
        lambda: written({"a": b"1"})[: BLOCK + 1] + b"x" * 511 + bytes(2 * BLOCK),
        lambda: b"",
    ],
)
def test_everything_else_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(ArtefactError, match="not a bundle"):
        Archive(io.BytesIO(make()))


def test_a_size_that_is_not_there_is_refused_without_reading() -> None:
    """A header may claim eight gigabytes; nothing of that size is ever asked for."""
    for size in (LARGEST_MEMBER, LARGEST_MEMBER + 1, (1 << 33) - 1):
        info = tarfile.TarInfo("a")
        info.size, info.mode = size, 0o644
        header = info.tobuf(tarfile.USTAR_FORMAT)
        with pytest.raises(ArtefactError):
            Archive(io.BytesIO(header + bytes(3 * BLOCK)))


def test_a_member_above_the_reader_s_limit_is_refused() -> None:
    archive = Archive(io.BytesIO(written({"a": bytes(100)})))
    assert len(archive.read("a", limit=100)) == 100
    with pytest.raises(ArtefactError, match="too large"):
        archive.read("a", limit=99)
    with pytest.raises(ArtefactError, match="missing"):
        archive.read("b")


def test_cids_are_those_of_the_specification() -> None:
    # Of the empty block, and of "hello world" (https://cid.ipfs.tech, raw, sha2-256).
    assert cid_of(b"") == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    assert cid_of(b"hello world") == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
