"""The torrent of a generation: the files ``data`` and ``index``, in pieces of 100 KiB.

``data`` consists of whole pieces, so an archive is a range of pieces, the index begins on a piece
of its own, and the hashes of a grown ``data`` are the old ones followed by new ones.

A torrent or its metadata comes from strangers. What does not have exactly this form is refused
before any file exists. The name in it is shown, never used as a path; trackers in it are shown,
never asked; web seeds and nodes are not even read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from workflow.archive.bencode import Caps, Value, decode, encode
from workflow.archive.index import MAX_INDEX_SIZE, IndexEntry
from workflow.archive.pieces import PIECE_LENGTH
from workflow.errors import IndexInvalidError, TorrentInvalidError

MAX_TORRENT_SIZE: Final = 4 * 1024 * 1024
"""Bytes in a .torrent or in its metadata, at most: 20 GB of archives."""

MAX_INDEX_LENGTH: Final = MAX_INDEX_SIZE + PIECE_LENGTH
"""Bytes in the file ``index``, at most: one piece more than can be read, if it is encrypted."""

HASH_LENGTH: Final = 20
"""Bytes in the SHA-1 of a piece."""

MAX_NAME_LENGTH: Final = 255
"""Bytes in a torrent's name, at most."""

_CAPS: Final = Caps(length=MAX_TORRENT_SIZE, depth=16, items=10_000)
_DATA, _INDEX = b"data", b"index"
_INFO_KEYS: Final = {b"files", b"name", b"piece length", b"pieces"}
_FILE_KEYS: Final = {b"length", b"path"}


@dataclass(frozen=True, slots=True)
class Info:
    """What the info-hash covers: the metadata that peers hand each other.

    ``name`` is the community's id. ``data_length`` and ``index_length`` are in bytes. ``pieces``
    is the SHA-1 of every piece, 20 bytes each: those of ``data``, then those of ``index``.

    Raises ``TorrentInvalidError`` when it is made of what no reader would accept: a name that is
    empty, longer than 255 bytes or not printable, an empty file, ``data`` that is not in whole
    pieces, an index that is too long to be read, another number of hashes than of pieces.
    """

    name: str
    data_length: int
    index_length: int
    pieces: bytes

    def __post_init__(self) -> None:
        _check_text(self.name, "the name")
        if not 0 < len(self.name.encode()) <= MAX_NAME_LENGTH:
            raise TorrentInvalidError(f"the name has not 1 to {MAX_NAME_LENGTH} bytes")
        if self.data_length <= 0 or self.data_length % PIECE_LENGTH != 0:
            raise TorrentInvalidError(f"'data' of {self.data_length} bytes is not in whole pieces")
        if not 0 < self.index_length <= MAX_INDEX_LENGTH:
            raise TorrentInvalidError(
                f"'index' of {self.index_length} bytes has not 1 to {MAX_INDEX_LENGTH}"
            )
        if len(self.pieces) != HASH_LENGTH * self.index_pieces.stop:
            raise TorrentInvalidError(
                f"{len(self.pieces)} bytes are not the hashes of {self.index_pieces.stop} pieces"
            )

    def encode(self) -> bytes:
        """The info dictionary, bencoded: the bytes that are hashed, and sent as metadata."""
        return encode(_info_value(self))

    @property
    def info_hash(self) -> str:
        """SHA-1 of the encoded dictionary, 40 hex digits: the torrent's own name."""
        return hashlib.sha1(self.encode(), usedforsecurity=False).hexdigest()

    @property
    def data_pieces(self) -> range:
        """The numbers of the pieces of ``data``."""
        return range(self.data_length // PIECE_LENGTH)

    @property
    def index_pieces(self) -> range:
        """The numbers of the pieces of ``index``: all that follow those of ``data``."""
        first = self.data_pieces.stop
        return range(first, first + (self.index_length + PIECE_LENGTH - 1) // PIECE_LENGTH)

    def pieces_of(self, entry: IndexEntry) -> range:
        """The numbers of the pieces of an archive.

        Raises ``IndexInvalidError``, with the archive's id as its place, when it does not lie on
        pieces inside ``data``.
        """
        end = entry.offset + entry.size
        if entry.offset % PIECE_LENGTH or end % PIECE_LENGTH or end > self.data_length:
            raise IndexInvalidError("the archive is not on pieces of 'data'", place=entry.id)
        return range(entry.offset // PIECE_LENGTH, end // PIECE_LENGTH)


@dataclass(frozen=True, slots=True)
class Torrent:
    """A .torrent: the info, and what stands around it for people and trackers.

    ``trackers`` are URLs in tiers; those of a torrent that was read are for display only. status-go
    writes its user's public key as ``created_by`` (``0x`` and 130 hex digits), and the unix time in
    seconds as ``creation_date``. ``None`` and no tiers are left out.

    Raises ``TorrentInvalidError`` for text that is not printable.
    """

    info: Info
    trackers: tuple[tuple[str, ...], ...] = ()
    created_by: str | None = None
    creation_date: int | None = None

    def __post_init__(self) -> None:
        for tracker in (url for tier in self.trackers for url in tier):
            _check_text(tracker, "a tracker")
        _check_text(self.created_by or "", "the creator")

    def encode(self) -> bytes:
        """The .torrent file. Raises ``TorrentInvalidError`` when nobody would read its 4 MiB."""
        fields: dict[bytes, Value] = {b"info": _info_value(self.info)}
        if self.trackers:
            fields[b"announce-list"] = [[url.encode() for url in tier] for tier in self.trackers]
        if self.created_by is not None:
            fields[b"created by"] = self.created_by.encode()
        if self.creation_date is not None:
            fields[b"creation date"] = self.creation_date
        encoded = encode(fields)
        if len(encoded) > MAX_TORRENT_SIZE:
            raise TorrentInvalidError(
                f"a torrent of {len(encoded)} bytes is longer than {MAX_TORRENT_SIZE}"
            )
        return encoded


class PieceHasher:
    """Hashes bytes piece by piece while they are written, in slices of any length.

    ``data`` and ``index`` have a hasher each: ``data`` ends with a piece, so its hashes followed
    by those of ``index`` are the torrent's.
    """

    def __init__(self) -> None:
        self._hashes = bytearray()
        self._piece = hashlib.sha1(usedforsecurity=False)
        self._filled = 0

    def update(self, written: bytes | bytearray | memoryview) -> None:
        """Go on with the bytes that follow."""
        rest = memoryview(written)
        while rest:
            part = rest[: PIECE_LENGTH - self._filled]
            self._piece.update(part)
            self._filled += len(part)
            rest = rest[len(part) :]
            if self._filled == PIECE_LENGTH:
                self._hashes += self._piece.digest()
                self._piece = hashlib.sha1(usedforsecurity=False)
                self._filled = 0

    def hashes(self) -> bytes:
        """The SHA-1 of each piece so far, 20 bytes each; the last piece may be short."""
        return bytes(self._hashes) + (self._piece.digest() if self._filled else b"")


def piece_hashes(content: bytes) -> bytes:
    """The SHA-1 of each piece of ``content``, 20 bytes each."""
    hasher = PieceHasher()
    hasher.update(content)
    return hasher.hashes()


def decode_torrent(data: bytes) -> Torrent:
    """The torrent in a .torrent file.

    Its info-hash is that of the bytes as they stand: no other bytes give an equal ``Info``. What
    else stands beside the info (comment, nodes, url-list, ...) is ignored. Raises
    ``TorrentInvalidError`` for more than 4 MiB, anything but strict bencoding, an announce-list,
    creator or date of another type, and for an info that ``decode_info`` would refuse.
    """
    fields = _dictionary(decode(data, _CAPS), "a torrent")
    creator, date = fields.get(b"created by"), fields.get(b"creation date")
    if date is not None and not isinstance(date, int):
        raise TorrentInvalidError("the creation date is not a number")
    return Torrent(
        _read_info(fields.get(b"info")),
        tuple(
            tuple(_text(url, "a tracker") for url in _list(tier, "a tier of trackers"))
            for tier in _list(fields.get(b"announce-list", []), "the announce-list")
        ),
        None if creator is None else _text(creator, "the creator"),
        date,
    )


def decode_info(data: bytes) -> Info:
    """The info in metadata that peers sent, to be read before anything is downloaded.

    Raises ``TorrentInvalidError`` for more than 4 MiB, anything but strict bencoding, pieces of
    another length than 100 KiB, other files than ``data`` and ``index`` in this order, any key
    that a generation's info does not have (attributes, links, padding, checksums, version 2),
    and for what ``Info`` refuses.
    """
    return _read_info(decode(data, _CAPS))


def _info_value(info: Info) -> Value:
    return {
        b"files": [
            {b"length": info.data_length, b"path": [_DATA]},
            {b"length": info.index_length, b"path": [_INDEX]},
        ],
        b"name": info.name.encode(),
        b"piece length": PIECE_LENGTH,
        b"pieces": info.pieces,
    }


def _read_info(value: Value | None) -> Info:
    info = _dictionary(value, "the info")
    _check_keys(info, _INFO_KEYS, "the info")
    if info[b"piece length"] != PIECE_LENGTH:
        raise TorrentInvalidError(f"the pieces are not {PIECE_LENGTH} bytes long")
    files = _list(info[b"files"], "the list of files")
    if len(files) != len((_DATA, _INDEX)):
        raise TorrentInvalidError("there are other files than 'data' and 'index'")
    return Info(
        _text(info[b"name"], "the name"),
        _read_length(files[0], _DATA),
        _read_length(files[1], _INDEX),
        _bytes(info[b"pieces"], "the hashes"),
    )


def _read_length(value: Value, path: bytes) -> int:
    file = _dictionary(value, "a file")
    _check_keys(file, _FILE_KEYS, "a file")
    if file[b"path"] != [path]:
        raise TorrentInvalidError("the files are not 'data' and 'index', in this order")
    length = file[b"length"]
    if not isinstance(length, int):
        raise TorrentInvalidError("the length of a file is not a number")
    return length


def _check_keys(found: dict[bytes, Value], expected: set[bytes], what: str) -> None:
    if found.keys() != expected:  # which are not shown: they may be anything
        names = ", ".join(sorted(key.decode() for key in expected))
        raise TorrentInvalidError(f"{what} has not exactly the keys {names}")


def _dictionary(value: Value | None, what: str) -> dict[bytes, Value]:
    if not isinstance(value, dict):
        raise TorrentInvalidError(f"{what} is not a dictionary")
    return value


def _list(value: Value, what: str) -> list[Value]:
    if not isinstance(value, list):
        raise TorrentInvalidError(f"{what} is not a list")
    return value


def _bytes(value: Value, what: str) -> bytes:
    if not isinstance(value, bytes):
        raise TorrentInvalidError(f"{what} is not a string")
    return value


def _text(value: Value, what: str) -> str:
    try:
        return _bytes(value, what).decode()
    except UnicodeDecodeError as error:
        raise TorrentInvalidError(f"{what} is not text in UTF-8") from error


def _check_text(text: str, what: str) -> None:
    if not text.isprintable():  # also what would write itself over a terminal
        raise TorrentInvalidError(f"{what} has characters that cannot be shown")
