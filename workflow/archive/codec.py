"""Many messages, one archive.

**Writing** never parses. Messages are stored already encoded, and an archive is its metadata
followed by those bytes, each with a tag and a length in front: exactly what protobuf would make of
them, as a stream that fits in a small buffer.

**Reading** believes nothing. An archive must say of itself what its index entry said of it, and
every message in it must lie in its window and on its topics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from workflow.archive.index import IndexEntry, encode_metadata
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchive
from workflow.archive.pieces import MAX_RAW_SIZE
from workflow.archive.windows import Window
from workflow.archive.wire import WireError, field, fields
from workflow.errors import ArchiveInvalidError

T = TypeVar("T")

MAX_CHUNK_WEIGHT: Final = 30_000_000
"""The specification's limit for one archive: bytes of payload and sig, nothing else counted."""

MAX_CHUNK_LENGTH: Final = 2 * MAX_CHUNK_WEIGHT
"""Our own limit: bytes of encoded messages in one archive.

Honest messages meet the other limit first. This one keeps a sender of endless padding, which has
no weight, from making an archive that nobody can read.
"""

MAX_MESSAGES: Final = 200_000
"""The most messages in an archive that is read or written."""

_METADATA, _MESSAGES = 2, 3


class Measure(NamedTuple):
    """What a message counts: ``weight`` is payload + sig, ``length`` the encoded message."""

    weight: int
    length: int


class Chunks(NamedTuple, Generic[T]):
    """Messages, divided: ``kept`` are the chunks, ``dropped`` fits into no archive at all."""

    kept: tuple[tuple[T, ...], ...]
    dropped: tuple[T, ...]


def chunked(
    messages: Iterable[T],
    measure: Callable[[T], Measure],
    max_weight: int = MAX_CHUNK_WEIGHT,
) -> Chunks[T]:
    """Divide a window's messages, in their order, into the chunks that become one archive each.

    The specification's rule: a message heavier than ``max_weight`` (bytes) is dropped, and a chunk
    is closed before the message that would make it heavier. No chunk is ever empty, also not where
    status-go makes an empty archive. ``messages`` may be mere row numbers: ``measure`` says all
    that is looked at.
    """
    kept: list[tuple[T, ...]] = []
    dropped: list[T] = []
    chunk: list[T] = []
    weight = length = 0
    for message in messages:
        more = measure(message)
        if more.weight > max_weight or more.length > MAX_CHUNK_LENGTH:
            dropped.append(message)
            continue
        weight, length = weight + more.weight, length + more.length
        if weight > max_weight or length > MAX_CHUNK_LENGTH or len(chunk) == MAX_MESSAGES:
            kept.append(tuple(chunk))
            chunk, weight, length = [], *more
        chunk.append(message)
    if chunk:
        kept.append(tuple(chunk))
    return Chunks(tuple(kept), tuple(dropped))


def encode_archive(
    window: Window, topics: Iterable[bytes], encoded_messages: Iterable[bytes]
) -> bytes:
    """The archive of one chunk, without padding.

    Raises ``ArchiveInvalidError`` when there is no message: an empty archive is never made.
    """
    return b"".join(archive_parts(window, topics, encoded_messages))


def archive_parts(
    window: Window, topics: Iterable[bytes], encoded_messages: Iterable[bytes]
) -> Iterator[bytes]:
    """The same bytes as ``encode_archive``, one message at a time."""
    yield field(_METADATA, encode_metadata(window, topics))
    message = None
    for message in encoded_messages:
        yield field(_MESSAGES, message)
    if message is None:
        raise ArchiveInvalidError("an archive without messages is not made")


def decode_archive(raw: bytes, entry: IndexEntry) -> tuple[ArchivedMessage, ...]:
    """The messages of an archive: ``raw`` is without padding, and decrypted.

    Raises ``ArchiveInvalidError``, with the archive's id as its place: for more bytes or messages
    than an archive may have, metadata or a version that its ``entry`` does not have, and a
    message outside the window or the topics.
    """
    if len(raw) > MAX_RAW_SIZE:
        raise ArchiveInvalidError(
            f"an archive of {len(raw)} bytes is longer than {MAX_RAW_SIZE}", place=entry.id
        )
    try:
        found = fields(raw, at_most=1 + MAX_MESSAGES)
        stated = [raw[start:end] for number, start, end in found if number == _METADATA]
        if stated != [encode_metadata(entry.window, entry.topics)]:
            raise ArchiveInvalidError(
                "the archive's metadata is not that of its index entry", place=entry.id
            )
        archive = WakuMessageArchive.FromString(raw)
    except (WireError, DecodeError) as error:
        raise ArchiveInvalidError(f"not an archive: {error}", place=entry.id) from error
    if archive.version != 0:
        raise ArchiveInvalidError(
            f"archives of version {archive.version} are not known", place=entry.id
        )
    messages = tuple(map(ArchivedMessage.of, archive.messages))
    _check_messages(messages, entry)
    return messages


def _check_messages(messages: Iterable[ArchivedMessage], entry: IndexEntry) -> None:
    window, topics = entry.window, frozenset(entry.topics)
    for number, message in enumerate(messages):
        if message.timestamp not in window:
            raise ArchiveInvalidError(
                f"message {number} is of {message.timestamp}, outside the archive's window",
                place=entry.id,
            )
        if message.topic not in topics:
            raise ArchiveInvalidError(
                f"message {number} is on none of the archive's topics", place=entry.id
            )
