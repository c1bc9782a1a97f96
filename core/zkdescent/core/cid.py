"""Content identifiers of IPFS: CIDv1, codec raw, sha2-256, in lower-case base 32.

Four constant bytes before a digest are not worth a dependency (multiformats, CID specification).
The CID of a block of raw bytes is that of the file as long as a node stores it as one block, which
`POST /api/v0/add` does not do for files above its chunk size. `publish` therefore asks for what
the node stored, and reports both.

Example:
    >>> cid_of(b"")
    'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
"""

from __future__ import annotations

import base64
import hashlib

_CID_V1, _RAW, _SHA2_256, _DIGEST_BYTES = 0x01, 0x55, 0x12, 0x20


def cid_of(data: bytes) -> str:
    """Return the CID of a block of raw bytes."""
    return cid_of_digest(hashlib.sha256(data).digest())


def cid_of_digest(digest: bytes) -> str:
    """Return the CID of the block that has this sha256 (32 bytes)."""
    binary = bytes((_CID_V1, _RAW, _SHA2_256, _DIGEST_BYTES)) + digest
    return "b" + base64.b32encode(binary).decode("ascii").lower().rstrip("=")
