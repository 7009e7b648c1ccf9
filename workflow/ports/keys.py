"""Private keys stay behind this port: they are asked about and used, never shown."""

from __future__ import annotations

from typing import Protocol


class Keys(Protocol):
    """Keys of communities (secp256k1). A public key is its 33 compressed bytes.

    May be called from any thread.
    """

    def create(self) -> bytes:
        """Make a new private key, keep it, and return its public key."""

    def add(self, private_key: bytes) -> bytes:
        """Keep this private key (32 bytes) and return its public key.

        Raises ``KeyFileError`` when the bytes are no private key.
        """

    def remove(self, public_key: bytes) -> None:
        """Forget the private key; nothing happens when there is none."""

    def random(self, length: int) -> bytes:
        """So many bytes that nobody can guess."""

    def holds(self, public_key: bytes) -> bool:
        """True when a usable private key is here, now, that derives exactly this public key."""

    def sign(self, public_key: bytes, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r || s || v with v 0 or 1, low s (RFC 6979 nonce).

        Raises ``KeyFileError`` when the private key is not here, ``ValueError`` when the digest has
        another length.
        """
