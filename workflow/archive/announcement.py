"""The announcement: where a community's newest archives are, signed by the community.

What is signed is the hash of the exact payload bytes, and the signer is recovered from signature
and payload; nobody is named. So a member reads the announcement first, learns *who* signed, and
compares that key with the community's. A reader is strict about the signature's form, because a
signature with a second valid form would be a second valid message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey
from google.protobuf.message import DecodeError

from workflow.archive.hashing import keccak256
from workflow.archive.pb.application_metadata_message_pb2 import (
    ApplicationMetadataMessage,
    CommunityMessageArchiveMagnetlink,
)
from workflow.archive.wire import WireError, fields
from workflow.errors import AnnouncementInvalidError

MAX_LOCATOR_LENGTH: Final = 4 * 1024
"""Bytes in a locator, at most."""

MAX_MESSAGE_LENGTH: Final = 1024 * 1024
"""Bytes in a whole announcement, at most: the limit of the messages that carry it."""

SIGNATURE_LENGTH: Final = 65
"""Bytes in a signature: r (32), s (32), v (1)."""

_MAGNETLINK = ApplicationMetadataMessage.COMMUNITY_MESSAGE_ARCHIVE_MAGNETLINK
_PUBLIC_MESSAGE = 102  # of a ProtocolMessage, the wrapper that status-go sends
_MAX_FIELDS = 64
_HALF_OF_CURVE_ORDER: Final = (
    0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
)
_LIMIT_OF_CLOCKS: Final = 1 << 63  # what a database can hold


@dataclass(frozen=True, slots=True)
class Announcement:
    """``clock`` (milliseconds) orders announcements; ``locator`` leads to the archives."""

    clock: int
    locator: str


@dataclass(frozen=True, slots=True)
class SignedAnnouncement:
    """An announcement whose signature holds.

    ``signer`` is a compressed public key (33 bytes), to be compared with the community's.
    ``message`` is the signed message itself, without wrapper, and ``id`` its specified message id:
    ``0x`` and the Keccak-256 of the signer's uncompressed key and the message.
    """

    signer: bytes
    announcement: Announcement
    message: bytes
    id: str


def sign(announcement: Announcement, sign_digest: Callable[[bytes], bytes]) -> bytes:
    """The announcement as a message of type 43, ready to be sent.

    ``sign_digest`` is given the 32-byte Keccak-256 of the payload, and answers with the 65-byte
    secp256k1 signature r || s || v (v is 0 or 1, s in the lower half). Raises
    ``AnnouncementInvalidError`` for an announcement or signature that no reader would accept.
    """
    _check_announcement(announcement)
    payload = CommunityMessageArchiveMagnetlink(
        clock=announcement.clock, magnet_uri=announcement.locator
    ).SerializeToString()
    signature = sign_digest(keccak256(payload))
    _check_signature(signature)
    return ApplicationMetadataMessage(
        signature=signature, payload=payload, type=_MAGNETLINK
    ).SerializeToString()


def open_announcement(data: bytes) -> SignedAnnouncement:
    """The announcement in a message, and who signed it.

    The message may come in the wrapper of the encryption layer, unencrypted. Raises
    ``AnnouncementInvalidError`` for another form or type, a signature that is missing or not in
    its only form, a locator that is empty or longer than 4 KiB, and a clock of 2^63 or more.
    """
    if len(data) > MAX_MESSAGE_LENGTH:
        raise AnnouncementInvalidError(
            f"a message of {len(data)} bytes is longer than {MAX_MESSAGE_LENGTH}"
        )
    try:
        message = _unwrapped(data)
        envelope = ApplicationMetadataMessage.FromString(message)
        if envelope.type != _MAGNETLINK:
            raise AnnouncementInvalidError(
                f"a message of type {envelope.type} is not an announcement"
            )
        link = CommunityMessageArchiveMagnetlink.FromString(envelope.payload)
    except (WireError, DecodeError) as error:
        raise AnnouncementInvalidError(f"not an announcement: {error}") from error
    announcement = Announcement(link.clock, link.magnet_uri)
    _check_announcement(announcement)
    signer = _recover(envelope.signature, envelope.payload)
    message_id = keccak256(signer.format(compressed=False) + message)
    return SignedAnnouncement(signer.format(), announcement, message, "0x" + message_id.hex())


def _unwrapped(data: bytes) -> bytes:
    for number, start, end in fields(data, at_most=_MAX_FIELDS):
        if number == _PUBLIC_MESSAGE:
            return data[start:end]
    return data


def _check_announcement(announcement: Announcement) -> None:
    if not 0 <= announcement.clock < _LIMIT_OF_CLOCKS:
        raise AnnouncementInvalidError(f"the clock {announcement.clock} is out of range")
    if not announcement.locator:
        raise AnnouncementInvalidError("the announcement leads nowhere: its locator is empty")
    length = len(announcement.locator.encode())
    if length > MAX_LOCATOR_LENGTH:
        raise AnnouncementInvalidError(
            f"a locator of {length} bytes is longer than {MAX_LOCATOR_LENGTH}"
        )


def _check_signature(signature: bytes) -> None:
    if len(signature) != SIGNATURE_LENGTH:
        raise AnnouncementInvalidError(
            f"a signature of {len(signature)} bytes has not {SIGNATURE_LENGTH}"
        )
    if signature[64] not in (0, 1):
        raise AnnouncementInvalidError(f"the signature's v is {signature[64]}, neither 0 nor 1")
    if int.from_bytes(signature[32:64], "big") > _HALF_OF_CURVE_ORDER:
        raise AnnouncementInvalidError("the signature's s is in the upper half, so it has a twin")


def _recover(signature: bytes, payload: bytes) -> PublicKey:
    _check_signature(signature)
    try:
        return PublicKey.from_signature_and_message(signature, keccak256(payload), hasher=None)
    except ValueError as error:
        raise AnnouncementInvalidError("the signature is not on the curve") from error
