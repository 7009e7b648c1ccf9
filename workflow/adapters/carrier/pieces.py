"""What a generation consists of, byte by byte; everything here blocks and runs in threads.

No function keeps a file open after it has returned.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from workflow.adapters.carrier.seen import Seen, identity_of
from workflow.archive.torrent import (
    MAX_TORRENT_SIZE,
    Info,
    PieceHasher,
    decode_torrent,
    piece_hashes,
)
from workflow.errors import CarrierError, ContentDamagedError, TorrentInvalidError
from workflow.files.folder import open_own, open_to_read
from workflow.ports.carrier import Content, Range

PIECE: Final = 100 * 1024
"""Bytes that are hashed, and proved, together."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a locator stands for: lengths in bytes and the hashes of all that is carried."""

    data_length: int
    pieces: tuple[bytes, ...]
    index_length: int
    index_hash: bytes

    @property
    def locator(self) -> str:
        """``memory:`` and a hash over the whole manifest."""
        lengths = self.data_length.to_bytes(8, "big") + self.index_length.to_bytes(8, "big")
        return f"memory:{sha256(lengths + self.index_hash + b''.join(self.pieces)).hexdigest()}"

    def size_of(self, number: int) -> int:
        """How many bytes a piece has: the last may be shorter."""
        return min(PIECE, self.data_length - number * PIECE)

    def is_piece(self, number: int, piece: bytes) -> bool:
        """True when these are the bytes of that piece."""
        return sha256(piece).digest() == self.pieces[number]

    def is_index(self, index: bytes) -> bool:
        """True when these are the bytes of the index."""
        return len(index) == self.index_length and sha256(index).digest() == self.index_hash

    def pieces_of(self, wanted: Range) -> range:
        """The numbers of the pieces that a range touches. Raises ``CarrierError`` if outside."""
        end = wanted.offset + wanted.size
        if wanted.offset < 0 or wanted.size < 0 or end > self.data_length:
            raise CarrierError(
                f"bytes {wanted.offset} to {end} are not within {self.data_length}",
                place=wanted.archive,
            )
        return range(wanted.offset // PIECE, -(-end // PIECE))


@dataclass(frozen=True, slots=True)
class Checked(Seen):
    """Files whose bytes were all read, and what they were found to be."""

    manifest: Manifest


def check(content: Content) -> Checked:
    """Read everything.

    Raises ``ContentDamagedError`` when bytes are missing, or not those that the .torrent describes,
    if there is one.
    """
    sealed = _Sealed(content)
    try:
        with open_to_read(content.data) as data, open_to_read(content.index) as index:
            pieces = []
            for offset in range(0, content.data_length, PIECE):
                piece = _at(data, offset, min(PIECE, content.data_length - offset))
                if piece is None:
                    raise ContentDamagedError(
                        f"the file ends before byte {content.data_length}", place=str(content.data)
                    )
                pieces.append(sha256(piece).digest())
                sealed.update(piece)
            whole = index.read()
            sealed.end(whole)
            manifest = Manifest(
                content.data_length, tuple(pieces), len(whole), sha256(whole).digest()
            )
            return Checked(content, len(whole), identity_of(data), identity_of(index), manifest)
    except OSError as error:
        raise CarrierError(f"files cannot be read: {error}", place=content.community) from error


class _Sealed:
    """Compares what is read with the generation's .torrent, if it has one."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._hasher = PieceHasher()
        self._info: Info | None = None
        with (
            suppress(OSError, ContentDamagedError, TorrentInvalidError),
            open_to_read(content.torrent) as file,
        ):
            self._info = decode_torrent(file.read(MAX_TORRENT_SIZE + 1)).info

    def update(self, piece: bytes) -> None:
        """The next bytes of ``data``."""
        if self._info is not None:
            self._hasher.update(piece)

    def end(self, index: bytes) -> None:
        """The index, and nothing more. Raises ``ContentDamagedError`` for other bytes."""
        if self._info is not None and (
            self._info.pieces != self._hasher.hashes() + piece_hashes(index)
        ):
            raise ContentDamagedError(
                "the bytes are not those that the .torrent describes",
                place=str(self._content.data.parent),
            )


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
            piece = _at(offered, number * PIECE, manifest.size_of(number))
    except OSError:  # The one who offers it has the trouble, not we.
        return False
    if piece is None or not manifest.is_piece(number, piece):
        return False
    file.seek(number * PIECE)
    file.write(piece)
    return True


def _holds(file: BinaryIO, manifest: Manifest, number: int) -> bool:
    piece = _at(file, number * PIECE, manifest.size_of(number))
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
