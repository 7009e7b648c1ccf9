"""A message as people see it, whatever network it was written in.

Times are whole milliseconds since 1970 in UTC. Discord tells milliseconds, and within one second
they are the only order that messages have.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

DEFAULT: Final = "Default"
REPLY: Final = "Reply"
PINNED: Final = "ChannelPinnedMessage"
UNPINNED: Final = "Unpin"
EDIT: Final = "Edit"
DELETE: Final = "Delete"
REACTION: Final = "Reaction"
RETRACTED: Final = "ReactionRemoved"

MAX_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: what every form and library can still write."""

MAX_ID_LENGTH: Final = 200
"""Characters that the id of a post or channel may have; Discord's have twenty, a chat's 104."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_UUID_LENGTH = 36


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote. ``id`` is Discord's, or ``0x`` and the uncompressed public key in Status."""

    id: str
    name: str = ""
    nickname: str = ""
    discriminator: str = ""
    avatar_url: str = ""

    @property
    def shown(self) -> str:
        """The name to show: the nickname before the name before the id."""
        return self.nickname or self.name or self.id or "unknown"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a post. ``payload`` is its content, ``None`` when only its name is known.

    ``size`` (bytes) is what the source said; ``url`` is where the file once was, and never asked.
    An empty file is one whose content is not known.
    """

    id: str
    name: str = ""
    size: int = 0
    content_type: str = ""
    url: str = ""
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The post that another one is about: what it replies to, pins, edits, deletes or likes."""

    message: str
    channel: str = ""
    guild: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as its source describes it; only ``id`` is sure to be there, and unique."""

    id: str
    name: str = ""
    category: str = ""
    category_id: str = ""
    topic: str = ""
    kind: str = "GuildTextChat"
    guild: str = ""
    guild_name: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """One message. ``channel`` is its channel's id, ``time_ms`` when it was written.

    ``kind`` is Discord's name of the type (``Default``, ``Reply``, ``ChannelPinnedMessage``, or
    one that is not known here), and for what only Status has: ``Edit`` (``text`` is the new one),
    ``Delete``, ``Unpin``, ``Reaction`` and ``ReactionRemoved`` (``text`` is the emoji). These
    name in ``reference`` the post they are about.
    """

    id: str
    channel: str
    author: Author
    time_ms: int
    text: str = ""
    kind: str = DEFAULT
    reference: Reference | None = None
    edited_ms: int | None = None
    attachments: tuple[Attachment, ...] = ()

    @property
    def reply_to(self) -> str:
        """The id of the post that this one is about, empty for none."""
        return self.reference.message if self.reference else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read. ``position`` counts messages or lines from 1; 0 is the whole file."""

    file: str
    position: int
    what: str

    def __str__(self) -> str:
        where = f"{self.file}, {self.position}" if self.position else self.file
        return f"{where}: {self.what}"


@lru_cache(maxsize=4096)
def chat_id_of(community_id: str, channel_id: str) -> str:
    """The chat id of a channel in a community: the community's id followed by a UUID.

    The UUID is derived from the channel's foreign id (version 5), so that importing again leads
    to the same channel. The id of a chat that is the community's already stays as it is.
    """
    if channel_id.startswith(community_id) and _is_uuid(channel_id[len(community_id) :]):
        return channel_id
    return f"{community_id}{uuid.uuid5(uuid.NAMESPACE_OID, clean(channel_id))}"


def unique_names(channels: Iterable[Channel]) -> dict[str, str]:
    """A name for each channel, by its id: its own, with ``-2``, ``-3`` ... where that is taken.

    Names that differ only in case count as the same. The lowest id keeps the name, so the answer
    does not depend on the order of ``channels``.
    """
    by_id = {channel.id: channel.name.strip() or "channel" for channel in channels}
    own = {name.casefold() for name in by_id.values()}
    names: dict[str, str] = {}
    taken: set[str] = set()
    last: dict[str, int] = {}
    for id, name in sorted(by_id.items(), key=lambda item: (len(item[0]), item[0])):
        chosen, folded = name, name.casefold()
        number = last.get(folded, 1)
        while chosen.casefold() in taken or (chosen != name and chosen.casefold() in own):
            number += 1
            chosen = f"{name}-{number}"
        last[folded] = number
        taken.add(chosen.casefold())
        names[id] = chosen
    return names


def time_text(time_ms: int) -> str:
    """``time_ms`` as RFC 3339 with milliseconds, in UTC."""
    return (_EPOCH + time_ms * _MILLISECOND).isoformat(timespec="milliseconds")


def time_ms_of(text: str) -> int:
    """The milliseconds of an RFC 3339 time; finer fractions are cut off.

    Raises ``ValueError`` for another form, a time without an offset, and one before 1970.
    """
    try:
        milliseconds = (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError, TypeError) as error:  # the last for a missing offset
        raise ValueError(f"no RFC 3339 time with an offset: {text[:60]!r}") from error
    if not 0 <= milliseconds <= MAX_TIME_MS:
        raise ValueError(f"a time out of range: {text[:60]!r}")
    return milliseconds


def clean(text: str) -> str:
    """``text`` with a question mark for each half of a surrogate pair, which UTF-8 has not."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _is_uuid(text: str) -> bool:
    try:
        return len(text) == _UUID_LENGTH and str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
