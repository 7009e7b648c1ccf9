"""A community that chats: three channels, two archived weeks, and a message that came since."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from coincurve import PrivateKey

from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.archive.hashing import keccak256
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.chat_message_pb2 import ChatMessage, EmojiReaction
from workflow.archive.wire import field, varint
from workflow.assembly import open_node
from workflow.chat.post import Attachment, Author, Channel, Post, Reference
from workflow.importing import Item
from workflow.node import Node
from workflow.waku.chats import topic_of

NAME: Final = "gardeners"
KEY: Final = bytes([7]) * 32
ID: Final = "0x" + PrivateKey(KEY).public_key.format().hex()
GENERAL: Final = ID + "11111111-1111-4111-8111-111111111111"
SEEDS: Final = ID + "22222222-2222-4222-8222-222222222222"
QUIET: Final = ID + "33333333-3333-4333-8333-333333333333"
CHANNELS: Final = (
    Channel(GENERAL, "general", "Garden"),
    Channel(SEEDS, "seeds <&> bulbs", "Garden"),
    Channel(QUIET, "quiet"),
)
MONDAY: Final = 1_704_067_200  # 2024-01-01 00:00:00
HOUR: Final = 3600
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
PICTURE: Final = b"\x89PNG" + bytes(996)
HOSTILE: Final = "red \x1b[31m bell \x07 \u202eturned\u202c <script>alert('x')</script> https://a.b"
MEMBER: Final = PrivateKey.from_int(77)
MEMBER_ID: Final = "0x" + MEMBER.public_key.format(compressed=False).hex()

_ANN, _BOB = Author("1", "ann", "Ann"), Author("2", "bob", "", "0001")
POSTS: Final = (
    Post("10", GENERAL, _ANN, (MONDAY + 9 * HOUR) * 1000, "Good morning\nto all"),
    Post("11", GENERAL, _BOB, (MONDAY + 10 * HOUR) * 1000 + 900, "the later one"),
    Post("12", GENERAL, _BOB, (MONDAY + 10 * HOUR) * 1000 + 100, "the earlier one"),
    Post(
        "13",
        SEEDS,
        _BOB,
        (MONDAY + DAY) * 1000,
        "and tomatoes?",
        "Reply",
        Reference("10", "", ""),
        (MONDAY + 2 * DAY) * 1000,
    ),
    Post(
        "14",
        SEEDS,
        _ANN,
        (MONDAY + WEEK + DAY) * 1000,
        attachments=(Attachment("1", "bed.png", 1000, "image/png", "https://x/y", PICTURE),),
    ),
    Post("15", SEEDS, Author("3", "eve\x1b]0;title\x07\u202e"), (MONDAY + WEEK + 2 * DAY) * 1000,
         HOSTILE),
)  # fmt: skip
AGES: Final = "a" * 60 + "!"


def wrapped(channel: str, content: bytes, seconds: int, kind: int = 1) -> ArchivedMessage:
    """What a member signed, as an archive holds it."""
    signature = MEMBER.sign_recoverable(keccak256(content), hasher=None)
    payload = field(1, signature) + field(2, content) + b"\x18" + varint(kind)
    key = MEMBER.public_key.format(compressed=False)
    return ArchivedMessage(key, seconds, topic_of(channel), payload, b"\x01", keccak256(payload))


def said(text: str, seconds: int, channel: str = GENERAL) -> ArchivedMessage:
    """A text of the member."""
    clock = seconds * 1000
    chat = ChatMessage(
        clock=clock, timestamp=clock, chat_id=channel, text=text, display_name="Mia", content_type=1
    )
    return wrapped(channel, chat.SerializeToString(), seconds)


def liked(id: str, seconds: int) -> ArchivedMessage:
    """A reaction of the member."""
    like = EmojiReaction(clock=seconds * 1000, chat_id=GENERAL, message_id=id, type=2)
    return wrapped(GENERAL, like.SerializeToString(), seconds, kind=22)


def sealed(seconds: int) -> ArchivedMessage:
    """What nobody here can read."""
    return ArchivedMessage(b"", seconds, topic_of(GENERAL), field(101, b"secret"), b"", bytes(32))


_OLD: Final = said(AGES, MONDAY + 11 * HOUR)
MESSAGES: Final = (
    _OLD,
    sealed(MONDAY + 12 * HOUR),
    # It stands on our topic, and claims to be of another community.
    replace(
        said("a word from elsewhere", MONDAY + 13 * HOUR, "0x02" + "ab" * 32 + GENERAL[68:]),
        topic=topic_of(GENERAL),
    ),
    liked("0x" + keccak256(_OLD.sig + _OLD.payload).hex(), MONDAY + 14 * HOUR),
)
NEWEST: Final = said("is it spring?", MONDAY + 12 * WEEK)


def items() -> Iterator[Item]:
    """What the community imported."""
    yield from CHANNELS
    yield from POSTS


def node_in(directory: Path, clock: ManualClock) -> Node:
    """A node, alone in its world."""
    swarm = Swarm(clock)
    clock.watch(lambda: swarm.is_busy)
    node = open_node(
        directory,
        clock=clock,
        carrier=MemoryCarrier(swarm, clock),
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=KeyFiles(directory / "keys"),
    )
    clock.watch(lambda: node.engine.is_busy)
    return node


def plant(directory: Path, *, is_encrypted: bool = False) -> None:
    """The control node's data directory; it ended a moment ago."""

    async def live() -> None:
        clock = ManualClock(MONDAY + 8 * WEEK)
        node = node_in(directory, clock)
        async with node:
            id = await node.create_community(NAME, private_key=KEY, reannounce_after=None)
            assert id == ID
            if is_encrypted:
                await node.create_ratchet_key(id)
            await node.import_items(id, items())
            assert await node.add_messages(id, MESSAGES) == len(MESSAGES)
            await node.enable()
            await clock.advance(4 * WEEK)
            assert await node.add_messages(id, [NEWEST]) == 1

    asyncio.run(live())
