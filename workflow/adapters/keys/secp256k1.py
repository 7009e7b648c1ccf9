"""What both adapters do with a key; secrets come in as bytes and never leave in words."""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey

from workflow.errors import KeyFileError

PRIVATE_BYTES: Final = 32
PUBLIC_BYTES: Final = 33
DIGEST_BYTES: Final = 32


def private_key_of(secret: bytes) -> PrivateKey | None:
    """The key of these 32 bytes, or None when they are none."""
    if len(secret) != PRIVATE_BYTES:  # coincurve would fill up with zeros: another key.
        return None
    try:
        return PrivateKey(secret)
    except ValueError:
        return None


def no_private_key() -> KeyFileError:
    """The error to raise, made without the bytes that caused it."""
    return KeyFileError(
        "these bytes are no private key",
        remedy="Give the 32 bytes of a secp256k1 private key.",
    )


def signature(key: PrivateKey, digest: bytes) -> bytes:
    """65 bytes r || s || v. Raises ``ValueError`` for a digest that is not 32 bytes long."""
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
    return key.sign_recoverable(digest, hasher=None)
