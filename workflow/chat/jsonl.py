"""Chats as text, one JSON object a line: simple to write for a program, and to read for a person.

A line is either a channel, and should stand before its messages,

    {"channel": {"id": ..., "name": ..., "category": ..., "categoryId": ..., "topic": ...,
                 "kind": ..., "guild": ..., "guildName": ...}}

or a message of the channel whose id it names:

    {"id": "1", "channel": "7", "time": "2020-09-13T12:26:40.123+00:00", "text": "hello",
     "author": {"id": ..., "name": ..., "nickname": ..., "discriminator": ..., "avatarUrl": ...},
     "kind": "Default", "edited": ..., "reply_to": {"message": ..., "channel": ..., "guild": ...},
     "attachments": [{"id": ..., "name": ..., "size": ..., "contentType": ..., "url": ...,
                      "payload": (base64)}],
     "raw": (base64)}

Of a message only ``id``, ``channel`` and ``time`` must be there. Times are RFC 3339 or whole
milliseconds since 1970; ``author`` may be a mere name, and ``reply_to`` a mere id. ``raw`` is the
encoded message of an archive: with it nothing is lost between export and import, not even what
cannot be read, for which a line may hold ``raw`` alone. The payloads of attachments are in it, and
so not told twice.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from workflow.archive.codec import MAX_CHUNK_LENGTH
from workflow.archive.message import ArchivedMessage
from workflow.archive.wire import WireError, fields
from workflow.chat.media import content_type_of
from workflow.chat.plain import escaped
from workflow.chat.post import (
    DEFAULT,
    MAX_ID_LENGTH,
    MAX_TIME_MS,
    Attachment,
    Author,
    Channel,
    Post,
    Problem,
    Reference,
    clean,
    time_ms_of,
    time_text,
)
from workflow.errors import ArchiveInvalidError

MAX_LINE_LENGTH: Final = 2 * MAX_CHUNK_LENGTH
"""Bytes of a line, at most: any message that an archive can hold, in base64 and with room."""

MAX_LINE_MARKS: Final = 200_000
"""Brackets, braces and commas of a line at most: it limits what memory the line takes."""

_BUFFER = 1024 * 1024
_MAX_SIZE = (1 << 63) - 1
_BEFORE_A_LINE = b" \t\r\n\xef\xbb\xbf"  # space, and the mark with which some begin UTF-8
_MAX_FIELDS = 16  # of an encoded message of an archive


@dataclass(frozen=True, slots=True)
class Line:
    """What one line said: a post, the message of an archive, or both."""

    post: Post | None
    message: ArchivedMessage | None = None


def write_channel(stream: BinaryIO, channel: Channel) -> None:
    """Write the line of a channel."""
    described = {
        "id": channel.id,
        "name": channel.name,
        "category": channel.category,
        "categoryId": channel.category_id,
        "topic": channel.topic,
        "kind": channel.kind,
        "guild": channel.guild,
        "guildName": channel.guild_name,
    }
    _write(stream, {"channel": described})


def write_line(stream: BinaryIO, line: Line) -> None:
    """Write a post, the message it came in, or both in one line."""
    written = {} if line.post is None else _written(line.post, with_payloads=line.message is None)
    if line.message is not None:
        written["raw"] = b64encode(line.message.encode()).decode()
    _write(stream, written)


def read_lines(stream: BinaryIO, name: str) -> Iterator[Channel | Line | Problem]:
    """The channels and messages of a stream of lines, and a problem for each line that is none.

    ``name`` is what problems call the stream; their position is the number of the line. One line
    is in memory at a time. Empty lines count and say nothing.
    """
    number = 0
    while text := stream.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(text) > MAX_LINE_LENGTH:
            while text and not text.endswith(b"\n"):
                text = stream.readline(_BUFFER)
            yield Problem(name, number, f"the line is longer than {MAX_LINE_LENGTH} bytes")
        elif text.strip():
            try:
                yield _read(text)
            except (ValueError, TypeError, RecursionError, ArchiveInvalidError) as error:
                yield Problem(name, number, f"the line cannot be read: {_said(error)}")


def _write(stream: BinaryIO, value: dict[str, Any]) -> None:
    text = escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    stream.write(text.encode(errors="replace") + b"\n")


def _written(post: Post, *, with_payloads: bool) -> dict[str, Any]:
    author, about = post.author, post.reference
    written: dict[str, Any] = {
        "id": post.id,
        "channel": post.channel,
        "time": time_text(post.time_ms),
        "author": {
            "id": author.id,
            "name": author.name,
            "nickname": author.nickname,
            "discriminator": author.discriminator,
            "avatarUrl": author.avatar_url,
        },
        "text": post.text,
        "kind": post.kind,
    }
    if about is not None:
        written["reply_to"] = {
            "message": about.message,
            "channel": about.channel,
            "guild": about.guild,
        }
    if post.edited_ms is not None:
        written["edited"] = time_text(post.edited_ms)
    if post.attachments:
        written["attachments"] = [_attached(each, with_payloads) for each in post.attachments]
    return written


def _attached(attachment: Attachment, with_payload: bool) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": attachment.id,
        "name": attachment.name,
        "size": attachment.size,
        "contentType": attachment.content_type,
        "url": attachment.url,
    }
    if with_payload and attachment.payload:
        written["payload"] = b64encode(attachment.payload).decode()
    return written


def _read(text: bytes) -> Channel | Line:
    if not text.lstrip(_BEFORE_A_LINE).startswith(b"{"):  # As there may be a million of these.
        raise ValueError("the line is no object")
    marks = sum(text.count(mark) for mark in (b"[", b"{", b","))
    if marks > MAX_LINE_MARKS:
        raise ValueError(f"it has more than {MAX_LINE_MARKS} parts")
    value = _object(json.loads(text.decode("utf-8-sig")), "line")
    if "messages" in value:
        raise ValueError("it is a whole export, no message: 'import discord' reads it")
    if isinstance(value.get("channel"), dict):
        return _channel(value["channel"])
    raw = value.get("raw")
    message = None if raw is None else _message(_bytes(value, "raw"))
    is_raw = message is not None and value.keys() == {"raw"}
    return Line(None if is_raw else _post(value), message)


def _message(encoded: bytes) -> ArchivedMessage:
    try:
        for _ in fields(encoded, at_most=_MAX_FIELDS):
            pass
    except WireError as error:
        raise ValueError(f"its 'raw' is no message: {error}") from error
    return ArchivedMessage.decode(encoded)


def _channel(value: dict[str, Any]) -> Channel:
    return Channel(
        _id(value, "id"),
        _text(value, "name"),
        _text(value, "category"),
        _text(value, "categoryId"),
        _text(value, "topic"),
        _text(value, "kind"),
        _text(value, "guild"),
        _text(value, "guildName"),
    )


def _post(value: dict[str, Any]) -> Post:
    edited = value.get("edited")
    attachments = value.get("attachments", [])
    if not isinstance(attachments, list):
        raise TypeError("its 'attachments' is no list")
    return Post(
        _id(value, "id"),
        _id(value, "channel"),
        _author(value.get("author")),
        _time(value.get("time")),
        _text(value, "text"),
        _text(value, "kind") or DEFAULT,
        _reference(value.get("reply_to")),
        None if edited is None else _time(edited),
        tuple(_attachment(_object(each, "attachment")) for each in attachments),
    )


def _author(value: Any) -> Author:
    if value is None or isinstance(value, str):
        return Author("", clean(value or ""))
    author = _object(value, "author")
    return Author(
        _text(author, "id"),
        _text(author, "name"),
        _text(author, "nickname"),
        _text(author, "discriminator"),
        _text(author, "avatarUrl"),
    )


def _reference(value: Any) -> Reference | None:
    if value is None or isinstance(value, str):
        return None if value is None else Reference(clean(value))
    about = _object(value, "reply_to")
    return Reference(_text(about, "message"), _text(about, "channel"), _text(about, "guild"))


def _attachment(value: dict[str, Any]) -> Attachment:
    name, size = _text(value, "name"), value.get("size", 0)
    if not (isinstance(size, int) and 0 <= size <= _MAX_SIZE) or isinstance(size, bool):
        raise ValueError("an attachment's 'size' is no number of bytes")
    return Attachment(
        _text(value, "id"),
        name,
        size,
        _text(value, "contentType") if "contentType" in value else content_type_of(name),
        _text(value, "url"),
        None if value.get("payload") is None else _bytes(value, "payload") or None,
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"the {name} is no object")
    return value


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise TypeError(f"its {name!r} is no text")
    return clean(text)


def _id(value: dict[str, Any], name: str) -> str:
    id = _text(value, name)
    if not 0 < len(id) <= MAX_ID_LENGTH:
        raise ValueError(f"its {name!r} is missing or too long")
    return id


def _time(value: Any) -> int:
    if isinstance(value, str):
        return time_ms_of(value)
    if not (isinstance(value, int) and 0 <= value <= MAX_TIME_MS) or isinstance(value, bool):
        raise ValueError("a time is neither RFC 3339 nor whole milliseconds since 1970")
    return value


def _bytes(value: dict[str, Any], name: str) -> bytes:
    try:
        return b64decode(_text(value, name), validate=True)
    except binascii.Error as error:
        raise ValueError(f"its {name!r} is no base64") from error


def _said(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
