"""What a chat is called on the network, and the key that its name is.

Messages are sorted by content topics: four bytes of a hash of the chat's id, so that several chats
share one. The key is derived from the id, too. Who knows or guesses the id reads the chat: this
encryption keeps topics apart and gives no secrecy.

A community has several chats: one for each of its channels, one for all of them (newer clients
write there, and say in the message which channel is meant), one for links to archives, and one for
descriptions, whose id is the community's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import pbkdf2_hmac
from typing import Final, Self

from workflow.archive.hashing import keccak256

TOPIC_LENGTH: Final = 4
"""Bytes in a topic."""

DEFAULT_PUBSUB_TOPIC: Final = "/waku/2/rs/16/32"
"""Where messages of a community without a shard of its own go, in Status of today."""

NON_PROTECTED_PUBSUB_TOPIC: Final = "/waku/2/rs/16/64"
"""Where descriptions and requests to join go, in Status of today."""

_ITERATIONS = 65_356  # of the reference; 65,536 was meant, perhaps
_KEY_LENGTH = 32
_CONTENT_TOPIC = re.compile(r"/waku/1/0x([0-9a-f]{8})/rfc26")


@lru_cache(maxsize=4096)
def topic_of(chat_id: str) -> bytes:
    """The 4-byte topic of a chat's messages: the beginning of its id's Keccak-256."""
    return keccak256(chat_id.encode())[:TOPIC_LENGTH]


def content_topic(topic: bytes) -> str:
    """The 4 bytes as the network writes them (23/WAKU2-TOPICS)."""
    return f"/waku/1/0x{topic.hex()}/rfc26"


def parse_content_topic(text: str) -> bytes | None:
    """The 4 bytes in what ``content_topic`` wrote; None for any other text."""
    found = _CONTENT_TOPIC.fullmatch(text)
    return bytes.fromhex(found[1]) if found else None


def pubsub_topic(cluster: int, shard: int) -> str:
    """The name of a static shard, under which nodes pass messages on."""
    return f"/waku/2/rs/{cluster}/{shard}"


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that messages are sealed for and opened with.

    To make one takes about 20 ms of hashing, so whoever needs it again keeps it. ``topic`` has 4
    bytes, ``key`` 32.
    """

    id: str
    topic: bytes
    content_topic: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, id: str) -> Self:
        """The chat of this id: its topic, and the key by PBKDF2-HMAC-SHA256 with an empty salt."""
        topic = topic_of(id)
        key = pbkdf2_hmac("sha256", id.encode(), b"", _ITERATIONS, _KEY_LENGTH)
        return cls(id, topic, content_topic(topic), key)


def links_chat_id(community: str) -> str:
    """The chat on which a community's links are announced."""
    return f"{community}-magnetlinks"


def universal_chat_id(community: str) -> str:
    """The chat on which newer clients write, whatever the channel."""
    return f"{community}-memberUpdate"


def channel_chat_ids(community: str, channels: Iterable[str]) -> list[str]:
    """The chats whose messages are a community's history: each channel's, then the universal one.

    ``channels`` are the channels' UUIDs, as they stand in the community's description.
    """
    return [*(f"{community}{channel}" for channel in channels), universal_chat_id(community)]
