"""What a generation consists of, byte by byte; everything here blocks and runs in threads.

No function keeps a file open after it has returned.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

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
from workflow.files.folder import open_own, open_to_read
from workflow.ports.carrier import Content, Range

PIECE: Final = PIECE_LENGTH
"""Bytes that are hashed, and proved, together."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a locator stands for: lengths in bytes and the hashes of all that is carried."""

    info: Info

    @property
    def locator(self) -> str:
        """``memory:`` and the info-hash."""
        return f"memory:{self.info.info_hash}"

    def is_piece(self, number: int, piece: bytes) -> bool:
        """True when these are the bytes of that piece of ``data``."""
        return piece_hashes(piece) == self.info.pieces[number * HASH_LENGTH :][:HASH_LENGTH]

    def is_index(self, index: bytes) -> bool:
        """True when these are the bytes of the index."""
        hashes = self.info.pieces[HASH_LENGTH * self.info.index_pieces.start :]
        return len(index) == self.info.index_length and piece_hashes(index) == hashes

    def pieces_of(self, wanted: Range) -> range:
        """The numbers of the pieces that a range touches. Raises ``CarrierError`` if outside."""
        end = wanted.offset + wanted.size
        if wanted.offset < 0 or wanted.size < 0 or end > self.info.data_length:
            raise CarrierError(
                f"bytes {wanted.offset} to {end} are not within {self.info.data_length}",
                place=wanted.archive,
            )
        return range(wanted.offset // PIECE, -(-end // PIECE))


@dataclass(frozen=True, slots=True)
class Checked(Seen):
    """Files whose bytes were read: the index and these pieces, and what they were found to be."""

    manifest: Manifest
    pieces: frozenset[int]


def check(content: Content) -> Checked:
    """Read everything.

    Raises ``ContentDamagedError`` when bytes are missing, or not those that the .torrent describes,
    if there is one.
    """
    with _told(content), open_to_read(content.data) as data, open_to_read(content.index) as index:
        pieces = []
        for offset in range(0, content.data_length, PIECE):
            piece = _at(data, offset, min(PIECE, content.data_length - offset))
            if piece is None:
                raise ContentDamagedError(
                    f"the file ends before byte {content.data_length}", place=str(content.data)
                )
            pieces.append(piece_hashes(piece))
        whole = index.read()
        hashes = b"".join(pieces) + piece_hashes(whole)
        manifest = Manifest(Info(content.community, content.data_length, len(whole), hashes))
        sealed = _sealed(content)
        if sealed is not None and sealed.info.pieces != hashes:
            raise ContentDamagedError(
                "the bytes are not those that the .torrent describes",
                place=str(content.data.parent),
            )
        files = identity_of(data), identity_of(index)
        here = frozenset(manifest.info.data_pieces)
        return Checked(content, content.data_length, len(whole), *files, manifest, here)


def check_part(content: Content, locator: str, ranges: Sequence[Range]) -> Checked:
    """Read the index and these ranges, of what the .torrent describes.

    Raises ``ContentDamagedError`` when bytes are missing or differ, or the .torrent does.
    """
    manifest = _sealed(content)
    if manifest is None or manifest.locator != locator:
        raise ContentDamagedError(
            "the .torrent is not that of the locator", place=str(content.torrent)
        )
    numbers = frozenset(number for one in ranges for number in manifest.pieces_of(one))
    with _told(content), open_to_read(content.data) as data, open_to_read(content.index) as index:
        whole = index.read()
        wrong = [number for number in sorted(numbers) if not _holds(data, manifest, number)]
        if wrong or not manifest.is_index(whole):
            raise ContentDamagedError(
                f"pieces {wrong} are not what was published" if wrong else "the index is not",
                place=str(content.data.parent),
            )
        length = PIECE * (max(numbers, default=-1) + 1)
        files = identity_of(data), identity_of(index)
        return Checked(content, length, len(whole), *files, manifest, numbers)


def _sealed(content: Content) -> Manifest | None:
    """What the generation's .torrent says, if it has one that can be read."""
    with (
        suppress(OSError, ContentDamagedError, TorrentInvalidError),
        open_to_read(content.torrent) as file,
    ):
        return Manifest(decode_torrent(file.read(MAX_TORRENT_SIZE + 1)).info)
    return None


@contextmanager
def _told(content: Content) -> Iterator[None]:
    """A failing disk in the carrier's words."""
    try:
        yield
    except OSError as error:
        raise CarrierError(f"files cannot be read: {error}", place=content.community) from error


def read_index(content: Content) -> bytes:
    """The bytes of the index as they are now; empty when they cannot be read."""
    try:
        return content.index.read_bytes()
    except OSError:
        return b""


def lacking(path: Path, manifest: Manifest, numbers: Collection[int]) -> list[int]:
    """Which of these pieces the file does not hold. Those that it holds are durable.

    Raises ``CarrierError`` when the disk fails.
    """
    if not os.path.lexists(path):
        return list(numbers)
    try:
        with os.fdopen(open_own(path, os.O_RDWR), "r+b") as file:
            missing = [number for number in numbers if not _holds(file, manifest, number)]
            os.fsync(file.fileno())
    except OSError as error:
        raise CarrierError(f"the file cannot be read: {error}", place=str(path)) from error
    return missing


def bring(source: Path, target: Path, manifest: Manifest, numbers: Sequence[int]) -> int:
    """Copy pieces until one is missing or wrong; how many came, checked, and are durable.

    Raises ``CarrierError`` when the target's disk fails.
    """
    brought = 0
    try:
        is_new = not target.exists()
        descriptor = open_own(target, os.O_RDWR | os.O_CREAT)
        with os.fdopen(descriptor, "r+b") as file:
            while brought < len(numbers) and _copy(source, file, manifest, numbers[brought]):
                brought += 1
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _make_durable(target.parent)
    except OSError as error:
        raise CarrierError(f"the file cannot be written: {error}", place=str(target)) from error
    return brought


def _copy(source: Path, file: BinaryIO, manifest: Manifest, number: int) -> bool:
    try:
        with source.open("rb") as offered:
            piece = _at(offered, number * PIECE, PIECE)
    except OSError:  # The one who offers it has the trouble, not we.
        return False
    if piece is None or not manifest.is_piece(number, piece):
        return False
    file.seek(number * PIECE)
    file.write(piece)
    return True


def _holds(file: BinaryIO, manifest: Manifest, number: int) -> bool:
    piece = _at(file, number * PIECE, PIECE)
    return piece is not None and manifest.is_piece(number, piece)


def _at(file: BinaryIO, offset: int, size: int) -> bytes | None:
    """So many bytes from there, or None when the file ends before."""
    file.seek(offset)
    piece = file.read(size)
    return piece if len(piece) == size else None


def _make_durable(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
