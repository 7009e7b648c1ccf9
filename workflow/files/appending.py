"""New archives behind the committed bytes of ``data``.

An archive is a stream: its metadata, then messages, each with a tag and a length before it. Bytes
are hashed in the same pass in which they are written, and only new pieces are: each archive begins
on a piece, so the old pieces never change.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from workflow.archive.codec import archive_head
from workflow.archive.index import IndexEntry
from workflow.archive.torrent import PieceHasher
from workflow.archive.windows import Window
from workflow.errors import ContentDamagedError
from workflow.files.folder import open_own, write_all
from workflow.ports.carrier import Content


class Appending:
    """Appends archives to ``data``; nothing of it counts until the database says so.

    With ``seal`` each archive is encrypted as a whole, and is held in memory until it ends.
    """

    def __init__(self, content: Content, seal: Callable[[bytes], bytes] | None = None) -> None:
        self._content = content
        self._seal = seal
        self._hasher = PieceHasher()
        self._plain = bytearray()
        self._descriptor = -1
        self._window: Window | None = None
        self._topics: tuple[bytes, ...] = ()
        self._start = self._length = content.data_length

    @property
    def length(self) -> int:
        """How long ``data`` will be, in bytes."""
        return self._length

    def begin(self, window: Window, topics: tuple[bytes, ...]) -> None:
        """Begin an archive. Raises ``ContentDamagedError`` when committed bytes are missing."""
        if self._descriptor < 0:
            self._descriptor = _opened(self._content)
        self._window, self._topics, self._start = window, topics, self._length
        self.add(archive_head(window, topics))

    def add(self, framed: bytes | bytearray) -> None:
        """More messages, each with its frame, for the archive that was begun."""
        if self._seal is not None:
            self._plain += framed
        else:
            self._pass_on(framed)

    def end(self) -> IndexEntry:
        """End the archive: pad it to whole pieces, and say where it lies."""
        if self._window is None:
            raise ValueError("no archive was begun")
        if self._seal is not None:
            sealed = self._seal(bytes(self._plain))
            self._plain.clear()
            self._pass_on(sealed)
        entry = IndexEntry.at(
            self._start,
            window=self._window,
            topics=self._topics,
            raw_size=self._length - self._start,
        )
        self._pass_on(bytes(entry.padding))
        self._window = None
        return entry

    def finish(self) -> bytes:
        """Sync ``data``; returns the hashes (20 bytes each) of the pieces that are new."""
        os.fsync(self._descriptor)
        self.close()
        return self._hasher.hashes()

    def close(self) -> None:
        """Let go of the file; what was not finished is gone over by the next append."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _pass_on(self, raw: bytes | bytearray) -> None:
        write_all(self._descriptor, raw)
        self._hasher.update(raw)
        self._length += len(raw)


def _opened(content: Content) -> int:
    # Neither appending nor truncating: what a crash left is gone over, all before it stays.
    # A generation that was committed has its file: a new one would only hide that it is gone.
    flags = os.O_RDWR if content.data_length else os.O_RDWR | os.O_CREAT
    descriptor = open_own(content.data, flags)
    if os.fstat(descriptor).st_size < content.data_length:
        os.close(descriptor)
        raise ContentDamagedError(
            f"{content.data_length} bytes were committed, the file is shorter",
            place=str(content.data),
            remedy="Restore the file, or let it be fetched from other members.",
        )
    try:
        os.ftruncate(descriptor, content.data_length)
        os.lseek(descriptor, content.data_length, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
