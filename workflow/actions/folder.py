"""Archives on disk: an append-only ``data`` for each lineage, an immutable index a generation.

Nothing here counts before the database says so. The order is: append to ``data``, sync it; write
the index under another name, sync it, rename it; sync the folder; only then may a generation be
committed. Bytes behind the committed length are the remains of a crash and are cut off before the
next append. A file that a carrier may be offering is never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from workflow.errors import ContentDamagedError
from workflow.ports.carrier import Content

PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """The folder that holds ``<community>/<lineage>/data`` and ``index.<generation>``."""

    root: Path

    def content(self, community: str, lineage: int, generation: int, data_length: int) -> Content:
        """Where the files of a generation lie, whether or not they exist."""
        folder = self.root / community / str(lineage)
        return Content(community, folder / "data", data_length, folder / f"index.{generation}")

    def append(self, content: Content, parts: Iterable[bytes]) -> int:
        """Write behind the committed length and sync; returns the new length.

        Raises ``ContentDamagedError`` when committed bytes are missing: nothing is written then.
        """
        content.data.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        with _opened(content.data) as data:
            if data.seek(0, os.SEEK_END) < content.data_length:
                raise ContentDamagedError(
                    f"{content.data_length} bytes were committed, the file is shorter",
                    place=str(content.data),
                    remedy="Restore the file, or let it be fetched from other members.",
                )
            data.truncate(content.data_length)
            data.seek(content.data_length)
            for part in parts:
                data.write(part)
            data.flush()
            os.fsync(data.fileno())
            return data.tell()

    def write_index(self, content: Content, index: bytes) -> None:
        """Put the index in place, whole or not at all, and sync the folder."""
        folder = content.index.parent
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        draft = content.index.with_name(content.index.name + ".draft")
        with draft.open("wb") as file:
            file.write(index)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(content.index)
        for place in (folder, folder.parent, self.root):
            _sync_folder(place)

    def read(self, content: Content, offset: int, size: int) -> bytes:
        """So many bytes of ``data``. Raises ``ContentDamagedError`` when it ends before."""
        with content.data.open("rb") as data:
            data.seek(offset)
            found = data.read(size)
        if len(found) < size:
            raise ContentDamagedError(
                f"byte {offset + len(found)} is behind the end", place=str(content.data)
            )
        return found


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    # Not "a": what a crash left behind must be overwritten. Not "w": the rest must stay.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        yield file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
