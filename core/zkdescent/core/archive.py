"""Bundles on disk: an uncompressed tar of regular files, with one encoding for one content.

Everything that makes archives dangerous is refused by one rule: a bundle is read by writing each
header again and comparing bytes. So there are no links, devices, absolute or climbing paths,
duplicates, owners, times or padding tricks in one that is accepted, and nothing in it is larger
than the file: there is no compression. `tar tf` lists it.

Layout: members in ascending order of names; each a POSIX ustar header of 512 bytes (mode 0644,
owner 0, time 0), its bytes, zeros to the next multiple of 512; then 1,024 zeros and the end.

Example:
    >>> import io
    >>> written = io.BytesIO()
    >>> write_archive(written, {"b": b"two", "a/c": b"one"})
    >>> archive = Archive(written)
    >>> archive.names, archive.read("b")
    (('a/c', 'b'), b'two')
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Mapping
from typing import BinaryIO

from zkdescent.core.errors import ArtefactError

BLOCK = 512
LARGEST_MEMBER = 256 << 20
MOST_MEMBERS = 200_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_END = bytes(2 * BLOCK)
_PIECE = 1 << 20


def write_archive(stream: BinaryIO, members: Mapping[str, bytes]) -> None:
    """Write members, in order of their names.

    Raises:
        ArtefactError: a name or a size that no bundle may have.
    """
    for name in sorted(members):
        data = members[name]
        stream.write(_header(name, len(data)))
        stream.write(data)
        stream.write(bytes(-len(data) % BLOCK))
    stream.write(_END)


class Archive:
    """An index of a bundle; members are read from the stream when they are asked for.

    Raises:
        ArtefactError: this is not, byte for byte, what `write_archive` writes.
    """

    def __init__(self, stream: BinaryIO, *, path: str | None = None) -> None:
        self._stream, self._path = stream, path
        self._places: dict[str, tuple[int, int]] = {}
        size = stream.seek(0, 2)
        if size % BLOCK or size < len(_END):
            raise self._refusal("its size is no multiple of 512", got=size)
        position, last = 0, ""
        while position < size - len(_END):
            name, length = self._member(position, size)
            if name <= last:
                raise self._refusal("names are out of order, or one is there twice", got=name)
            if len(self._places) == MOST_MEMBERS:
                raise self._refusal(f"it has more than {MOST_MEMBERS} members")
            self._places[name] = (position + BLOCK, length)
            position, last = position + BLOCK + length + -length % BLOCK, name
        if position != size - len(_END) or self._at(position, len(_END)) != _END:
            raise self._refusal("it does not end where its last member ends", got=position)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all members, ascending."""
        return tuple(self._places)

    def size(self, name: str) -> int:
        """Bytes of a member; raises as `read`."""
        return self._place(name)[1]

    def read(self, name: str, *, limit: int = LARGEST_MEMBER) -> bytes:
        """Return a member's bytes.

        Raises:
            ArtefactError: there is none of this name, or it is larger than `limit`.
        """
        start, length = self._place(name)
        if length > limit:
            raise self._refusal(f"{name} is too large", expected=f"{limit} bytes", got=length)
        return self._at(start, length)

    def _place(self, name: str) -> tuple[int, int]:
        if name not in self._places:
            raise self._refusal("a member is missing", expected=name)
        return self._places[name]

    def _member(self, position: int, size: int) -> tuple[str, int]:
        header = self._at(position, BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
            name, length = info.name, info.size
            same = header == _header(name, length)
        except (tarfile.TarError, UnicodeError, ValueError, ArtefactError) as error:
            raise self._refusal("a member's header is malformed", got=str(error)) from error
        if not same:
            raise self._refusal(
                "a member is not a plain file in canonical form", got=ascii(name)[:100]
            )
        padding = -length % BLOCK
        if position + BLOCK + length + padding > size - len(_END):
            raise self._refusal("it is cut off", got=name)
        if any(self._at(position + BLOCK + length, padding)):
            raise self._refusal("there are bytes between its members", got=name)
        return name, length

    def _at(self, position: int, length: int) -> bytes:
        self._stream.seek(position)
        return self._stream.read(length)

    def _refusal(
        self, reason: str, *, expected: object = None, got: object = None
    ) -> ArtefactError:
        return ArtefactError(
            f"this is not a bundle: {reason}",
            expected=expected,
            got=got,
            path=self._path,
            hint="bundles are written by `zkdescent bundle`, and read as they were written",
        )


def _header(name: str, length: int) -> bytes:
    if _NAME.fullmatch(name) is None or len(name) > 255:
        raise ArtefactError("not a name for a member of a bundle", got=ascii(name)[:100])
    if not 0 <= length <= LARGEST_MEMBER:
        raise ArtefactError(
            "a member of a bundle is too large", expected=f"{LARGEST_MEMBER} bytes", got=length
        )
    info = tarfile.TarInfo(name)
    info.size, info.mode = length, 0o644
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:
        raise ArtefactError("not a name for a member of a bundle", got=str(error)) from error
