"""Chat exports as DiscordChatExporter writes them in JSON, read as streams.

A file holds one channel, or one part of it, and may be of any size: one message is in memory at a
time. What comes from strangers' disks is dirtier than its schema. Exports are cut off in the
middle, counted wrongly, doubled and not sorted; fields are missing or of another type. All that is
readable is read, and the rest is named. Nothing is sorted and doubles are not removed, as that
would need memory for the whole file: whoever keeps the posts knows their ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Final

import ijson

from workflow.chat.media import MAX_MEDIA_LENGTH, content_type_of, is_local, read_local
from workflow.chat.post import (
    DEFAULT,
    MAX_ID_LENGTH,
    Attachment,
    Author,
    Channel,
    Post,
    Problem,
    Reference,
    clean,
    time_ms_of,
)
from workflow.errors import ExportInvalidError

MAX_ELEMENT_LENGTH: Final = 32 * 1024 * 1024
"""Bytes of one message, or of all that stands before the first, at most."""

MAX_ELEMENT_MARKS: Final = 500_000
"""Brackets, braces and commas of one message, at most: they limit what memory it takes."""

MAX_DEPTH: Final = 32
"""Levels of nesting, at most; an export has about ten."""

MAX_NAME_LENGTH: Final = 256
"""Bytes in the name of a field, at most; with the depth it limits what the parser's paths take."""

_BUFFER = 256 * 1024
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1, ord(","): 0}
_WORDS = bytes(byte for byte in range(256) if byte not in _STEPS and byte != ord('"'))
_LAST = 4  # parts between quotation marks: at least one string among them is whole
_TAIL = 1024
_MAX_SIZE = (1 << 63) - 1
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COUNT = re.compile(rb'"messageCount"\s*:\s*(\d{1,18})\s*\}\s*\Z')
_PART = re.compile(r" \[part (\d{1,9})\]$")


def export_files(paths: Iterable[Path]) -> list[Path]:
    """The export files that ``paths`` name; in a folder, all ``*.json`` at any depth.

    The parts of one channel follow each other in their order. Folders of attachments
    (``*_Files``) and links are not entered. Raises ``ExportInvalidError`` for a path that is not
    there, and for a folder that holds none.
    """
    found: list[Path] = []
    for path in paths:
        inside = [path] if path.is_file() else sorted(_inside(path), key=_order)
        if not inside:
            raise ExportInvalidError(
                "no export is there", place=str(path), remedy="Name a .json file, or its folder."
            )
        found += inside
    return list(dict.fromkeys(found))


def read_export(file: Path) -> Iterator[Channel | Post | Problem]:
    """What an export says: its channel, then its posts in their order, problems in between.

    A problem at a message means that this message, or an attachment's content, is missing and
    the rest is there. An export that is cut off gives all its whole messages, and then a problem
    at the number of the message that is not whole. A caller that wants all or nothing keeps the
    posts only when no problem came.

    The bytes of attachments are in the posts when their files lie in a folder beside the export.
    """
    channel: Channel | None = None
    number = 0
    try:
        with file.open("rb") as stream:
            channel = _channel(_head(stream))
            yield channel
            _rewind(stream)
            guarded = _Guarded(stream)
            elements = ijson.items(guarded, "messages.item", use_float=True, buf_size=_BUFFER)
            for number, element in enumerate(elements, 1):
                guarded.begin_element()
                yield from _read(element, channel.id, file, number)
            yield from _miscounted(stream, number, file)
    except (ijson.JSONError, ValueError, TypeError, OverflowError) as error:
        if channel is None:
            yield Problem(str(file), 0, f"not a chat export: {_said(error)}")
        else:
            yield Problem(
                str(file), number + 1, f"the export is cut off or damaged here: {_said(error)}"
            )
    except OSError as error:
        yield Problem(str(file), 0, f"the file cannot be read: {error.strerror}")


class _Guarded:
    """A stream that ends its parser before one element costs too much memory.

    The parser writes the path of names out for every part, so what is deep, or has long names,
    costs the square of its length: brackets and names must be looked at before the parser sees
    them. It also begins a string or number again with each chunk; so while one element lasts, each
    chunk is as long as all before it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._depth = 0
        self._escape = b""
        self._in_string = False
        self._string_length = 0  # of the string that is open, or was the last
        self.begin_element()

    def begin_element(self) -> None:
        self._length = self._marks = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(max(size, self._length))
        marks = self._marks_of(chunk)
        self._length += len(chunk)
        self._marks += len(marks)
        if self._length > MAX_ELEMENT_LENGTH:
            raise ValueError(f"what follows is longer than {MAX_ELEMENT_LENGTH} bytes")
        if self._marks > MAX_ELEMENT_MARKS:
            raise ValueError(f"what follows has more than {MAX_ELEMENT_MARKS} parts")
        depths = [*accumulate(map(_STEPS.__getitem__, marks), initial=self._depth)]
        self._depth = depths[-1]
        if max(depths) > MAX_DEPTH:
            raise ValueError(f"what follows is nested more than {MAX_DEPTH} levels deep")
        return chunk

    def _marks_of(self, chunk: bytes) -> bytes:
        """The brackets, braces and commas of ``chunk`` that stand outside of strings."""
        unescaped = (self._escape + chunk).replace(rb"\\", b"__")
        self._escape = unescaped[-1:] if unescaped.endswith(b"\\") else b""
        parts = unescaped.replace(rb"\"", b"__").split(b'"')
        outside = parts[1::2] if self._in_string else parts[::2]
        self._check_names(parts)
        self._in_string ^= len(parts) % 2 == 0
        return b"".join(outside).translate(None, _WORDS)

    def _check_names(self, parts: list[bytes]) -> None:
        """Raises ``ValueError`` for a long string with a colon behind it."""
        if self._string_length + max(map(len, parts)) <= MAX_NAME_LENGTH and len(parts) > _LAST:
            parts = parts[(len(parts) - _LAST) // 2 * 2 :]  # what follows asks for the last string
            self._string_length = 0
        is_string = self._in_string
        for part in parts:
            if is_string:
                self._string_length += len(part)
            elif after := part.lstrip():
                if after.startswith(b":") and self._string_length > MAX_NAME_LENGTH:
                    raise ValueError(f"a name is longer than {MAX_NAME_LENGTH} bytes")
                self._string_length = 0
            is_string = not is_string


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir() and not folder.name.endswith("_Files"):
        for path in folder.iterdir():
            if path.is_symlink():
                continue
            if path.is_dir():
                yield from _inside(path)
            elif path.suffix.lower() == ".json" and path.is_file():
                yield path


def _order(path: Path) -> tuple[Path, str, int]:
    part = _PART.search(path.stem)
    return (path.parent, _PART.sub("", path.stem), int(part[1]) if part else 1)


def _rewind(stream: BinaryIO) -> None:
    stream.seek(0)
    if stream.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        stream.seek(0)


def _head(stream: BinaryIO) -> dict[str, Any]:
    """What stands before the messages."""
    _rewind(stream)
    builder = ijson.ObjectBuilder()
    for prefix, event, value in ijson.parse(_Guarded(stream), use_float=True):
        if prefix == "messages" and event == "start_array":
            return dict(builder.value)
        builder.event(event, value)
    raise ValueError("it has no list of messages")


def _channel(head: dict[str, Any]) -> Channel:
    described = _object(head.get("channel"), "channel")
    guild = _object(head.get("guild"), "guild")
    return Channel(
        _id(described, "channel"),
        _text(described, "name"),
        _text(described, "category"),
        _text(described, "categoryId"),
        _text(described, "topic"),
        _text(described, "type"),
        _text(guild, "id"),
        _text(guild, "name"),
    )


def _read(element: Any, channel: str, file: Path, number: int) -> Iterator[Post | Problem]:
    try:
        message = _object(element, "message")
        attachments: list[Attachment] = []
        room = MAX_MEDIA_LENGTH
        for each in _list(message, "attachments"):
            described = _object(each, "attachment")
            attachment = _attachment(described)
            url = described.get("url")
            if isinstance(url, str) and is_local(url):
                try:
                    payload = read_local(file.parent, url, at_most=room)
                except ValueError as error:
                    yield Problem(str(file), number, f"the attachment {url[:100]!r}: {error}")
                else:
                    room -= len(payload)
                    attachment = replace(attachment, payload=payload or None)
            attachments.append(attachment)
        yield _post(message, channel, tuple(attachments))
    except (ValueError, TypeError) as error:
        yield Problem(str(file), number, f"the message cannot be read: {_said(error)}")


def _post(element: dict[str, Any], channel: str, attachments: tuple[Attachment, ...]) -> Post:
    author = _object(element.get("author"), "author")
    about = element.get("reference")
    edited = element.get("timestampEdited")
    return Post(
        _id(element, "message"),
        channel,
        Author(
            _text(author, "id"),
            _text(author, "name"),
            _text(author, "nickname"),
            _text(author, "discriminator"),
            _text(author, "avatarUrl"),
        ),
        time_ms_of(_text(element, "timestamp")),
        _text(element, "content"),
        _text(element, "type") or DEFAULT,
        None if about is None else _reference(_object(about, "reference")),
        None if edited is None else time_ms_of(_text(element, "timestampEdited")),
        attachments,
    )


def _reference(about: dict[str, Any]) -> Reference:
    return Reference(_text(about, "messageId"), _text(about, "channelId"), _text(about, "guildId"))


def _attachment(described: dict[str, Any]) -> Attachment:
    name, size = _text(described, "fileName"), described.get("fileSizeBytes")
    return Attachment(
        _text(described, "id"),
        name,
        min(max(int(size), 0), _MAX_SIZE) if isinstance(size, int) else 0,
        _text(described, "contentType") if "contentType" in described else content_type_of(name),
        # Where media were saved, "url" is the path; our own exports keep the address besides.
        _text(described, "canonicalUrl" if "canonicalUrl" in described else "url"),
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    """``value``, which may be missing: then an object without fields."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"the {name} is no object")
    return value


def _list(described: dict[str, Any], name: str) -> list[Any]:
    value = described.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"its {name!r} is no list")
    return value


def _text(described: dict[str, Any], name: str) -> str:
    """The text of a field, empty when it is missing. Some tools write ids as numbers."""
    value = described.get(name)
    if isinstance(value, str):
        return clean(value)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"its {name!r} is no text")


def _id(described: dict[str, Any], what: str) -> str:
    id = _text(described, "id")
    if not 0 < len(id) <= MAX_ID_LENGTH:
        raise ValueError(f"the {what} has no id" if not id else f"the {what}'s id is too long")
    return id


def _miscounted(stream: BinaryIO, seen: int, file: Path) -> Iterator[Problem]:
    stream.seek(max(0, stream.seek(0, 2) - _TAIL))
    stated = _COUNT.search(stream.read())
    if stated and int(stated[1]) != seen:
        yield Problem(str(file), 0, f"it counts {int(stated[1])} messages, but holds {seen}")


def _said(error: Exception) -> str:
    """The parser's words on one line, without the bytes that it quotes."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:200]
