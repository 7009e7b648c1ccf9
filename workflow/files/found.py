"""Archives as somebody left them: status-go's folder, one of ours, a download. Read, never written.

Nothing in them is believed before it was checked, and the name in a .torrent leads to no other
folder than one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workflow.archive.codec import unpack_archive
from workflow.archive.index import IndexEntry, decode_index
from workflow.archive.message import EncodedMessage
from workflow.archive.ratchet import RatchetKey, readable
from workflow.archive.torrent import (
    MAX_INDEX_LENGTH,
    MAX_TORRENT_SIZE,
    Info,
    Torrent,
    decode_torrent,
)
from workflow.errors import (
    ArchiveInvalidError,
    ArchivesNotFoundError,
    IndexInvalidError,
    TorrentInvalidError,
)
from workflow.files.folder import read_archive

DATA: Final = "data"
INDEX: Final = "index"
TORRENT: Final = ".torrent"
TORRENTS: Final = "torrents"
ARCHIVE_DATA: Final = "archivedata"


@dataclass(frozen=True, slots=True)
class FoundArchives:
    """The files of one generation, wherever they lie. ``torrent`` is None when there is none."""

    data: Path
    index: Path
    torrent: Path | None

    def entries(self, keys: Sequence[RatchetKey] = ()) -> tuple[IndexEntry, ...]:
        """The archives that the index names, by offset.

        Raises ``IndexInvalidError``, also when an archive lies behind the end of ``data``, and
        ``RatchetKeyMissingError``.
        """
        entries = decode_index(readable(self.index_bytes(), keys))
        length = self.data.stat().st_size
        for entry in entries:
            if entry.offset + entry.size > length:
                raise IndexInvalidError(
                    f"the archive ends behind the {length} bytes of 'data'", place=entry.id
                )
        return entries

    def index_bytes(self) -> bytes:
        """The index as it lies there. Raises ``IndexInvalidError`` when it is too long."""
        with self.index.open("rb") as file:
            found = file.read(MAX_INDEX_LENGTH + 1)
        if len(found) > MAX_INDEX_LENGTH:
            raise IndexInvalidError("the index is too long to be read", place=str(self.index))
        return found

    def info(self) -> Info | None:
        """What the .torrent says of the files. Raises ``TorrentInvalidError``."""
        return None if self.torrent is None else read_torrent(self.torrent).info

    def messages(self, entry: IndexEntry, keys: Sequence[RatchetKey] = ()) -> list[EncodedMessage]:
        """The messages of one archive, in its order.

        Raises ``ArchiveInvalidError``, ``ContentDamagedError`` and ``RatchetKeyMissingError``.
        """
        return unpack_archive(readable(read_archive(self.data, entry), keys), entry)


def find_archives(path: Path, torrent: Path | None = None) -> FoundArchives:
    """The archives at a folder, an index or a .torrent; ``torrent`` overrules what lies beside it.

    Known are: a folder with ``data`` and ``index`` (status-go's ``archivedata/<id>``, or a
    download; its .torrent in ``torrents/`` beside ``archivedata/``, in the folder or beside it),
    and a folder of our own with ``data``, ``index.<n>`` and ``<n>.torrent``, of which the newest
    is taken. Raises ``ArchivesNotFoundError``.
    """
    found = _beside(path) if path.is_file() else _in_folder(path) or _in_newest_lineage(path)
    if found is None or not found.data.is_file():
        raise ArchivesNotFoundError("there are no archives here", place=str(path))
    return found if torrent is None else FoundArchives(found.data, found.index, torrent)


def read_torrent(path: Path) -> Torrent:
    """The torrent in this file. Raises ``TorrentInvalidError`` with the path as its place."""
    try:
        with path.open("rb") as file:
            return decode_torrent(file.read(MAX_TORRENT_SIZE + 1))
    except OSError as error:
        raise TorrentInvalidError(
            f"it cannot be read: {error.strerror}", place=str(path)
        ) from error
    except TorrentInvalidError as error:
        raise TorrentInvalidError(str(error), place=str(path)) from error


def _in_folder(folder: Path) -> FoundArchives | None:
    if (folder / INDEX).is_file():
        return FoundArchives(folder / DATA, folder / INDEX, _torrent_for(folder))
    numbers = sorted(
        (int(path.suffix[1:]) for path in folder.glob(f"{INDEX}.*") if path.suffix[1:].isdecimal()),
        reverse=True,
    )
    if not numbers:
        return None
    sealed = [number for number in numbers if (folder / f"{number}{TORRENT}").is_file()]
    newest = (sealed or numbers)[0]
    return FoundArchives(
        folder / DATA,
        folder / f"{INDEX}.{newest}",
        folder / f"{newest}{TORRENT}" if sealed else None,
    )


def _in_newest_lineage(folder: Path) -> FoundArchives | None:
    with suppress(OSError):
        lineages = [path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()]
        for lineage in sorted(lineages, key=lambda path: int(path.name), reverse=True):
            found = _in_folder(lineage)
            if found is not None:
                return found
    return None


def _beside(path: Path) -> FoundArchives | None:
    if path.suffix != TORRENT:
        return FoundArchives(path.parent / DATA, path, _torrent_for(path.parent))
    if (path.parent / f"{INDEX}.{path.stem}").is_file():
        return FoundArchives(path.parent / DATA, path.parent / f"{INDEX}.{path.stem}", path)
    name = read_torrent(path).info.name
    if "/" in name or name in (".", ".."):
        raise ArchiveInvalidError("the torrent's name leads elsewhere", place=str(path))
    for folder in (
        path.parent / name,
        path.parent.parent / ARCHIVE_DATA / name,
        path.parent,
    ):
        if (folder / INDEX).is_file() and (folder / DATA).is_file():
            return FoundArchives(folder / DATA, folder / INDEX, path)
    return None


def _torrent_for(folder: Path) -> Path | None:
    name = folder.name + TORRENT
    for path in (
        folder.parent.parent / TORRENTS / name,
        folder.parent / TORRENTS / name,
        folder.parent / name,
        folder / name,
    ):
        if path.is_file():
            return path
    return None
