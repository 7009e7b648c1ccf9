"""The hash ratchet: archive or index, readable for the members of a community only.

Members share a **group key**. It is turned one notch per message: ``k_0`` is the key itself,
``k_n = keccak256(k_{n-1})``, and message ``n >= 1`` is encrypted with ``k_n`` (AES-256-GCM). A
message states its ``n``, so messages can be read in any order, each by itself.

Plain and encrypted bytes are told apart by the fields they have, before anything is parsed.
Trying to parse does not tell: about one encrypted archive in 1,600 happens to be a well-formed
plain archive without messages, and a week of history would be lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workflow.archive.hashing import keccak256
from workflow.archive.pieces import MAX_RAW_SIZE
from workflow.archive.wire import WireError, fields
from workflow.errors import ArchiveInvalidError, RatchetKeyMissingError

if TYPE_CHECKING:
    from workflow.archive.pb.protocol_message_pb2 import EncryptedMessageProtocol

KEY_ID_LENGTH: Final = 32
"""Bytes in the id of a group key."""

NONCE_LENGTH: Final = 12
"""Bytes in a nonce."""

MAX_SEQ_NO: Final = 100_000
"""How many notches are turned for one message at most."""

_EVERYBODY = "none"  # the map key of a message that is not for one device
_ENCRYPTED_MESSAGE = 101
_ARCHIVE_FIELDS = (1, 3)  # the map of an index, the messages of an archive
_MAX_FIELDS = 64  # of a ProtocolMessage; the reference writes two


@dataclass(frozen=True, slots=True)
class KeyReference:
    """Which key a message names. ``key_id`` is empty in messages of older versions."""

    group_id: bytes
    key_id: bytes
    deprecated_key_id: int


@dataclass(frozen=True, slots=True)
class RatchetKey:
    """A group key: 32 bytes, the time it was made (milliseconds), and its group.

    For archives the group is the community: ``group_id`` is its compressed public key, 33 bytes.
    """

    key: bytes
    timestamp_ms: int
    group_id: bytes

    def __repr__(self) -> str:
        """Names the key without showing it."""
        return f"RatchetKey(id={self.id.hex()})"

    @property
    def id(self) -> bytes:
        """Keccak-256 of group, time (8 bytes, little-endian) and key."""
        return keccak256(self.group_id + self.timestamp_ms.to_bytes(8, "little") + self.key)

    @property
    def deprecated_id(self) -> int:
        """What older versions use for an id: the time, modulo 2^32."""
        return self.timestamp_ms & 0xFFFF_FFFF

    def answers(self, reference: KeyReference) -> bool:
        """Whether this is the key that a message names."""
        if reference.key_id:
            return reference.key_id == self.id
        return (reference.group_id, reference.deprecated_key_id) == (
            self.group_id,
            self.deprecated_id,
        )

    def turned(self, seq_no: int) -> bytes:
        """``k_n`` for ``n = seq_no``, 32 bytes.

        Raises ``ArchiveInvalidError`` unless ``1 <= seq_no <= 100,000``: ``k_0`` encrypts nothing,
        and a message cannot make us hash for ever.
        """
        if not 1 <= seq_no <= MAX_SEQ_NO:
            raise ArchiveInvalidError(
                f"no message can have the sequence number {seq_no}", place=f"key {self.id.hex()}"
            )
        key = self.key
        for _ in range(seq_no):
            key = keccak256(key)
        return key


def is_encrypted(data: bytes) -> bool:
    """Whether these are the bytes of a ProtocolMessage, and not of a plain archive or index.

    Decided by the first field that only one of them has. Bytes that are neither are not encrypted;
    reading them says what is wrong.
    """
    try:
        for number, _, _ in fields(data, at_most=_MAX_FIELDS):
            if number == _ENCRYPTED_MESSAGE:
                return True
            if number in _ARCHIVE_FIELDS:
                return False
    except WireError:
        pass
    return False


def encrypt(
    key: RatchetKey, seq_no: int, nonce: bytes, installation_id: str, plaintext: bytes
) -> bytes:
    """``plaintext`` for every holder of ``key``, as the bytes of a ProtocolMessage.

    ``seq_no`` goes up by one with each message that this node encrypts with this key; ``nonce`` is
    12 random bytes, never used twice. Raises ``ArchiveInvalidError`` for a ``seq_no`` or ``nonce``
    that no reader would accept.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as all here.

    from workflow.archive.pb.protocol_message_pb2 import (  # noqa: PLC0415 - slow to load.
        EncryptedMessageProtocol,
        HRHeader,
        ProtocolMessage,
    )

    if len(nonce) != NONCE_LENGTH:
        raise ArchiveInvalidError(f"a nonce of {len(nonce)} bytes has not {NONCE_LENGTH}")
    ciphertext = AESGCM(key.turned(seq_no)).encrypt(nonce, plaintext, None)
    header = HRHeader(
        deprecated_key_id=key.deprecated_id,
        seq_no=seq_no,
        group_id=key.group_id,
        key_id=key.id,
    )
    sealed = EncryptedMessageProtocol(payload=ciphertext + nonce, HR_header=header)
    return ProtocolMessage(
        installation_id=installation_id, encrypted_message={_EVERYBODY: sealed}
    ).SerializeToString()


def decrypt(data: bytes, find_key: Callable[[KeyReference], RatchetKey | None]) -> bytes:
    """What ``encrypt`` was given, by the key that ``find_key`` has for the reference.

    Raises ``RatchetKeyMissingError`` when it has none: the key may come yet. Raises
    ``ArchiveInvalidError`` when no key can help: the bytes are not a ProtocolMessage for everybody
    of at most 64 MiB, the sequence number is out of range, or they were not encrypted so.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    if len(data) > MAX_RAW_SIZE:
        raise ArchiveInvalidError(
            f"an encrypted archive of {len(data)} bytes is longer than {MAX_RAW_SIZE}"
        )
    sealed = _sealed(data)
    header = sealed.HR_header
    reference = KeyReference(header.group_id, header.key_id, header.deprecated_key_id)
    if len(reference.key_id) not in (0, KEY_ID_LENGTH):
        raise ArchiveInvalidError(f"no key has an id of {len(reference.key_id)} bytes")
    key = find_key(reference)
    if key is None:
        place = reference.key_id.hex() or f"deprecated id {reference.deprecated_key_id}"
        raise RatchetKeyMissingError("the key to these bytes is not known", place=f"key {place}")
    ciphertext, nonce = sealed.payload[:-NONCE_LENGTH], sealed.payload[-NONCE_LENGTH:]
    try:
        return AESGCM(key.turned(header.seq_no)).decrypt(nonce, ciphertext, None)
    except (InvalidTag, ValueError) as error:
        raise ArchiveInvalidError(
            "the bytes were not encrypted with the key they name", place=f"key {key.id.hex()}"
        ) from error


def readable(data: bytes, keys: Sequence[RatchetKey]) -> bytes:
    """The bytes themselves, or what they decrypt to with one of these keys.

    Raises what ``decrypt`` raises.
    """
    if not is_encrypted(data):
        return data
    return decrypt(data, lambda named: next((key for key in keys if key.answers(named)), None))


def _sealed(data: bytes) -> EncryptedMessageProtocol:
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    from workflow.archive.pb.protocol_message_pb2 import ProtocolMessage  # noqa: PLC0415

    try:
        for _ in fields(data, at_most=_MAX_FIELDS):
            pass
        messages = ProtocolMessage.FromString(data).encrypted_message
    except (WireError, DecodeError) as error:
        raise ArchiveInvalidError(f"not an encrypted message: {error}") from error
    if _EVERYBODY not in messages:
        raise ArchiveInvalidError("the encrypted message is not for every member")
    return messages[_EVERYBODY]
