"""The .torrent of a generation: written last, from the one before it and the pieces that are new.

It is a derived file. The database keeps its info-hash, which covers every byte of ``data`` and
``index``: a .torrent is believed when it has that hash, and can be made again from the files; and
when it is lost together with a bit of them, that is found out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workflow.archive.index import IndexEntry, encode_index
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.torrent import (
    HASH_LENGTH,
    MAX_INDEX_LENGTH,
    MAX_TORRENT_SIZE,
    Info,
    Torrent,
    decode_torrent,
    piece_hashes,
)
from workflow.errors import ContentDamagedError, IndexInvalidError, TorrentInvalidError
from workflow.files.folder import ArchiveFolder, open_to_read, sync_folder, write_whole
from workflow.ports.carrier import Content, Fetched


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a file that are not what they were: from ``offset`` on, ``length`` of them."""

    path: Path
    offset: int
    length: int
    problem: str


def write_torrent(
    content: Content,
    data_length: int,
    index: bytes,
    new_pieces: bytes,
    *,
    before: Content | None,
    info_hash: str,
) -> str:
    """Write the .torrent of a generation that was appended to; returns its info-hash.

    ``new_pieces`` are the hashes behind ``content.data_length``. Those of the bytes before it come
    from the .torrent of the generation ``before``, if it has its ``info_hash``, and else from the
    bytes themselves.
    """
    old_pieces = _pieces_before(content, before, info_hash)
    return write_info(
        content, _info(content.community, data_length, old_pieces + new_pieces, index)
    )


def seal_generation(content: Content) -> str:
    """Hash both files of a generation and write its .torrent; returns its info-hash.

    Raises ``ContentDamagedError`` when there is less of them than there should be.
    """
    index = read_index(content)
    pieces = hash_data(content.data, content.data_length)
    info = _info(content.community, content.data_length, pieces, index)
    return write_info(content, info)


def write_info(content: Content, info: Info) -> str:
    """Put the .torrent in place, whole or not at all; returns its info-hash."""
    write_whole(content.torrent, Torrent(info).encode())
    sync_folder(content.torrent.parent)
    return info.info_hash


def write_described(folder: ArchiveFolder, content: Content, fetched: Fetched) -> str:
    """Put a fetched index and its .torrent in place, before ``data``; returns the info-hash."""
    folder.write_index(content, fetched.index)
    return write_info(content, fetched.info)


def is_described(content: Content, info_hash: str) -> bool:
    """True when index and .torrent are those of this info-hash, whatever of ``data`` is here."""
    torrent = torrent_of(content, info_hash)
    with suppress(ContentDamagedError):
        return torrent is not None and _is_index(torrent.info, read_index(content))
    return False


def mend(content: Content, entries: Iterable[IndexEntry], info_hash: str) -> list[str]:
    """Make a lost index or .torrent again, as far as the bytes allow it; returns what was made.

    Raises ``ContentDamagedError`` when what is left does not have the ``info_hash``.
    """
    with open_to_read(content.data) as file:
        if os.fstat(file.fileno()).st_size < content.data_length:
            raise ContentDamagedError(
                f"{content.data_length} bytes were committed, the file is shorter",
                place=str(content.data),
            )
    torrent = torrent_of(content, info_hash)
    if torrent is not None:
        name, pieces = torrent.info.name, _data_hashes(torrent.info)
    else:
        name, pieces = content.community, hash_data(content.data, content.data_length)

    def completed_by(index: bytes) -> Info | None:
        with suppress(TorrentInvalidError):
            info = _info(name, content.data_length, pieces, index)
            return info if info.info_hash == info_hash else None
        return None

    mended = []
    info = None
    with suppress(ContentDamagedError):
        info = completed_by(read_index(content))
    if info is None:
        with suppress(IndexInvalidError):
            index = encode_index(entries)
            info = completed_by(index)
            if info is not None:
                write_whole(content.index, index)
                mended.append(content.index.name)
    if torrent is None:
        if info is None:
            raise _not_theirs(content)
        write_info(content, info)
        mended.append(content.torrent.name)
    return mended


def torrent_of(content: Content, info_hash: str) -> Torrent | None:
    """The .torrent of a generation; None when it is lost, damaged or another's."""
    with suppress(OSError, ContentDamagedError, TorrentInvalidError):
        with open_to_read(content.torrent) as file:
            torrent = decode_torrent(file.read(MAX_TORRENT_SIZE + 1))
        if torrent.info.info_hash == info_hash:
            return torrent
    return None


def damages(content: Content, info: Info, numbers: Sequence[int]) -> Iterator[Damage | int]:
    """Read these pieces of ``data``, and the index.

    Yields what is damaged, and in between how many bytes were read.
    """
    done = 0
    try:
        for found in _hashed(content.data, numbers):
            number = numbers[done]
            if found != info.pieces[number * HASH_LENGTH : (number + 1) * HASH_LENGTH]:
                offset = number * PIECE_LENGTH
                yield Damage(content.data, offset, PIECE_LENGTH, "the piece has another hash")
            yield PIECE_LENGTH
            done += 1
    except ContentDamagedError as error:
        offset = numbers[done] * PIECE_LENGTH
        yield Damage(content.data, offset, info.data_length - offset, str(error))
    try:
        if not _is_index(info, read_index(content)):
            yield Damage(content.index, 0, info.index_length, "the index has another hash")
    except ContentDamagedError as error:
        yield Damage(content.index, 0, info.index_length, str(error))
    yield info.index_length


def hash_data(path: Path, length: int) -> bytes:
    """The hashes of the first ``length`` bytes, 20 bytes for each piece.

    Raises ``ContentDamagedError`` when there are fewer.
    """
    return b"".join(_hashed(path, range(length // PIECE_LENGTH)))


def read_index(content: Content) -> bytes:
    """The bytes of the index. Raises ``ContentDamagedError`` when there is none."""
    try:
        with open_to_read(content.index) as file:
            return file.read(MAX_INDEX_LENGTH + 1)
    except OSError as error:
        raise ContentDamagedError(
            f"the index cannot be read: {error.strerror}", place=str(content.index)
        ) from error


def _pieces_before(content: Content, before: Content | None, info_hash: str) -> bytes:
    if content.data_length == 0:
        return b""
    torrent = torrent_of(before, info_hash) if before is not None else None
    if torrent is not None and torrent.info.data_length == content.data_length:
        return _data_hashes(torrent.info)
    return hash_data(content.data, content.data_length)


def _info(name: str, data_length: int, data_pieces: bytes, index: bytes) -> Info:
    return Info(name, data_length, len(index), data_pieces + piece_hashes(index))


def _data_hashes(info: Info) -> bytes:
    return info.pieces[: HASH_LENGTH * info.data_pieces.stop]


def _is_index(info: Info, index: bytes) -> bool:
    hashes = info.pieces[HASH_LENGTH * info.index_pieces.start :]
    return len(index) == info.index_length and piece_hashes(index) == hashes


def _not_theirs(content: Content) -> ContentDamagedError:
    return ContentDamagedError(
        "the files are not those of their generation", place=str(content.data.parent)
    )


def _hashed(path: Path, numbers: Iterable[int]) -> Iterator[bytes]:
    """The hash of each of these pieces of ``data``."""
    try:
        with open_to_read(path) as file:
            for number in numbers:
                file.seek(number * PIECE_LENGTH)
                piece = file.read(PIECE_LENGTH)
                if len(piece) < PIECE_LENGTH:
                    end = number * PIECE_LENGTH + len(piece)
                    raise ContentDamagedError(f"byte {end} is behind the end", place=str(path))
                yield piece_hashes(piece)
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
        raise ContentDamagedError(reason, place=str(path)) from error
