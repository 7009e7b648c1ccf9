"""The announcement: where a community's newest archives are, signed by the community.

It comes over the network, or by hand as one line of text. Two other messages speak of links: the
answer to somebody who wants to join carries the newest one, and the community's description names
the clock of the newest one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from workflow.archive.envelope import open_envelope, seal
from workflow.archive.magnet import parse_magnet
from workflow.archive.pb.application_metadata_message_pb2 import (
    ApplicationMetadataMessage,
    CommunityDescription,
    CommunityMessageArchiveMagnetlink,
    CommunityRequestToJoinResponse,
)
from workflow.errors import AnnouncementInvalidError, MagnetInvalidError

MAX_LOCATOR_LENGTH: Final = 4 * 1024
"""Bytes in a locator, at most."""

MAX_ANNOUNCEMENT_LENGTH: Final = 8 * 1024
"""Bytes in an announcement without its wrapper, at most; it is kept, and passed on by hand."""

MAX_CHANNELS: Final = 1_000
"""Channels in a description, at most."""

MAX_NAME_LENGTH: Final = 100
"""Characters of a channel's name that are kept."""

CHANNEL_UUID: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What a channel is called, behind the community's id."""

_LIMIT_OF_CLOCKS: Final = 1 << 63  # what a database can hold
_ID: Final = "0x0[23][0-9a-f]{64}"
LINE_PREFIX: Final = "community-archives:announcement:"
_LINE: Final = re.compile(f"{LINE_PREFIX}({_ID}):([A-Za-z0-9_-]+)")
_MAX_LINE_LENGTH: Final = len(LINE_PREFIX) + 68 + 1 + (MAX_ANNOUNCEMENT_LENGTH * 4 + 2) // 3
_AROUND: Final = " \t\r\n"


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


@dataclass(frozen=True, slots=True)
class JoinResponse:
    """The answer to somebody who wants to join, whose signature holds.

    ``community`` is the id that it names. ``announcement`` is the link that it carries, under the
    clock of the answer, which is not a clock of announcements; None when it carries none.
    """

    signer: bytes
    community: str
    announcement: Announcement | None


@dataclass(frozen=True, slots=True)
class SignedDescription:
    """What a description, whose signature holds, says of links and channels.

    ``magnetlink_clock`` is the newest link's clock, or 0; ``channels`` are the names of channels by
    their UUIDs. Of a community that encrypts its description there are none.
    """

    signer: bytes
    magnetlink_clock: int
    channels: Mapping[str, str]


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
    kind = ApplicationMetadataMessage.COMMUNITY_MESSAGE_ARCHIVE_MAGNETLINK
    return seal(payload, kind, sign_digest)


def open_announcement(data: bytes) -> SignedAnnouncement:
    """The announcement in a message, and who signed it.

    The message may come in the wrapper of the encryption layer, unencrypted. Raises
    ``AnnouncementInvalidError`` for another form or type, more than 8 KiB, a signature that is
    missing or not in its only form, a locator that is empty or longer than 4 KiB, and a clock of 0
    or of 2^63 or more.
    """
    kind = ApplicationMetadataMessage.COMMUNITY_MESSAGE_ARCHIVE_MAGNETLINK
    opened = open_envelope(data, kind, "an announcement")
    if len(opened.message) > MAX_ANNOUNCEMENT_LENGTH:
        raise AnnouncementInvalidError(
            f"an announcement of {len(opened.message)} bytes is longer than"
            f" {MAX_ANNOUNCEMENT_LENGTH}"
        )
    try:
        link = CommunityMessageArchiveMagnetlink.FromString(opened.payload)
    except DecodeError as error:
        raise AnnouncementInvalidError(f"not an announcement: {error}") from error
    announcement = Announcement(link.clock, link.magnet_uri)
    _check_announcement(announcement)
    return SignedAnnouncement(opened.signer, announcement, opened.message, opened.id)


def open_join_response(data: bytes) -> JoinResponse:
    """The answer to somebody who wants to join (type 48), and who signed it.

    Raises ``AnnouncementInvalidError`` as ``open_announcement`` does.
    """
    kind = ApplicationMetadataMessage.COMMUNITY_REQUEST_TO_JOIN_RESPONSE
    opened = open_envelope(data, kind, "a join response")
    try:
        response = CommunityRequestToJoinResponse.FromString(opened.payload)
    except DecodeError as error:
        raise AnnouncementInvalidError(f"not a join response: {error}") from error
    community = "0x" + response.community_id.hex()
    if not re.fullmatch(_ID, community):
        raise AnnouncementInvalidError("the join response names no community")
    announcement = None
    if response.accepted and response.magnet_uri:
        announcement = Announcement(response.clock, response.magnet_uri)
        _check_announcement(announcement)
    return JoinResponse(opened.signer, community, announcement)


def open_description(data: bytes) -> SignedDescription:
    """What a community's description (type 25) says of links and channels, and who signed it.

    Channels whose id is no UUID are left out. Raises ``AnnouncementInvalidError`` for another form
    or type, more than 1,000 channels, and a clock of 2^63 or more.
    """
    kind = ApplicationMetadataMessage.COMMUNITY_DESCRIPTION
    opened = open_envelope(data, kind, "a description")
    try:
        description = CommunityDescription.FromString(opened.payload)
    except DecodeError as error:
        raise AnnouncementInvalidError(f"not a description: {error}") from error
    clock = description.archive_magnetlink_clock
    if clock >= _LIMIT_OF_CLOCKS:
        raise AnnouncementInvalidError(f"the clock {clock} is out of range")
    if len(description.chats) > MAX_CHANNELS:
        raise AnnouncementInvalidError(f"more than {MAX_CHANNELS} channels")
    channels = {
        uuid: _one_line(chat.identity.display_name)
        for uuid, chat in sorted(description.chats.items())
        if re.fullmatch(CHANNEL_UUID, uuid)
    }
    return SignedDescription(opened.signer, clock, channels)


def describe(
    description: bytes, magnetlink_clock: int, sign_digest: Callable[[bytes], bytes]
) -> bytes:
    """A community's description that names this clock, if it named none as high; signed anew.

    ``description`` is a CommunityDescription, or the signed message of one (type 25), of whoever
    signed it. All else in it stays, also what is not known here. Raises
    ``AnnouncementInvalidError`` when it is neither.
    """
    kind = ApplicationMetadataMessage.COMMUNITY_DESCRIPTION
    try:
        payload = open_envelope(description, kind, "a description").payload
    except AnnouncementInvalidError:
        payload = description
    try:
        parsed = CommunityDescription.FromString(payload)
    except DecodeError as error:
        raise AnnouncementInvalidError(f"not a description: {error}") from error
    if not parsed.clock:
        raise AnnouncementInvalidError("a description has a clock of its own")
    parsed.archive_magnetlink_clock = max(parsed.archive_magnetlink_clock, magnetlink_clock)
    return seal(parsed.SerializeToString(deterministic=True), kind, sign_digest)


def to_line(community: str, message: bytes) -> str:
    """A signed announcement as one line of ASCII that survives being copied.

    It names the community (0x and 66 hexadecimal digits in lower case), because the signer need not
    be its id. Raises ``AnnouncementInvalidError`` for what ``from_line`` would not give back.
    """
    line = f"{LINE_PREFIX}{community}:{_unpadded(message)}"
    from_line(line)
    return line


def from_line(text: str) -> tuple[str, bytes]:
    """The community's id, and the message: to be opened, for nothing of it is verified here.

    White space around the line is cut off. Raises ``AnnouncementInvalidError`` for any other
    deviation from what ``to_line`` writes.
    """
    line = text.strip(_AROUND)
    if len(line) > _MAX_LINE_LENGTH:
        raise AnnouncementInvalidError(
            f"a line of {len(line)} characters is longer than {_MAX_LINE_LENGTH}"
        )
    found = _LINE.fullmatch(line)
    if found is None:
        raise AnnouncementInvalidError(
            f"an announcement is one line: {LINE_PREFIX}<community id>:<letters and digits>",
            remedy="Copy the whole line, without breaks.",
        )
    community, encoded = found.groups()
    try:
        message = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        message = b""
    if _unpadded(message) != encoded:
        raise AnnouncementInvalidError(
            "the line is cut off or changed", remedy="Copy the whole line, without breaks."
        )
    return community, message


def names_another(locator: str, community: str) -> bool:
    """True when it is a magnet link whose name is the id of another community.

    That name is all that tells one community's link from another's when both are controlled with
    one key, as after a transfer of ownership: the signed bytes name no community.
    """
    try:
        name = parse_magnet(locator).name.lower()
    except MagnetInvalidError:
        return False
    return re.fullmatch(_ID, name) is not None and name != community


def _one_line(name: str) -> str:
    """A name that somebody chose, as it may stand on a terminal."""
    return "".join(filter(str.isprintable, name)).strip()[:MAX_NAME_LENGTH]


def _unpadded(message: bytes) -> str:
    return base64.urlsafe_b64encode(message).rstrip(b"=").decode()


def _check_announcement(announcement: Announcement) -> None:
    if not 0 < announcement.clock < _LIMIT_OF_CLOCKS:
        raise AnnouncementInvalidError(f"the clock {announcement.clock} is out of range")
    if not announcement.locator:
        raise AnnouncementInvalidError("the announcement leads nowhere: its locator is empty")
    length = len(announcement.locator.encode())
    if length > MAX_LOCATOR_LENGTH:
        raise AnnouncementInvalidError(
            f"a locator of {length} bytes is longer than {MAX_LOCATOR_LENGTH}"
        )
