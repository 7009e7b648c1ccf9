"""Keys that end with the process: for tests, and for nodes that are only tried out."""

from __future__ import annotations

import secrets

from coincurve import PrivateKey

from workflow.adapters.keys.secp256k1 import no_private_key, private_key_of, signature
from workflow.errors import KeyFileError


class MemoryKeys:
    """Private keys in a dictionary; nothing shows them."""

    def __init__(self) -> None:
        self._keys: dict[bytes, PrivateKey] = {}

    def __repr__(self) -> str:
        return f"<MemoryKeys with {len(self._keys)} keys>"

    def create(self) -> bytes:
        """Make a new private key, keep it, and return its public key (33 bytes)."""
        return self._keep(PrivateKey())

    def add(self, private_key: bytes) -> bytes:
        """Keep this private key (32 bytes) and return its public key; see ``Keys.add``."""
        key = private_key_of(private_key)
        if key is None:
            raise no_private_key()
        return self._keep(key)

    def remove(self, public_key: bytes) -> None:
        """Forget the private key; nothing happens when there is none."""
        self._keys.pop(public_key, None)

    def random(self, length: int) -> bytes:
        """So many bytes that nobody can guess."""
        return secrets.token_bytes(length)

    def holds(self, public_key: bytes) -> bool:
        """True when the private key of exactly this public key is here."""
        return public_key in self._keys

    def sign(self, public_key: bytes, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r || s || v; raises ``KeyFileError`` without the key."""
        key = self._keys.get(public_key)
        if key is None:
            raise KeyFileError("there is no private key", place=public_key.hex())
        return signature(key, digest)

    def _keep(self, key: PrivateKey) -> bytes:
        public_key = key.public_key.format()
        self._keys[public_key] = key
        return public_key
