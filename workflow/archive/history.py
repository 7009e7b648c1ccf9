"""A community's history in one call: messages in; archives, index, torrent and magnet link out.

Nothing is read or written, everything is in memory. The node itself goes through the same steps
one by one, with files in between; this is for tests, tools and whoever wants to compare:

    week = archive_history(community_id, topics, messages, start, end)
    week.magnet                                              # what would be announced
    more = HistoryOptions(existing=week)
    archive_history(community_id, topics, messages, end, later, more)    # appends to it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Self

from workflow.archive.codec import (
    MAX_CHUNK_WEIGHT,
    Measure,
    archive_head,
    chunked,
    framed,
)
from workflow.archive.index import IndexEntry, decode_index, encode_index
from workflow.archive.magnet import magnet_uri
from workflow.archive.message import ArchivedMessage
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import RatchetKey, encrypt
from workflow.archive.torrent import HASH_LENGTH, Info, Torrent, piece_hashes
from workflow.archive.windows import INTERVAL, Window
from workflow.errors import ConfigurationError, IndexInvalidError

REFERENCE_TRACKERS: Final = (
    ("udp://tracker.opentrackr.org:1337/announce",),
    ("udp://tracker.openbittorrent.com:6969/announce",),
)
"""The two tiers of trackers that status-go writes."""

_LIMIT_OF_TIMES: Final = 1 << 63  # what a database can hold


@dataclass(frozen=True, slots=True)
class Encryption:
    """How archives and index are encrypted: with the hash ratchet of ``key``.

    ``first_seq_no`` (1 or more) is the sequence number of the first archive; each further archive
    has the next one, and the index, which is encrypted last, the one after the last archive. So the
    first number of the next call is this one + ``len(history.archives)`` + 1, if anything was made.
    ``installation_id`` names the device. ``nonces`` are taken in the same order, 12 bytes each;
    outside of tests they are random: ``iter(partial(os.urandom, 12), b"")`` never ends.
    """

    key: RatchetKey
    first_seq_no: int
    installation_id: str
    nonces: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Existing:
    """What was archived before: ``entries`` of the index, and the hashes of the pieces of ``data``.

    Raises ``IndexInvalidError`` unless the entries, in any order, fill these pieces without gaps:
    status-go takes the sum of their sizes for the length of ``data``.
    """

    entries: tuple[IndexEntry, ...] = ()
    data_pieces: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        end = max((entry.offset + entry.size for entry in self.entries), default=0)
        if not self.length == end == len(self.data_pieces) // HASH_LENGTH * PIECE_LENGTH:
            raise IndexInvalidError("the existing archives do not fill the existing data")

    @classmethod
    def of(cls, index: bytes, data: bytes) -> Self:
        """What the files ``index`` (decrypted, if it was encrypted) and ``data`` hold.

        Raises ``IndexInvalidError`` for an index that cannot be read or does not fit ``data``.
        """
        if len(data) % PIECE_LENGTH != 0:
            raise IndexInvalidError(f"data of {len(data)} bytes is not in whole pieces")
        return cls(decode_index(index), piece_hashes(data))

    @property
    def length(self) -> int:
        """Bytes of ``data``: where the next archive begins."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """How ``archive_history`` works. What is left out is as status-go does it by default.

    ``partition``: seconds in a window, 7 days.

    ``max_weight``: the most that the messages of one archive weigh, in bytes of payload and sig.
    A message that alone is heavier is dropped.

    ``reference``: whether a window whose messages are all dropped still gets an archive, an empty
    one. status-go makes it and we do not; nothing else differs.

    ``from_store``: how ``messages`` are taken. ``True``: as rows of the message store. Of messages
    with the same ``hash`` (not empty) the last one replaces the others; only those on ``topics``
    count; they are ordered by time, then topic, then as given. ``False``: as a list that was
    imported from elsewhere. All on any topic count, each time they stand there, in the order given.
    (Our ``decode_archive`` refuses archives with messages on other topics than they state.)

    ``existing``: what was archived before, to which this is appended: an ``Existing``, or the
    ``History`` of an earlier call.

    ``trackers``: tiers of URLs; the magnet link lists each URL once, in their order.

    ``created_by``, ``creation_date``: text and unix time (seconds) in the .torrent; ``None`` leaves
    them out. status-go writes ``0x`` and its user's uncompressed public key in hex, and now.

    ``encryption``: for communities whose archives only members can read; ``None`` for all others.
    """

    partition: int = INTERVAL
    max_weight: int = MAX_CHUNK_WEIGHT
    reference: bool = False
    from_store: bool = True
    existing: Existing | History | None = None
    trackers: tuple[tuple[str, ...], ...] = REFERENCE_TRACKERS
    created_by: str | None = None
    creation_date: int | None = None
    encryption: Encryption | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """One new archive: its entry in the index, its bytes, and the messages in it, in their order.

    ``raw`` is what lies in ``data`` at ``entry.offset``: encrypted if it is, and without the
    ``entry.padding`` zero bytes behind it.
    """

    entry: IndexEntry
    raw: bytes = field(repr=False)
    messages: tuple[ArchivedMessage, ...] = field(repr=False)

    @property
    def id(self) -> str:
        """``0x`` and 64 hex digits."""
        return self.entry.id


@dataclass(frozen=True, slots=True)
class History:
    """What ``archive_history`` made.

    ``archives``: the new archives, in the order of their offsets.

    ``data``: the new bytes only, archives with their padding. The file is what was there before,
    followed by them.

    ``entries``: old and new entries of the index, by offset. ``data_pieces``: the SHA-1 of every
    piece of the whole ``data``, 20 bytes each.

    ``dropped``: messages in the time asked for that fit into no archive, being too heavy.

    ``index``, ``info``, ``torrent``, ``magnet``: the whole file ``index`` (sorted by id; encrypted
    if archives are), the torrent's info, the .torrent file and the magnet link. All four are
    ``None`` when ``archives`` is empty: then no file is made or changed, and what existed stays.
    """

    archives: tuple[Archive, ...]
    data: bytes = field(repr=False)
    entries: tuple[IndexEntry, ...]
    data_pieces: bytes = field(repr=False)
    dropped: tuple[ArchivedMessage, ...] = field(repr=False)
    index: bytes | None = field(default=None, repr=False)
    info: Info | None = field(default=None, repr=False)
    torrent: bytes | None = field(default=None, repr=False)
    magnet: str | None = None

    @property
    def info_hash(self) -> str | None:
        """The torrent's 40 hex digits, or ``None`` when there is no torrent."""
        return None if self.info is None else self.info.info_hash


DEFAULTS: Final = HistoryOptions()
"""Nothing existing, nothing encrypted, the reference's limits and trackers."""


def archive_history(
    community_id: str,
    topics: Sequence[bytes],
    messages: Iterable[ArchivedMessage],
    start: int,
    end: int,
    options: HistoryOptions = DEFAULTS,
) -> History:
    """Archive the messages of the seconds from ``start`` up to, but without, ``end``.

    The time is cut into windows of ``options.partition`` seconds, the last one cut to ``end``. A
    window without messages gets no archive, any other one archive, or several if its messages are
    too heavy for one; each archive states its window and all ``topics`` (4 bytes each, in the order
    given). Messages of another time are left out. Nothing is archived when ``start`` is not before
    ``end``, or, taken from the store, when there are no topics.

    ``community_id`` (``0x`` and 66 hex digits) becomes the torrent's name. Equal arguments give
    equal bytes. They are status-go's, except that the index, whose order is chance there, is sorted
    by id; and where it would make an archive that cannot be read, of more than 200,000 messages or
    60,000,000 bytes of encoded messages, another archive is begun.

    Raises ``ConfigurationError`` for a partition below one second, a ``start`` below 0, an ``end``
    of 2^63 or more, and too few nonces; ``ArchiveInvalidError`` for a nonce or sequence number that
    no reader would accept; ``IndexInvalidError`` for a topic without 4 bytes or an index that is
    too long; ``TorrentInvalidError`` and ``MagnetInvalidError`` for a name, creator or trackers
    that cannot be shown or are too long. Nothing is made then.
    """
    if options.partition < 1:
        raise ConfigurationError(f"a partition of {options.partition} seconds holds nothing")
    if start < 0 or end >= _LIMIT_OF_TIMES:
        raise ConfigurationError(f"no window reaches from {start} to {end}")
    before = _existing(options.existing)
    seal = _sealing(options.encryption)
    taken = _rows(messages, topics) if options.from_store else messages
    archives: list[Archive] = []
    dropped: list[ArchivedMessage] = []
    offset = before.length
    for window, of_window in _by_window(taken, start, end, options.partition):
        chunks = chunked(of_window, _measure, options.max_weight)
        dropped += chunks.dropped
        kept = chunks.kept if chunks.kept or not options.reference else ((),)
        for chunk in kept:
            encoded = framed(message.encode() for message in chunk)
            raw = seal(archive_head(window, topics) + encoded)
            entry = IndexEntry.at(offset, window=window, topics=topics, raw_size=len(raw))
            archives.append(Archive(entry, raw, chunk))
            offset += entry.size
    if not archives:
        return History((), b"", before.entries, before.data_pieces, tuple(dropped))
    data = b"".join(archive.raw + bytes(archive.entry.padding) for archive in archives)
    entries = (*before.entries, *(archive.entry for archive in archives))
    index = seal(encode_index(entries))
    data_pieces = before.data_pieces + piece_hashes(data)
    info = Info(community_id, offset, len(index), data_pieces + piece_hashes(index))
    torrent = Torrent(info, options.trackers, options.created_by, options.creation_date)
    urls = dict.fromkeys(url for tier in options.trackers for url in tier)
    return History(
        tuple(archives),
        data,
        entries,
        data_pieces,
        tuple(dropped),
        index,
        info,
        torrent.encode(),
        magnet_uri(info.info_hash, community_id, urls),
    )


def _existing(existing: Existing | History | None) -> Existing:
    if existing is None:
        return Existing()
    by_offset = sorted(existing.entries, key=lambda entry: entry.offset)
    return Existing(tuple(by_offset), existing.data_pieces)


def _sealing(encryption: Encryption | None) -> Callable[[bytes], bytes]:
    """What is done to an archive or index before it is written: encrypt it with the next key."""
    if encryption is None:
        return bytes
    seq_nos, nonces = count(encryption.first_seq_no), iter(encryption.nonces)

    def seal(plain: bytes) -> bytes:
        nonce = next(nonces, None)
        if nonce is None:
            raise ConfigurationError("there are not enough nonces: one per archive, and one more")
        return encrypt(encryption.key, next(seq_nos), nonce, encryption.installation_id, plain)

    return seal


def _rows(messages: Iterable[ArchivedMessage], topics: Iterable[bytes]) -> list[ArchivedMessage]:
    """The messages as the store gives them."""
    rows: dict[bytes | int, ArchivedMessage] = {}
    for number, message in enumerate(messages):
        key = message.hash or number
        rows.pop(key, None)  # whoever replaces a row comes last
        rows[key] = message
    wanted = frozenset(topics)
    return sorted(
        (message for message in rows.values() if message.topic in wanted),
        key=lambda message: (message.timestamp, message.topic),
    )


def _by_window(
    messages: Iterable[ArchivedMessage], start: int, end: int, partition: int
) -> list[tuple[Window, list[ArchivedMessage]]]:
    """The windows that have messages, in order; however long the time is, no other is visited."""
    numbered: dict[int, list[ArchivedMessage]] = {}
    for message in messages:
        if start <= message.timestamp < end:
            numbered.setdefault((message.timestamp - start) // partition, []).append(message)
    return [
        (Window(begin, min(begin + partition, end)), numbered[number])
        for number in sorted(numbered)
        for begin in (start + number * partition,)
    ]


def _measure(message: ArchivedMessage) -> Measure:
    return Measure(message.weight, len(message.encode()))
