"""Many messages, one archive.

**Writing** never parses. Messages are stored already encoded, and an archive is its metadata
followed by those bytes, each with a tag and a length in front: exactly what protobuf would make of
them, as a stream that fits in a small buffer.

**Reading** believes nothing. An archive must say of itself what its index entry said of it, and
every message in it must lie in its window and on its topics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from workflow.archive.index import IndexEntry, encode_metadata
from workflow.archive.message import ArchivedMessage, EncodedMessage
from workflow.archive.pieces import MAX_RAW_SIZE
from workflow.archive.windows import Window
from workflow.archive.wire import LENGTH_DELIMITED, WireError, field, fields, varint
from workflow.errors import ArchiveInvalidError

if TYPE_CHECKING:
    from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchive

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


def fits_nowhere(measure: Measure, max_weight: int = MAX_CHUNK_WEIGHT) -> bool:
    """Whether a message is too large for any archive."""
    return measure.weight > max_weight or measure.length > MAX_CHUNK_LENGTH


@dataclass(slots=True)
class Filling:
    """How full an archive is, while its messages come one after another."""

    weight: int = 0
    length: int = 0
    count: int = 0

    def takes(self, measure: Measure, count: int = 1, max_weight: int = MAX_CHUNK_WEIGHT) -> bool:
        """Whether the archive has room for one more message, or so many that measure this together.

        The specification closes an archive before the message that would make it heavier than
        ``max_weight`` (bytes of payload and sig).
        """
        return (
            self.weight + measure.weight <= max_weight
            and self.length + measure.length <= MAX_CHUNK_LENGTH
            and self.count + count <= MAX_MESSAGES
        )

    def add(self, measure: Measure, count: int = 1) -> None:
        """One message more, or so many that weigh and measure this together."""
        self.weight += measure.weight
        self.length += measure.length
        self.count += count

    def fill(self, measures: Iterable[Measure]) -> None:
        """Messages one after another, until there is no room for the next."""
        for measure in measures:
            if not self.takes(measure):
                return
            self.add(measure)


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
    filling = Filling()
    for message in messages:
        more = measure(message)
        if fits_nowhere(more, max_weight):
            dropped.append(message)
            continue
        if not filling.takes(more, max_weight=max_weight):
            kept.append(tuple(chunk))
            chunk, filling = [], Filling()
        filling.add(more)
        chunk.append(message)
    if chunk:
        kept.append(tuple(chunk))
    return Chunks(tuple(kept), tuple(dropped))


def archive_head(window: Window, topics: Iterable[bytes]) -> bytes:
    """The bytes with which an archive begins: its metadata. Its messages follow, framed."""
    return field(_METADATA, encode_metadata(window, topics))


@lru_cache(maxsize=4096)
def frame(length: int) -> bytes:
    """Tag and length before a message of so many bytes."""
    return varint(_MESSAGES << 3 | LENGTH_DELIMITED) + varint(length)


def framed(encoded_messages: Iterable[bytes]) -> bytes:
    """Encoded messages as an archive holds them, each with tag and length before it."""
    messages = list(encoded_messages)
    frames = map(frame, map(len, messages))
    return b"".join(chain.from_iterable(zip(frames, messages, strict=True)))


def encode_archive(
    window: Window, topics: Iterable[bytes], encoded_messages: Iterable[bytes]
) -> bytes:
    """The archive of one chunk, without padding.

    Raises ``ArchiveInvalidError`` when there is no message: an empty archive is never made.
    """
    messages = framed(encoded_messages)
    if not messages:
        raise ArchiveInvalidError("an archive without messages is not made")
    return archive_head(window, topics) + messages


def decode_archive(raw: bytes, entry: IndexEntry) -> tuple[ArchivedMessage, ...]:
    """The messages of an archive: ``raw`` is without padding, and decrypted.

    Raises ``ArchiveInvalidError``, with the archive's id as its place: for more bytes or messages
    than an archive may have, metadata or a version that its ``entry`` does not have, and a
    message outside the window or the topics.
    """
    archive, _ = _checked(raw, entry)
    messages = tuple(map(ArchivedMessage.of, archive.messages))
    _check_messages(((one.timestamp, one.topic) for one in messages), entry)
    return messages


def unpack_archive(raw: bytes, entry: IndexEntry) -> list[EncodedMessage]:
    """The same messages, each encoded as we would, ready to be stored.

    Whatever else the bytes of a message held is gone. Raises what ``decode_archive`` raises.
    """
    archive, encoded = _checked(raw, entry)
    archive.DiscardUnknownFields()
    again = archive.SerializeToString()  # In it, each message lies as it would be encoded alone.
    if again != raw:
        _, encoded = _split(again)
    messages = EncodedMessage.of(archive.messages, encoded)
    _check_messages(((one.time, one.topic) for one in messages), entry)
    return messages


def _checked(raw: bytes, entry: IndexEntry) -> tuple[WakuMessageArchive, list[bytes]]:
    """The archive, whose messages are yet to be checked, and these as they lie in it."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - as the next: slow to load.

    from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchive  # noqa: PLC0415

    if len(raw) > MAX_RAW_SIZE:
        raise ArchiveInvalidError(
            f"an archive of {len(raw)} bytes is longer than {MAX_RAW_SIZE}", place=entry.id
        )
    try:
        stated, messages = _split(raw)
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
    return archive, messages


def _split(archive: bytes) -> tuple[list[bytes], list[bytes]]:
    """What an archive says of itself, and its messages, uninterpreted. Raises ``WireError``."""
    stated: list[bytes] = []
    messages: list[bytes] = []
    for number, start, end in fields(archive, at_most=1 + MAX_MESSAGES):
        if number == _MESSAGES:
            messages.append(archive[start:end])
        elif number == _METADATA:
            stated.append(archive[start:end])
    return stated, messages


def _check_messages(places: Iterable[tuple[int, bytes]], entry: IndexEntry) -> None:
    start, end, topics = entry.start, entry.end, frozenset(entry.topics)
    for number, (time, topic) in enumerate(places):
        if not start <= time < end:
            raise ArchiveInvalidError(
                f"message {number} is of {time}, outside the archive's window", place=entry.id
            )
        if topic not in topics:
            raise ArchiveInvalidError(
                f"message {number} is on none of the archive's topics", place=entry.id
            )
