"""A node's own archives: an append-only ``data`` for each lineage, an index a generation.

Nothing here counts before the database says so. The order is: append to ``data``, sync it; write
the index under another name, sync it, rename it; the same with the .torrent; sync the folder; only
then may a generation be committed. Bytes behind the committed length, and files of a generation
that never was committed, are the remains of a crash: the next append goes over them. A file that a
carrier may be offering is never replaced.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from workflow.archive.index import IndexEntry
from workflow.errors import ArchiveInvalidError, ContentDamagedError
from workflow.ports.carrier import Content
from workflow.ports.records import Generation

PRIVATE: Final = 0o700
"""Folders are their owner's alone."""
NOT_OURS: Final = {errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO}
"""How the system says that nothing is there, or a link, a folder or a socket."""


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """The folder that holds ``<community>/<lineage>/`` with the files of every generation."""

    root: Path
    _made: set[Path] = field(default_factory=set, init=False, repr=False, compare=False)

    def content(self, community: str, lineage: int, generation: int, data_length: int) -> Content:
        """Where the files of a generation lie, whether or not they exist."""
        folder = self.root / community / str(lineage)
        return Content(
            community,
            folder / "data",
            data_length,
            folder / f"index.{generation}",
            folder / f"{generation}.torrent",
        )

    def content_of(self, generation: Generation) -> Content:
        """Where the files of this generation lie."""
        return self.content(
            generation.community, generation.lineage, generation.number, generation.data_length
        )

    def make(self, content: Content) -> None:
        """Make the folder of a generation, and make sure that it outlasts a loss of power."""
        folder = content.data.parent
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if folder not in self._made:
            # Even if it was there: whoever made it may have been killed before this.
            for place in (folder.parent, self.root, self.root.parent):
                sync_folder(place)
            self._made.add(folder)

    def write_index(self, content: Content, index: bytes) -> None:
        """Put an index in place, whole or not at all."""
        self.make(content)
        write_whole(content.index, index)
        sync_folder(content.index.parent)

    def remove(self, community: str) -> None:
        """Delete all files of a community; those of one that has none are no mistake."""
        place = self.root / community
        self._made.difference_update([one for one in self._made if one.parent == place])
        if place.exists():
            shutil.rmtree(place)
            sync_folder(self.root)

    def sweep(self, content: Content) -> None:
        """Remove what older generations of this lineage needed: nobody offers it any more.

        ``data`` stays, it only ever grows; and nothing newer than this generation is touched.
        """
        number = int(content.index.suffix[1:])
        folder = content.data.parent
        for path in list(folder.glob("index.*")) + list(folder.glob("*.torrent")):
            digits = path.stem if path.suffix == ".torrent" else path.suffix[1:]
            if digits.isdecimal() and int(digits) < number:
                path.unlink(missing_ok=True)


def stretch(content: Content) -> None:
    """Let ``data`` have the length of its generation: what was not chosen is a hole in it."""
    descriptor = open_own(content.data, os.O_RDWR | os.O_CREAT)
    try:
        if os.fstat(descriptor).st_size < content.data_length:
            os.ftruncate(descriptor, content.data_length)
    finally:
        os.close(descriptor)


def is_hole(data: Path, entry: IndexEntry) -> bool:
    """True when nothing of an archive lies in its place: no archive consists of zeros.

    Raises ``ContentDamagedError`` when ``data`` ends before.
    """
    if any(read_at(data, entry.offset, 1)):
        return False
    return not any(read_at(data, entry.offset, entry.size))


def read_archive(data: Path, entry: IndexEntry) -> bytes:
    """The bytes of an archive, without its padding, encrypted if it is.

    Raises ``ContentDamagedError`` when ``data`` ends before, ``ArchiveInvalidError`` when its
    padding is not zeros.
    """
    found = read_at(data, entry.offset, entry.size)
    if found.count(0, entry.raw_size) != entry.padding:
        raise ArchiveInvalidError("the padding is not zeros", place=entry.id)
    return found[: entry.raw_size]


def read_at(path: Path, offset: int, size: int) -> bytes:
    """So many bytes of a file.

    Raises ``ContentDamagedError`` when it ends before, is none, or the disk cannot read it.
    """
    try:
        with open_to_read(path) as file:
            file.seek(offset)
            found = file.read(size)
    except OSError as error:
        raise ContentDamagedError(
            f"it cannot be read: {error.strerror}", place=str(path)
        ) from error
    if len(found) < size:
        raise ContentDamagedError(f"byte {offset + len(found)} is behind the end", place=str(path))
    return found


def open_to_read(path: Path) -> BinaryIO:
    """Open a file of ours. Raises ``ContentDamagedError`` when it is missing or no file at all.

    A link is not followed, and a pipe is not waited for: neither was put there by us.
    """
    return os.fdopen(open_own(path, os.O_RDONLY), "rb")


def open_own(path: Path, flags: int) -> int:
    """The descriptor of a file of ours; like ``open_to_read``, for any flags of ``os.open``."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        raise ContentDamagedError(f"no file is there: {error.strerror}", place=str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ContentDamagedError(
            "something else lies where a file belongs",
            place=str(path),
            remedy="Take it away, and restore the file.",
        )
    return descriptor


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place, whole or not at all; its folder is not synced yet."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)  # Whatever it is: what is written is a file of our own.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)


def write_all(descriptor: int, content: bytes | bytearray | memoryview) -> None:
    """Write all of it: a full disk may take a part and say so only the next time."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
