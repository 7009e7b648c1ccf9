"""Where fuzzing begins: small valid inputs for every target, written by our own writers."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Final

from tests.chat.sample_exports import CHANNEL, TIME, export, message
from tests.chat.sample_posts import CHAT_ID, COMMUNITY_ID, sign_digest
from tests.fuzz.targets import ENTRY, FILE_END
from tests.inspection.made_archives import COMMUNITY, KEY, MESSAGES, START, TOPIC, WEEK, made
from tests.waku.samples import counted, pattern, segmented
from workflow.archive.announcement import Announcement, sign
from workflow.archive.codec import encode_archive
from workflow.archive.hashing import keccak256
from workflow.archive.history import History
from workflow.archive.index import encode_index
from workflow.archive.magnet import magnet_uri
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.chat_message_pb2 import (
    AudioMessage,
    ChatMessage,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    ImageMessage,
    PinMessage,
)
from workflow.archive.ratchet import encrypt
from workflow.archive.torrent import Info, Torrent
from workflow.archive.wire import field, varint
from workflow.chat.jsonl import Line, write_channel, write_line
from workflow.chat.payload import archived
from workflow.chat.post import Attachment, Author, Channel, Post, Reference
from workflow.waku.payload import encode

POST: Final = Post(
    "81",
    CHAT_ID,
    Author("9", "bob", "Bób", "0001", "https://host/a.png"),
    START * 1000 + 123,
    "hello ❤",
    "Reply",
    Reference("80", "7", "5"),
    START * 1000 + 60_000,
    (Attachment("3", "a.png", 4, "image/png", "https://host/b.png", b"\x89PNG"),),
)
IMPORTED: Final = archived(POST, COMMUNITY_ID, CHAT_ID, sign_digest)
PINNED: Final = archived(
    replace(POST, kind="ChannelPinnedMessage"), COMMUNITY_ID, CHAT_ID, sign_digest
)
HASH: Final = "a8b23ed896cfdf1d73de7491d1ae9e078a8e3af9"


def seeds() -> dict[str, list[bytes]]:
    """Valid inputs by the name of their target."""
    plain, sealed, longer = made(), made(is_encrypted=True), made(MESSAGES[:1], 1)
    histories = (plain, sealed, longer, _supplemented())
    contents = _contents()
    return {
        "index": [b"", *(encode_index(history.entries) for history in histories)],
        "entries": [
            b"".join(field(1, entry.encode()) for entry in history.entries) for history in histories
        ],
        "archive": [
            _archive(*MESSAGES[:1]),
            _archive(*MESSAGES[:3]),
            _archive(_moved(IMPORTED), _moved(PINNED)),
        ],
        "ratchet": [
            _archive(*MESSAGES[:1]),
            encrypt(KEY, 1, bytes(12), "laptop", b"plain text"),
            encrypt(KEY, 300, bytes(12), "", _archive(*MESSAGES[:3])),
            sealed.index or b"",
        ],
        "torrent": _torrents(plain),
        "magnet": [
            (plain.magnet or "").encode(),
            magnet_uri(HASH, "a b+c%20/~é€𝄞", ["udp://a", "http://b/?x=1&y=2"]).encode(),
            b"magnet:?xt.1=urn:btih:ZOCMZQIPFFW7OLLMIC5HUB6BPCSDEOQU&tr.2=udp%3a//b&ws=c&&dn",
        ],
        "announcement": _announcements(plain.magnet or ""),
        "message": [
            *(_envelope(type, content) for type, content in contents),
            field(102, _envelope(*contents[0])),
            IMPORTED.payload,
            PINNED.payload,
        ],
        "content": [unsigned(type, content) for type, content in contents],
        "discord": _exports(),
        "jsonl": _lines(),
        "folder": [_found(history) for history in histories],
        "sealed": [
            *(encode(pattern(length, 1), counted) for length in (0, 10, 300)),
            *(encode(pattern(length, 1), counted, sign_digest) for length in (0, 10, 300)),
        ],
        "segments": [
            field(1, IMPORTED.payload),
            *(_cut(100, size, lost=()) for size in (12, 50)),
            _cut(100, 12, lost=(3,)),
            _cut(200, 12, lost=(0, 16)),
        ],
    }


def _cut(length: int, size: int, *, lost: tuple[int, ...]) -> bytes:
    """A message in segments, of which some are lost."""
    segments = segmented(pattern(length, 7), size)
    return b"".join(field(1, one) for number, one in enumerate(segments) if number not in lost)


def unsigned(type: int, content: bytes) -> bytes:
    """The envelope of a message, without its signature."""
    return field(2, content) + varint(3 << 3) + varint(type)


def _supplemented() -> History:
    """Two archives for one week: the second one holds what came late."""
    first = made(MESSAGES[:2], 1)
    return made(MESSAGES[2:3], 1, existing=first)


def _archive(*messages: ArchivedMessage) -> bytes:
    return encode_archive(ENTRY.window, ENTRY.topics, [each.encode() for each in messages])


def _moved(message: ArchivedMessage) -> ArchivedMessage:
    return replace(message, timestamp=START + WEEK - 1, topic=TOPIC)


def _torrents(history: History) -> list[bytes]:
    small = Info("talk", 102_400, 200, bytes(40))
    return [
        history.torrent or b"",
        (history.info or small).encode(),
        small.encode(),
        Torrent(small, (("udp://a", "udp://b"), ("http://c",)), "bob", 1).encode(),
        Torrent(small).encode(),
    ]


def _announcements(link: str) -> list[bytes]:
    signed = sign(Announcement(START * 1000, link), sign_digest)
    other = sign(Announcement(1, "magnet:?xt=urn:btih:" + HASH), sign_digest)
    return [signed, other, field(2, b"laptop") + field(3, b"bundle") + field(102, signed)]


def _contents() -> list[tuple[int, bytes]]:
    """One message of each kind: its type, and what its envelope holds."""
    clock, chat, target = START * 1000 + 5, CHAT_ID, "0x" + "ab" * 32
    chats = (
        ChatMessage(clock=clock, timestamp=clock, text="hello", chat_id=chat, display_name="bob"),
        ChatMessage(clock=clock, text="yes", chat_id=chat, response_to=target, ens_name="b.eth"),
        ChatMessage(chat_id=chat, image=ImageMessage(payload=b"\x89PNG", type=1)),
        ChatMessage(chat_id=chat, audio=AudioMessage(payload=b"#!AMR", type=2)),
    )
    return [
        *((1, each.SerializeToString()) for each in chats),
        (22, EmojiReaction(clock=1, chat_id=chat, message_id=target, type=3).SerializeToString()),
        (28, PinMessage(message_id=target, chat_id=chat, pinned=True).SerializeToString()),
        (29, EditMessage(text="bye", chat_id=chat, message_id=target).SerializeToString()),
        (31, DeleteMessage(chat_id=chat, message_id=COMMUNITY_ID + "8").SerializeToString()),
        (1, _imported_content()),
    ]


def _imported_content() -> bytes:
    envelope = IMPORTED.payload
    return envelope[2 + 65 + 1 + 2 : -2]


def _envelope(type: int, content: bytes) -> bytes:
    return field(1, sign_digest(keccak256(content))) + unsigned(type, content)


def _exports() -> list[bytes]:
    attached = {"id": "4", "fileName": "a.png", "fileSizeBytes": 4, "url": "photo.png"}
    told = message(
        id="2",
        type="Reply",
        timestampEdited=TIME,
        reference={"messageId": "1", "channelId": "7", "guildId": "5"},
        attachments=[
            {**attached, "canonicalUrl": "https://host/a.png", "contentType": "image/png"},
            {**attached, "url": "https://host/b.png"},
        ],
        reactions=[{"emoji": {"id": "", "name": "❤"}, "count": 1}],
    )
    described = {**CHANNEL, "categoryId": "6", "category": "c", "topic": "t"}
    guild = {"id": "5", "name": "G"}
    return [
        json.dumps(export()).encode(),
        json.dumps(export(message())).encode(),
        json.dumps({"guild": guild, **export(message(), told, channel=described)}).encode(),
        b"\xef\xbb\xbf" + json.dumps({"channel": described, "messages": [told] * 3}).encode(),
    ]


def _lines() -> list[bytes]:
    stream = BytesIO()
    write_channel(stream, Channel("7", "talk", "c", "6", "t", "GuildTextChat", "5", "G"))
    write_line(stream, Line(POST))
    write_line(stream, Line(POST, IMPORTED))
    write_line(stream, Line(None, MESSAGES[2]))
    whole = stream.getvalue()
    least = b'{"id":"1","channel":"7","time":1600000000123,"author":"bob","reply_to":"0"}'
    return [*whole.splitlines(), whole, least]


def _found(history: History) -> bytes:
    """The folder of ``history``; the archives of an earlier one are left out of ``data``."""
    assert history.index
    assert history.torrent
    lost = [b""] * 0 if history.archives[0].entry.offset == 0 else [_archive(*MESSAGES[:2])]
    archives = [*lost, *(archive.raw for archive in history.archives)]
    return FILE_END.join([history.index, history.torrent, *archives])


assert COMMUNITY == COMMUNITY_ID
