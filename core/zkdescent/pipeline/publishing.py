"""Hand a bundle to an IPFS node, by its HTTP API (Kubo, `POST /api/v0/add`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zkdescent.core._files import storage_errors
from zkdescent.core.cid import cid_of_digest
from zkdescent.core.errors import ArtefactError, ChainError, ConfigError
from zkdescent.core.records import shallow_json

_TIMEOUT_S = 60
_CHUNK_BYTES = 1 << 20
_LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """What the node says it stored.

    Attributes:
        checked: the CID is that of the file's own bytes. Larger files than one block have the CID
            of a tree over their blocks, which is the node's to compute.
    """

    cid: str
    bytes: int
    checked: bool


def publish(path: Path, api: str) -> Published:
    """Add a file to a node and pin it.

    Args:
        api: address of the node's HTTP API, such as http://127.0.0.1:5001.

    Raises:
        ConfigError: not an address.
        ChainError: the node does not answer, or not as it should.
        ArtefactError: it stored something else.
    """
    import requests

    if urlsplit(api).scheme not in ("http", "https") or not urlsplit(api).hostname:
        raise ConfigError("not the address of an IPFS node", expected="http(s)://...", got=api)
    with storage_errors(path):
        data = path.read_bytes()
    options = {
        "cid-version": "1",
        "raw-leaves": "true",
        "pin": "true",
        "chunker": f"size-{_CHUNK_BYTES}",
    }
    try:
        answer = requests.post(
            f"{api.rstrip('/')}/api/v0/add",
            params=options,
            files={"file": (path.name, data, "application/octet-stream")},
            timeout=_TIMEOUT_S,
            stream=True,
        )
        answer.raise_for_status()
        said = answer.raw.read(_LARGEST_ANSWER, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise ChainError(
            "the IPFS node did not take the bundle",
            got=type(error).__name__,
            path=urlsplit(api).hostname,
            hint="is it running, and is this its API (port 5001), not its gateway?",
        ) from error
    cid = _stored(said)
    own = cid_of_digest(hashlib.sha256(data).digest())
    single = len(data) <= _CHUNK_BYTES
    if single and cid != own:
        raise ArtefactError("the node stored something else", expected=own, got=cid, path=path)
    return Published(cid, len(data), single)


def _stored(said: bytes) -> str:
    """The CID in the last line of an answer: a JSON object for each file."""
    try:
        last = json.loads(shallow_json(said.strip().splitlines()[-1]))
        cid = last["Hash"]
        if isinstance(cid, str) and cid.isascii() and cid.isalnum() and len(cid) < 128:
            return cid
    except (ValueError, LookupError, TypeError):
        pass
    raise ChainError("the IPFS node's answer can't be understood", got=said[:200])
