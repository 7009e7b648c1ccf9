"""Keccak-256, the hash of every id and signature in this protocol.

It is Keccak as submitted, before NIST changed the padding: ``hashlib.sha3_256`` is another
function. The C implementation is chosen for short input, of which there is a great deal.
"""

from __future__ import annotations

import sha3


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest of ``data``."""
    return bytes(sha3.keccak_256(data).digest())
