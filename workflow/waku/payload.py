"""26/WAKU2-PAYLOAD, version 1: what the network carries, encrypted with a chat's key.

The plaintext is flags (1 byte), the length of the data (1 to 3 bytes, little-endian), the data,
random padding up to a multiple of 256 bytes, and the sender's signature (65 bytes) of all before
it. It is encrypted with AES-256-GCM; tag (16 bytes) and nonce (12) follow the ciphertext.

Two things are otherwise than the specification says, because every implementation has them so: a
signature ends with 0 or 1, not 27 or 28, and padding is never empty. Both forms are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workflow.archive.hashing import keccak256
from workflow.waku.refusal import Refusal

VERSION: Final = 1
"""What a message says of a payload in this form."""

KEY_LENGTH: Final = 32
"""Bytes in a key."""

MAX_DATA_LENGTH: Final = 0xFF_FFFF
"""Bytes of data whose length can be written. No network carries that much."""

SIGNATURE_LENGTH: Final = 65
"""Bytes in a signature: r (32), s (32), v (1)."""

_BLOCK = 256
_NONCE_LENGTH, _TAG_LENGTH = 12, 16
_WIDTH, _SIGNED = 0b011, 0b100  # in the flags: bytes of the length; whether there is a signature
_V = {0: 0, 1: 1, 27: 0, 28: 1}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a plaintext holds.

    ``sender`` is the public key that the signature was made with, uncompressed (65 bytes), or None
    without a signature. ``padding`` is the random bytes: archives keep them.
    """

    data: bytes
    padding: bytes
    sender: bytes | None


def encode(
    data: bytes,
    random: Callable[[int], bytes],
    sign_digest: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """``data`` as a plaintext, signed when there is somebody who signs.

    ``random`` is asked for so many bytes that nobody can guess, once. ``sign_digest`` is given a
    32-byte Keccak-256 and answers with the 65-byte secp256k1 signature r || s || v (v is 0 or 1).
    Raises ``ValueError`` for an answer of another form, for random bytes that are all zero, and for
    more than ``MAX_DATA_LENGTH`` bytes.
    """
    if len(data) > MAX_DATA_LENGTH:
        raise ValueError(f"{len(data)} bytes are more than {MAX_DATA_LENGTH}")
    width = max(1, (len(data).bit_length() + 7) // 8)
    flags = width | (_SIGNED if sign_digest else 0)
    plaintext = bytes([flags]) + len(data).to_bytes(width, "little") + data
    length = len(plaintext) + (SIGNATURE_LENGTH if sign_digest else 0)
    plaintext += _drawn(random, _BLOCK - length % _BLOCK)
    if sign_digest:
        signature = sign_digest(keccak256(plaintext))
        if len(signature) != SIGNATURE_LENGTH or signature[-1] not in (0, 1):
            raise ValueError("a signature has 65 bytes, and the last one is 0 or 1")
        plaintext += signature
    return plaintext


def decode(plaintext: bytes) -> Decoded | Refusal:
    """What ``encode`` was given, and the sender; or why it cannot be.

    Read by what it says of itself: neither a multiple of 256 bytes nor the shortest way to write
    the length is asked for, and flags that are not known mean nothing.
    """
    flags, end, sender = plaintext[0] if plaintext else 0, len(plaintext), None
    width = flags & _WIDTH
    if flags & _SIGNED:
        end -= SIGNATURE_LENGTH
    start = 1 + width
    if end < start:
        return Refusal.CUT_OFF
    if width == 0:
        return Refusal.NO_SIZE
    end_of_data = start + int.from_bytes(plaintext[1:start], "little")
    if end_of_data > end:
        return Refusal.PAST_THE_END
    if flags & _SIGNED:
        sender = _recover(plaintext[end:], keccak256(plaintext[:end]))
        if sender is None:
            return Refusal.SIGNATURE
    return Decoded(plaintext[start:end_of_data], plaintext[end_of_data:end], sender)


def encrypt(key: bytes, plaintext: bytes, random: Callable[[int], bytes]) -> bytes:
    """The plaintext for everybody who has ``key`` (32 bytes): ciphertext, tag, nonce.

    ``random`` is asked for 12 bytes, once. Raises ``ValueError`` for a key of another length, and
    for a key or random bytes that are all zero: nobody draws these by chance.
    """
    if len(key) != KEY_LENGTH or not any(key):
        raise ValueError(f"a key has {KEY_LENGTH} bytes, not all of them zero")
    nonce = _drawn(random, _NONCE_LENGTH)
    return AESGCM(key).encrypt(nonce, plaintext, None) + nonce


def decrypt(key: bytes, payload: bytes) -> bytes | Refusal:
    """The plaintext that ``encrypt`` was given; or why this key does not lead to one."""
    if len(payload) < _TAG_LENGTH + _NONCE_LENGTH:
        return Refusal.CUT_OFF
    try:
        return AESGCM(key).decrypt(payload[-_NONCE_LENGTH:], payload[:-_NONCE_LENGTH], None)
    except InvalidTag:
        return Refusal.OTHER_KEY


def _drawn(random: Callable[[int], bytes], length: int) -> bytes:
    drawn = random(length)
    if len(drawn) != length:
        raise ValueError(f"{len(drawn)} random bytes were drawn, not {length}")
    if length >= _NONCE_LENGTH and not any(drawn):
        raise ValueError("the random bytes are all zero")
    return drawn


def _recover(signature: bytes, digest: bytes) -> bytes | None:
    """The key that made the signature of this digest, uncompressed (65 bytes), if there is one."""
    v = _V.get(signature[-1])
    if v is None:
        return None
    try:
        key = PublicKey.from_signature_and_message(signature[:-1] + bytes([v]), digest, hasher=None)
    except ValueError:
        return None
    return key.format(compressed=False)
