"""The bytes of a generation, hashed by ourselves; everything here blocks and runs in threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from workflow.adapters.carrier.seen import Seen, identity_of
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.torrent import (
    HASH_LENGTH,
    MAX_TORRENT_SIZE,
    Info,
    decode_torrent,
    piece_hashes,
)
from workflow.errors import CarrierError, ContentDamagedError, TorrentInvalidError
from workflow.files.folder import open_own, open_to_read, sync_folder
from workflow.ports.carrier import Content, Range

READ_ONLY: Final = os.O_RDONLY
TO_CHANGE: Final = os.O_RDWR


def sealed_info(content: Content, name: str = "") -> Info:
    """What the .torrent of a generation says.

    Raises ``ContentDamagedError`` when there is none, or it is not one of this generation: over
    another length, or with another info-hash than ``name``, if that is known.
    """
    place = str(content.torrent)
    try:
        with open_to_read(content.torrent) as file:
            info = decode_torrent(file.read(MAX_TORRENT_SIZE + 1)).info
    except TorrentInvalidError as error:
        raise ContentDamagedError(f"the .torrent is damaged: {error}", place=place) from error
    except OSError as error:
        raise CarrierError(f"the .torrent cannot be read: {error}", place=place) from error
    if info.data_length != content.data_length:
        raise ContentDamagedError(
            f"the .torrent is over {info.data_length} bytes, not {content.data_length}", place=place
        )
    if name not in {"", info.info_hash}:
        raise ContentDamagedError("the .torrent is not that of the locator", place=place)
    return info


def pieces_here(info: Info, ranges: Iterable[Range] | None) -> Collection[int]:
    """The pieces of ``data`` that these ranges touch, all of them without ranges."""
    if ranges is None:
        return info.data_pieces
    numbers = frozenset(number for one in ranges for number in pieces_of(info, one))
    return info.data_pieces if len(numbers) == len(info.data_pieces) else numbers


def read_whole(
    content: Content, info: Info, numbers: Collection[int], proved: Collection[Collection[int]]
) -> Seen:
    """Read and hash the index and these pieces of ``data``, but for those that are proved.

    Raises ``ContentDamagedError`` that names file and piece when bytes are missing or differ.
    """
    with _told(content.data), open_to_read(content.data) as data:
        unread = [one for one in sorted(numbers) if not any(one in known for known in proved)]
        _check(data.fileno(), content.data, info, unread, 0)
        data_file = identity_of(data)
    with _told(content.index), open_to_read(content.index) as index:
        length = os.fstat(index.fileno()).st_size
        if length != info.index_length:
            raise ContentDamagedError(
                f"it has {length} bytes, not {info.index_length}", place=str(content.index)
            )
        first = info.index_pieces.start
        _check(index.fileno(), content.index, info, info.index_pieces, first)
        data_length = PIECE_LENGTH * (max(numbers, default=-1) + 1)
        return Seen(content, data_length, length, data_file, identity_of(index))


def read_index(path: Path, info: Info) -> bytes:
    """The bytes of an index. Raises ``ContentDamagedError`` when they are not those."""
    with _told(path), open_to_read(path) as file:
        index = file.read(info.index_length + 1)
    first = info.index_pieces.start * HASH_LENGTH
    if len(index) != info.index_length or piece_hashes(index) != info.pieces[first:]:
        raise ContentDamagedError("the index is not what was published", place=str(path))
    return index


def pieces_of(info: Info, wanted: Range) -> range:
    """The numbers of the pieces that a range touches. Raises ``CarrierError`` if outside."""
    end = wanted.offset + wanted.size
    if wanted.offset < 0 or wanted.size < 0 or end > info.data_length:
        raise CarrierError(
            f"bytes {wanted.offset} to {end} are not within {info.data_length}",
            place=wanted.archive,
        )
    return range(wanted.offset // PIECE_LENGTH, -(-end // PIECE_LENGTH))


def length_of(info: Info, number: int) -> int:
    """Bytes of a piece: only that with which the index ends is shorter."""
    if number in info.data_pieces:
        return PIECE_LENGTH
    behind = (number - info.index_pieces.start) * PIECE_LENGTH
    return min(PIECE_LENGTH, info.index_length - behind)


def length_of_all(info: Info, numbers: Iterable[int]) -> int:
    """Bytes of these pieces together."""
    return sum(length_of(info, number) for number in numbers)


def unread(path: Path, info: Info, numbers: Collection[int], first: int) -> list[int]:
    """Which of these pieces cannot be read from the file; ``first`` is the one it begins with.

    Raises ``CarrierError`` when the disk fails.
    """
    with _told(path), _opened(path, READ_ONLY) as file:
        return [one for one, piece in _read(file, info, numbers, first) if piece is None]


def lacking(path: Path, info: Info, numbers: Collection[int]) -> list[int]:
    """Which of these pieces of ``data`` the file does not hold. Those that it holds are durable.

    Raises ``CarrierError`` when the disk fails.
    """
    if not os.path.lexists(path):
        return list(numbers)
    with _told(path), _opened(path, TO_CHANGE) as file:
        missing = [one for one, piece in _read(file, info, numbers, 0) if piece is None]
        if len(missing) < len(numbers):
            os.fdatasync(file)
    return missing


def prepare(path: Path) -> int:
    """Make the file if there is none, its owner's alone; returns its length in bytes.

    Raises ``CarrierError`` when the disk fails, or something else lies there.
    """
    is_new = not os.path.lexists(path)
    with _told(path):
        with _opened(path, TO_CHANGE | os.O_CREAT) as file:
            length = os.fstat(file).st_size
        if is_new:
            sync_folder(path.parent)
    return length


def copy(source: Path, target: Path, info: Info, numbers: Collection[int]) -> list[int]:
    """Copy pieces of ``data`` that are right; returns which are not. Those copied are durable.

    Raises ``CarrierError`` when the disk fails.
    """
    wrong = []
    with _told(target), _opened(source, READ_ONLY) as there, _opened(target, TO_CHANGE) as here:
        for number, piece in _read(there, info, numbers, 0):
            if piece is None:
                wrong.append(number)
            else:
                _write(here, piece, number * PIECE_LENGTH)
        os.fdatasync(here)
    return wrong


def _check(file: int, path: Path, info: Info, numbers: Collection[int], first: int) -> None:
    for number, piece in _read(file, info, numbers, first):
        if piece is None:
            raise ContentDamagedError(
                f"piece {number - first} is not what was published", place=str(path)
            )


def _read(
    file: int, info: Info, numbers: Iterable[int], first: int
) -> Iterator[tuple[int, memoryview | None]]:
    """Each piece's number and its bytes, until the next is asked for; None for other bytes."""
    buffer = memoryview(bytearray(PIECE_LENGTH))
    for number in numbers:
        length = length_of(info, number)
        piece = buffer[:length]
        filled = 0
        while filled < length:
            got = os.preadv(file, [piece[filled:]], (number - first) * PIECE_LENGTH + filled)
            if got == 0:
                break
            filled += got
        expected = info.pieces[number * HASH_LENGTH : (number + 1) * HASH_LENGTH]
        is_right = (
            filled == length and hashlib.sha1(piece, usedforsecurity=False).digest() == expected
        )
        yield number, piece if is_right else None


def _write(file: int, piece: memoryview, offset: int) -> None:
    while piece:
        written = os.pwrite(file, piece, offset)
        piece, offset = piece[written:], offset + written


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = open_own(path, flags)
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """A failing disk in the carrier's words."""
    try:
        yield
    except OSError as error:
        raise CarrierError(f"the disk fails: {error.strerror}", place=str(path)) from error
