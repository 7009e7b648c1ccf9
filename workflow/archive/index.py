"""The index: what ``data`` holds, where, and under which id.

An archive's **id** is the Keccak-256 of its own entry. It covers time, topics and place, but not
the content: that is for the torrent's piece hashes. The reference lets an index be a map in any
order; ours is sorted by id, so that equal content has equal bytes and peers share one swarm.

An index comes from whoever holds the community's key, and through anyone. Everything in it that
later becomes a file offset, a row or a download is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

from workflow.archive.hashing import keccak256
from workflow.archive.pieces import MAX_RAW_SIZE, PIECE_LENGTH, padding_after
from workflow.archive.windows import Window
from workflow.archive.wire import WireError, field, fields
from workflow.errors import IndexInvalidError

if TYPE_CHECKING:
    from workflow.archive.pb.waku_message_archive_pb2 import (
        WakuMessageArchiveIndexMetadata,
        WakuMessageArchiveMetadata,
    )

MAX_INDEX_SIZE: Final = 8 * 1024 * 1024
"""The longest index, in bytes, that is read."""

MAX_ENTRIES: Final = 20_000
"""The most archives that an index may name: 380 years of weeks."""

MAX_ENTRY_SIZE: Final = 64 * 1024
"""The longest entry, in bytes: ten thousand topics. Shorter ones cost many times their memory."""

TOPIC_LENGTH: Final = 4
"""Bytes in a content topic."""

_LIMIT_OF_NUMBERS: Final = 1 << 63  # what a database and a file offset can hold
_KEY, _VALUE, _ARCHIVES = 1, 2, 1


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One archive: the seconds ``start`` to ``end`` (excluded) of ``topics`` (4 bytes each).

    It lies in ``data`` from byte ``offset`` on and takes ``size`` bytes, of which the last
    ``padding`` are zeros.
    """

    start: int
    end: int
    topics: tuple[bytes, ...]
    offset: int
    size: int
    padding: int

    @classmethod
    def at(cls, offset: int, *, window: Window, topics: Iterable[bytes], raw_size: int) -> Self:
        """The entry for an archive of ``raw_size`` bytes that is written at ``offset``."""
        padding = padding_after(raw_size)
        return cls(window.start, window.end, tuple(topics), offset, raw_size + padding, padding)

    @property
    def window(self) -> Window:
        """The time that the archive covers."""
        return Window(self.start, self.end)

    @property
    def raw_size(self) -> int:
        """Bytes of the archive itself, without padding."""
        return self.size - self.padding

    @property
    def id(self) -> str:
        """``0x`` and the Keccak-256 of the encoded entry: 66 characters."""
        return "0x" + keccak256(self.encode()).hex()

    def encode(self) -> bytes:
        """The entry in protobuf (WakuMessageArchiveIndexMetadata)."""
        from workflow.archive.pb.waku_message_archive_pb2 import (  # noqa: PLC0415 - slow to load.
            WakuMessageArchiveIndexMetadata,
        )

        return WakuMessageArchiveIndexMetadata(
            metadata=_metadata(self.window, self.topics),
            offset=self.offset,
            size=self.size,
            padding=self.padding,
        ).SerializeToString()

    @classmethod
    def decode(cls, encoded: bytes) -> IndexEntry:
        """The entry that ``encode`` gave: for bytes of our own, whose numbers were checked before.

        Raises ``IndexInvalidError`` when they are not protobuf.
        """
        from google.protobuf.message import DecodeError  # noqa: PLC0415

        from workflow.archive.pb.waku_message_archive_pb2 import (  # noqa: PLC0415
            WakuMessageArchiveIndexMetadata,
        )

        try:
            return cls.of(WakuMessageArchiveIndexMetadata.FromString(encoded))
        except DecodeError as error:
            raise IndexInvalidError(f"not an index entry: {error}") from error

    @classmethod
    def of(cls, parsed: WakuMessageArchiveIndexMetadata) -> Self:
        """The entry in a parsed WakuMessageArchiveIndexMetadata, unchecked."""
        return cls(
            parsed.metadata.start,
            parsed.metadata.end,
            tuple(parsed.metadata.content_topic),
            parsed.offset,
            parsed.size,
            parsed.padding,
        )


def encode_metadata(window: Window, topics: Iterable[bytes]) -> bytes:
    """Time and topics in protobuf, as an archive and its entry both state them."""
    return _metadata(window, topics).SerializeToString()


def encode_index(entries: Iterable[IndexEntry]) -> bytes:
    """The index of ``entries``, in whatever order they come: sorted by id.

    Raises ``IndexInvalidError`` for entries that ``decode_index`` would refuse.
    """
    by_offset = sorted(entries, key=_offset)
    for entry in by_offset:
        _check_entry(entry)
    _check_overlap(by_offset)
    described = [
        field(_KEY, key.encode()) + field(_VALUE, value)
        for key, value in sorted((entry.id, entry.encode()) for entry in by_offset)
    ]
    _check_sizes(map(len, described))
    encoded = b"".join(field(_ARCHIVES, one) for one in described)
    if len(encoded) > MAX_INDEX_SIZE or len(by_offset) > MAX_ENTRIES:
        raise IndexInvalidError(
            f"an index of {len(by_offset)} archives and {len(encoded)} bytes is too long to be read"
        )
    return encoded


def decode_index(encoded: bytes) -> tuple[IndexEntry, ...]:
    """The entries of an index (decrypted, if it was encrypted), sorted by offset.

    Raises ``IndexInvalidError``, with the archive's id as its place: for more bytes or entries
    than an index may have, a missing description, an id that is not that of its entry, a window or
    topic without form, an offset or size off the pieces, more padding than the rule can give, and
    archives that share bytes.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchiveIndex  # noqa: PLC0415

    if len(encoded) > MAX_INDEX_SIZE:
        raise IndexInvalidError(f"an index of {len(encoded)} bytes is longer than {MAX_INDEX_SIZE}")
    try:
        sizes = [end - start for _, start, end in fields(encoded, at_most=MAX_ENTRIES)]
        _check_sizes(sizes)
        archives = WakuMessageArchiveIndex.FromString(encoded).archives
    except (WireError, DecodeError) as error:
        raise IndexInvalidError(f"not an index: {error}") from error
    if len(sizes) != len(archives):
        raise IndexInvalidError(
            "an archive stands twice in the index, or something else stands in it"
        )
    entries = sorted((_read_entry(*archive) for archive in archives.items()), key=_offset)
    _check_overlap(entries)
    return tuple(entries)


def _read_entry(key: str, parsed: WakuMessageArchiveIndexMetadata) -> IndexEntry:
    if not parsed.HasField("metadata"):
        raise IndexInvalidError("an entry does not describe its archive")
    entry = IndexEntry.of(parsed)
    if entry.id != key:  # which is not shown: it may be anything
        raise IndexInvalidError("the id is not that of its entry", place=entry.id)
    _check_entry(entry)
    return entry


def _check_entry(entry: IndexEntry) -> None:
    for complaint, applies in (
        ("the window is empty", entry.start >= entry.end),
        ("a topic has not 4 bytes", any(len(topic) != TOPIC_LENGTH for topic in entry.topics)),
        ("the offset is not on a piece", entry.offset % PIECE_LENGTH != 0),
        ("the size is not in whole pieces", entry.size % PIECE_LENGTH != 0),
        ("the padding is longer than a piece", entry.padding > PIECE_LENGTH),
        ("there is nothing but padding", entry.padding >= entry.size),
        ("the archive is too long to be read", entry.raw_size > MAX_RAW_SIZE),
        ("a number is too large", max(entry.end, entry.offset + entry.size) >= _LIMIT_OF_NUMBERS),
    ):
        if applies:
            raise IndexInvalidError(complaint, place=entry.id)


def _check_sizes(sizes: Iterable[int]) -> None:
    longest = max(sizes, default=0)
    if longest > MAX_ENTRY_SIZE:
        raise IndexInvalidError(f"an entry of {longest} bytes is longer than {MAX_ENTRY_SIZE}")


def _check_overlap(by_offset: Iterable[IndexEntry]) -> None:
    for before, after in pairwise(by_offset):
        if before.offset + before.size > after.offset:
            raise IndexInvalidError(f"the archive begins inside {before.id}", place=after.id)


def _metadata(window: Window, topics: Iterable[bytes]) -> WakuMessageArchiveMetadata:
    from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchiveMetadata  # noqa: PLC0415

    return WakuMessageArchiveMetadata(start=window.start, end=window.end, content_topic=topics)


def _offset(entry: IndexEntry) -> int:
    return entry.offset
